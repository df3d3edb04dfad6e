"""The course of training: what it comes to after one step and after many, and what of that is rounding."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from observe import optimizer as optimizers
from observe import training
from observe.arrays import Arrays
from observe.layers import Weight

STEPS = 20
"""Training steps in all, each with all of the data."""


def weights_json(weights: Sequence[Weight], arrays: Arrays) -> List[Dict[str, Any]]:
    """The section `weights`: what each variable is, and its value before training."""
    return [
        {
            "path": weight.path,
            "layer": weight.layer,
            "role": weight.role,
            "index": index,
            "trainable": weight.trainable,
            "tracked": weight.tracked,
            "array": arrays.add(weight.variable),
        }
        for index, weight in enumerate(weights)
    ]


def observe_course(model: Any, x: Any, y: Any, seed: int, weights: Sequence[Weight], arrays: Arrays) -> Dict[str, Any]:
    """{"first", "last", "silent"}: the course after one step and after STEPS, from the same start.

    Each is what `observe.training.resume` gives, with `noise`. `silent` are the layers that would have drawn random
    numbers: versions draw others from the same seed, so that courses are compared without.
    """
    optimizers.build(model.optimizer, [weight.variable for weight in weights if weight.trainable and weight.tracked])
    start = training.start_of(model, weights)
    with training.without_draws(model) as silent:
        result: Dict[str, Any] = {"silent": silent}
        for name, steps in (("first", 1), ("last", STEPS)):
            back_to(start, model, weights)
            result[name] = training.resume(model, x, y, steps, seed, weights, arrays)
            if not result[name]["error"]:
                back_to(start, model, weights)
                result[name]["noise"] = training.resume_shaken(
                    model, x, y, steps, seed, weights, start, result[name], arrays
                )
    back_to(start, model, weights)
    return result


def back_to(start: training.Start, model: Any, weights: Sequence[Weight]) -> None:
    """Gives the weights and the optimizer the values that they had at the start."""
    for weight, value in zip(weights, start[0]):
        weight.variable.assign(value)
    for variable, value in zip(optimizers.variables(model.optimizer), start[1]):
        variable.assign(value)
