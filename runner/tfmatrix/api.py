"""tfmatrix for programs: what the command line and Nox do, as functions that print nothing."""

from tfmatrix.project.project import Project
from tfmatrix.reports.export.frame import load_run

__all__ = ["Project", "load_run"]
