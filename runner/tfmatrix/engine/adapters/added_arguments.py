"""Arguments of layers that Keras 3 added. At their default Keras 2 does the same without; else it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfmatrix.engine.adapters._added import ANY, Added, dropped
from tfmatrix.engine.adapters._objects import Object, in_model, with_config

SINCE = "3.0"
SOURCE = "https://github.com/keras-team/keras/releases"

_ADDED: Added = {
    "*": {
        "quantization_config": (None,),
        "lora_rank": (None,),
        "lora_alpha": (None,),
        "rms_scaling": (False,),
        "synchronized": (False,),
        "autocast": (True,),
        "zero_output_for_mask": (False,),
        "flash_attention": ANY,
        "use_gate": (False,),
        "antialias": (False,),
        "salt_as_seed": (False,),
    }
}

_SEED: tuple[str, ...] = (
    "MultiHeadAttention",
    "LSTM",
    "GRU",
    "SimpleRNN",
    "LSTMCell",
    "GRUCell",
    "SimpleRNNCell",
    "Attention",
)
_SEED += ("AdditiveAttention", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
"""Layers that Keras 2 gives no seed: what they draw in training is another sequence in any case."""


def up(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Nothing: Keras 3 takes what is not there at its default."""
    return document


def down(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Drops them. Raises CannotAdaptError for one that says something."""

    def change(each: Object) -> Object:
        if "name" not in each["config"]:
            return each
        config = dict(each["config"])
        if each["class_name"] in _SEED:
            config.pop("seed", None)
        if each["class_name"] == "MultiHeadAttention":
            # Keras 2 asks for the shapes that a build recorded; without them it is built when it is called.
            config.update(query_shape=None, key_shape=None, value_shape=None)
        return with_config(each, config)

    return in_model(dropped(document, _ADDED, SINCE), change)
