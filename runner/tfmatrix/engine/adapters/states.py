"""The states of a stateful recurrent layer are weights in Keras 2, which it saves; Keras 3 saves none.

A model that was saved in the middle of a sequence would go on from its beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfmatrix.engine.adapters._objects import CannotAdaptError, objects

SINCE = "3.0"
SOURCE = "https://github.com/keras-team/keras/blob/v3.0.0/keras/layers/rnn/rnn.py"


def up(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Nothing. Raises CannotAdaptError where a layer is stateful."""
    return _refuse_states(document)


def down(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same: Keras 2 would have weights that the writer does not have."""
    return _refuse_states(document)


def _refuse_states(document: Mapping[str, Any]) -> Mapping[str, Any]:
    for each in objects(document["model"]):
        if each["config"].get("stateful"):
            name = f"{each['class_name']} {each['config'].get('name')}"
            raise CannotAdaptError(
                f"its {name} is stateful, and Keras 3 does not save the states",
                "build it with stateful=False, set the old weights, and save it again; or stay on Keras 2 (tf-keras)",
            )
    return document
