"""Operators and functions on symbolic tensors: layers of TensorFlow's functions in Keras 2, operations of Keras in 3.

`x * 2`, `tf.reshape(x, …)` and `x[:, :2]` became a TFOpLambda or SlicingOpLambda that names TensorFlow's function.
Keras 3 has an operation of its own for most; TensorFlow's functions on its tensors need code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tfmatrix.engine.adapters._objects import CannotAdaptError, Object, in_model

SINCE = "3.0"
ORDER = 60
SOURCE = "https://keras.io/guides/migrating_to_keras_3/"


class _Operation(NamedTuple):
    """An operation of Keras 3: its module and class, which of TensorFlow's arguments are tensors, in its order, and
    which it is made with, by their names there.
    """

    name: str
    tensors: tuple[str, ...] = ("x", "y")
    made_with: Mapping[str, str] = {}
    module: str = "keras.src.ops.numpy"


_REDUCTION = {"axis": "axis", "keepdims": "keepdims"}
_ONE = ("x",)
_NN = "keras.src.ops.nn"
_OPERATIONS: Mapping[str, _Operation] = {
    "__operators__.add": _Operation("Add"),
    "math.add": _Operation("Add"),
    "math.subtract": _Operation("Subtract"),
    "math.multiply": _Operation("Multiply"),
    "math.truediv": _Operation("TrueDivide"),
    "math.divide": _Operation("Divide"),
    "math.floordiv": _Operation("FloorDivide"),
    "math.maximum": _Operation("Maximum"),
    "math.minimum": _Operation("Minimum"),
    "math.pow": _Operation("Power"),
    "math.negative": _Operation("Negative", _ONE),
    "math.abs": _Operation("Absolute", _ONE),
    "math.square": _Operation("Square", _ONE),
    "math.sqrt": _Operation("Sqrt", _ONE),
    "math.exp": _Operation("Exp", _ONE),
    "math.log": _Operation("Log", _ONE),
    "math.sin": _Operation("Sin", _ONE),
    "math.cos": _Operation("Cos", _ONE),
    "math.tanh": _Operation("Tanh", _ONE),
    "math.sigmoid": _Operation("Sigmoid", _ONE, module=_NN),
    "nn.relu": _Operation("Relu", ("features",), module=_NN),
    "nn.softmax": _Operation("Softmax", ("logits",), {"axis": "axis"}, _NN),
    "linalg.matmul": _Operation("Matmul", ("a", "b")),
    "reshape": _Operation("Reshape", ("tensor",), {"shape": "newshape"}),
    "transpose": _Operation("Transpose", ("a",), {"perm": "axes"}),
    "expand_dims": _Operation("ExpandDims", ("input",), {"axis": "axis"}),
    "squeeze": _Operation("Squeeze", ("input",), {"axis": "axis"}),
    "concat": _Operation("Concatenate", ("values",), {"axis": "axis"}),
    "math.reduce_sum": _Operation("Sum", ("input_tensor",), _REDUCTION),
    "math.reduce_mean": _Operation("Mean", ("input_tensor",), _REDUCTION),
    "math.reduce_max": _Operation("Max", ("input_tensor",), _REDUCTION),
    "math.reduce_min": _Operation("Min", ("input_tensor",), _REDUCTION),
    "math.reduce_prod": _Operation("Prod", ("input_tensor",), _REDUCTION),
    "cast": _Operation("Cast", ("x",), {"dtype": "dtype"}, "keras.src.ops.core"),
}
_FUNCTIONS = {operation.name: function for function, operation in reversed(list(_OPERATIONS.items()))}
_LAYERS = ("TFOpLambda", "SlicingOpLambda")
_GET_ITEM = "__operators__.getitem"


def up(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """A layer that calls a function of TensorFlow is the operation that does the same."""

    def change(each: Object) -> Object:
        if each["class_name"] not in _LAYERS:
            return each
        function = str(each["config"].get("function"))
        if function == _GET_ITEM:
            nodes = [_sliced(node) for node in each["inbound_nodes"]]
            return _operation(each, "keras.src.ops.numpy", "GetItem", {}, nodes)
        found = _OPERATIONS.get(function)
        if found is None:
            raise CannotAdaptError(
                f"it calls tf.{function} on symbolic tensors, which Keras 3 has no operation for here",
                "rebuild the model from its code with keras.ops, and load these weights into it",
            )
        made_with: dict[str, Any] = {}
        nodes = []
        for node in each["inbound_nodes"]:
            given = {**dict(zip(found.tensors, node["args"], strict=False)), **node["kwargs"]}
            given.pop("name", None)
            own = {name: given.pop(old) for old, name in found.made_with.items() if old in given}
            args = [given.pop(name) for name in found.tensors if name in given]
            if given or (nodes and own != made_with):
                raise CannotAdaptError(f"it calls tf.{function} with {sorted(given) or 'several arguments'}")
            made_with = own
            nodes.append({"args": args, "kwargs": {}})
        return _operation(each, found.module, found.name, made_with, nodes)

    return in_model(document, change)


def down(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """An operation is the layer that calls TensorFlow's function."""

    def change(each: Object) -> Object:
        module = str(each.get("module") or "")
        if not module.startswith("keras.src.ops."):
            return each
        name = str(each["class_name"])
        own = {key: value for key, value in each["config"].items() if key != "name"}
        config = {"name": each["config"].get("name"), "trainable": True, "dtype": "float32"}
        if name == "GetItem":
            nodes = [_unsliced(node) for node in each["inbound_nodes"]]
            return {"class_name": _LAYERS[1], "config": {**config, "function": _GET_ITEM}, **_place(each, nodes)}
        function = _FUNCTIONS.get(name)
        if function is None or _OPERATIONS[function].module != module:
            raise CannotAdaptError(f"it uses the operation {name} of Keras 3, which Keras 2 has no layer for here")
        found = _OPERATIONS[function]
        renamed = {old: own[new] for old, new in found.made_with.items() if own.get(new) is not None}
        nodes = []
        for node in each["inbound_nodes"]:
            given = dict(zip(found.tensors[1:], node["args"][1:], strict=False))
            nodes.append({"args": node["args"][:1], "kwargs": {**given, **renamed}})
        return {"class_name": _LAYERS[0], "config": {**config, "function": function}, **_place(each, nodes)}

    return in_model(document, change)


def _operation(each: Object, module: str, name: str, made_with: Mapping[str, Any], nodes: list[Any]) -> Object:
    return {
        "module": module,
        "class_name": name,
        "registered_name": name,
        "config": {"name": each["config"]["name"], **made_with},
        **_place(each, nodes),
    }


def _place(each: Object, nodes: list[Any]) -> dict[str, Any]:
    return {"name": each.get("name") or each["config"]["name"], "inbound_nodes": nodes}


def _sliced(node: Mapping[str, Any]) -> dict[str, Any]:
    """`slice_spec` as the key of an operation."""
    spec = node["kwargs"]["slice_spec"]
    return {"args": [*node["args"], _key(spec)], "kwargs": {}}


def _key(spec: Any) -> Any:
    if isinstance(spec, list):
        return [_key(item) for item in spec]
    if isinstance(spec, Mapping) and set(spec) == {"start", "stop", "step"}:
        return {"class_name": "__slice__", "config": dict(spec)}
    if isinstance(spec, Mapping):
        raise CannotAdaptError("it slices a tensor with an Ellipsis or another tensor")
    return spec


def _unsliced(node: Mapping[str, Any]) -> dict[str, Any]:
    def spec(key: Any) -> Any:
        if isinstance(key, list):
            return [spec(item) for item in key]
        return dict(key["config"]) if isinstance(key, Mapping) and key.get("class_name") == "__slice__" else key

    return {"args": node["args"][:1], "kwargs": {"slice_spec": spec(node["args"][1])}}
