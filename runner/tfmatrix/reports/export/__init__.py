"""A run as data for other programs."""
