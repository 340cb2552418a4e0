"""The noise benchmark: one simulated fleet, seen and alerted on through several configurations."""
