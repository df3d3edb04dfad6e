"""Any Python value as strict JSON: no NaN literals, no numpy types, no addresses, the same text in every process."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from typing import Any, Dict

import numpy as np
from capture import words

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_MAX_ITEMS = 64
_MAX_DEPTH = 40
_MAX_MESSAGE = 4000


def plain(value: Any, depth: int = 0) -> Any:
    """The value as JSON types; what has none becomes a stable string or a digest.

    Floats that JSON lacks become "nan", "inf" and "-inf". Arrays of more than 64 items, and all bytes, become their
    SHA-256. Functions and classes become their name, objects with a get_config their class and config.
    """
    if depth > _MAX_DEPTH:
        return "<nested deeper than %d>" % _MAX_DEPTH
    if value is None or isinstance(value, (bool, str)):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, (int, np.integer, np.bool_)):
        return bool(value) if isinstance(value, np.bool_) else int(value)
    if isinstance(value, (float, np.floating)):
        return plain_float(float(value))
    if isinstance(value, bytes):
        return {"bytes": len(value), "sha256": hashlib.sha256(value).hexdigest()}
    if isinstance(value, Mapping):
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain(item, depth + 1) for item in value), key=str)
    if type(value).__name__ == "TensorShape":
        return None if value.rank is None else [plain(size, depth + 1) for size in value.as_list()]
    if type(value).__name__ == "DType" or isinstance(value, np.dtype):
        return str(value.name)
    if hasattr(value, "numpy") or isinstance(value, np.ndarray):
        return _array(value, depth)
    if isinstance(value, type):
        return "<class %s>" % value.__name__
    if hasattr(value, "get_config"):
        return {"class_name": type(value).__name__, "config": plain(value.get_config(), depth + 1)}
    if callable(value) and hasattr(value, "__name__"):
        return "<function %s>" % value.__name__
    return _ADDRESS.sub("", repr(value))


def plain_float(value: float) -> Any:
    """A float that strict JSON can hold, or its name."""
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return value


def _array(value: Any, depth: int) -> Any:
    array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    if array.size <= _MAX_ITEMS:
        return plain(array.tolist(), depth + 1)
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return {"dtype": array.dtype.name, "shape": list(array.shape), "sha256": digest}


def error(exception: BaseException) -> Dict[str, str]:
    """An exception as a finding: its type and its message, without the middle of a long one."""
    message = words(exception)
    if len(message) > _MAX_MESSAGE:
        # AutoGraph puts a traceback first: what was raised stands last.
        message = "%s\n[…]\n%s" % (message[: _MAX_MESSAGE // 2], message[-_MAX_MESSAGE // 2 :])
    return {"type": type(exception).__name__, "message": message}
