"""`TF_ENABLE_ONEDNN_OPTS=0` for a loaded model whose process dies: a kernel of oneDNN may be what kills it.

Training does on some processors: https://github.com/tensorflow/tensorflow/issues/57528
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .no_onednn import ADVICE, NAME, PRICE, VARIABLES

if TYPE_CHECKING:
    from tfmatrix.worker.remedies import Failing

__all__ = ["ADVICE", "NAME", "ORDER", "PRICE", "VARIABLES", "helps"]

ORDER = 9


def helps(failing: Failing) -> bool:
    """Where the process died."""
    return failing.dies
