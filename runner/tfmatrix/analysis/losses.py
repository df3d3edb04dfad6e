"""From the failed checks of a drifting cell to what was lost, in words that are the same in every scenario.

A cell may have lost several things: each is named on its own, so that cells are grouped by what they share. What a
model computes follows from what it is: outputs differ because weights do, training goes elsewhere because the
optimizer's state is gone. So a check on what is computed names a loss only where nothing that is stored explains it;
which checks failed beside it is kept with the cell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tfmatrix.analysis.reasons import first_sentence, neutral, reason
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import CheckStatus
from tfmatrix.core.text import one_line

_EXPLAINED_BY: Mapping[str, frozenset[str]] = {
    "outputs": frozenset({"weights", "config"}),
    "signatures": frozenset({"weights"}),
    "resume": frozenset({"weights", "config", "compile", "optimizer", "outputs"}),
}
"""Checks on what is computed, and the checks whose failure explains theirs."""

_MAX_SENTENCE = 2_000
"""Characters of a sentence that are looked at."""

_NO_KERAS_MODEL = ": not a Keras model"
"""How the note ends that the observer leaves for each part which only a Keras model has."""

_MOST = 4
"""Keys of a config that are named; the rest is counted."""


def losses(record: CellRecord) -> tuple[str, ...]:
    """What was lost, in the order of the checks, without what follows from another loss. Never empty for a drift."""
    failed = set(record.failed_checks)
    found: list[str] = []
    for name in record.failed_checks:
        check = record.checks.get(name) or {}
        if check.get("status") == CheckStatus.ERROR:
            found.append(_raised(name, record, check))
        elif any(sentence.endswith(_NO_KERAS_MODEL) for sentence in _detail(check)):
            found.append("what was loaded is no Keras model")
        elif not _EXPLAINED_BY.get(name, frozenset()) & failed:
            words = _WORDS.get(name)
            found += (words(record, check) if words else []) or [_in_general(name, check)]
    return tuple(dict.fromkeys(found)) or ("something is different, but no check says what",)


def consequences(record: CellRecord) -> tuple[str, ...]:
    """Failed checks that name no loss, because another one explains them."""
    failed = set(record.failed_checks)
    return tuple(
        name
        for name in record.failed_checks
        if _EXPLAINED_BY.get(name, frozenset()) & failed
        and (record.checks.get(name) or {}).get("status") != CheckStatus.ERROR
    )


def _raised(name: str, record: CellRecord, check: Mapping[str, Any]) -> str:
    """A check that could not be made, because the loaded model raises."""
    doing = {"resume": "training on", "outputs": "using the loaded model", "signatures": "a signature"}.get(
        name, f"the check {one_line(name, 30)}"
    )
    if record.error and name == "outputs":
        return f"{doing} raises: {reason(record.error).title}"
    said = next(iter(_detail(check)), "")
    match = re.search(r"raises (?P<type>[\w.]+)(?:: (?P<message>.*))?$", said, re.DOTALL)
    if match is None:
        return f"{doing} raises: {neutral(first_sentence(said))}" if said else f"{doing} raises"
    return f"{doing} raises: {reason({'type': match['type'], 'message': match['message'] or ''}).title}"


def _outputs(record: CellRecord, check: Mapping[str, Any]) -> list[str]:
    shares = record.attribution or {}
    numerics = (shares.get("numerics") or {}).get("found")
    serialization = (shares.get("serialization") or {}).get("found")
    structure = [sentence for sentence in _detail(check) if _STRUCTURE.search(sentence)]
    if structure:
        return [f"outputs: {neutral(_anonymous(structure[0]))}"]
    if check.get("nan_mismatches"):
        return ["outputs are NaN on one side only"]
    if numerics and not serialization:
        return ["outputs differ by the reader's kernels"]
    if serialization and not numerics:
        return ["outputs differ, though what is stored is the same"]
    return ["outputs differ"]


_STRUCTURE = re.compile(r"is missing|is there but was not|has shape|the structure changed| is \w+, was ")


def _weights(_record: CellRecord, check: Mapping[str, Any]) -> list[str]:
    found = []
    if _count(check, "missing"):
        found.append("weights are missing")
    if _count(check, "extra"):
        found.append("weights that the writer did not have")
    if _count(check, "shape_changed"):
        found.append("weights have another shape")
    if _count(check, "dtype_changed"):
        found.append("weights have another dtype")
    if _count(check, "changed"):
        details = [sentence for sentence in _detail(check) if re.search(r"values? (?:are|is|differ)", sentence)]
        reset = bool(details) and all(re.search(r": all \d+ values are ", sentence) for sentence in details)
        found.append("weights are reset" if reset else "weights have other values")
    if not found and _count(check, "trainable_changed"):
        found.append("weights are trainable where they were not, or the other way round")
    return found


def _config(_record: CellRecord, check: Mapping[str, Any]) -> list[str]:
    paths = [str(path) for path in check.get("differences") or ()]
    keys = []
    for path in paths:
        plain = re.sub(r"\[\d+\]", "", path)
        # `dense.kernel_initializer.seed` → `kernel_initializer.seed`: the layer is the scenario's.
        inner = plain.partition(".")[2]
        if inner or plain in _MODEL:
            keys.append(f"`{inner or plain}`")
        else:
            keys.append(plain if " " in plain else "a layer")
    return [f"config differs: {_listed(keys)}"] if keys else []


_MODEL = {"class", "trainable", "dtype"}
"""Paths of the model itself, as the check `config` writes them."""


def _compile(_record: CellRecord, check: Mapping[str, Any]) -> list[str]:
    paths = [re.sub(r"\[\d+\]", "", str(path)) for path in check.get("differences") or ()]
    if paths == ["compile"]:
        return ["not compiled"]
    return [f"compile differs: {_listed([f'`{path}`' for path in paths])}"] if paths else []


def _optimizer(_record: CellRecord, check: Mapping[str, Any]) -> list[str]:
    found = []
    details = _detail(check)
    before, after = check.get("iterations_before"), check.get("iterations_after")
    if after is None and before is not None:
        return ["the optimizer is lost"]
    if after == 0 and before and not _count(check, "identical") and not _count(check, "changed"):
        return ["the optimizer's state is reset"]
    if any(re.match(r"the optimizer is \w+, was ", sentence) for sentence in details):
        found.append("another optimizer")
    if before != after:
        found.append("the optimizer's iterations are reset" if after == 0 else "the optimizer's iterations differ")
    words = {"lost": "lost", "reset": "reset", "changed": "changed"}
    said = [word for name, word in words.items() if _count(check, name)]
    if said:
        found.append(f"the optimizer's slots are {' and '.join(said)}")
    if not found and details:
        found.append("the optimizer's state beside the slots differs")
    return found


def _resume(_record: CellRecord, check: Mapping[str, Any]) -> list[str]:
    said = " ".join(_detail(check))
    if "cannot be trained on" in said:
        return ["the loaded model cannot be trained on"]
    if "restarted from scratch" in said:
        return ["training restarts from scratch"]
    return ["training goes on differently"]


def _signatures(_record: CellRecord, check: Mapping[str, Any]) -> list[str]:
    kinds: list[str] = []
    for sentence in _detail(check):
        if " raises " in sentence:
            kinds.append("a signature raises")
        elif "beyond the tolerance" in sentence:
            kinds.append("results of a signature differ")
        elif re.search(r"^signature .* is missing$", sentence):
            kinds.append("a signature is missing")
        elif re.search(r"^signature .* was not in the writer$", sentence):
            kinds.append("a signature is new")
        else:
            kinds.append("the inputs or outputs of a signature changed")
    return list(dict.fromkeys(kinds))


def _in_general(name: str, check: Mapping[str, Any]) -> str:
    """A check by its name and the first sentence it says."""
    said = next(iter(_detail(check)), "")
    return (
        f"{one_line(name, 30)}: {neutral(_anonymous(first_sentence(said)))}" if said else f"{one_line(name, 30)} failed"
    )


_WORDS: Mapping[str, Callable[[CellRecord, Mapping[str, Any]], list[str]]] = {
    "outputs": _outputs,
    "weights": _weights,
    "config": _config,
    "compile": _compile,
    "optimizer": _optimizer,
    "resume": _resume,
    "signatures": _signatures,
}


def _detail(check: Mapping[str, Any]) -> list[str]:
    detail = check.get("detail") or ()
    return [str(sentence)[:_MAX_SENTENCE] for sentence in ([detail] if isinstance(detail, str) else detail)]


def _count(check: Mapping[str, Any], name: str) -> int:
    value = check.get(name)
    return value if isinstance(value, int) else 0


def _anonymous(sentence: str) -> str:
    """A sentence of a check without the scenario's names: what stands in quotes, and paths of variables."""
    sentence = one_line(sentence, 600)
    sentence = re.sub(r"\b(?:the )?output '[^']*'", "an output", sentence)
    sentence = re.sub(r"\b(?:the )?(signature|layer) '[^']*'", r"a \1", sentence)
    return re.sub(r"(?<![\w.:-])[\w.:-]+(?:/[\w.:-]+)+", "<name>", sentence)


def _listed(keys: Sequence[str]) -> str:
    every = sorted(dict.fromkeys(keys))
    if len(every) <= _MOST:
        return ", ".join(every)
    return f"{', '.join(every[: _MOST - 1])} and {len(every) - _MOST + 1} more"
