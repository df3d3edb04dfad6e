"""The formats: what a user calls to write a model and to read it, one module each. See `contract` for the protocol.

A new format is one new module and one entry in `FORMATS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping

from . import (
    checkpoint,
    custom,
    export,
    h5,
    keras,
    savedmodel,
    savedmodel_raw,
    savedmodel_tfsm,
    tf_savedmodel,
    tf_savedmodel_raw,
    tflite,
    tflite_dynamic,
    weights_h5,
    weights_h5_legacy,
    weights_tf,
)
from .contract import artifact_kind

if TYPE_CHECKING:
    from .contract import FormatModule

__all__ = ["FORMATS", "artifact_kind"]

_MODULES = (
    h5,
    keras,
    savedmodel,
    savedmodel_raw,
    savedmodel_tfsm,
    tf_savedmodel,
    tf_savedmodel_raw,
    export,
    weights_h5,
    weights_h5_legacy,
    weights_tf,
    checkpoint,
    tflite,
    tflite_dynamic,
    custom,
)

FORMATS: Mapping[str, FormatModule] = {module.ID: module for module in _MODULES}
"""Id to module, in the order in which reports name the formats."""
