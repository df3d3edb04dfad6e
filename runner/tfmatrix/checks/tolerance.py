"""How far two results may be apart and still be the same.

Three shares add up, each with its own reason:

1. **Precision.** A saved graph may add the same products in another order than the model that was saved (fused
   operations, constant folding). The bound is `UNITS` units of the coarsest precision that the model computes in,
   relative to the element and, for elements that cancellation made small, to the largest element of the tensor.
   An absolute number would hide everything in a model whose outputs are of size 1e-9.
2. **Noise floor.** What the same writer's own repeated processes differ by (`tfmatrix.checks.calibration`), where
   that is not nothing.
3. **Kernels.** A reader of another version multiplies with other kernels. This share is granted only where the control
   (see `tfmatrix.checks.attribution`) shows that the difference comes from there and nothing was lost: see `kernels()`.

Numbers given in matrix.yaml replace the derived ones, each for itself; then the kernels' share is not granted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tfmatrix.checks.observation import Observation

EPSILON = {"bfloat16": 2.0**-7, "float16": 2.0**-10, "float32": 2.0**-23, "float64": 2.0**-52}
"""Distance from 1 to the next number, by dtype; coarsest first."""

_COMPLEX_PART = {"complex64": "float32", "complex128": "float64"}

UNITS = {"bfloat16": 4.0, "float16": 4.0, "float32": 16.0, "float64": 16.0}
"""Units of precision granted to a result. The narrow dtypes get fewer: kernels accumulate them in float32 and round
once per layer."""

RESUME_UNITS = {"bfloat16": 16.0, "float16": 32.0, "float32": 1024.0, "float64": 1024.0}
"""Units of precision granted to losses and weights after further training steps.

A step feeds rounding errors back: optimizers that divide by the root of a running mean of squares (Adam, RMSprop)
amplify those of small gradients. In float32 it comes to 1.2e-4; a lost optimizer state moves the loss by 1e-2 and more,
and the figures against the fresh optimizer show how far the two lie apart.
"""

FLOOR_FACTOR = 2.0
"""The measured floor is the largest difference among a few runs; the next run may lie somewhat outside."""

KERNEL_FACTOR = 8.0
"""Multiple of the expected rounding error of reordered sums that the kernels of another version may show."""


Units = Callable[[str], float]
"""Units granted, by precision."""


def base_units(precision: str) -> float:
    """What the same version is granted; see UNITS."""
    return UNITS[precision]


def resume_units(precision: str) -> float:
    """What further training is granted; see RESUME_UNITS."""
    return RESUME_UNITS[precision]


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What is allowed for one tensor: |a - b| <= atol + rtol * |a|, a being the reference."""

    rtol: float
    atol: float


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """What one check of one cell allows. None: derived from the precision. `floor`: measured noise by result name."""

    rtol: float | None = None
    atol: float | None = None
    floor: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_given(self) -> bool:
        """Whether settings fix the numbers, so that nothing is derived."""
        return self.rtol is not None or self.atol is not None

    def limit(self, name: str, *, precision: str, scale: float, units: Units = base_units) -> Limit:
        """For the result `name`, computed in `precision`, with `scale` the largest finite magnitude in the reference.

        A result without a precision (integers, strings) has to be equal.
        """
        if precision not in EPSILON:
            return Limit(rtol=0.0, atol=0.0)
        share = units(precision) * EPSILON[precision]
        rtol = share if self.rtol is None else self.rtol
        atol = share * scale if self.atol is None else self.atol
        return Limit(rtol=rtol, atol=atol + FLOOR_FACTOR * self.floor.get(name, 0.0))


def part_precision(dtype: str) -> str:
    """The precision of one number of a dtype: complex64 has float32 parts; not in EPSILON for integers and the like."""
    return _COMPLEX_PART.get(dtype, dtype)


def working_precision(observation: Observation, dtype: str) -> str:
    """The coarsest precision that a result of `dtype` went through in this model.

    A model under `mixed_float16` returns float32 from its last layer, but the numbers have float16's errors; a float64
    head over float32 layers has float32's. Weights' dtypes and the layers' dtype policies tell.
    """
    own = part_precision(dtype)
    if own not in EPSILON:
        return own
    config = observation.section("config") or {}
    named = {str(policy).removeprefix("mixed_") for policy in (config.get("dtype_policies") or {}).values()}
    named |= {part_precision(str(weight["array"]["dtype"])) for weight in observation.section("weights") or ()}
    return max({own, *named} & EPSILON.keys(), key=EPSILON.__getitem__)


def kernel_units(observation: Observation) -> Units:
    """Units of precision that other kernels may differ by, for a model of this size.

    Kernels of two versions compute the same sums in another order. With rounding errors that behave like random ones,
    a sum of n terms is off by about sqrt(n) units, and d such sums after one another by about sqrt(n * d) (N. Higham,
    T. Mary: A new approach to probabilistic rounding error analysis, 2019). n is the largest fan-in of any weight, d
    the number of weights that are multiplied with. A Dense(10) on 8 features gets 23 units (3e-6 in float32), a
    ResNet50 about 4000 (5e-4). What is beyond that is not another order of the same sums, and counts as drift.
    """
    shapes = [tuple(weight["array"]["shape"]) for weight in observation.section("weights") or ()]
    fan_in = [math.prod(shape[:-1]) for shape in shapes if len(shape) >= 2]
    reordered = KERNEL_FACTOR * math.sqrt(max(fan_in, default=1) * max(len(fan_in), 1))

    def units(precision: str) -> float:
        return max(UNITS[precision], reordered)

    return units
