"""What an HDF5 file holds and Keras 3 leaves in it: an optimizer's slots, and what a Normalization has adapted to.

It builds the optimizer for `model._trainable_variables`, of which a model made of layers has none. What it loads has
the iterations and no slots, and raises "Unknown variable" in the first step. A Normalization gets its variables, and
computes with a mean of 0 and a variance of 1 all the same. So do 3.4.1 and 3.13.2:
https://github.com/keras-team/keras/blob/v3.13.2/keras/src/legacy/saving/legacy_h5_format.py
"""

from __future__ import annotations

from typing import Any, List

import numpy as np
from observe import layers, optimizer
from observe.arrays import to_numpy

SLOTS = "the writer leaves the optimizer's slots in the file; they were read from there"
NO_SLOTS = "the writer leaves the optimizer's slots in the file, and they fit no optimizer like the one that it makes"
STATISTICS = "the writer reads what its %s has adapted to, and does not compute with it; here it does"


def read(model: Any, path: str) -> List[str]:
    """Gives a model that Keras 3 loaded from HDF5 what the file holds besides; returns what that was, in words."""
    import h5py

    if not h5py.is_hdf5(path):
        return []
    return [*_statistics(model), *_slots(model, path)]


def _statistics(model: Any) -> List[str]:
    found = []
    for _, layer in layers.walk(model):
        if type(layer).__name__ == "Normalization" and getattr(layer, "adapt_mean", None) is not None:
            before = np.array(to_numpy(layer.mean))
            layer.finalize_state()
            if not np.array_equal(before, to_numpy(layer.mean)):
                found.append(STATISTICS % layer.name)
    return found


def _slots(model: Any, path: str) -> List[str]:
    import h5py

    loaded = getattr(model, "optimizer", None)
    if loaded is None or optimizer.implementation(loaded) != "keras3":
        return []
    is_empty = getattr(loaded, "built", False) and not optimizer.unwrapped(loaded)._trainable_variables
    trained = list(model.trainable_variables)
    if not is_empty or not trained:
        return []
    with h5py.File(path, "r") as file:
        if "optimizer_weights" not in file:
            return []
        group = file["optimizer_weights"]
        values = [group[name][()] for name in _names(group)]
    whole = type(loaded).from_config(loaded.get_config())
    whole.build(trained)
    # In Keras's own order, as its `set_weights` takes them: their names have numbers that no model has twice.
    own = list(whole.variables)
    if [tuple(each.shape) for each in own] != [value.shape for value in values]:
        return [NO_SLOTS]
    for variable, value in zip(own, values):
        variable.assign(value)
    model.optimizer = whole
    return [SLOTS]


def _names(group: Any) -> List[str]:
    """The names of a group's arrays in Keras's order; a long list is in parts, weight_names0 and on."""
    parts = [group.attrs["weight_names"]] if "weight_names" in group.attrs else []
    while "weight_names%d" % len(parts) in group.attrs:
        parts.append(group.attrs["weight_names%d" % len(parts)])
    return [name.decode("utf-8") if isinstance(name, bytes) else str(name) for part in parts for name in part]
