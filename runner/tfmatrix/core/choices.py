"""What options choose among: the command line shows it before anything else is imported, so this imports nothing."""

from __future__ import annotations

from enum import StrEnum


class DocumentFormat(StrEnum):
    """How a comparison or an explanation is written."""

    TEXT = "text"
    MD = "md"
    JSON = "json"


class CatalogueFormat(StrEnum):
    """How the catalogue is written."""

    MD = "md"
    CSV = "csv"
    JSON = "json"


class AnswerFormat(StrEnum):
    """What `--format` takes."""

    TEXT = "text"
    MD = "md"


class ScenarioKind(StrEnum):
    """What the new scenario builds."""

    FUNCTIONAL = "functional"
    SUBCLASSED = "subclassed"
    MODULE = "module"


class Loader(StrEnum):
    """What reads a SavedModel; see `tfmatrix.engine.files.LOADERS`."""

    LOAD_MODEL = "load_model"
    SAVED_MODEL = "saved-model"
    TFSM = "tfsm"
    SERVING_SIGNATURE = "serving-signature"


class Threads(StrEnum):
    """With how many threads a worker computes."""

    ONE = "1"
    DEFAULT = "default"


class AxisName(StrEnum):
    """The package whose versions a bisection searches."""

    TENSORFLOW = "tensorflow"
    KERAS = "keras"
    NUMPY = "numpy"
    H5PY = "h5py"
    PROTOBUF = "protobuf"


class MovingSide(StrEnum):
    """Which environment of a cell moves along the axis of a bisection."""

    READER = "reader"
    WRITER = "writer"
    BOTH = "both"


class Level(StrEnum):
    """What of a cell has to change for a bisection, from coarse to fine."""

    STATUS = "status"
    CAUSE = "cause"
    FIGURE = "figure"
    WARNINGS = "warnings"
