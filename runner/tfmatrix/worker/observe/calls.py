"""Calling whatever a loader returned: a Keras model, an object of tf.saved_model.load, a layer, a signature."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Dict, List, Sequence, Tuple

from .arrays import flatten
from .layers import natural_order

DEFAULT_SIGNATURE = "serving_default"


def as_tensors(structure: Any) -> Any:
    """The structure with its arrays as tensors of their own dtype; tensors of any kind stay."""
    import tensorflow as tf

    if isinstance(structure, Mapping):
        return {key: as_tensors(value) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        return type(structure)(as_tensors(item) for item in structure)
    if isinstance(structure, (tf.Tensor, tf.RaggedTensor, tf.SparseTensor)):
        return structure
    return tf.convert_to_tensor(structure)


def attribute(model: Any, name: str) -> Any:
    """An attribute of a Keras model, or None where it has none.

    `Sequential.input` of a loaded model raises ValueError in Keras 3.0 to 3.5, though `inputs` is known.
    """
    try:
        return getattr(model, name, None)
    except ValueError:
        return None


def call(model: Any, inputs: Any, kind: str, reference: Any = None) -> List[Tuple[str, Any]]:
    """Paths and tensors of the outputs in inference mode, called the way a user of this kind of object calls it.

    "keras": `model(inputs, training=False)`. "module": the object itself where it can be called, its default signature
    otherwise. "signature": the callable. The outputs of a signature have names; `reference`, the JSON of the writer's
    observation, gives them the writer's paths where they are the same outputs under another name.
    """
    tensors = as_tensors(inputs)
    if kind == "keras":
        return list(flatten(model(tensors, training=False)))
    if kind == "module" and callable(model):
        # Keras gives a model one structure; a tf.Module takes arguments.
        if hasattr(model, "keras_api") or not isinstance(tensors, (list, tuple, Mapping)):
            return list(flatten(model(tensors)))
        return list(flatten(model(**tensors) if isinstance(tensors, Mapping) else model(*tensors)))
    if kind == "module":
        named = call_signature(default_signature(model), tensors, reference)
    elif hasattr(model, "structured_input_signature"):
        named = call_signature(model, tensors, reference)
    elif hasattr(model, "input_names"):
        named = model(arguments(dict.fromkeys(model.input_names), tensors, reference))
    else:
        # A TFSMLayer takes one tensor as it is: of a dictionary with one input nobody has to know the name.
        named = model(next(iter(tensors.values())) if isinstance(tensors, Mapping) and len(tensors) == 1 else tensors)
    if not isinstance(named, Mapping):
        return list(flatten(named))
    return in_writers_terms(list(flatten(named)), reference)


def default_signature(loaded: Any) -> Any:
    """The signature that serving uses; the only one where there is one of another name."""
    signatures = dict(loaded.signatures)
    if DEFAULT_SIGNATURE in signatures or len(signatures) != 1:
        return signatures[DEFAULT_SIGNATURE]
    return next(iter(signatures.values()))


def call_signature(function: Any, inputs: Any, reference: Any = None) -> Mapping[str, Any]:
    """Calls a signature, which takes named tensors only, with the inputs of a model."""
    results: Mapping[str, Any] = function(**arguments(function.structured_input_signature[1], inputs, reference))
    return results


def arguments(specs: Mapping[str, Any], inputs: Any, reference: Any = None) -> Dict[str, Any]:
    """Inputs by the signature's names: by name where they agree, else by the writer's names, else in order.

    A signature that takes less than the parts of ragged and sparse tensors gets them as dense ones.
    """
    tensors = as_tensors(inputs)
    given = list(flatten(tensors))
    if len(given) > len(specs):
        given = [(name, _dense(value)) for name, value in flatten(tensors, whole=True)]
    if {name for name, _ in given} == set(specs):
        return dict(given)
    writers = ((reference or {}).get("interface") or {}).get("inputs") or []
    if len(writers) == len(given) and set(writers) == set(specs):
        return dict(zip(writers, (value for _, value in given)))
    return dict(zip(sorted(specs, key=natural_order), (value for _, value in given)))


def _dense(value: Any) -> Any:
    import tensorflow as tf

    if isinstance(value, tf.RaggedTensor):
        return value.to_tensor()
    return tf.sparse.to_dense(value) if isinstance(value, tf.SparseTensor) else value


def in_writers_terms(named: Sequence[Tuple[str, Any]], reference: Any) -> List[Tuple[str, Any]]:
    """A signature's outputs under the paths of the writer's outputs, as far as they can be told apart.

    Keras 2 names a signature's outputs after the layers that make them, Keras 3 `output_0`, `output_1`… in flat order.
    """
    paths = list((reference or {}).get("outputs") or {}) if _has_outputs(reference) else []
    if not paths and len(named) == 1:
        return [("", named[0][1])]
    if len(paths) != len(named) or {name for name, _ in named} == set(paths):
        return list(named)
    if len(paths) == 1:
        return [(paths[0], named[0][1])]
    names = (reference.get("interface") or {}).get("outputs") or []
    values = dict(named)
    if len(names) == len(paths) and set(names) == set(values):
        return [(path, values[name]) for path, name in zip(paths, names)]
    in_order = [values[name] for name in sorted(values, key=natural_order)]
    if all(re.match(r"^StatefulPartitionedCall(:\d+)?$", name) for name in values) and len(names) == len(paths):
        # TFLite of Keras 2, without signatures: the outputs of a SavedModel's function come sorted by name. Keras 3
        # names them output_0, output_1…, and the function StatefulPartitionedCall_1.
        by_name = dict(zip(sorted(names), in_order))
        return [(path, by_name[name]) for path, name in zip(paths, names)]
    if all(re.match(r"^(output_\d+|Identity(_\d+)?|StatefulPartitionedCall_1(:\d+)?)$", name) for name in values):
        return list(zip(paths, in_order))
    return list(named)


def _has_outputs(reference: Any) -> bool:
    outputs = (reference or {}).get("outputs")
    return isinstance(outputs, dict) and "error" not in outputs


def interface(model: Any) -> Dict[str, Any]:
    """The names of a model's inputs and outputs in flat order, where it has any: {"inputs": […], "outputs": […]}."""
    names: Dict[str, Any] = {"inputs": None, "outputs": None}
    for side in names:
        own = attribute(model, side[:-1] + "_names")
        tensors = attribute(model, side)
        if own is None and isinstance(tensors, (list, tuple, Mapping)):
            own = [tensor.name for _, tensor in flatten(tensors)]
        if isinstance(own, (list, tuple)) and own:
            names[side] = [str(name) for name in own]
    return names


def spec_json(specs: Mapping[str, Any]) -> Dict[str, Any]:
    """Names, dtypes and shapes of a signature's side; a size that is left open is null, so is an unknown shape."""
    return {
        str(name): {
            "dtype": spec.dtype.name,
            "shape": None if spec.shape.rank is None else list(spec.shape.as_list()),
        }
        for name, spec in sorted(specs.items())
    }
