"""A TFLite interpreter, called like the signature of a SavedModel."""

from __future__ import annotations

import re
from typing import Any, Mapping


class Interpreted:
    """A `tf.lite.Interpreter` as a callable from one structure to a dictionary of named arrays, of any batch size.

    By signature where the file and the interpreter have one; else by the tensors' own names.

    `signatures` are the file's by name, like those of a SavedModel; missing where the version does not tell what stands
    in them (before TensorFlow 2.8).
    """

    signatures: dict[str, Signature]

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        self._signature = None
        try:
            found = interpreter.get_signature_list()
            self._signature = next(iter(found.values())) if len(found) == 1 else None
            # Now: what the file leaves open, and what it fixes, is resized by the first call.
            self.signatures = {name: Signature(interpreter.get_signature_runner(name)) for name in found}
        except AttributeError:  # of an interpreter that knows no signatures, or not what is in them
            pass

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs, in the file's order."""
        if self._signature is not None:
            return list(self._signature["inputs"])
        return [_plain(detail["name"]) for detail in self._interpreter.get_input_details()]

    def input_specs(self) -> list[tuple[str, str, list[int | None]]]:
        """Names, dtypes and shapes of the inputs, in the file's order; a size that is left open is None."""
        import numpy as np

        if self._signature is not None and hasattr(self._interpreter.get_signature_runner(), "get_input_details"):
            details = self._interpreter.get_signature_runner().get_input_details()
            ordered = [(name, details[name]) for name in self.input_names]
        else:
            ordered = list(zip(self.input_names, self._interpreter.get_input_details()))
        return [
            (
                name,
                np.dtype(detail["dtype"]).name,
                _open_shape(detail),
            )
            for name, detail in ordered
        ]

    def __call__(self, inputs: Any) -> dict[str, Any]:
        """The outputs by name; `inputs` by name, or in the file's order."""
        names = self.input_names
        if not isinstance(inputs, Mapping):
            inputs = dict(zip(names, inputs if isinstance(inputs, (list, tuple)) else [inputs]))
        arrays = {name: inputs[name].numpy() for name in names}
        if self._signature is not None:
            results: dict[str, Any] = self._interpreter.get_signature_runner()(**arrays)
            return results
        return self._by_tensors(arrays)

    def _by_tensors(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        interpreter = self._interpreter
        for detail in interpreter.get_input_details():
            interpreter.resize_tensor_input(detail["index"], arrays[_plain(detail["name"])].shape)
        interpreter.allocate_tensors()
        for detail in interpreter.get_input_details():
            interpreter.set_tensor(detail["index"], arrays[_plain(detail["name"])])
        interpreter.invoke()
        return {detail["name"]: interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()}


class Signature:
    """One of a TFLite file's, called like that of a SavedModel."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self.structured_input_signature: tuple[tuple[()], dict[str, Any]] = ((), _specs(runner.get_input_details()))
        self.structured_outputs = _specs(runner.get_output_details())

    def __call__(self, **inputs: Any) -> dict[str, Any]:
        """The outputs by name."""
        results: dict[str, Any] = self._runner(**{name: value.numpy() for name, value in inputs.items()})
        return results


def _specs(details: Mapping[str, Any]) -> dict[str, Any]:
    import tensorflow as tf

    return {name: tf.TensorSpec(_open_shape(detail), detail["dtype"]) for name, detail in details.items()}


def _open_shape(detail: Mapping[str, Any]) -> list[int | None]:
    return [None if size < 0 else int(size) for size in detail.get("shape_signature", detail["shape"])]


def _plain(name: str) -> str:
    """A tensor's name as the model's code has it: without what a SavedModel on the way put around it."""
    return re.sub(r"^serving_default_|:\d+$", "", name)
