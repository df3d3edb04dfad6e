"""bfloat16 in HDF5, which has no such type: h5py writes two bytes without a name.

Keras 2 writes these and cannot read them ("No cast function available"), and neither can Keras 3 in `.h5`:
https://github.com/keras-team/keras/issues/17069. The same numbers as float32 go into variables of bfloat16.
"""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from typing import Any

import numpy as np

UNREADABLE = "No cast function available"
"""What h5py says of such an array."""

NOTE = "the writer cannot read the bfloat16 that it wrote; it read the same numbers as float32"


def widened(path: str, copy: str) -> bool:
    """Copies an HDF5 or `.keras` file with its bfloat16 as float32; whether it has any, else there is no copy."""
    import h5py

    os.makedirs(os.path.dirname(copy), exist_ok=True)
    if zipfile.is_zipfile(path):
        found = 0
        with zipfile.ZipFile(path) as before, zipfile.ZipFile(copy, "w", zipfile.ZIP_STORED) as after:
            for entry in before.infolist():
                content = before.read(entry)
                if entry.filename.endswith(".h5"):
                    buffer = io.BytesIO(content)
                    with h5py.File(buffer, "r+") as file:
                        found += _widen(file)
                    content = buffer.getvalue()
                after.writestr(entry, content)
    elif os.path.isfile(path) and h5py.is_hdf5(path):
        shutil.copyfile(path, copy)
        with h5py.File(copy, "r+") as file:
            found = _widen(file)
    else:
        return False
    if not found:
        os.remove(copy)
    return bool(found)


def _widen(file: Any) -> int:
    """Replaces the arrays without a type; returns how many there were."""
    import h5py

    names = []

    def visit(name: str, entry: Any) -> None:
        if isinstance(entry, h5py.Dataset) and entry.dtype == np.dtype("V2"):
            names.append(name)

    file.visititems(visit)
    for name in names:
        values = np.asarray(file[name][()])
        wide = np.frombuffer(values.tobytes(), "<u2").astype("<u4") << 16
        del file[name]
        file[name] = wide.view("<f4").reshape(values.shape)
    return len(names)
