"""The optimizer's state that an HDF5 file holds, where Keras 3 leaves it in the file.

It builds the optimizer for `model._trainable_variables`, of which a model made of layers has none. What it loads has the
iterations and no slots, and raises "Unknown variable" in the first step. So 3.4.1 and 3.13.2:
https://github.com/keras-team/keras/blob/v3.13.2/keras/src/legacy/saving/legacy_h5_format.py
"""

from __future__ import annotations

from typing import Any, List

from observe import optimizer

NOTE = "the writer leaves the optimizer's slots in the file; they were read from there"


def restore(model: Any, path: str) -> bool:
    """Gives the model's optimizer the slots of the file that it was loaded from; whether there were some to give.

    Raises ValueError where the file holds other variables than an optimizer like the loaded one has.
    """
    import h5py

    loaded = getattr(model, "optimizer", None)
    if loaded is None or optimizer.implementation(loaded) != "keras3" or not h5py.is_hdf5(path):
        return False
    is_empty = getattr(loaded, "built", False) and not optimizer.unwrapped(loaded)._trainable_variables
    trained = list(model.trainable_variables)
    if not is_empty or not trained:
        return False
    with h5py.File(path, "r") as file:
        if "optimizer_weights" not in file:
            return False
        group = file["optimizer_weights"]
        names = _names(group)
        values = [group[name][()] for name in names]
    whole = type(loaded).from_config(loaded.get_config())
    whole.build(trained)
    own = list(whole.variables)
    if [(each.path, tuple(each.shape)) for each in own] != [(name, value.shape) for name, value in zip(names, values)]:
        raise ValueError("the file's optimizer has %s, and one like it %s" % (names, [each.path for each in own]))
    for variable, value in zip(own, values):
        variable.assign(value)
    model.optimizer = whole
    return True


def _names(group: Any) -> List[str]:
    """The names of a group's arrays in Keras's order; a long list is in parts, weight_names0 and on."""
    parts = [group.attrs["weight_names"]] if "weight_names" in group.attrs else []
    while "weight_names%d" % len(parts) in group.attrs:
        parts.append(group.attrs["weight_names%d" % len(parts)])
    return [name.decode("utf-8") if isinstance(name, bytes) else str(name) for part in parts for name in part]
