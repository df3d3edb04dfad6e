"""Compares a reader's observation with the writer's: every check on what the model is.

Which checks apply, in this order:

- the format does not promise it: not applicable (`applicable`);
- the writer has nothing there (a model that is not compiled has no optimizer): not applicable, with its reason;
- observing it raised an exception in the loaded model: `error`, which counts as failed;
- only the reader has nothing there: failed, because the format promises it and the writer had it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from tfmatrix.checks.contract import Check, CheckRecord, Result, absent, exception
from tfmatrix.checks.observation import Observation
from tfmatrix.checks.observations import Observations, derived
from tfmatrix.checks.registry import checks
from tfmatrix.checks.tolerance import Tolerance
from tfmatrix.core.errors import TfmatrixError, UsageError
from tfmatrix.core.records import Finding


def compare(
    writer: Observation,
    reader: Observation,
    *,
    applicable: Collection[str] | None = None,
    tolerance_for: Callable[[str], Tolerance] = derived,
    same_keras: bool = True,
) -> dict[str, CheckRecord]:
    """Check name to record, for every check that looks at an observation; `verdict.judge` adds the others.

    `applicable` are the checks that the format promises; None stands for all that are said of every format.
    """
    observations = Observations(writer=writer, reader=reader, tolerance_for=tolerance_for, same_keras=same_keras)
    return {
        name: _record(check, check.section, observations)
        if applicable is None or name in applicable
        else check.record(_one("not-promised", subject=name))
        for name, check in checks().items()
        if check.section is not None and not (check.said_where_promised and name not in (applicable or ()))
    }


def _record(check: Check, section: str, observations: Observations) -> CheckRecord:
    """Raises UsageError where a plug-in's check fails itself: that says nothing about the model."""
    try:
        return check.record(_checked(check, section, observations))
    except TfmatrixError:
        raise
    except Exception as error:
        if not check.plugin:
            raise
        raise UsageError(
            f"the check {check.name!r} of {check.plugin} failed itself: {type(error).__name__}: {error}",
            fix="correct or uninstall what brings it",
        ) from error


def _checked(check: Check, section: str, observations: Observations) -> Result:
    """One check that the format promises."""
    writer, reader = observations.writer, observations.reader
    if (error := writer.error(section)) is not None:
        return _one("writer-raises", **exception(error))
    if writer.section(section) is None:
        why = writer.note(section) or reader.note(section)
        return _one("writer-none", **({"why": why} if why else {}))
    if (error := reader.error(section)) is not None:
        return _one("raises", **exception(error))
    if reader.section(section) is None and writer.returns == reader.kind != "keras":
        return _one("no-model-promised")
    if reader.section(section) is None and not check.judges_absence:
        return Result(findings=[absent(observations, section)])
    return check.compare(observations)


def _one(code: str, *, subject: str = "", **figures: str) -> Result:
    return Result(findings=[Finding(code=code, subject=subject, figures=figures)])
