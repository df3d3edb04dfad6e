"""Keras 3.14: renormalization again, attention with a gate, lookups with salt. Seen between 3.13.2 and 3.14.0."""

from __future__ import annotations

from tfmatrix.engine.adapters._added import ANY, adding

SINCE = "3.14"
SOURCE = "https://github.com/keras-team/keras/releases/tag/v3.14.0"

up, down = adding(
    {
        "BatchNormalization": {"renorm": (False,), "renorm_clipping": ANY, "renorm_momentum": ANY},
        "MultiHeadAttention": {"use_gate": (False,)},
        "GroupQueryAttention": {"use_gate": (False,)},
        "IntegerLookup": {"oov_method": ("floormod",), "salt": (None,)},
        "StringLookup": {"salt": (None,)},
    },
    SINCE,
)
