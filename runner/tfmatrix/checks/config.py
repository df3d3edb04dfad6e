"""Check `config`: layers, their order and configs, trainable flags, dtype policies; differences as a path list.

A path is `layer.key` (`dense.activation`), a layer inside a model `model/layer`. What counts as a difference is said in
`tfmatrix.checks.presentation`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tfmatrix.checks.contract import Kind, Result, loss, note
from tfmatrix.checks.observations import Observations
from tfmatrix.checks.presentation import (
    ASIDE,
    FUNCTION_LAYERS,
    LOSS_LAYERS,
    MASK_OPERATIONS,
    NOTATION,
    REDEFINED_ACTIVATIONS,
    SENTENCES,
    ConfigDifference,
    ConfigDifferences,
    apart_from_notation,
    class_name,
    compare_configs,
    each_alone,
    is_dtype_ignored,
    owned_by,
    owner_of,
    without_indices,
)
from tfmatrix.core.records import Finding

NAME = "config"
SECTION = "config"
ORDER = 30
ASPECT = "layers and their settings"
STORED = True

ORDER_OF_LAYERS = "order of layers"
_MODEL = ("class", "trainable", "dtype")
"""Paths of the model itself."""

FINDINGS: Mapping[str, Kind] = {
    **{code: loss("config differs", sentence) for code, sentence in SENTENCES.items()},
    **ASIDE,
    **NOTATION,
    "unreadable": note(
        lambda subject, figures: (
            f"{subject}: not compared, the writer's {figures.get('why') or 'get_config gave nothing'}"
        )
    ),
}


def losses(findings: Sequence[Finding], _figures: Mapping[str, Any]) -> list[str]:
    """What differs, each alone: the argument and the class of the layer, whose name is the scenario's."""
    return each_alone("config differs", map(_key, findings))


def _key(finding: Finding) -> str:
    path = finding.subject
    if path == ORDER_OF_LAYERS:
        return path
    # `dense.kernel_initializer.seed` → `kernel_initializer.seed` of `Dense`
    plain = without_indices(path)
    inner = plain.partition(".")[2]
    if inner:
        return f"`{inner}` of {owned_by(finding)}"
    return f"`{plain}`" if plain in _MODEL else "a layer"


_INPUT = re.compile(r"input \d+")
"""How the observation calls an input of the model."""

_Layers = dict[str, Mapping[str, Any]]


def compare(observations: Observations) -> Result:
    """Figures: the number of layers, and path lists: `differences`, `aside` (set aside by a rule that records), and
    `notation` (what the reader's version writes of a model from the same code, too).
    """
    writer, reader = observations.writer, observations.reader
    ours, theirs = writer.section("config"), reader.section("config")
    weights = writer.section("weights")
    owners = None if weights is None else {str(entry["layer"]) for entry in weights}
    found = differences(ours, theirs, observations.same_keras, owners)
    found = _with_functions_behind(found, theirs)
    here = (reader.control or {}).get("config")
    if here and not observations.same_keras:
        found = apart_from_notation(found, differences(here, theirs, same_keras=True, owners=owners))
    unreadable = [path for path, layer in _by_path(ours["layers"]).items() if layer.get("config") is None]
    unreadable = [path for path in unreadable if path in _by_path(theirs["layers"])]
    return Result(
        findings=[
            *(change.finding(**owner_of(writer, change.path.partition(".")[0])) for change in found.differences),
            *(change.finding("aside-") for change in found.aside),
            *(change.finding("notation-") for change in found.notation),
            *(
                Finding(code="unreadable", subject=path, figures={"why": writer.note(f"config/{path}")})
                for path in unreadable
            ),
        ],
        figures={
            "layers": len(_by_path(ours["layers"])),
            "differences": [change.path for change in found.differences],
            "aside": [change.path for change in found.aside],
            "notation": [change.path for change in found.notation],
        },
    )


def differences(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], same_keras: bool, owners: Collection[str] | None
) -> ConfigDifferences:
    """How two sections differ. `owners` are the layers that have weights of their own; None where that is unknown."""
    mine, others = _by_path(ours["layers"]), _by_path(theirs["layers"])
    changes: list[ConfigDifference] = []
    aside: list[ConfigDifference] = []
    if class_name(str(ours["class"])) != class_name(str(theirs["class"])):
        changes.append(ConfigDifference(path="class", before=ours["class"], after=theirs["class"]))
    for path in mine:
        if path not in others:
            _one_sided(ConfigDifference(path=path, before=mine[path]["class"], after=...), same_keras, changes, aside)
    for path in others:
        if path not in mine:
            _one_sided(ConfigDifference(path=path, before=..., after=others[path]["class"]), same_keras, changes, aside)
    common = [path for path in mine if path in others]
    order = [path for path in others if path in mine]
    if common != order:
        changes.append(ConfigDifference(path=ORDER_OF_LAYERS, before=common, after=order))
    for path in common:
        _compare_layer(path, mine[path], others[path], same_keras, changes, aside)
    # Whether a layer without weights may be trained means nothing, and is revived of a SavedModel as it comes.
    trained = [path for path in common if owners is None or any(_holds(path, owner) for owner in owners)]
    changes += _compare_maps("trainable", ours.get("trainable"), theirs.get("trainable"), trained)
    typed = [path for path in common if same_keras or not is_dtype_ignored(*_class_and_config(mine[path]))]
    changes += _compare_maps("dtype", ours.get("dtype_policies"), theirs.get("dtype_policies"), typed)
    changes += _compare_wiring(ours.get("wiring"), theirs.get("wiring"), {*mine} & {*others})
    return ConfigDifferences(differences=tuple(changes), aside=tuple(aside))


def _with_functions_behind(found: ConfigDifferences, theirs: Mapping[str, Any]) -> ConfigDifferences:
    """Sets aside a redefined activation in whose place functions follow: what they compute is part of the outputs."""
    layers = _by_path(theirs["layers"])
    wiring = theirs.get("wiring") or {}

    def is_moved(change: ConfigDifference) -> bool:
        path, _, key = change.path.partition(".")
        if key != "activation" or change.before not in REDEFINED_ACTIVATIONS or change.after != "linear":
            return False
        parent, _, name = path.rpartition("/")
        behind = [other for other, calls in wiring.items() if any(name in call for call in calls)]
        behind = [other for other in behind if other.rpartition("/")[0] == parent]
        return bool(behind) and all(layers.get(other, {}).get("class") in FUNCTION_LAYERS for other in behind)

    moved = tuple(change for change in found.differences if is_moved(change))
    kept = tuple(change for change in found.differences if change not in moved)
    return replace(found, differences=kept, aside=(*found.aside, *moved))


def _class_and_config(layer: Mapping[str, Any]) -> tuple[str, Any]:
    return class_name(str(layer["class"])), layer.get("config")


def _holds(path: str, owner: str) -> bool:
    return owner == path or owner.startswith(f"{path}/")


def _by_path(layers: Sequence[Mapping[str, Any]]) -> _Layers:
    """Layers by path, without inputs: whether a model lists them differs between versions."""
    return {str(layer["path"]): layer for layer in layers if layer["class"] != "InputLayer"}


def _one_sided(
    change: ConfigDifference, same_keras: bool, changes: list[ConfigDifference], aside: list[ConfigDifference]
) -> None:
    """A layer that one side lacks: a loss, but for what only one Keras lists among the layers."""
    name = change.before if change.after is ... else change.after
    listed = MASK_OPERATIONS | FUNCTION_LAYERS | (LOSS_LAYERS if change.before is ... else set())
    (aside if name in listed and not same_keras else changes).append(change)


def _compare_layer(
    path: str,
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
    same_keras: bool,
    changes: list[ConfigDifference],
    aside: list[ConfigDifference],
) -> None:
    owner = class_name(str(ours["class"]))
    if owner != class_name(str(theirs["class"])):
        changes.append(ConfigDifference(path=f"{path}.class", before=ours["class"], after=theirs["class"]))
        return
    before, after = ours.get("config"), theirs.get("config")
    if before is None:
        return
    if after is None:
        changes.append(ConfigDifference(path=f"{path}.config", before="readable", after="get_config raises"))
        return
    found = compare_configs(before, after, owner=owner, path=path, same_keras=same_keras)
    changes += found.differences
    aside += found.aside


def _compare_maps(name: str, ours: Any, theirs: Any, paths: Sequence[str]) -> list[ConfigDifference]:
    """Flags of layers that both sides have; "" is the model itself."""
    before, after = ours or {}, theirs or {}
    return [
        ConfigDifference(path=f"{path}.{name}" if path else name, before=before[path], after=after.get(path, ...))
        for path in ("", *paths)
        if path in before and before[path] != after.get(path, ...)
    ]


def _compare_wiring(ours: Any, theirs: Any, common: Collection[str]) -> list[ConfigDifference]:
    """Layers of functional models that are called on something else than before.

    Only where both sides know all that is before a layer: what Keras 2 makes a layer of (an addition, a mask) is an
    operation without a path in Keras 3.
    """
    before, after = ours or {}, theirs or {}

    def is_known(path: str, calls: Sequence[Sequence[str]]) -> bool:
        model = path.rpartition("/")[0]
        names = [name for call in calls for name in call if not _INPUT.fullmatch(name)]
        return all((f"{model}/{name}" if model else name) in common for name in names)

    return [
        ConfigDifference(path=f"{path}.inputs", before=before[path], after=after[path])
        for path in before
        if path in after
        and before[path] != after[path]
        and is_known(path, before[path])
        and is_known(path, after[path])
    ]
