"""Keras 3.13: layers say how they are quantized. Seen between 3.11.3 and 3.13.2."""

from __future__ import annotations

from tfmatrix.engine.adapters._added import adding

SINCE = "3.13"
SOURCE = "https://github.com/keras-team/keras/releases/tag/v3.13.0"

up, down = adding(
    {
        "*": {"quantization_config": (None,)},
        "EinsumDense": {"gptq_unpacked_column_size": (None,)},
    },
    SINCE,
)
