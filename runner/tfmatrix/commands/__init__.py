"""One room for each command: what it asks, what it has measured, what it answers. None imports another."""
