"""Keras 3.9: inputs may be ragged, Resizing smooths. Seen between 3.8.0 and 3.9.0."""

from __future__ import annotations

from tfmatrix.engine.adapters._added import adding

SINCE = "3.9"
SOURCE = "https://github.com/keras-team/keras/releases/tag/v3.9.0"

up, down = adding(
    {
        "InputLayer": {"ragged": (None, False)},
        "Resizing": {"antialias": (False,)},
    },
    SINCE,
)
