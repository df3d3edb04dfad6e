"""An optimizer as data: class, iterations, hyperparameters, and slots by meaning, in all three implementations.

- *legacy*: `OptimizerV2`, the only one until TensorFlow 2.10; `tf.keras.optimizers.legacy` from 2.11 on;
- *keras2*: the new one of Keras 2.11 to 2.15;
- *keras3*.

They give the same moment different names (`m`, `_momentums`); here it has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from .arrays import Arrays, to_numpy
from .layers import Weight
from .plain import plain, plain_float

_LEGACY_SLOTS = {
    "Adam": {"m": "momentum", "v": "velocity", "vhat": "velocity_hat"},
    "Nadam": {"m": "momentum", "v": "velocity"},
    "RMSprop": {"rms": "velocity", "mg": "average_gradient"},
    "Adamax": {"v": "u"},
    "Adadelta": {"accum_grad": "accumulated_grad", "accum_var": "accumulated_delta_var"},
}
"""Slot names of the legacy optimizers in terms of the newer ones' attributes."""

_NOT_SLOTS = {"_variables", "_trainable_variables", "_weights", "_optimizer_variables"}
# Presentation, or how to compute and not what.
_NOT_HYPERPARAMETERS = {"name", "jit_compile", "is_legacy_optimizer"}
# Arguments that do nothing at these values; versions differ in whether they name them.
_NO_EFFECT: Dict[str, Tuple[Any, ...]] = {"decay": (0.0,), "use_ema": (False,), "weight_decay": (0.0,)}


def unwrapped(optimizer: Any) -> Any:
    """The optimizer inside a loss-scale wrapper, or itself."""
    inner = getattr(optimizer, "inner_optimizer", None)
    return optimizer if inner is None else inner


def class_name(optimizer: Any) -> str:
    """The class as a user knows it: "Adam", or "LossScaleOptimizer(Adam)"."""
    inner = unwrapped(optimizer)
    name = type(inner).__name__
    return name if inner is optimizer else "LossScaleOptimizer(%s)" % name


def implementation(optimizer: Any) -> str:
    """Which of the three implementations it is: "legacy", "keras2" or "keras3"."""
    inner = unwrapped(optimizer)
    if hasattr(inner, "get_slot_names"):
        return "legacy"
    return "keras3" if hasattr(inner, "_trainable_variables") else "keras2"


def build(optimizer: Any, trained: Sequence[Any]) -> None:
    """Creates the slot variables, into which a load may have put off restoring values until now."""
    if implementation(optimizer) != "legacy":
        if not getattr(optimizer, "built", False):
            optimizer.build(trained)
        return
    inner = unwrapped(optimizer)
    inner.iterations  # noqa: B018, creates the variable
    if hasattr(inner, "_create_all_weights"):
        inner._create_all_weights(trained)
    else:  # TensorFlow 2.0 to 2.2
        inner._create_hypers()
        inner._create_slots(trained)


def reset(optimizer: Any, trained: Sequence[Any]) -> None:
    """Gives every variable of a built optimizer the value that it has in a new one of the same config."""
    new = type(optimizer).from_config(optimizer.get_config())
    build(new, trained)
    own, fresh = variables(optimizer), variables(new)
    if [tuple(variable.shape) for variable in own] != [tuple(variable.shape) for variable in fresh]:
        raise ValueError("a new %s has other variables" % class_name(optimizer))
    for variable, value in zip(own, fresh):
        variable.assign(value)


def variables(optimizer: Any) -> List[Any]:
    """All variables of an optimizer, in its own order."""
    own = optimizer.variables
    return list(own() if callable(own) else own)


def observe(optimizer: Any, weights: Sequence[Weight], arrays: Arrays) -> Dict[str, Any]:
    """The optimizer as JSON; the slots' `variable` is an index into `weights`."""
    inner = unwrapped(optimizer)
    build(optimizer, [weight.variable for weight in weights if weight.trainable and weight.tracked])
    return {
        "class": class_name(optimizer),
        "implementation": implementation(optimizer),
        "iterations": int(to_numpy(inner.iterations)),
        "hyperparameters": hyperparameters(optimizer),
        "state": _state(optimizer),
        "slots": slots(optimizer, weights, arrays),
    }


def slots(optimizer: Any, weights: Sequence[Weight], arrays: Arrays) -> List[Dict[str, Any]]:
    """The slots of a built optimizer by meaning; `variable` is an index into `weights`."""
    return [
        {"slot": slot, "variable": index, "path": weights[index].path, "array": arrays.add(value)}
        for slot, index, value in _slots(optimizer, weights)
    ]


def _slots(optimizer: Any, weights: Sequence[Weight]) -> List[Tuple[str, int, Any]]:
    inner = unwrapped(optimizer)
    return (_legacy_slots if implementation(optimizer) == "legacy" else _attribute_slots)(inner, weights)


def take_over(
    optimizer: Any,
    weights: Sequence[Weight],
    iterations: int,
    values: Mapping[Tuple[str, int], Any],
    state: Mapping[str, Any],
) -> None:
    """Gives an optimizer the iterations and slots of another; `values` by slot and place in `weights`.

    Raises ValueError where it has slots that the other has not, as another implementation keeps another state; and
    where the other has a `state` beside them (the loss scale, Nadam's product of momentums), which is not taken over.
    """
    if state:
        raise ValueError("the writer's optimizer has a state of its own: %s" % ", ".join(sorted(state)))
    build(optimizer, [weight.variable for weight in weights if weight.trainable and weight.tracked])
    inner = unwrapped(optimizer)
    own = _slots(optimizer, weights)
    if not getattr(inner, "momentum", True):
        # Without momentum it is never read, and not every version keeps it.
        own = [entry for entry in own if entry[0] != "momentum"]
    missing = sorted({slot for slot, index, _ in own if (slot, index) not in values})
    if missing:
        raise ValueError("the writer's optimizer has no %s" % ", ".join(missing))
    inner.iterations.assign(iterations)
    for slot, index, variable in own:
        variable.assign(values[slot, index])


def hyperparameters(optimizer: Any) -> Dict[str, Any]:
    """What get_config says, without presentation and without arguments that have no effect.

    Numbers are rounded to float32, in which the optimizers keep them: 0.0010000000474974513 is 0.001.
    """
    result = {}
    for name, value in sorted(unwrapped(optimizer).get_config().items()):
        if name in _NOT_HYPERPARAMETERS or value is None or any(value == none for none in _NO_EFFECT.get(name, ())):
            continue
        result[name] = rounded(plain(value))
    if "use_ema" not in result:
        result.pop("ema_momentum", None)
        result.pop("ema_overwrite_frequency", None)
    return result


def rounded(value: Any) -> Any:
    """A value of get_config with its numbers as float32 prints them, and without presentation."""
    if isinstance(value, float):
        return plain_float(float(str(np.float32(value))))
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, dict):
        # Learning rate schedules are serialized with where their class lives, which moves between versions.
        presentation = ("module", "registered_name", "name", "build_config")
        return {key: rounded(item) for key, item in value.items() if key not in presentation}
    return value


def scalars(optimizer: Any) -> Dict[str, Any]:
    """Scalars beside the iterations that change the next step: Nadam's product of momentums, the loss scale."""
    inner = unwrapped(optimizer)
    found = {"u_product": getattr(inner, "_u_product", getattr(inner, "_m_cache", None))}
    if inner is not optimizer:
        # Keras 2 shows a copy of it, and keeps the variable one level down where it is dynamic.
        kept = getattr(getattr(optimizer, "_loss_scale", None), "current_loss_scale", None)
        shown = getattr(optimizer, "loss_scale", None) if kept is None else kept
        found["loss_scale"] = getattr(optimizer, "dynamic_scale", shown)
        found["good_steps"] = getattr(optimizer, "step_counter", getattr(optimizer, "dynamic_counter", None))
    return {name: value for name, value in found.items() if value is not None}


def _state(optimizer: Any) -> Dict[str, Any]:
    numbers = {name: _scalar(value) for name, value in scalars(optimizer).items()}
    return {name: number for name, number in numbers.items() if number is not None}


def _scalar(value: Any) -> Any:
    if value is None or callable(value):
        return None
    array = to_numpy(value)
    return plain_float(float(array)) if array.ndim == 0 and array.dtype.kind in "iuf" else None


def _legacy_slots(optimizer: Any, weights: Sequence[Weight]) -> List[Tuple[str, int, Any]]:
    names = _LEGACY_SLOTS.get(type(optimizer).__name__, {})
    result = []
    for slot in sorted(optimizer.get_slot_names()):
        for index, weight in enumerate(weights):
            if weight.trainable and weight.tracked:
                result.append((names.get(slot, slot), index, optimizer.get_slot(weight.variable, slot)))
    return result


def _attribute_slots(optimizer: Any, weights: Sequence[Weight]) -> List[Tuple[str, int, Any]]:
    """Slots of the newer optimizers: attributes that hold one variable for each trained one, in its order."""
    trained = _positions(optimizer, weights)
    result = []
    for name, values in sorted(vars(optimizer).items()):
        if name in _NOT_SLOTS or name.startswith("_self_") or not isinstance(values, (list, tuple, Mapping)):
            continue
        items = list(values.values()) if isinstance(values, Mapping) else list(values)
        if len(items) != len(trained) or not any(_is_variable(item) for item in items):
            continue
        for position, item in enumerate(items):
            if _is_variable(item) and trained[position] is not None:
                result.append((_singular(name), trained[position], item))
    return result


def _positions(optimizer: Any, weights: Sequence[Weight]) -> List[Any]:
    """For each position in the optimizer's lists, the index in `weights` of the variable it is about, or None."""
    by_identity = {id(weight.variable): index for index, weight in enumerate(weights)}
    own = getattr(optimizer, "_trainable_variables", None)
    if own is not None:
        return [by_identity.get(id(variable)) for variable in own]
    order = getattr(optimizer, "_index_dict", None) or {}
    result: List[Any] = [None] * len(order)
    for index, weight in enumerate(weights):
        key = optimizer._var_key(weight.variable) if weight.tracked else None
        if key in order:
            result[order[key]] = index
    return result


def _is_variable(value: Any) -> bool:
    return hasattr(value, "assign") and hasattr(value, "numpy")


def _singular(attribute: str) -> str:
    name = attribute.strip("_")
    if name == "model_variables_moving_average":
        return "moving_average"
    if name.endswith("ies"):
        return name[:-3] + "y"
    return name[:-1] if name.endswith("s") and len(name) > 1 else name
