"""`jit_compile=False`: training steps are not compiled by XLA, which Keras 3 switches on by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfmatrix.worker.remedies import Failing

NAME = "jit_compile=False"
ORDER = 6
OF = "the scenario's code"
SWITCH = True
PRICE = "training steps that XLA does not compile, which may be slower"
ADVICE = "give `compile` the argument `jit_compile=False`"


def helps(failing: Failing) -> bool:
    """Where steps of training differ, and not what layers compute outside of `fit`, where nothing is compiled."""
    outside = {"forward", "gradients"}
    return failing.computes_otherwise and not outside & failing.failed_checks


def change(loading: object) -> None:
    """Nothing of a load: the job turns the switch (see retraining/switched.py)."""
