"""How far two arrays of the same shape are apart: absolute, relative, and in units in the last place (ULP)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from tfmatrix.checks.observation import Array, Numbers
from tfmatrix.checks.tolerance import Limit

CHUNK = 1 << 18
"""Elements looked at together: their copies in float64 stay in the processor's cache."""


@dataclass(frozen=True, kw_only=True)
class Distance:
    """The figures of one comparison.

    `max_rel` is |a - b| / max(|a|, |b|): it stays finite where the reference is 0. `max_ulp` counts the representable
    numbers between a and b; 0.0 and -0.0 are 0 apart, the largest finite number and infinity are 1 apart. `unequal`
    counts elements with another value, `beyond` those over the limit, `nan_mismatches` those that are NaN on one side
    only (they count in the other two as well, and not in the maxima). `argmax_flips` counts the rows (of a tensor with
    two axes or more) whose largest element is another one.
    """

    elements: int
    unequal: int = 0
    beyond: int = 0
    nan_mismatches: int = 0
    max_abs: float = 0.0
    max_rel: float = 0.0
    max_ulp: int = 0
    argmax_flips: int = 0

    def __add__(self, other: Distance) -> Distance:
        """Of both together."""
        merged = {}
        for item in fields(self):
            mine, others = getattr(self, item.name), getattr(other, item.name)
            merged[item.name] = max(mine, others) if item.name.startswith("max_") else mine + others
        return Distance(**merged)

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON."""
        return {item.name: number(getattr(self, item.name)) for item in fields(self)}


def number(value: float) -> float | str:
    """A figure as JSON holds it: "nan", "inf" and "-inf" are strings."""
    if isinstance(value, int) or math.isfinite(value):
        return value
    return str(float(value))


def scale_of(array: Array) -> float:
    """The largest finite magnitude in an array; 0 for an empty one and for strings."""
    if array.size == 0 or array.stored.dtype.kind not in "fciu":
        return 0.0
    flat = np.ravel(array.values)
    largest = 0.0
    for start in range(0, flat.size, CHUNK):
        magnitude = np.abs(flat[start : start + CHUNK].astype(np.complex128 if flat.dtype.kind == "c" else np.float64))
        largest = max(largest, float(np.max(magnitude, where=np.isfinite(magnitude), initial=0.0)))
    return largest


def distance(reference: Array, other: Array, limit: Limit = Limit(rtol=0.0, atol=0.0)) -> Distance:
    """Of two arrays of the same shape and dtype; raises ValueError on others: that is a difference of its own kind."""
    if (reference.dtype, reference.shape) != (other.dtype, other.shape):
        raise ValueError(f"{reference.dtype}{reference.shape} against {other.dtype}{other.shape}")
    if reference.same_bits(other):
        return Distance(elements=reference.size)
    if not reference.is_float:
        return _exact(reference, other)
    if reference.stored.dtype.kind == "c":
        return _floats(_parts(reference), _parts(other), limit)
    figures = _floats(_flat(reference), _flat(other), limit)
    flips = _argmax_flips(reference.values, other.values)
    return figures + Distance(elements=0, argmax_flips=flips)


def _flat(array: Array) -> tuple[Numbers, Numbers]:
    """The values and the bits, in one row."""
    return np.ravel(array.values), np.ravel(array.stored)


def _parts(array: Array) -> tuple[Numbers, Numbers]:
    """The same of a complex array: real and imaginary parts in turn."""
    part = np.float32 if array.stored.dtype.itemsize == 8 else np.float64
    flat = np.ascontiguousarray(array.stored).reshape(-1).view(part)
    return flat, flat


def _exact(reference: Array, other: Array) -> Distance:
    """For what has no rounding: booleans, integers, strings."""
    unequal = reference.stored != other.stored
    count = int(np.count_nonzero(unequal))
    if reference.stored.dtype.kind not in "iu":
        return Distance(elements=reference.size, unequal=count, beyond=count)
    a, b = reference.stored[unequal], other.stored[unequal]
    unsigned = np.dtype(f"u{a.dtype.itemsize}")
    # Wrapping subtraction of the smaller from the larger is exact in the unsigned type of the same width.
    apart = np.maximum(a, b).view(unsigned) - np.minimum(a, b).view(unsigned)
    largest = int(np.max(apart))
    # Magnitudes in float64: the smallest int64 has none of its own type.
    relative = float(np.max(apart / np.maximum(np.abs(a.astype(np.float64)), np.abs(b.astype(np.float64)))))
    return Distance(
        elements=reference.size,
        unequal=count,
        beyond=count,
        max_abs=float(largest),
        max_rel=relative,
        max_ulp=largest,
        argmax_flips=_argmax_flips(reference.stored, other.stored),
    )


def _floats(reference: tuple[Numbers, Numbers], other: tuple[Numbers, Numbers], limit: Limit) -> Distance:
    """For flat floating point arrays, each given as its values and its bits."""
    total = Distance(elements=0)
    for start in range(0, reference[0].size, CHUNK):
        part = slice(start, start + CHUNK)
        a, b = reference[0][part].astype(np.float64), other[0][part].astype(np.float64)
        # Equal infinities would subtract to NaN.
        unequal = ~((a == b) | (np.isnan(a) & np.isnan(b)))
        size = a.size
        if not unequal.any():
            total += Distance(elements=size)
            continue
        a, b = a[unequal], b[unequal]
        numeric = ~(np.isnan(a) | np.isnan(b))
        lost = int(np.count_nonzero(~numeric))
        ulps = ulp_distance(reference[1][part][unequal][numeric], other[1][part][unequal][numeric])
        a, b = a[numeric], b[numeric]
        with np.errstate(over="ignore", invalid="ignore"):
            absolute = np.abs(a - b)
            larger = np.maximum(np.abs(a), np.abs(b))
            relative = np.where(np.isinf(larger), np.inf, absolute / larger)
            # An infinite reference allows nothing: without this, inf <= rtol * inf holds.
            allowed = limit.atol + limit.rtol * np.abs(a)
            beyond = int(np.count_nonzero(~(absolute <= allowed) | np.isinf(absolute)))
        total += Distance(
            elements=size,
            unequal=int(np.count_nonzero(unequal)),
            beyond=beyond + lost,
            nan_mismatches=lost,
            max_abs=float(np.max(absolute, initial=0.0)),
            max_rel=float(np.max(relative, initial=0.0)),
            max_ulp=int(np.max(ulps, initial=np.uint64(0))),
        )
    return total


def ulp_distance(a: Numbers, b: Numbers) -> Numbers:
    """How many representable numbers lie between each pair, as uint64. NaN must be left out by the caller.

    Takes float16, float32, float64, or the bits of bfloat16 as uint16. The bits of a number without its sign count the
    numbers from zero up to it, denormals, normals and infinity in one sequence; the sign says on which side of zero.
    """
    width = a.dtype.itemsize
    unsigned = np.dtype(f"u{width}")
    sign = unsigned.type(1 << (8 * width - 1))

    def position(values: Numbers) -> Numbers:
        bits = np.ascontiguousarray(values).view(unsigned)
        magnitude = bits & ~sign
        place: Numbers = np.where(bits & sign, sign - magnitude, sign + magnitude)
        return place

    x, y = position(a), position(b)
    apart: Numbers = (np.maximum(x, y) - np.minimum(x, y)).astype(np.uint64)
    return apart


def _argmax_flips(a: Numbers, b: Numbers) -> int:
    """Rows whose largest element moved; 0 where there are no rows to speak of (a vector, one column, complex)."""
    if a.ndim < 2 or a.shape[-1] < 2 or a.size == 0:
        return 0
    return int(np.count_nonzero(np.argmax(a, axis=-1) != np.argmax(b, axis=-1)))


def total(distances: Mapping[str, Distance]) -> Distance:
    """All together; of nothing for nothing."""
    merged = Distance(elements=0)
    for item in distances.values():
        merged += item
    return merged
