"""Keras 3.4: an input may be left out. Seen between 3.3.3 and 3.4.1."""

from __future__ import annotations

from tfmatrix.engine.adapters._added import ANY, adding

SINCE = "3.4"
SOURCE = "https://github.com/keras-team/keras/releases/tag/v3.4.0"

up, down = adding(
    {
        "InputLayer": {"optional": (False,)},
        "MultiHeadAttention": {"seed": ANY},
    },
    SINCE,
)
