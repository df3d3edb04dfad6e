"""float32 in place of mixed precision: for what a model of mixed precision computes otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfmatrix.worker.remedies import Failing

NAME = "float32 in place of mixed precision"
ORDER = 8
OF = "the scenario's code"
SWITCH = True
PRICE = "memory, and speed where a device has units for narrow numbers"
ADVICE = "train in float32: leave the policy of mixed precision out"


def helps(failing: Failing) -> bool:
    """Where a model that computes in mixed precision computes otherwise."""
    return failing.computes_otherwise and failing.is_mixed


def change(loading: object) -> None:
    """Nothing of a load: the job turns the switch (see retraining/switched.py)."""
