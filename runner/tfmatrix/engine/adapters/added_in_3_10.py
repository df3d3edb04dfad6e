"""Keras 3.10: low-rank adaptation has a scale. Seen between 3.9.0 and 3.10.0."""

from __future__ import annotations

from tfmatrix.engine.adapters._added import adding

SINCE = "3.10"
SOURCE = "https://github.com/keras-team/keras/releases/tag/v3.10.0"

up, down = adding(
    {
        "*": {"lora_alpha": (None,)},
        "SparseCategoricalCrossentropy": {"axis": (-1,)},
    },
    SINCE,
)
