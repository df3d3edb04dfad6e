"""Layer by layer: what a model computes, in inference and in training, and the gradients of its first step."""

from __future__ import annotations

import functools
from typing import Any, Callable, Dict, List, Sequence

import numpy as np
from observe import calls, training
from observe.arrays import Arrays, flatten, to_numpy
from observe.layers import Weight, walk
from observe.plain import plain_float

MAX_ELEMENTS = 4096
"""Of one tensor; of a larger one evenly spaced ones are kept, and how large the largest of all is."""

MAX_TENSORS = 400
MAX_CALLS = 2
"""Calls of one layer that are kept: a recurrent cell is called for every step, a shared layer for every use."""


def sample(value: Any, arrays: Arrays) -> Dict[str, Any]:
    """{"shape", "scale", "array"} of a tensor, in bounds."""
    array = to_numpy(value)
    if array.dtype.kind in "OSU":
        return {"shape": list(array.shape), "scale": 0.0, "array": arrays.add(array.ravel()[:MAX_ELEMENTS])}
    flat = array.ravel()
    kept = flat[:: max(1, -(-flat.size // MAX_ELEMENTS))]
    with np.errstate(over="ignore", invalid="ignore"):
        sizes = np.abs(flat.astype("complex128" if flat.dtype.kind == "c" else "float64"))
    finite = sizes[np.isfinite(sizes)]
    return {
        "shape": list(array.shape),
        "scale": float(finite.max()) if finite.size else 0.0,
        "array": arrays.add(kept),
    }


def forward(model: Any, x: Any, weights: Sequence[Weight], arrays: Arrays) -> Dict[str, Any]:
    """{"inference", "training"}: the tensors that the layers give, in the order in which they are computed.

    Each is {"path", "class", "call", "name", …}: the layer ("" is the model itself), which call of it, and which of its
    outputs. Training is without what random layers draw. The weights are afterwards what they were.
    """
    start = training.values_of(weights)
    result = {"inference": _pass(model, x, False, arrays)}
    with training.without_draws(model):
        result["training"] = _pass(model, x, True, arrays)
    for weight, value in zip(weights, start):
        weight.variable.assign(value)
    return result


def _pass(model: Any, x: Any, is_training: bool, arrays: Arrays) -> List[Dict[str, Any]]:
    found: List[Dict[str, Any]] = []
    changed: List[Any] = []
    try:
        for path, layer in walk(model):
            if path:
                # Past Keras's own __setattr__: this is no part of the layer. Some of Keras 2 have a call of their own.
                changed.append((layer, layer.__dict__.get("call")))
                layer.__dict__["call"] = _watched(layer.call, path, type(layer).__name__, found, arrays)
        outputs = model(calls.as_tensors(x), training=is_training)
    finally:
        for layer, own in changed:
            if own is None:
                del layer.__dict__["call"]
            else:
                layer.__dict__["call"] = own
    return found + _tensors("", type(model).__name__, 0, outputs, arrays)


def _watched(call: Callable[..., Any], path: str, kind: str, found: List[Dict[str, Any]], arrays: Arrays) -> Any:
    count = [0]

    @functools.wraps(call)
    def watched(*args: Any, **kwargs: Any) -> Any:
        import tensorflow as tf

        result = call(*args, **kwargs)
        if tf.executing_eagerly() and count[0] < MAX_CALLS and len(found) < MAX_TENSORS:
            found.extend(_tensors(path, kind, count[0], result, arrays))
            count[0] += 1
        return result

    return watched


def _tensors(path: str, kind: str, call: int, values: Any, arrays: Arrays) -> List[Dict[str, Any]]:
    return [
        dict(sample(value, arrays), path=path, call=call, name=name, **{"class": kind})
        for name, value in flatten(values)
        if hasattr(value, "numpy")
    ]


def gradients(model: Any, x: Any, y: Any, weights: Sequence[Weight], arrays: Arrays) -> Dict[str, Any]:
    """{"loss", "variables": [{"path", …}]}: of the first step, without what random layers draw.

    Sums of what a batch gives, before an optimizer sees them. The weights are afterwards what they were.
    """
    import tensorflow as tf

    start = training.values_of(weights)
    trained = [weight for weight in weights if weight.trainable and weight.tracked]
    inputs, targets = calls.as_tensors(x), calls.as_tensors(y)
    with training.without_draws(model):
        with tf.GradientTape() as tape:
            predicted = model(inputs, training=True)
            loss = _loss(model, inputs, targets, predicted)
        found = tape.gradient(loss, [weight.variable for weight in trained])
    for weight, value in zip(weights, start):
        weight.variable.assign(value)
    return {
        "loss": plain_float(float(to_numpy(loss))),
        "variables": [
            dict(sample(tf.convert_to_tensor(value), arrays), path=weight.path)
            for weight, value in zip(trained, found)
            if value is not None
        ],
    }


def _loss(model: Any, x: Any, y: Any, predicted: Any) -> Any:
    if hasattr(model, "compute_loss"):  # TensorFlow 2.9
        return model.compute_loss(x=x, y=y, y_pred=predicted, sample_weight=None)
    return model.compiled_loss(y, predicted, None, regularization_losses=model.losses)
