"""The course of training: what it comes to after one step and after many, and what of that is rounding."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

import numpy as np
from observe import optimizer as optimizers
from observe import training
from observe.arrays import Arrays, flatten
from observe.layers import Weight
from observe.plain import plain

STEPS = 20
"""Training steps in all, each with all of the data."""

DRAWN_STEPS, DRAWN_SEEDS = 3, 5
"""Of models with layers that draw random numbers: steps with what they draw, and how often."""


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
    """{"first", "last", "silent", "drawn", "evaluated"}: the course after one step and after STEPS, from one start.

    Each is what `observe.training.resume` gives, with `noise`. `silent` are the layers that would have drawn random
    numbers: versions draw others from the same seed, so that courses are compared without. `drawn` are the losses with
    what they draw, from several seeds; empty where no layer does. `evaluated` is what `evaluate` says before training
    and behind it.
    """
    optimizers.build(model.optimizer, [weight.variable for weight in weights if weight.trainable and weight.tracked])
    start = training.start_of(model, weights)
    with training.without_draws(model) as silent:
        result: Dict[str, Any] = {"silent": silent, "drawn": [], "evaluated": {"before": _evaluated(model, x, y)}}
        for name, steps in (("first", 1), ("last", STEPS)):
            back_to(start, model, weights)
            result[name] = training.resume(model, x, y, steps, seed, weights, arrays)
            if name == "last":
                result["evaluated"]["after"] = _evaluated(model, x, y)
            if not result[name]["error"]:
                back_to(start, model, weights)
                result[name]["noise"] = training.resume_shaken(
                    model, x, y, steps, seed, weights, start, result[name], arrays
                )
    if silent:
        for number in range(DRAWN_SEEDS):
            back_to(start, model, weights)
            drawn = training.resume(model, x, y, DRAWN_STEPS, seed + number, weights, Arrays())
            result["drawn"].append(drawn["losses"])
    back_to(start, model, weights)
    return result


def _evaluated(model: Any, x: Any, y: Any) -> Dict[str, Any]:
    """Name to value, as `evaluate` reports them; without the order, which versions do not share."""
    rows = int(next(value for _, value in flatten(x, whole=True)).shape[0])
    try:
        found = model.evaluate(x, y, batch_size=rows, verbose=0, return_dict=True)
    except TypeError:  # TensorFlow 2.0 and 2.1
        values = model.evaluate(x, y, batch_size=rows, verbose=0)
        found = dict(zip(model.metrics_names, values if isinstance(values, (list, tuple)) else [values]))
    return {str(name): plain(np.asarray(found[name], "float64").tolist()) for name in sorted(found)}


def back_to(start: training.Start, model: Any, weights: Sequence[Weight]) -> None:
    """Gives the weights and the optimizer the values that they had at the start."""
    for weight, value in zip(weights, start[0]):
        weight.variable.assign(value)
    for variable, value in zip(optimizers.variables(model.optimizer), start[1]):
        variable.assign(value)
