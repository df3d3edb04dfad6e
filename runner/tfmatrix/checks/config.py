"""Check `config`: layers, their order and configs, trainable flags, dtype policies; differences as a path list.

A path is `layer.key` (`dense.activation`), a layer inside a model `model/layer`. What counts as a difference is said in
`tfmatrix.checks.presentation`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tfmatrix.checks.observation import Observation
from tfmatrix.checks.presentation import MASK_OPERATIONS, Change, class_name, compare_configs
from tfmatrix.checks.result import Check, judged, shortened

MAX_PATHS = 100
"""Differences listed in the figures."""

_INPUT = re.compile(r"input \d+")
"""How the observation calls an input of the model."""

_Layers = dict[str, Mapping[str, Any]]


def check_config(writer: Observation, reader: Observation, *, same_keras: bool = True) -> Check:
    """Figures: the number of layers, `differences` (a path list) and `aside` (what differs by a rule that records)."""
    ours, theirs = writer.section("config"), reader.section("config")
    mine, others = _by_path(ours["layers"]), _by_path(theirs["layers"])
    changes: list[Change] = []
    aside: list[Change] = []
    if class_name(str(ours["class"])) != class_name(str(theirs["class"])):
        changes.append(Change(path="class", before=ours["class"], after=theirs["class"]))
    for path in mine:
        if path not in others:
            _one_sided(Change(path=path, before=mine[path]["class"], after=...), same_keras, changes, aside)
    for path in others:
        if path not in mine:
            _one_sided(Change(path=path, before=..., after=others[path]["class"]), same_keras, changes, aside)
    common = [path for path in mine if path in others]
    order = [path for path in others if path in mine]
    if common != order:
        changes.append(Change(path="order of layers", before=common, after=order))
    for path in common:
        _compare_layer(path, mine[path], others[path], same_keras, changes, aside)
    changes += _compare_maps("trainable", ours.get("trainable"), theirs.get("trainable"), common)
    changes += _compare_maps("dtype", ours.get("dtype_policies"), theirs.get("dtype_policies"), common)
    changes += _compare_wiring(ours.get("wiring"), theirs.get("wiring"), {*mine} & {*others})
    unreadable = [path for path in common if mine[path].get("config") is None]
    notes = [f"set aside: {change}" for change in aside]
    notes += [f"{path}: not compared, the writer's {_config_note(writer, path)}" for path in unreadable]
    return judged(
        [str(change) for change in changes],
        notes,
        layers=len(mine),
        differences=shortened([change.path for change in changes], MAX_PATHS),
        aside=shortened([change.path for change in aside], MAX_PATHS),
    )


def _by_path(layers: Sequence[Mapping[str, Any]]) -> _Layers:
    """Layers by path, without inputs: whether a model lists them differs between versions."""
    return {str(layer["path"]): layer for layer in layers if layer["class"] != "InputLayer"}


def _one_sided(change: Change, same_keras: bool, changes: list[Change], aside: list[Change]) -> None:
    """A layer that one side lacks: a loss, but for masks that Keras 3 lists among the layers."""
    name = change.before if change.after is ... else change.after
    (aside if name in MASK_OPERATIONS and not same_keras else changes).append(change)


def _compare_layer(
    path: str,
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
    same_keras: bool,
    changes: list[Change],
    aside: list[Change],
) -> None:
    owner = class_name(str(ours["class"]))
    if owner != class_name(str(theirs["class"])):
        changes.append(Change(path=f"{path}.class", before=ours["class"], after=theirs["class"]))
        return
    before, after = ours.get("config"), theirs.get("config")
    if before is None:
        return
    if after is None:
        changes.append(Change(path=f"{path}.config", before="readable", after="get_config raises"))
        return
    found = compare_configs(before, after, owner=owner, path=path, same_keras=same_keras)
    changes += found.differences
    aside += found.aside


def _compare_maps(name: str, ours: Any, theirs: Any, paths: Sequence[str]) -> list[Change]:
    """Flags of layers that both sides have; "" is the model itself."""
    before, after = ours or {}, theirs or {}
    return [
        Change(path=f"{path}.{name}" if path else name, before=before[path], after=after.get(path, ...))
        for path in ("", *paths)
        if path in before and before[path] != after.get(path, ...)
    ]


def _compare_wiring(ours: Any, theirs: Any, common: Collection[str]) -> list[Change]:
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
        Change(path=f"{path}.inputs", before=before[path], after=after[path])
        for path in before
        if path in after
        and before[path] != after[path]
        and is_known(path, before[path])
        and is_known(path, after[path])
    ]


def _config_note(writer: Observation, path: str) -> str:
    return writer.note(f"config/{path}") or "get_config gave nothing"
