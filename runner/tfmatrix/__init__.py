"""tfmatrix: a cross-version compatibility matrix runner for TensorFlow."""

from tfmatrix.core.version import __version__

__all__ = ["__version__", "load_run", "plot"]


def __getattr__(name: str) -> object:
    """`load_run` and `plot`, imported on first use: pandas takes longer to import than most commands take to run."""
    if name == "load_run":
        from tfmatrix.reports.export.frame import load_run

        return load_run
    if name == "plot":
        import tfmatrix.reports.export.plot as plot

        return plot
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
