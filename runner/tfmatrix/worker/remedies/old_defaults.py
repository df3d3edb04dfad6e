"""The defaults of the writer, given as arguments: the same code trains as before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfmatrix.worker.remedies import Failing

NAME = "the old defaults as arguments"
ORDER = 5
OF = "the scenario's code"
PRICE = ""
ADVICE = "give the arguments whose default changed, with the values that they had: `defaults` names them"


def helps(failing: Failing) -> bool:
    """Where one changed."""
    return failing.drifts and "defaults" in failing.failed_checks


def change(loading: object) -> None:
    """Nothing of a load: the job builds the model by it (see retraining/restored.py)."""
