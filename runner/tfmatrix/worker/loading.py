"""A load that remedies may change before it is done."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional

import remedies

_REMEDIES = remedies.remedies()


class Loading:
    """The call of a format on an artifact.

    `arguments` are keyword arguments of `tf.keras.models.load_model`, in place of the format's own call where there are
    any; `instead` loads in another way; `afterwards` are done to the model that was loaded.
    """

    def __init__(
        self,
        chosen: Any,
        path: str,
        custom_objects: Optional[Mapping[str, Any]],
        build: Callable[[], Any],
        scenario: ModuleType,
    ) -> None:
        self.path = path
        self.custom_objects = custom_objects
        self.build = build
        self.scenario = scenario
        self.arguments: Dict[str, Any] = {}
        self.instead: Optional[Callable[[], Any]] = None
        self.afterwards: List[Callable[[Any], Any]] = []
        self._format = chosen

    @property
    def weights(self) -> str:
        """What `load_weights` takes: a SavedModel keeps its weights, and the optimizer's, as a checkpoint inside."""
        if os.path.isdir(self.path):
            return os.path.join(self.path, "variables", "variables")
        return self.path

    def run(self, names: Iterable[str] = ()) -> Any:
        """The model: of the format's plain call, or of what the remedies of these names (of their files) make of it."""
        for name in names:
            _REMEDIES[name].change(self)
        model = self._call()
        for change in self.afterwards:
            change(model)
        return model

    def _call(self) -> Any:
        if self.instead is not None:
            return self.instead()
        if self.arguments:
            import tensorflow as tf

            return tf.keras.models.load_model(self.path, custom_objects=self.custom_objects, **self.arguments)
        return self._format.read(self.path, self.custom_objects, self.build, self.scenario)
