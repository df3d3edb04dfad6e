"""Compares a reader's observation with the writer's: every check on what the model is.

Which checks apply, in this order:

- the format does not promise it: not applicable (`applicable`);
- the writer has nothing there (a model that is not compiled has no optimizer): not applicable, with its reason;
- observing it raised an exception in the loaded model: `error`, which counts as failed;
- only the reader has nothing there: failed, because the format promises it and the writer had it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cached_property

from tfmatrix.checks.compilation import check_compile
from tfmatrix.checks.config import check_config
from tfmatrix.checks.matching import Matching, match
from tfmatrix.checks.observation import SECTIONS, Observation
from tfmatrix.checks.optimizer import check_optimizer
from tfmatrix.checks.outputs import check_outputs
from tfmatrix.checks.result import Check, errored, failed, not_applicable, raised
from tfmatrix.checks.resume import check_resume
from tfmatrix.checks.signatures import check_signatures
from tfmatrix.checks.tolerance import Tolerance
from tfmatrix.checks.weights import check_weights

CHECKS = ("load", "outputs", "weights", "config", "compile", "optimizer", "resume", "signatures", "warnings")
"""Every check, in the order in which records and reports name them."""

_SAYS_ITSELF = {"compile", "optimizer", "resume"}
"""Checks that put into words themselves that the loaded model lacks it."""


def derived(_check: str) -> Tolerance:
    """The derived tolerance for every check."""
    return Tolerance()


def compare(
    writer: Observation,
    reader: Observation,
    *,
    applicable: Collection[str] = CHECKS,
    tolerance_for: Callable[[str], Tolerance] = derived,
    same_keras: bool = True,
) -> dict[str, Check]:
    """Check name to result, for the checks on observations (`load` and `warnings` come from `verdict.judge`).

    `applicable` are the checks that the format promises. `same_keras` says whether both sides run the same version of
    Keras; see `tfmatrix.checks.presentation` for what follows from it.
    """
    comparison = _Comparison(writer, reader, tolerance_for, same_keras)
    return {
        name: comparison.check(name) if name in applicable else _not_promised(name)
        for name in CHECKS
        if name in SECTIONS
    }


def _not_promised(name: str) -> Check:
    return not_applicable(f"the format does not promise to bring back what {name!r} looks at")


class _Comparison:
    """Two observations, and what several checks need of them."""

    def __init__(
        self, writer: Observation, reader: Observation, tolerance_for: Callable[[str], Tolerance], same_keras: bool
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._tolerance_for = tolerance_for
        self._same_keras = same_keras

    @cached_property
    def _matching(self) -> Matching:
        return match(self._writer, self._reader)

    def check(self, name: str) -> Check:
        """One check that the format promises."""
        writer, reader = self._writer, self._reader
        if (error := writer.error(name)) is not None:
            return not_applicable(f"observing it raised in the writer already: {raised(error)}")
        if writer.section(name) is None:
            note = writer.note(name) or reader.note(name)
            return not_applicable(f"the writer has none{': ' + note if note else ''}")
        if (error := reader.error(name)) is not None:
            return errored(f"the loaded model raises {raised(error)}")
        if name == "signatures" and reader.kind == "keras" and reader.section(name) is None:
            # What a scenario's own loader makes of a SavedModel may be a model again.
            return not_applicable(f"not looked at in a Keras model: {reader.note(name)}")
        if reader.section(name) is None and name not in _SAYS_ITSELF:
            return failed(f"the loaded model has none: {reader.note(name) or 'no reason was recorded'}")
        return self._run(name)

    def _run(self, name: str) -> Check:
        writer, reader, same_keras = self._writer, self._reader, self._same_keras
        match name:
            case "outputs":
                return check_outputs(writer, reader, self._tolerance_for(name))
            case "weights":
                return check_weights(writer, reader, self._matching)
            case "config":
                return check_config(writer, reader, same_keras=same_keras)
            case "compile":
                return check_compile(writer, reader, same_keras=same_keras)
            case "optimizer":
                return check_optimizer(writer, reader, self._matching)
            case "resume":
                return check_resume(writer, reader, self._tolerance_for(name), self._matching)
            case "signatures":
                return check_signatures(writer, reader, self._tolerance_for(name))
            case _:
                raise ValueError(f"no check on observations is called {name!r}")
