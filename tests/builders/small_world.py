"""Jobs of fake workers that leave something: an artifact of a few bytes, the smallest observation to be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

SCENARIO = '''"""A model."""
import tensorflow as tf
FORMATS = ("h5", "keras")
NAME = "{name}"
def build_model(): ...
def inputs(rng): ...
'''
HDF5 = b"\x89HDF\r\n\x1a\n"
_OK = {"phase": None, "reason": None, "error": None, "warnings": [], "artifact": False, "observation": False}


def saved(folder: Path, name: str, content: str) -> dict[str, Any]:
    """The result of a save that left an artifact with this content, an HDF5 file by its first bytes."""
    (folder / "artifact").mkdir(parents=True)
    (folder / "artifact" / name).write_bytes(HDF5 + content.encode())
    return {**loaded(folder, 1.0), "seconds": {"save": 0.2}, "artifact": True}


def loaded(folder: Path, outputs: float) -> dict[str, Any]:
    """The result of a load that observed these outputs."""
    target = folder / "observation"
    target.mkdir(parents=True)
    np.savez(target / "arrays.npz", a0=np.full((2, 2), outputs, dtype="float32"))
    absent = ("weights", "optimizer", "config", "compile", "resume", "signatures", "control")
    outputs_section = {"": {"array": "a0", "dtype": "float32", "shape": [2, 2]}}
    document = {"schema": 1, "kind": "keras", "model_class": "Sequential", "outputs": outputs_section, "notes": {}}
    (target / "observation.json").write_text(json.dumps({**document, **dict.fromkeys(absent)}))
    return {**_OK, "status": "ok", "seconds": {"load": 0.1}, "observation": True}


def raised(message: str) -> dict[str, Any]:
    """The result of a load that raises."""
    error = {"type": "ValueError", "message": message, "traceback": f"ValueError: {message}"}
    return {**_OK, "status": "error", "phase": "load", "error": error, "seconds": {"load": 0.1}}
