"""The command `check`: what of a saved model, given as a file, other versions read back. No scenario, no code."""
