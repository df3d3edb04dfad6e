"""`enable_unsafe_deserialization()`: as `safe_mode=False`, for every file that the process loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfmatrix.worker.loading import Loading
    from tfmatrix.worker.remedies import Failing

NAME = "enable_unsafe_deserialization()"
ORDER = 60
PRICE = "code that files hold is run, whichever the process loads: only where you trust them all"
ADVICE = (
    "call `keras.config.enable_unsafe_deserialization()` before loading: the file may then run code, "
    "so only files that you trust"
)


def helps(failing: Failing) -> bool:
    """Where the loader knows the switch."""
    return failing.asks_for_safe_mode and failing.may_load_less


def change(loading: Loading) -> None:
    """Turns the switch before anything is loaded."""
    from switches import enable_unsafe_deserialization

    enable_unsafe_deserialization()
