"""`tfmatrix migrate`: the model is made anew in the reader, from what it is in its writer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfmatrix.worker.remedies import Failing

NAME = "tfmatrix migrate"
ORDER = 115
MIGRATES = True
PRICE = "a new file of every model, made once, where both versions are at hand"
ADVICE = "make new files with `tfmatrix migrate`: one for each model, proven to be the same"


def helps(failing: Failing) -> bool:
    """Wherever a whole model was saved: a new file has what the reader's loader lost of the old one."""
    return failing.artifact_kind in ("hdf5", "zip", "directory")
