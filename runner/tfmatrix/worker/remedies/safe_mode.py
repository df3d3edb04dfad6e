"""`safe_mode=False`: the loader may run code that the file holds, such as that of a Lambda layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfmatrix.worker.loading import Loading
    from tfmatrix.worker.remedies import Failing

NAME = "safe_mode=False"
ORDER = 50
COMBINES = 3
PRICE = "code that the file holds is run: only for files that you trust"
ADVICE = "load with `safe_mode=False`: the file may then run code, so only files that you trust"


def helps(failing: Failing) -> bool:
    """Where the loader knows the argument."""
    return failing.asks_for_safe_mode and failing.may_load_less


def place(failing: Failing) -> int:
    """Before all others where the loader itself names it: then nothing else is amiss as far as it came."""
    return 0 if NAME in failing.error else ORDER


def change(loading: Loading) -> None:
    """Passes the argument."""
    loading.arguments["safe_mode"] = False
