"""Reports: tables and data of one run. They read run folders and nothing else."""

from tfmatrix.reports.render import ReportFormat, render, write

__all__ = ["ReportFormat", "render", "write"]
