"""What the options of bisect choose among. Imports nothing: the command line shows them."""

from __future__ import annotations

from enum import StrEnum


class AxisName(StrEnum):
    """The package whose versions are searched."""

    TENSORFLOW = "tensorflow"
    KERAS = "keras"
    NUMPY = "numpy"
    H5PY = "h5py"
    PROTOBUF = "protobuf"


class Side(StrEnum):
    """Which environment of a cell moves along the axis."""

    READER = "reader"
    WRITER = "writer"
    BOTH = "both"


class Level(StrEnum):
    """What of a cell has to change, from coarse to fine."""

    STATUS = "status"
    CAUSE = "cause"
    FIGURE = "figure"
    WARNINGS = "warnings"
