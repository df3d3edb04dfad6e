"""Two lists of tensors that a model computes, sampled in bounds by the worker: which is the first that differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tfmatrix.checks.distance import Distance, distance
from tfmatrix.checks.matching import without_counter
from tfmatrix.checks.observation import Observation
from tfmatrix.checks.tolerance import Tolerance, Units, working_precision

Tensor = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The tensor of one layer on both sides. `found` is None where their shapes or types differ."""

    ours: Tensor
    theirs: Tensor
    found: Distance | None

    @property
    def differs(self) -> bool:
        """Whether it is beyond what rounding explains."""
        return self.found is None or bool(self.found.beyond)


def paired(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """The tensors of one layer, call and output on both sides, in the writer's order.

    By the layer's path; or by its class and place among those of its class, where that finds more: automatic names
    count what a process made. What only one version makes a layer of (an addition) has no other.
    """

    def pairs(name: Callable[[Sequence[Tensor]], dict[Any, Tensor]]) -> list[tuple[Tensor, Tensor]]:
        mine, others = name(ours), name(theirs)
        return [(mine[key], others[key]) for key in mine if key in others]

    return max(pairs(_by_path), pairs(_by_class), key=len)


def _by_path(tensors: Sequence[Tensor]) -> dict[Any, Tensor]:
    return {(each["path"], each["call"], each["name"]): each for each in tensors}


def _by_class(tensors: Sequence[Tensor]) -> dict[Any, Tensor]:
    seen: dict[tuple[str, str], list[str]] = {}
    found = {}
    for each in tensors:
        name = without_counter(each["path"])
        paths = seen.setdefault((name, each["class"]), [])
        if each["path"] not in paths:
            paths.append(each["path"])
        found[name, each["class"], paths.index(each["path"]), each["call"], each["name"]] = each
    return found


def compared(
    writer: Observation,
    reader: Observation,
    pair: tuple[Tensor, Tensor],
    tolerance: Tolerance,
    units: Units,
    scale: float | None = None,
) -> Compared:
    """One tensor on both sides. `scale` is that of the largest values, where it is not the tensor's own."""
    ours, theirs = pair
    a, b = writer.array(ours["array"]), reader.array(theirs["array"])
    if ours["shape"] != theirs["shape"] or (a.dtype, a.shape) != (b.dtype, b.shape):
        return Compared(ours=ours, theirs=theirs, found=None)
    precision = working_precision(writer, a.dtype)
    own = float(ours["scale"]) if scale is None else scale
    limit = tolerance.limit(str(ours["path"]), precision=precision, scale=own, units=units)
    return Compared(ours=ours, theirs=theirs, found=distance(a, b, limit))
