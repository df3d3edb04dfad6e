"""`compile=False`: the model without loss, metrics and optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfmatrix.worker.loading import Loading
    from tfmatrix.worker.remedies import Failing

NAME = "compile=False"
ORDER = 30
COMBINES = 2
PRICE = "the model is not compiled: to train it on, loss, metrics and optimizer are set anew"
ADVICE = "load with `compile=False`, then call `compile` yourself"


def helps(failing: Failing) -> bool:
    """Where less may be enough."""
    return failing.may_load_less


def change(loading: Loading) -> None:
    """Passes the argument."""
    loading.arguments["compile"] = False
