"""`TF_ENABLE_ONEDNN_OPTS=0`: TensorFlow's own kernels, in place of those of oneDNN."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfmatrix.worker.remedies import Failing

NAME = "TF_ENABLE_ONEDNN_OPTS=0"
ORDER = 7
OF = "the scenario's code"
SWITCH = True
VARIABLES = (("TF_ENABLE_ONEDNN_OPTS", "0"),)
PRICE = "kernels that may be slower"
ADVICE = "set `TF_ENABLE_ONEDNN_OPTS=0` where the program starts"


def helps(failing: Failing) -> bool:
    """Where something is computed otherwise."""
    return failing.computes_otherwise
