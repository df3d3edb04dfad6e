"""Functions of TensorFlow on symbolic tensors, as layers in a functional model of Keras 2."""

from __future__ import annotations

from typing import Any

from tfmatrix.engine.adapters._objects import Object

Reference = list[Any]
"""A tensor in Keras 2's lists: the layer, which of its calls, which of its outputs."""


class Functions:
    """Layers to be added to a functional model, in the order in which they are called."""

    def __init__(self, model: Object) -> None:
        self.layers: list[dict[str, Any]] = []
        self._names = {str(each.get("name") or each["config"].get("name")) for each in model["config"]["layers"]}

    def add(self, function: str, tensor: Reference, name: str, **arguments: Any) -> Reference:
        """What a function of TensorFlow (`math.add`) makes of a tensor; `name` begins the layer's name."""
        config = {"function": function}
        return self.layer("TFOpLambda", config, [*tensor[:3], {**arguments, "name": None}], name)

    def layer(self, class_name: str, config: dict[str, Any], node: list[Any], name: str) -> Reference:
        """What another layer makes of it; `node` is what it is called on."""
        own = next(each for number in range(1_000_000) if (each := f"{name}_{number}") not in self._names)
        self._names.add(own)
        settings = {"name": own, "trainable": True, "dtype": "float32", **config}
        self.layers.append({"class_name": class_name, "name": own, "config": settings, "inbound_nodes": [node]})
        return [own, 0, 0]
