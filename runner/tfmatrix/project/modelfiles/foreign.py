"""Files that people take for models, and that no loader of TensorFlow's reads: told by their first bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

LENGTH = 512
"""How many bytes tell."""


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """What a file is, and what to do about it."""

    what: str
    fix: str


def _is_graph(head: bytes) -> bool:
    """A GraphDef: its first field is a node, whose first is its name and whose second its operation."""
    place = 1
    while place < min(len(head), 6) and head[place] & 0x80:
        place += 1
    node = head[place + 1 :]
    if head[:1] != b"\n" or node[:1] != b"\n" or len(node) < 4:
        return False
    name = node[2 : 2 + node[1]]
    return name.isascii() and name.decode("ascii").isprintable() and node[2 + len(name) :][:1] == b"\x12"


def _is_onnx(head: bytes) -> bool:
    """A ModelProto: the version of the format, 3 or more, and then a name or the graph."""
    return head[:1] == b"\x08" and head[2:3] in (b"\x12", b"\x1a", b"\x22", b"\x3a") and 3 <= head[1] < 64


_KINDS: tuple[tuple[Callable[[bytes], bool], Foreign], ...] = (
    (
        lambda head: head.startswith(b"version https://git-lfs"),
        Foreign(what="begins as what Git LFS leaves in place of a file", fix="git lfs pull"),
    ),
    (
        lambda head: head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"),
        Foreign(what="is a pickle of Python's", fix="open it where it was written, and write it with model.save"),
    ),
    (
        # SavedModel.saved_model_schema_version is 1, and then its graph.
        lambda head: head.startswith(b"\x08\x01\x12"),
        Foreign(
            what="is the graph of a SavedModel under another name",
            fix="name it saved_model.pb beside its folder variables, and name their folder",
        ),
    ),
    (_is_onnx, Foreign(what="is a model of ONNX", fix="check the model that it was made from")),
    (
        _is_graph,
        Foreign(
            what="is a frozen graph of TensorFlow 1 (GraphDef), which says of no version what reads it",
            fix="read it with tf.compat.v1.import_graph_def, and write a SavedModel of it",
        ),
    ),
    (
        lambda head: head.startswith(b"\x93NUMPY"),
        Foreign(what="is an array of numpy", fix="name the model that it belongs to"),
    ),
    (
        lambda head: head.lstrip()[:1] == b"<" and b"html" in head.lower(),
        Foreign(what="is a web page", fix="download the model again: what came is what the server said instead"),
    ),
    (
        lambda head: head.lstrip()[:1] == b"{" and b'"class_name"' in head,
        Foreign(
            what="is a configuration without weights, as model.to_json gives it",
            fix="name the file of its weights, with --builder FILE.py:FUNCTION, a function that calls model_from_json",
        ),
    ),
)


def told(head: bytes) -> Foreign | None:
    """What a file is that begins with `head` and is no model of ours; None where nobody knows."""
    return next((kind for is_of, kind in _KINDS if is_of(head)), None)
