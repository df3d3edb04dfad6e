"""Arrays of an observation: tensors become numpy arrays in arrays.npz and references (REF) in observation.json.

A REF is `{"array": "a3", "dtype": "float32", "shape": [2, 3]}`, with `a3` the key in arrays.npz. Types that numpy does
not have (bfloat16, float8…) are stored as unsigned integers of the same width, under their own name in `dtype`.
Strings are stored in the REF: `{"strings": [base64, …], "dtype": "string", "shape": […]}`, flat, in C order.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from typing import Any, Dict, Iterator, List, Tuple

import numpy as np
from protocol import ARRAYS, DOCUMENT


def to_numpy(value: Any) -> np.ndarray:
    """The numpy array of a tensor, a variable of TensorFlow or of Keras, an array or a number."""
    if hasattr(value, "numpy"):
        value = value.numpy()
    return np.asarray(value)


class Arrays:
    """The arrays of one observation, in the order in which they were added."""

    def __init__(self) -> None:
        self._arrays: Dict[str, np.ndarray] = {}

    def add(self, value: Any) -> Dict[str, Any]:
        """Keeps a copy of the value; returns its REF."""
        array = np.array(to_numpy(value))
        shape = list(array.shape)
        if array.dtype.kind in "OSU":
            flat = [item if isinstance(item, bytes) else str(item).encode("utf-8") for item in array.ravel().tolist()]
            strings = [base64.b64encode(item).decode("ascii") for item in flat]
            return {"strings": strings, "dtype": "string", "shape": shape}
        dtype = array.dtype.name
        if array.dtype.type.__module__ != "numpy":
            array = array.view("uint%d" % (8 * array.dtype.itemsize))
        key = "a%d" % len(self._arrays)
        self._arrays[key] = array
        return {"array": key, "dtype": dtype, "shape": shape}

    def value(self, ref: Mapping[str, Any]) -> Any:
        """The numbers of a REF: where numpy does not know the type, with the one that TensorFlow knows by its name."""
        return _typed(self._arrays[ref["array"]], ref["dtype"])

    def copy(self) -> Arrays:
        """The same arrays, to which others are added."""
        other = Arrays()
        other._arrays = dict(self._arrays)
        return other

    def same(self, other: Arrays) -> bool:
        """Whether all arrays of the two have the same bits."""
        return self._arrays.keys() == other._arrays.keys() and all(
            array.dtype == other._arrays[name].dtype and array.tobytes() == other._arrays[name].tobytes()
            for name, array in self._arrays.items()
        )

    def save(self, path: str) -> None:
        """Writes arrays.npz; the same arrays give the same bytes."""
        arrays: Any = self._arrays
        np.savez(path, **arrays)

    def equals(self, ref: Mapping[str, Any], other: Reference, other_ref: Mapping[str, Any]) -> bool:
        """Whether a value here and one of another observation have the same type, shape and bits."""
        if any(ref[field] != other_ref[field] for field in ("dtype", "shape")):
            return False
        if "strings" in ref:
            return bool(ref["strings"] == other_ref.get("strings"))
        return bool(self._arrays[ref["array"]].tobytes() == other.array(other_ref).tobytes())


class Reference:
    """A written observation, read back by the worker."""

    def __init__(self, folder: str) -> None:
        with open(os.path.join(folder, DOCUMENT), encoding="utf-8") as file:
            self.json = json.load(file)
        with np.load(os.path.join(folder, ARRAYS)) as arrays:
            self._arrays = dict(arrays.items())

    def array(self, ref: Mapping[str, Any]) -> Any:
        """The array of a REF, with the dtype that TensorFlow knows by the REF's name."""
        if "strings" in ref:
            flat = [base64.b64decode(item) for item in ref["strings"]]
            return np.array(flat, dtype=object).reshape(ref["shape"])
        return _typed(self._arrays[ref["array"]], ref["dtype"]).reshape(ref["shape"])


def _typed(array: np.ndarray, dtype: str) -> np.ndarray:
    if array.dtype.name == dtype:
        return array
    import tensorflow as tf

    return array.view(tf.as_dtype(dtype).as_numpy_dtype)


def flatten(structure: Any, path: str = "", whole: bool = False) -> Iterator[Tuple[str, Any]]:
    """Paths and tensors of a structure, depth first: keys sorted, positions as numbers, "" for a single tensor.

    A ragged tensor gives `path#values` and `path#row_splits0`…, a sparse one `path#indices`, `path#values` and
    `path#dense_shape`, unless `whole` leaves them in one piece. None gives nothing.
    """
    if structure is None:
        return
    if isinstance(structure, Mapping):
        items: List[Tuple[str, Any]] = [(str(key), structure[key]) for key in sorted(structure, key=str)]
    elif isinstance(structure, (list, tuple)):
        items = [(str(index), item) for index, item in enumerate(structure)]
    elif hasattr(structure, "nested_row_splits") and not whole:
        yield path + "#values", structure.flat_values
        for index, splits in enumerate(structure.nested_row_splits):
            yield "%s#row_splits%d" % (path, index), splits
        return
    elif hasattr(structure, "dense_shape") and hasattr(structure, "indices") and not whole:
        yield path + "#indices", structure.indices
        yield path + "#values", structure.values
        yield path + "#dense_shape", structure.dense_shape
        return
    else:
        yield path, structure
        return
    for name, item in items:
        for flat in flatten(item, "%s/%s" % (path, name) if path else name, whole):
            yield flat
