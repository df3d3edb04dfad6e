"""Environments: locks, interpreters, and the folders in which packages are installed."""
