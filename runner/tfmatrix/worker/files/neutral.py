"""The neutral form of a model: what it is made of, in no file format, so that another Keras can build it again.

    {"schema": 1, "keras": "2.15.0", "tensorflow": "2.15.1", "model": {"class_name", "config", …}, "compile": … | null,
     "assets": {layer's path: {name: values}}, "error": null}

`model` is what `to_json` says, `compile` what compile was given, `assets` what layers know beside their variables: the
vocabulary of a lookup. Variables and optimizer slots by name are the observation's, written by the same job. Neither
holds code: the function of a Lambda is named, and whoever builds the model is given one of that name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, Dict, List, Tuple

import numpy as np
from observe import config, layers, optimizer
from observe.arrays import to_numpy
from observe.plain import error, plain
from protocol import NEUTRAL
from versions import versions

SCHEMA = 1

LOOKUPS = ("StringLookup", "IntegerLookup", "TextVectorization")
"""Layers that keep a vocabulary in a table."""


def write(model: Any, folder: str) -> None:
    """Writes the neutral form of a Keras model, or why there is none: a class without get_config has none."""
    document: Dict[str, Any] = {"schema": SCHEMA, **versions(), "model": None, "compile": None, "assets": {}}
    document["error"] = None
    try:
        if not layers.is_keras_model(model):
            raise TypeError("a %s is no Keras model" % type(model).__name__)
        document["model"] = _without_code(json.loads(model.to_json()), _lambdas(model))
        document["compile"] = compiled(model) if config.is_compiled(model) else None
        document["assets"] = assets(model)
    except Exception as problem:
        document["error"] = error(problem)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, NEUTRAL), "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1, sort_keys=True)


def _lambdas(model: Any) -> Dict[str, str]:
    """The names of the functions of Lambda layers, by the layers'; of one without a name, one after the layer."""
    found = {}
    for _, layer in layers.walk(model):
        if type(layer).__name__ == "Lambda":
            name = str(getattr(layer.function, "__name__", ""))
            found[str(layer.name)] = name if name.isidentifier() else "%s_function" % layer.name
    return found


def _without_code(value: Any, functions: Mapping[str, str]) -> Any:
    """A configuration in which Lambda layers name their function in place of its code."""
    if isinstance(value, list):
        return [_without_code(item, functions) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _without_code(item, functions) for key, item in value.items()}
    given = found.get("config")
    if found.get("class_name") != "Lambda" or not isinstance(given, dict) or given.get("name") not in functions:
        return found
    function = given.get("function")
    is_code = isinstance(function, list) or (isinstance(function, dict) and function.get("class_name") == "__lambda__")
    if is_code:
        name = functions[given["name"]]
        named = {"module": "builtins", "class_name": "function", "config": name, "registered_name": name}
        kept = {key: item for key, item in given.items() if key != "function_type"}
        found["config"] = dict(kept, function=named)
    return found


def named_functions(value: Any) -> Iterator[Tuple[str, str]]:
    """The Lambda layers in a configuration that name a function, and its name."""
    items = value if isinstance(value, list) else list(value.values()) if isinstance(value, Mapping) else []
    for item in items:
        yield from named_functions(item)
    if isinstance(value, Mapping) and value.get("class_name") == "Lambda":
        function = (value.get("config") or {}).get("function")
        if isinstance(function, Mapping) and function.get("class_name") == "function":
            yield str(value["config"].get("name")), str(function.get("config"))


def assets(model: Any) -> Dict[str, Dict[str, Any]]:
    """What layers keep outside of configuration and variables, by path; what is empty is left out."""
    found = {}
    for path, layer in layers.walk(model):
        layer = getattr(layer, "layer", None) or layer  # TimeDistributed and others
        name = type(layer).__name__
        if name in LOOKUPS:
            found[path] = _vocabulary(layer)
        elif name == "Discretization" and getattr(layer, "bin_boundaries", None) is not None:
            found[path] = {"bin_boundaries": np.asarray(layer.bin_boundaries, "float64").ravel().tolist()}
    return {path: values for path, values in found.items() if values}


def _vocabulary(layer: Any) -> Dict[str, Any]:
    """The words without what the layer puts before them, and their weights where they have some."""
    lookup = getattr(layer, "_lookup_layer", None) or layer
    try:
        words = lookup.get_vocabulary(include_special_tokens=False)
    except TypeError:  # TensorFlow before 2.5
        words = [word for word in lookup.get_vocabulary() if word not in ("", "[UNK]", 0, -1)]
    if not len(words):
        return {}
    found: Dict[str, Any] = {"vocabulary": [_word(word) for word in words]}
    weights = getattr(lookup, "idf_weights", None)
    if str(getattr(lookup, "output_mode", "")) in ("tf_idf", "tf-idf") and weights is not None:
        # Its first entries are for what is out of the vocabulary, and all the same: their mean.
        values = [float(value) for value in to_numpy(weights).ravel()]
        found["idf_weights"] = values[len(values) - len(words) :]
    return found


def _word(word: Any) -> Any:
    if isinstance(word, bytes):
        return word.decode("utf-8")
    return str(word) if isinstance(word, str) else int(word)


def compiled(model: Any) -> Dict[str, Any]:
    """What compile was given: strings as they are, objects as class and config, functions by their name."""
    given = config.compile_arguments(model)
    outputs = list(getattr(model, "output_names", None) or [""])
    return {
        "optimizer": serialized(model.optimizer),
        "loss": serialized(given.get("loss")),
        "loss_weights": plain(given.get("loss_weights")),
        "metrics": _metrics(given.get("metrics"), outputs),
        "weighted_metrics": _metrics(given.get("weighted_metrics"), outputs),
    }


def _metrics(given: Any, outputs: List[str]) -> Any:
    """With one output a list in a list means the same as the list; with several each metric has its own name."""
    value = serialized(given)
    if len(outputs) == 1 and isinstance(value, list):
        flat: List[Any] = []
        for item in value:
            flat.extend(item if isinstance(item, list) else [item])
        return flat
    if len(outputs) > 1 and versions()["keras"].startswith("2."):
        if isinstance(value, list) and len(value) == len(outputs):
            return [_own_names(item, name) for item, name in zip(value, outputs)]
        if isinstance(value, Mapping):
            return {name: _own_names(item, name) for name, item in value.items()}
    return value


def _own_names(value: Any, output: str) -> Any:
    """Metrics of an output by the names that they were given: Keras 2 puts the output's before them when it trains."""
    if isinstance(value, list):
        return [_own_names(item, output) for item in value]
    if not isinstance(value, Mapping):
        return value
    if isinstance(value.get("config"), Mapping):
        return dict(value, config=_own_names(value["config"], output))
    name = str(value.get("name") or "")
    if not name.startswith(output + "_"):
        return value
    name = name[len(output) + 1 :]
    # A function by its own name needs no other.
    return name if value.get("wrapped") == name else dict(value, name=name)


def serialized(value: Any) -> Any:
    """A loss, a metric, an optimizer, or a structure of them, as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return {str(key): serialized(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [serialized(item) for item in value]
    wrapped = config.wrapped_function(value)
    if wrapped is not None:
        name, own = getattr(wrapped, "__name__", type(wrapped).__name__), value.get_config().get("name")
        # "accuracy" was resolved to one of three when the shapes were known.
        if name in config.ACCURACIES and own in ("accuracy", "acc"):
            return str(own)
        return name if own in (None, name) else {"wrapped": name, "name": str(own)}
    if hasattr(value, "get_config"):
        result = {"class_name": type(value).__name__, "config": _config(value)}
        registered = _registered_name(type(value))
        if registered != type(value).__name__:
            result["registered_name"] = registered
        return result
    return getattr(value, "__name__", type(value).__name__)


def _config(value: Any) -> Dict[str, Any]:
    is_keras_3 = not versions()["keras"].startswith("2.")
    rounded = _with_modules if is_keras_3 else optimizer.rounded
    return {str(name): rounded(item) for name, item in plain(value.get_config()).items()}


def _with_modules(value: Any) -> Any:
    """Numbers as float32 prints them; Keras 3 finds what is nested in an argument by its module alone."""
    if isinstance(value, list):
        return [_with_modules(item) for item in value]
    if isinstance(value, dict):
        return {key: _with_modules(item) for key, item in value.items() if key != "build_config"}
    return optimizer.rounded(value)


def _registered_name(chosen: type) -> str:
    import tensorflow as tf

    get = getattr(tf.keras.utils, "get_registered_name", None)
    name = str(get(chosen)) if get is not None else chosen.__name__
    # Keras's own optimizers of 2.11 and later are registered under names of their own.
    return name if name.partition(">")[0] not in ("Keras", "keras") else chosen.__name__
