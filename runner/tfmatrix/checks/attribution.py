"""Says where a drift comes from: serialization lost something, or the reader's kernels and code compute differently.

The control is the model rebuilt from the scenario's code in the reader, with the writer's weights, on the same inputs.
It has gone through no file. So

- control ≠ writer: the reader computes the same code and weights differently (*numerics*);
- loaded ≠ control: what was read from the file is not what the code makes (*serialization*).

State that no kernel computes (weights, config, compile, optimizer, signatures) is serialization by its nature; so is
`resume` where the outputs are the writer's bit for bit.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tfmatrix.checks.contract import raised, text
from tfmatrix.checks.observation import Observation
from tfmatrix.checks.outputs import FINDINGS, Difference, compare_results
from tfmatrix.checks.registry import checks
from tfmatrix.checks.tolerance import Tolerance

_NO_DIFFERENCE: dict[str, Any] = {"max_abs": 0.0, "max_rel": 0.0, "max_ulp": 0, "structure": []}


def attribute(
    writer: Observation, reader: Observation, tolerance: Tolerance, failed_checks: Collection[str] = ()
) -> dict[str, Any]:
    """{"serialization": SHARE, "numerics": SHARE, "sentence": str}.

    SHARE is null where it cannot be told, else `found` (whether this share explains a part of the drift), `max_abs`,
    `max_rel` and `max_ulp` of the outputs; serialization also names the `checks` on stored state that failed.
    """
    state = [name for name, check in checks().items() if check.stored and name in failed_checks]
    if writer.reading is not None:
        return {
            "serialization": None,
            "numerics": None,
            "sentence": "cannot tell: the interpreter has kernels of its own, of which a rebuilt model says nothing",
        }
    if _agree(writer, reader):
        # The kernels give the writer's bits, so what goes wrong in training is not theirs either.
        state += [check for check in ("resume",) if check in failed_checks]
        prefix = f"serialization lost {_listed(state)}" if state else "neither"
        return {
            "serialization": {"found": bool(state), "checks": state, **_NO_DIFFERENCE},
            "numerics": {"found": False, **_NO_DIFFERENCE},
            "sentence": f"{prefix}: the outputs are the writer's, bit for bit",
        }
    reason = _why_not(writer, reader)
    if reason:
        prefix = f"serialization lost {_listed(state)}; " if state else ""
        serialization = {"found": True, "checks": state} if state else None
        return {"serialization": serialization, "numerics": None, "sentence": f"{prefix}cannot tell: {reason}"}
    expected, rebuilt, outputs = writer.section("outputs"), _control_outputs(reader), reader.section("outputs")
    kernels = compare_results(writer, expected, reader, rebuilt, tolerance)
    loading = compare_results(reader, rebuilt, reader, outputs, tolerance)
    whole = compare_results(writer, expected, reader, outputs, tolerance)
    # Where the loaded model agrees with the writer, what the rebuilt one does differently explains nothing: a
    # SavedModel brings its own graph along, and does not run the reader's version of the code.
    numerics = kernels.exceeds and whole.exceeds
    lost = bool(state) or (loading.exceeds and whole.exceeds)
    return {
        "serialization": {"found": lost, "checks": state, **_figures(loading)},
        "numerics": {"found": numerics, **_figures(kernels)},
        "sentence": _sentence(numerics, lost, state, kernels, loading, whole) + _on_training(failed_checks),
    }


def _agree(writer: Observation, reader: Observation) -> bool:
    """Whether the outputs are equal, so that there is nothing to tell apart (and the worker makes no control)."""
    expected, outputs = writer.section("outputs"), reader.section("outputs")
    if not expected or not outputs:
        return False
    whole = compare_results(writer, expected, reader, outputs, Tolerance())
    return not whole.structure and not whole.total.unequal


def _why_not(writer: Observation, reader: Observation) -> str:
    """Why the two shares cannot be told apart; empty where they can."""
    control = reader.control
    if control is None:
        return reader.note("control") or "the model was not rebuilt in the reader"
    if control.get("error"):
        return f"rebuilding the model in the reader raised {raised(control['error'])}"
    if not control.get("outputs"):
        return "the rebuilt model gave no outputs"
    for name, observation in (("writer", writer), ("loaded model", reader)):
        if not observation.section("outputs"):
            return f"the {name} gave no outputs"
    return ""


def _control_outputs(reader: Observation) -> Any:
    control = reader.control
    assert control is not None, "asked for only where there is a control"
    return control["outputs"]


def _figures(difference: Difference) -> dict[str, Any]:
    figures = difference.figures()
    return {key: figures[key] for key in ("max_abs", "max_rel", "max_ulp")} | {
        "structure": [finding.to_json() for finding in difference.structure]
    }


def _sentence(
    numerics: bool, serialization: bool, state: list[str], kernels: Difference, loading: Difference, whole: Difference
) -> str:
    parts = []
    if serialization:
        lost = f" lost {_listed(state)}" if state else ""
        outputs = f": the loaded model differs from the rebuilt one by {_said(loading)}" if loading.exceeds else ""
        parts.append(f"serialization{lost}{outputs}")
    if numerics:
        parts.append(f"numerics: the model rebuilt in the reader differs from the writer's by {_said(kernels)}")
    if not parts and whole.exceeds:
        # Each share within the tolerance, their sum beyond it.
        shares = f"numerics by {_said(kernels)} and serialization by {_said(loading)}"
        parts.append(f"{shares}: only together beyond the tolerance")
    if not parts:
        parts.append("neither: the outputs agree")
        if kernels.exceeds:
            parts.append(f"though the model rebuilt in the reader differs by {_said(kernels)}")
    return "; ".join(parts)


def _on_training(failed_checks: Collection[str]) -> str:
    return "; resume is not attributed: the rebuilt model was not trained" if "resume" in failed_checks else ""


def _said(difference: Difference) -> str:
    if difference.structure:
        first = difference.structure[0]
        return FINDINGS[first.code].sentence(first.subject, first.figures)
    if not difference.total.unequal:
        return "nothing"
    return f"{text(difference.total.max_abs)} ({difference.total.max_ulp} ULP)"


def _listed(names: list[str]) -> str:
    return ", ".join(names)
