"""Messages between host and worker: one per line, `<length of the JSON in bytes> <JSON>`, with a schema version.

The length makes a torn or interleaved line an error instead of a shorter message.
"""

from __future__ import annotations

import json
from typing import Any

SCHEMA = 1
MAX_BYTES = 64 * 1024 * 1024
"""Longest accepted message. Arrays travel as files, so that anything longer is a fault."""

ARTIFACT = "artifact"
OBSERVATION = "observation"
"""Folders that a job leaves in its own. The host knows them: no reply names a place."""

DOCUMENT = "observation.json"
ARRAYS = "arrays.npz"
"""The two files of an observation."""

EMPTY = {"phase": None, "reason": None, "error": None, "artifact": False, "observation": False}
"""A result's fields where there is nothing to say."""

NEUTRAL = "neutral.json"
"""The file of a model's neutral form; see files/neutral.py."""

CONTROL = "control"
"""The phase in which a reader rebuilds the model; comes last, when all else is observed."""

THREADS = "TFMATRIX_THREADS"
"""The environment variable that says how many threads a worker computes with; 0 leaves it to TensorFlow."""

NONSENSE = "make-coffee"
"""The request that no worker knows: one that does not answer `unsupported` would pass everything."""


def encode(message: dict[str, Any]) -> bytes:
    """The line for a message, with its newline. Raises ValueError on what strict JSON cannot hold (NaN)."""
    text = json.dumps(message, allow_nan=False, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    # A name that is no UTF-8 has lone surrogates, which no reader of JSON takes.
    payload = text.encode("utf-8", "replace")
    return b"%d %s\n" % (len(payload), payload)


def decode(line: bytes) -> dict[str, Any]:
    """The message of a line (with or without its newline). Raises ValueError that says what is wrong with it."""
    line = line.rstrip(b"\r\n")
    head, separator, payload = line.partition(b" ")
    if not separator or not head.isdigit():
        raise ValueError("not a message (no length): %r" % line[:200])
    if int(head) != len(payload):
        raise ValueError("length says %s bytes, the line has %d: %r" % (head.decode(), len(payload), payload[:200]))
    try:
        message = json.loads(payload.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deep: %r" % payload[:200])
    except ValueError as error:
        raise ValueError("not JSON (%s): %r" % (error, payload[:200]))
    if not isinstance(message, dict):
        raise ValueError("not an object: %r" % payload[:200])
    if message.get("schema") != SCHEMA:
        raise ValueError("schema %r, expected %d" % (message.get("schema"), SCHEMA))
    return message
