"""Measuring: what is to be done (plan), who does it (scheduler), and the course of a run (execution)."""
