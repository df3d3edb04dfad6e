"""A cell that fails, as far as a remedy wants to know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import FrozenSet, Optional, Tuple

LOAD_MODEL = "keras.models.load_model"

COMPUTED = ("forward", "gradients", "updates", "metrics", "learning")
"""Checks of what code that is trained anew computes, in the order in which one follows from another."""


@dataclass(frozen=True)
class Failing:
    """`loader` is the name that the format's loader has in reports; `drifts`: it loads, and some checks fail
    (of a process that dies in further training, `resume`).

    `keras` is the version of the reader's `tf.keras` as numbers; `artifact_kind` what the artifact really is (hdf5,
    zip, directory); `error` what the loader said, where it raised. `has_definitions`: the scenario's file defines
    classes or functions of its own. `has_code`: the code that builds the model is there. `legacy_reader` is the
    environment with the reader's TensorFlow and tf-keras, where the matrix has one. `is_mixed`: the model computes in
    mixed precision. `dies`: its process was killed by a signal or by its own hand.
    """

    loader: str
    drifts: bool
    failed_checks: FrozenSet[str]
    keras: Tuple[int, ...]
    artifact_kind: str
    has_definitions: bool
    has_code: bool
    error: str
    legacy_reader: Optional[str]
    is_mixed: bool = False
    dies: bool = False

    @property
    def computes_otherwise(self) -> bool:
        """Whether code that is trained anew computes something else, whatever the reason."""
        return self.drifts and not self.failed_checks.isdisjoint(COMPUTED)

    @property
    def is_refused(self) -> bool:
        """Whether Keras 3 refuses the format itself, whatever is in it: no argument makes it read one."""
        return "File format not supported" in self.error

    @property
    def lacks_training_only(self) -> bool:
        """Whether the model predicts as before: what only the optimizer lacks is not brought back by loading less."""
        return self.drifts and not {"load", "outputs", "weights", "config"} & self.failed_checks

    @property
    def asks_for_safe_mode(self) -> bool:
        """Whether the loader knows `safe_mode` for such a file."""
        return self.keras >= (2, 13) and self.artifact_kind in ("zip", "hdf5")

    @property
    def may_load_less(self) -> bool:
        """Whether other arguments of the loader may help."""
        return not self.is_refused and not self.lacks_training_only

    @property
    def is_saved_model(self) -> bool:
        """Whether the artifact is a SavedModel, which other loaders read, too."""
        return self.artifact_kind == "directory"
