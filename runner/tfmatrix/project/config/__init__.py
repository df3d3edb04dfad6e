"""The project's own files: matrix.yaml (the matrix) and known_failures.yaml, read, checked and typed."""

from tfmatrix.project.config.known_failures import KnownFailure, expired, load_known_failures
from tfmatrix.project.config.loader import SelectorUse, load_config, read_defaults, read_selectors
from tfmatrix.project.config.model import Defaults, GivenTolerance, MatrixConfig, Selection
from tfmatrix.project.config.schema import SCHEMA_FILE, json_schema, schema_text

__all__ = [
    "SCHEMA_FILE",
    "Defaults",
    "GivenTolerance",
    "KnownFailure",
    "MatrixConfig",
    "Selection",
    "SelectorUse",
    "expired",
    "json_schema",
    "load_config",
    "load_known_failures",
    "read_defaults",
    "read_selectors",
    "schema_text",
]
