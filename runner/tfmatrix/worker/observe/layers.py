"""The parts of a model: its layers by path, and its variables by path, in Keras 2, in Keras 3 and without Keras."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Dict, Iterator, List, NamedTuple, Set, Tuple

from .arrays import to_numpy

_AUTOMATIC_NAME = re.compile(r"^[Vv]ariable(_\d+)?$")
# Keras 2's models count their steps in raw variables of their own.
_KERAS_COUNTERS = {"_train_counter", "_test_counter", "_predict_counter", "_steps_per_execution"}


class Weight(NamedTuple):
    """One variable of a model. `layer` is its owner's path, `role` its name there; `tracked` says Keras knows it."""

    path: str
    layer: str
    role: str
    variable: Any
    trainable: bool
    tracked: bool


def is_keras_model(model: Any) -> bool:
    """Whether it is a model of the Keras that is `tf.keras` here."""
    import tensorflow as tf

    return isinstance(model, tf.keras.Model)


def children(layer: Any) -> List[Any]:
    """The layers that a layer holds directly, without metrics, in Keras's order."""
    import tensorflow as tf

    if hasattr(layer, "_flatten_layers"):
        found = list(layer._flatten_layers(recursive=False, include_self=False))
    else:  # TensorFlow 2.0 to 2.2
        found = []
        for item in getattr(layer, "_layers", None) or []:
            found.extend([item] if isinstance(item, tf.keras.layers.Layer) else getattr(item, "layers", []))
    return [child for child in found if not isinstance(child, tf.keras.metrics.Metric)]


def walk(model: Any) -> Iterator[Tuple[str, Any]]:
    """Paths and layers of a model, parents first, each layer once; the model itself is ("", model)."""
    seen: Set[int] = set()

    def visit(path: str, layer: Any) -> Iterator[Tuple[str, Any]]:
        seen.add(id(layer))
        yield path, layer
        names: Set[str] = set()
        for child in children(layer):
            if id(child) in seen:
                continue
            name = _unique(child.name, names)
            for item in visit("%s/%s" % (path, name) if path else name, child):
                yield item

    return visit("", model)


def weights(model: Any) -> List[Weight]:
    """The variables of a model, in its own order; for Keras then those that Keras does not know of.

    Keras 3 leaves a raw `tf.Variable` attribute of a layer out of `weights`: it is neither trained nor saved in h5 and
    .keras. Keras 2 tracks it.
    """
    if is_keras_model(model) or hasattr(model, "trainable_weights"):
        return _keras_weights(model)
    if hasattr(model, "keras_api") and hasattr(model, "variables"):
        return _restored_keras_weights(model)
    return _module_weights(model)


def _keras_weights(model: Any) -> List[Weight]:
    own: Dict[int, Tuple[str, str]] = {}
    raw: List[Weight] = []
    listed = [variable for variable in model.weights if _is_variable(variable)]
    tracked = {id(variable) for variable in listed}
    for path, layer in walk(model):
        names: Set[str] = set()
        attributes = {id(variable): name for name, variable in _raw_variables(layer)}
        lists = ("_trainable_weights", "_non_trainable_weights", "_trainable_variables", "_non_trainable_variables")
        for variable in _distinct(item for name in lists for item in getattr(layer, name, None) or []):
            if id(variable) in tracked and id(variable) not in own:
                name = _local_name(variable)
                if _AUTOMATIC_NAME.match(name):
                    name = attributes.get(id(variable), name)
                own[id(variable)] = (path, _unique(name, names))
        for name, variable in _raw_variables(layer):
            if id(variable) not in tracked:
                tracked.add(id(variable))
                name = _unique(name, names)
                raw.append(Weight(_join(path, name), path, name, variable, bool(variable.trainable), False))
    trainable = {id(variable) for variable in model.trainable_weights}
    result = []
    orphans: Set[str] = set()
    for variable in _distinct(listed):
        # A variable that no layer lists as its own: those of a TFSMLayer, or of a model restored without its code.
        path, name = own.get(id(variable)) or ("", _unique(_full_name(variable), orphans))
        result.append(Weight(_join(path, name), path, name, variable, id(variable) in trainable, True))
    return result + raw


def seeds(model: Any) -> List[Dict[str, Any]]:
    """The layers of a Keras model that draw random numbers, and the state of their generators.

    [{"path", "state"}]; a state is null where it cannot be seen: Keras 2 keeps it in the compiled function.
    """
    found: List[Dict[str, Any]] = []
    for path, layer in walk(model):
        generators = list(getattr(layer, "_seed_generators", None) or [])  # Keras 3
        for generator in generators:
            found.append({"path": path, "state": _state_of(generator)})
        if not generators and hasattr(layer, "_random_generator"):
            generator = getattr(layer._random_generator, "_generator", None)
            found.append({"path": path, "state": None if generator is None else _state_of(generator)})
    return found


def _state_of(generator: Any) -> List[int]:
    return [int(word) for word in to_numpy(generator.state).ravel()]


def _is_variable(value: Any) -> bool:
    """Whether an entry of `weights` is a variable: Keras 2 also lists what keeps a vocabulary (TextVectorization)."""
    return hasattr(value, "assign") and hasattr(value, "name")


def _raw_variables(layer: Any) -> List[Tuple[str, Any]]:
    """Names and variables of a layer's attributes that are tf.Variables, or lists or dictionaries of them."""
    import tensorflow as tf

    def visit(name: str, value: Any) -> Iterator[Tuple[str, Any]]:
        if isinstance(value, tf.Variable):
            yield name, value
        elif isinstance(value, Mapping):
            for key in sorted(value, key=str):
                for item in visit("%s/%s" % (name, key), value[key]):
                    yield item
        elif isinstance(value, (list, tuple)):
            for index, element in enumerate(value):
                for item in visit("%s/%d" % (name, index), element):
                    yield item

    found: List[Tuple[str, Any]] = []
    for name, value in sorted(vars(layer).items()):
        if name in _KERAS_COUNTERS or name.startswith("_self_") or name in _LISTS_OF_KERAS:
            continue
        found.extend(visit(name, value))
    return found


_LISTS_OF_KERAS = {
    "_trainable_weights",
    "_non_trainable_weights",
    "_trainable_variables",
    "_non_trainable_variables",
    "_initial_weights",
    "_undeduplicated_weights",
}


def _restored_keras_weights(loaded: Any) -> List[Weight]:
    """The variables of a Keras 2 model that was read without Keras: it has the list, but not the layers."""
    trainable = {id(variable) for variable in loaded.trainable_variables}
    names: Set[str] = set()
    result = []
    for variable in _distinct(loaded.variables):
        path = _unique(_full_name(variable), names)
        layer, _, role = path.rpartition("/")
        result.append(Weight(path, layer, role, variable, id(variable) in trainable, True))
    return result


def _module_weights(module: Any) -> List[Weight]:
    """The variables below a tf.Module or an object from tf.saved_model.load, by the attributes that lead to them."""
    import tensorflow as tf

    result: List[Weight] = []
    seen: Set[int] = set()

    def visit(path: str, node: Any) -> None:
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, tf.Variable):
            layer, _, role = path.rpartition("/")
            # Keras 3 saves a layer's kernel under its private attribute.
            result.append(Weight(path, layer, role.lstrip("_"), node, bool(node.trainable), True))
            return
        for name, child in _trackable_children(node):
            # Keras 3 models come with their optimizer, whose variables are not the model's.
            if path or name != "optimizer" or isinstance(node, tf.Module):
                visit(_join(path, name), child)

    visit("", module)
    return sorted(result, key=lambda weight: natural_order(weight.path))


def _trackable_children(node: Any) -> List[Tuple[str, Any]]:
    if hasattr(node, "_trackable_children"):
        return sorted(node._trackable_children().items())
    # TensorFlow 2.0 to 2.7
    return sorted((child.name, child.ref) for child in getattr(node, "_checkpoint_dependencies", []))


def natural_order(name: str) -> List[Tuple[int, str]]:
    """A sort key under which "a10" comes after "a9"."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _full_name(variable: Any) -> str:
    name = getattr(variable, "path", None) or variable.name
    return str(name).rpartition(":")[0] or str(name)


def _local_name(variable: Any) -> str:
    return _full_name(variable).rpartition("/")[2]


def _join(path: str, name: str) -> str:
    return "%s/%s" % (path, name) if path else name


def _unique(name: str, taken: Set[str]) -> str:
    """The name, or "name#2" and so on where it is taken already; takes it."""
    candidate, count = name, 1
    while candidate in taken:
        count += 1
        candidate = "%s#%d" % (name, count)
    taken.add(candidate)
    return candidate


def _distinct(items: Any) -> List[Any]:
    seen: Set[int] = set()
    result = []
    for item in items:
        if id(item) not in seen:
            seen.add(id(item))
            result.append(item)
    return result
