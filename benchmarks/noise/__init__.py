"""The noise benchmark: one seeded fleet, two ways of monitoring it, and how much each of them says."""
