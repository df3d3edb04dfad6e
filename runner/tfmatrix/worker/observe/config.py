"""What a model was made of and compiled with, in terms that mean the same in every Keras.

Normalised is what is presentation only: where a class lives, automatic names, strings against objects of the same
meaning. What is a difference of meaning (an activation, a unit count, a loss's argument) stays one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from . import calls
from . import optimizer as optimizers
from .arrays import to_numpy
from .layers import children
from .plain import plain

# Said elsewhere in the section (name is the path), or shapes that a build adds.
_NOT_CONFIG = {"name", "trainable", "dtype", "batch_input_shape", "batch_shape", "build_config", "compile_config"}
_NESTED = {"layers", "input_layers", "output_layers", "build_input_shape"}
_PRESENTATION = {"module", "registered_name", "build_config", "shared_object_id"}

KERAS = ("keras", "tensorflow", "tensorflow_core", "tf_keras")
"""Packages that Keras's own layers come from."""

_ALIASES = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
    "kullback_leibler_divergence": "kl_divergence",
    "logcosh": "log_cosh",
    "huber_loss": "huber",
    "acc": "accuracy",
    "cosine_proximity": "cosine_similarity",
}
_LAMBDA = "<lambda>"
WRAPPERS = {"MeanMetricWrapper", "LossFunctionWrapper", "SumOverBatchSizeMetricWrapper"}
ACCURACIES = {"binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy"}
_DEFAULT_REDUCTIONS = ("auto", "sum_over_batch_size")


def observe(model: Any, notes: Dict[str, str]) -> Dict[str, Any]:
    """The layers of a Keras model in order with their configs, trainable flags and dtype policies.

    Nested models are followed; a custom layer is one entry. A get_config that raises gives null, and a note
    `config/PATH`.
    """
    layers: List[Dict[str, Any]] = []
    trainable = {"": bool(model.trainable)}
    policies = {"": policy_name(model)}
    for path, layer in _layers(model, ""):
        own = type(layer).__module__.partition(".")[0] not in KERAS
        entry: Dict[str, Any] = {"path": path, "class": type(layer).__name__, "custom": own, "config": None}
        try:
            entry["config"] = layer_config(layer)
        except Exception as problem:
            notes["config/%s" % path] = "get_config: %s: %s" % (type(problem).__name__, str(problem)[:500])
        layers.append(entry)
        trainable[path] = bool(layer.trainable)
        policies[path] = policy_name(layer)
    result = {"class": type(model).__name__, "layers": layers, "trainable": trainable, "dtype_policies": policies}
    try:
        result["wiring"] = wiring(model)
    except Exception as problem:
        # What Keras keeps of its graph is no public interface: without it, the rest is compared all the same.
        notes["config/wiring"] = "%s: %s" % (type(problem).__name__, str(problem)[:500])
    return result


def wiring(model: Any) -> Dict[str, List[List[str]]]:
    """What each layer of a functional model is called on: path to calls, a call being the names of the layers before.

    The model's inputs are `input 0`, `input 1`…: automatic names differ. Nested functional models are followed.
    """
    found: Dict[str, List[List[str]]] = {}
    for path, inner in [("", model), *_layers(model, "")]:
        depths = getattr(inner, "_nodes_by_depth", None)
        if not isinstance(depths, Mapping) or type(inner).__name__ == "Sequential":
            continue
        places = {id(_history(tensor)): "input %d" % index for index, tensor in enumerate(inner.inputs)}
        calls: Dict[str, List[List[str]]] = {}
        for nodes in depths.values():
            for node in nodes:
                before = [places.get(id(layer), layer.name) for layer in _layers_before(node)]
                if before:
                    calls.setdefault(_layer_of(node).name, []).append(before)
        for name, made in calls.items():
            # In which order a layer was called is not kept by every format.
            found["%s/%s" % (path, name) if path else name] = sorted(made)
    return found


def _history(tensor: Any) -> Any:
    """The layer that a symbolic tensor comes from."""
    return tensor._keras_history[0]


def _layer_of(node: Any) -> Any:
    for name in ("operation", "layer", "outbound_layer"):  # Keras 3; Keras 2.4; before
        if hasattr(node, name):
            return getattr(node, name)
    raise AttributeError("a %s without a layer" % type(node).__name__)


def _layers_before(node: Any) -> List[Any]:
    if hasattr(node, "parent_nodes"):
        return [_layer_of(parent) for parent in node.parent_nodes]
    layers = node.inbound_layers  # TensorFlow 2.0 to 2.3
    return list(layers) if isinstance(layers, (list, tuple)) else [layers]


def _layers(model: Any, path: str) -> List[Tuple[str, Any]]:
    import tensorflow as tf

    found = []
    layers = getattr(model, "layers", None) or children(model)
    for layer in layers:
        # Whether a Sequential lists its input differs between versions. By name: a SavedModel revives it as a class
        # of its own in TensorFlow 2.0.
        if type(layer).__name__ == "InputLayer":
            continue
        own = "%s/%s" % (path, layer.name) if path else layer.name
        found.append((own, layer))
        if isinstance(layer, tf.keras.Model):
            found.extend(_layers(layer, own))
    return found


def layer_config(layer: Any) -> Dict[str, Any]:
    """The layer's own get_config, normalised; of a nested model without its layers."""
    config = {}
    given = layer.get_config()
    penalty = getattr(layer, "activity_regularizer", None)
    if penalty is not None and "activity_regularizer" not in given:
        # Early releases of Keras 3 leave it out (3.0.5 and 3.3.3 do), and lose it on every save.
        given = dict(given, activity_regularizer=plain(penalty))
    if given.get("function_type") == "lambda":
        # Keras 2's Lambda: marshalled code, whose bytes depend on what else refers to it, and where it came from.
        given = dict(given, function=_LAMBDA)
        del given["function_type"], given["module"]
    for name, value in sorted(given.items()):
        # Versions differ in which of the arguments that are not used they name.
        if name not in _NOT_CONFIG and name not in _NESTED and value is not None:
            config[name] = _digested(normalised(plain(_unwrapped(value))))
    return config


def _unwrapped(value: Any) -> Any:
    """A config value with arrays as lists, in whatever a version wraps them."""
    if isinstance(value, Mapping):
        if value.get("class_name") in ("__numpy__", "__tensor__") and isinstance(value.get("config"), Mapping):
            return _unwrapped(value["config"].get("value"))
        return {key: _unwrapped(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_unwrapped(item) for item in value]
    if isinstance(value, np.ndarray) or (hasattr(value, "numpy") and hasattr(value, "shape")):
        return to_numpy(value).tolist()
    return value


_MANY = 64


def _digested(value: Any) -> Any:
    """A config value with long lists of numbers as their shape and a digest of their float32."""
    if isinstance(value, dict):
        return {key: _digested(item) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    if _count(value) > _MANY:
        try:
            array = np.asarray(value)
        except ValueError:  # ragged
            array = np.asarray("")
        if array.dtype.kind in "fiu":
            digest = hashlib.sha256(array.astype("float32").tobytes()).hexdigest()
            return {"shape": list(array.shape), "sha256": digest}
    return [_digested(item) for item in value]


def _count(value: Any) -> int:
    return sum(map(_count, value)) if isinstance(value, list) else 1


def normalised(value: Any) -> Any:
    """A config value in one form: no module paths, no seeds that are None, built-in functions by their name alone."""
    if isinstance(value, list):
        return [normalised(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    name, config = value.get("class_name"), value.get("config")
    if name == "__lambda__":
        return _LAMBDA
    if name == "function" and isinstance(config, str):
        return config
    if name == "__tuple__":
        return normalised(value.get("items"))
    if name in ("DTypePolicy", "Policy") and isinstance(config, Mapping):
        return config.get("name")
    result = {key: normalised(item) for key, item in value.items() if key not in _PRESENTATION}
    if name is not None and isinstance(result.get("config"), dict):
        skipped = ("name", "dtype", "trainable")
        result["config"] = {
            key: item for key, item in result["config"].items() if key not in skipped and item is not None
        }
    return result


def policy_name(layer: Any) -> Optional[str]:
    """The name of the layer's dtype policy: "float32", "mixed_float16"."""
    policy = getattr(layer, "dtype_policy", None)
    if policy is None:
        policy = getattr(layer, "_dtype_policy", None)
    return str(getattr(policy, "name", None) or policy) if policy is not None else None


def is_compiled(model: Any) -> bool:
    """Whether compile was called, by a user or by a loader."""
    if getattr(model, "optimizer", None) is None:
        return False
    if hasattr(model, "compiled"):
        return bool(model.compiled)
    # TensorFlow 2.0 and 2.1 keep what compile was given and put the rest off until fit knows the shapes of a
    # Sequential: its `_is_compiled` is False until then, and its optimizer tells.
    return bool(model._is_compiled) or not hasattr(model, "_get_compile_args")


def observe_compile(model: Any) -> Dict[str, Any]:
    """What compile was given: optimizer class and hyperparameters, loss, metrics and weights of both."""
    given = compile_arguments(model)
    single = len(getattr(model, "outputs", None) or [None]) == 1
    names = calls.interface(model)["outputs"] or []
    return {
        "optimizer": optimizers.class_name(model.optimizer),
        "hyperparameters": optimizers.hyperparameters(model.optimizer),
        "loss": function_json(by_output(given.get("loss"), names)),
        "loss_weights": plain(by_output(given.get("loss_weights"), names)),
        "metrics": _metrics(by_output(given.get("metrics"), names, several=True), single),
        "weighted_metrics": _metrics(by_output(given.get("weighted_metrics"), names, several=True), single),
    }


def by_output(given: Any, names: Sequence[str], several: bool = False) -> Any:
    """What compile was given for outputs by name, as the list in the order of the outputs that means the same.

    `several`: each output has a list of them. What names something else than the outputs stays as it is.
    """
    if not isinstance(given, Mapping) or "class_name" in given or len(names) < 2 or not set(given) <= set(names):
        return given
    if not several:
        return [given.get(name) for name in names]
    return [_as_list(given.get(name)) for name in names]


def _as_list(given: Any) -> List[Any]:
    if given is None:
        return []
    return list(given) if isinstance(given, (list, tuple)) else [given]


def compile_arguments(model: Any) -> Dict[str, Any]:
    """What compile was given: loss, loss_weights, metrics and weighted_metrics, as they are."""
    if hasattr(model, "_get_compile_args"):  # Keras 2
        return dict(model._get_compile_args())
    compiled_loss = getattr(model, "_compile_loss", None)
    compiled_metrics = getattr(model, "_compile_metrics", None)
    if hasattr(model, "_compile_config"):  # Keras 3
        return {
            "loss": getattr(compiled_loss, "_user_loss", None),
            "loss_weights": getattr(compiled_loss, "_user_loss_weights", None),
            "metrics": getattr(compiled_metrics, "_user_metrics", None),
            "weighted_metrics": getattr(compiled_metrics, "_user_weighted_metrics", None),
        }
    return {  # TensorFlow 2.0 and 2.1
        "loss": model.loss,
        "loss_weights": getattr(model, "loss_weights", None),
        "metrics": getattr(model, "_compile_metrics", None),
        "weighted_metrics": getattr(model, "_compile_weighted_metrics", None),
    }


def _metrics(given: Any, single: bool) -> Any:
    """Normalised metrics. With one output a list in a list means the same as the list."""
    if given is None:
        return []
    value = function_json(given)
    if not isinstance(value, (list, dict)):
        return [value]
    if not single and isinstance(value, list) and any(isinstance(item, list) for item in value):
        value = [_as_list(item) for item in value]
        return value if any(value) else []
    if single and isinstance(value, list):
        flat: List[Any] = []
        for item in value:
            flat.extend(item if isinstance(item, list) else [item])
        return flat
    return value


def function_json(value: Any) -> Any:
    """A loss or a metric, or a structure of them: its name, or {"name", "config"} where its arguments matter."""
    if value is None:
        return None
    if isinstance(value, Mapping) and "class_name" not in value:
        return {str(key): function_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [function_json(item) for item in value]
    if isinstance(value, str):
        return _canonical(value)
    if isinstance(value, Mapping):
        return _object_json(str(value["class_name"]), value.get("config") or {})
    if hasattr(value, "get_config"):
        config = dict(value.get_config())
        # Keras 3's Huber, and others, leave what they compute with out of get_config, and lose it on a load.
        config.update(getattr(value, "_fn_kwargs", None) or {})
        wrapped = wrapped_function(value)
        if wrapped is not None:
            config["fn"] = getattr(wrapped, "__name__", None) or _canonical(type(wrapped).__name__)
        return _object_json(type(value).__name__, config)
    return _canonical(getattr(value, "__name__", type(value).__name__))


def wrapped_function(value: Any) -> Any:
    """The function inside of a loss or a metric that only wraps it; None for any other."""
    if type(value).__name__ not in WRAPPERS:
        return None
    return getattr(value, "fn", None) or getattr(value, "_fn", None)


def _object_json(class_name: str, config: Mapping[str, Any]) -> Any:
    config = dict(config)
    name = _canonical(class_name)
    if class_name in WRAPPERS:
        wrapped = normalised(plain(config.get("fn")))
        name = _canonical(re.sub(r"^<function (.*)>$", r"\1", wrapped if isinstance(wrapped, str) else class_name))
        # "accuracy" is resolved to one of these when the shapes are known, and saved as what it was resolved to.
        if name in ACCURACIES and config.get("name") in ("accuracy", "acc"):
            name = "accuracy"
    kept = {}
    for key, value in sorted(config.items()):
        if key in ("name", "dtype", "fn") or value is None or value is False:
            continue
        if key == "reduction" and value in _DEFAULT_REDUCTIONS:
            continue
        kept[key] = normalised(plain(value))
    for key, default in (("axis", -1), ("label_smoothing", 0.0)):
        if kept.get(key) == default:
            del kept[key]
    return {"name": name, "config": kept} if kept else name


def _canonical(name: str) -> str:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    return _ALIASES.get(snake, snake)
