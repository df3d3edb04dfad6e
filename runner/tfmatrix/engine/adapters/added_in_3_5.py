"""Keras 3.5: attention has kernels of its own, augmentation takes ranges of values. Seen between 3.4.1 and 3.8.0."""

from __future__ import annotations

from tfmatrix.engine.adapters._added import ANY, adding

SINCE = "3.5"
SOURCE = "https://github.com/keras-team/keras/releases/tag/v3.5.0"

up, down = adding(
    {
        "MultiHeadAttention": {"flash_attention": ANY},
        "GroupQueryAttention": {"flash_attention": ANY, "seed": ANY},
        "RandomContrast": {"value_range": ((0, 255), [0, 255])},
        "RandomFlip": {"data_format": ANY},
        "ZeroPadding1D": {"data_format": (None, "channels_last")},
    },
    SINCE,
)
