"""A world as the evaluation sees it: Unix seconds, samples by configuration, who is blind."""
