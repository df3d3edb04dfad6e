"""The first bytes of the files that hold models."""

from __future__ import annotations

HDF5 = b"\x89HDF\r\n\x1a\n"
ZIP = b"PK\x03\x04"
TFLITE = b"TFL3"
"""The file identifier of a flatbuffer, behind its first four bytes."""

LENGTH = 8
"""How many bytes tell."""


def ending_of(head: bytes) -> str:
    """The usual ending of a file that begins with `head`; empty where it is no model's."""
    if head.startswith(HDF5):
        return ".h5"
    if head.startswith(ZIP):
        return ".keras"
    return ".tflite" if head[4:8] == TFLITE else ""
