"""tfmatrix: a cross-version compatibility matrix runner for TensorFlow."""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`load_run`, imported on first use: pandas takes longer to import than most commands take to run."""
    if name == "load_run":
        from runner.report.frame import load_run

        return load_run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
