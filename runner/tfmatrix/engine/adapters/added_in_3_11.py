"""Keras 3.11: transposed convolutions take an output padding. Seen between 3.10.0 and 3.11.0."""

from __future__ import annotations

from tfmatrix.engine.adapters._added import adding

SINCE = "3.11"
SOURCE = "https://github.com/keras-team/keras/releases/tag/v3.11.0"

up, down = adding(
    {
        "Conv1DTranspose": {"output_padding": (None,)},
        "Conv2DTranspose": {"output_padding": (None,)},
        "Conv3DTranspose": {"output_padding": (None,)},
    },
    SINCE,
)
