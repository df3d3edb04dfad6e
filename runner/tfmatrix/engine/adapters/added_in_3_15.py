"""Keras 3.15: initializers take axes, attention a window. Seen between 3.14.0 and 3.15.1."""

from __future__ import annotations

from tfmatrix.engine.adapters._added import adding

SINCE = "3.15"
SOURCE = "https://github.com/keras-team/keras/releases/tag/v3.15.0"

up, down = adding(
    {
        "*": {"input_axes": (None,), "output_axes": (None,)},
        "MultiHeadAttention": {"sliding_window": (None,)},
        "GroupQueryAttention": {"sliding_window": (None,)},
    },
    SINCE,
)
