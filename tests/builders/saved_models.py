"""SavedModels as far as their heads go."""

from __future__ import annotations

from pathlib import Path


def field(number: int, content: bytes) -> bytes:
    length = bytearray()
    rest = len(content)
    while True:
        rest, low = rest >> 7, rest & 0x7F
        length.append(low | (0x80 if rest else 0))
        if not rest:
            return bytes([number << 3 | 2]) + bytes(length) + content


def saved_model(folder: Path, version: str, *, keras: bool) -> Path:
    """A SavedModel as far as its head goes."""
    info = field(1, field(5, version.encode()))
    node = field(1, field(4, field(1, b"_tf_keras_sequential" if keras else b"_generic_user_object")))
    folder.mkdir()
    # Field 1 of SavedModel is a number: passed over.
    (folder / "saved_model.pb").write_bytes(b"\x08\x01" + field(2, info + field(7, node)))
    (folder / "variables").mkdir()
    return folder
