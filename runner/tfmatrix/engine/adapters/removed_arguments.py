"""Arguments of Keras 2's layers that Keras 3 does not know: at their default they say nothing, else it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfmatrix.engine.adapters._objects import CannotAdaptError, Object, in_model, with_config

SINCE = "3.0"
SOURCE = "https://keras.io/guides/migrating_to_keras_3/"

_ANY = object()
"""Stands for a value that never mattered to what is computed."""

_NORMALIZATION = {"renorm": (False, None), "fused": _ANY, "virtual_batch_size": (None,), "adjustment": (None,)}
_REMOVED: Mapping[str, Mapping[str, Any]] = {
    "DepthwiseConv1D": {"groups": (1,), "filters": _ANY, "kernel_initializer": _ANY}
    | {"kernel_regularizer": (None,), "kernel_constraint": (None,)},
    "DepthwiseConv2D": {"groups": (1,), "filters": _ANY, "kernel_initializer": _ANY}
    | {"kernel_regularizer": (None,), "kernel_constraint": (None,)},
    "SeparableConv1D": {"groups": (1,), "kernel_initializer": _ANY}
    | {"kernel_regularizer": (None,), "kernel_constraint": (None,)},
    "SeparableConv2D": {"groups": (1,), "kernel_initializer": _ANY}
    | {"kernel_regularizer": (None,), "kernel_constraint": (None,)},
    "Conv1DTranspose": {"groups": (1,)},
    "Conv2DTranspose": {"groups": (1,)},
    "Conv3DTranspose": {"groups": (1,)},
    "LSTM": {"time_major": (False,), "implementation": _ANY},
    "GRU": {"time_major": (False,), "implementation": _ANY},
    "SimpleRNN": {"time_major": (False,)},
    "RNN": {"time_major": (False,)},
    "LSTMCell": {"implementation": _ANY},
    "GRUCell": {"implementation": _ANY},
    "ConvLSTM1D": {"time_major": (False,)},
    "ConvLSTM2D": {"time_major": (False,)},
    "ConvLSTM3D": {"time_major": (False,)},
    "BatchNormalization": _NORMALIZATION,
    "SyncBatchNormalization": _NORMALIZATION,
    "Embedding": {"input_length": _ANY, "activity_regularizer": (None,)},
    "MultiHeadAttention": {"query_shape": _ANY, "key_shape": _ANY, "value_shape": _ANY},
    "Attention": {"causal": (False,)},
    "AdditiveAttention": {"causal": (False,)},
    "Lambda": {"function_type": _ANY, "output_shape_type": _ANY, "output_shape_module": _ANY, "module": _ANY},
    "CategoryEncoding": {"sparse": (False, None)},
    "TextVectorization": {"vocabulary_size": _ANY, "has_input_vocabulary": _ANY},
    "StringLookup": {"vocabulary_size": _ANY, "has_input_vocabulary": _ANY},
    "IntegerLookup": {"vocabulary_size": _ANY, "has_input_vocabulary": _ANY},
    "Bidirectional": {"backward_layer": (None,)},
    "Discretization": {"trainable": _ANY},
}
"""Class to argument to the values at which it says nothing."""


def up(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Drops them. Raises CannotAdaptError for one that says something."""

    def change(each: Object) -> Object:
        removed = _REMOVED.get(str(each["class_name"]))
        if removed is None:
            return each
        config = dict(each["config"])
        for name, defaults in removed.items():
            if name in config:
                value = config.pop(name)
                if defaults is not _ANY and value not in defaults:
                    raise CannotAdaptError(
                        f"its {each['class_name']} {config.get('name')} has {name}={value!r}, which Keras 3 dropped",
                        "keep this model on Keras 2 (tf-keras), or train it without",
                    )
        return with_config(each, config)

    return in_model(document, change)


def down(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Nothing: Keras 2 takes what is not there at its default."""
    return document
