"""Says where a drift comes from: serialization lost something, or the reader's kernels and code compute differently.

The control is the model rebuilt from the scenario's code in the reader, with the writer's weights, on the same inputs.
It has gone through no file. So

- control ≠ writer: the reader computes the same code and weights differently (*numerics*);
- loaded ≠ control: what was read from the file is not what the code makes (*serialization*).

State that no kernel computes (weights, config, compile, optimizer, signatures) is serialization by its nature, but for
a signature that the writer itself cannot call.

`resume` is told apart in the same way: the control trains on from the writer's weights and optimizer, and where it ends
as the loaded model does, the reader's version trains the same code otherwise.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tfmatrix.checks.contract import raised, text
from tfmatrix.checks.matching import match
from tfmatrix.checks.observation import Observation
from tfmatrix.checks.outputs import FINDINGS, Difference, compare_results
from tfmatrix.checks.registry import checks
from tfmatrix.checks.resume import control_of, courses_of
from tfmatrix.checks.tolerance import Tolerance

_NO_DIFFERENCE: dict[str, Any] = {"max_abs": 0.0, "max_rel": 0.0, "max_ulp": 0, "structure": []}


def attribute(
    writer: Observation,
    reader: Observation,
    tolerance: Tolerance,
    failed_checks: Collection[str] = (),
    *,
    training: Tolerance | None = None,
) -> dict[str, Any]:
    """{"serialization": SHARE, "numerics": SHARE, "sentence": str}.

    SHARE is null where it cannot be told, else `found` (whether this share explains a part of the drift), `max_abs`,
    `max_rel` and `max_ulp` of the outputs. `checks` are those that failed of this share beside the outputs: of
    serialization those on stored state, of either `resume`. `training` is the tolerance of that check.
    """
    if "signatures" in failed_checks and writer_is_wrong(writer):
        return {"serialization": None, "numerics": None, "sentence": f"the writer: {_WRONG}"}
    state = [name for name, check in checks().items() if check.stored and name in failed_checks]
    share = _share_of_training(writer, reader, training or Tolerance(), failed_checks)
    if share == "serialization":
        state.append("resume")
    trained = ["resume"] if share == "numerics" else []
    if writer.reading is not None:
        return {
            "serialization": None,
            "numerics": None,
            "sentence": "cannot tell: the interpreter has kernels of its own, of which a rebuilt model says nothing",
        }
    if _agree(writer, reader):
        if "resume" in failed_checks and not share:
            # The kernels give the writer's bits, and nothing says that training goes otherwise here.
            state.append("resume")
        said = [f"serialization lost {_listed(state)}"] if state else []
        said += [_TRAINING] if trained else []
        return {
            "serialization": {"found": bool(state), "checks": state, **_NO_DIFFERENCE},
            "numerics": {"found": bool(trained), "checks": trained, **_NO_DIFFERENCE},
            "sentence": f"{'; '.join(said) or 'neither'}: the outputs are the writer's, bit for bit",
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
    sentence = _sentence(numerics, lost, state, kernels, loading, whole)
    sentence += f"; {_TRAINING}" if trained else _on_training(failed_checks) if not share else ""
    return {
        "serialization": {"found": lost, "checks": state, **_figures(loading)},
        "numerics": {"found": numerics or bool(trained), "checks": trained, **_figures(kernels)},
        "sentence": sentence,
    }


_TRAINING = "numerics: the model rebuilt in the reader trains on as the loaded one does, and not as the writer's"
_WRONG = "its own signature cannot be called with the model's inputs, in its own version either"


def writer_is_wrong(writer: Observation) -> bool:
    """Whether the writer's own signatures raise on the model's inputs, all of them: what it wrote is wrong."""
    signatures = writer.section("signatures")
    return bool(signatures) and all(entry.get("error") for entry in signatures.values())


def _share_of_training(
    writer: Observation, reader: Observation, tolerance: Tolerance, failed_checks: Collection[str]
) -> str:
    """Which share the failure of `resume` belongs to; empty where it did not fail, or where nothing tells."""
    theirs = reader.section("resume")
    if "resume" not in failed_checks or not theirs or theirs.get("error"):
        return ""
    pairs = match(writer, reader).pairs
    control = control_of(writer, reader, pairs, tolerance)
    if control is None:
        return ""
    loaded = courses_of(writer, reader, pairs, tolerance)
    if len(loaded.ours["losses"]) != len(loaded.theirs["losses"]):
        return "serialization"
    # What the control does as well is the version's; what it does not, loading lost.
    return "numerics" if loaded.differing <= control.differing else "serialization"


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
