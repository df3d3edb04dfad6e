"""Keras 3.1: optimizers accumulate gradients, Resizing pads. Seen between 3.0.5 and 3.3.3."""

from __future__ import annotations

from tfmatrix.engine.adapters._added import ANY, adding

SINCE = "3.1"
SOURCE = "https://github.com/keras-team/keras/releases/tag/v3.1.0"

up, down = adding(
    {
        "*": {"loss_scale_factor": (None,), "gradient_accumulation_steps": (None,)},
        "GRU": {"use_cudnn": ANY},
        "LSTM": {"use_cudnn": ANY},
        "CategoryEncoding": {"sparse": (False,)},
        "Resizing": {"pad_to_aspect_ratio": (False,), "fill_mode": ANY, "fill_value": ANY},
    },
    SINCE,
)
