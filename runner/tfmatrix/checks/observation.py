"""Reads an observation: what a model *is*, as data, written by the worker's `observe` module.

A folder with `observation.json` (the sections) and `arrays.npz` (the values, read one by one when they are asked for).
"""

from __future__ import annotations

import base64
import json
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from tfmatrix.core.errors import StoreError

SCHEMA = 1
"""Newest version of observation.json that this code understands."""

SECTIONS = ("outputs", "weights", "optimizer", "config", "compile", "resume", "signatures")
"""The parts of a model that are compared; an absent one is null, and `notes` says why."""

TRAINED = ("course", "forward", "gradients", "draws")
"""What formats that train the code anew have beside."""

KINDS = ("keras", "module", "signature")

_RETRY = "delete this entry and run again: it is measured anew"

Numbers = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Array:
    """One tensor. `dtype` is TensorFlow's name for it; `stored` are the bits as they lie in the file.

    Stored is what numpy has: an object array of bytes for strings, unsigned integers of the same width for types that
    numpy lacks, else the dtype itself. Of the lacking ones only bfloat16 is taken for numbers; float8 and the like are
    compared bit for bit.
    """

    dtype: str
    stored: Numbers

    @property
    def shape(self) -> tuple[int, ...]:
        """The dimensions."""
        return self.stored.shape

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.stored.size

    @cached_property
    def values(self) -> Numbers:
        """The numbers; bfloat16 as float32, which holds every bfloat16 exactly (its bits are the upper half)."""
        if self.dtype == "bfloat16":
            return (self.stored.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return self.stored

    @property
    def is_float(self) -> bool:
        """Whether the values have rounding errors: real and complex floating point."""
        return self.dtype == "bfloat16" or self.stored.dtype.kind in "fc"

    @property
    def raw(self) -> Numbers:
        """The bits as unsigned bytes, in order; not for strings."""
        return np.ascontiguousarray(self.stored).reshape(-1).view(np.uint8)

    def same_bits(self, other: Array) -> bool:
        """Whether dtype, shape and every bit agree: two NaNs are one where their payload is, 0.0 is not -0.0."""
        if (self.dtype, self.shape) != (other.dtype, other.shape):
            return False
        if self.stored.dtype.kind == "O":
            return bool(np.array_equal(self.stored, other.stored))
        return bool(np.array_equal(_words(self.stored), _words(other.stored)))

    def constant(self) -> float | None:
        """The one value that every element has, or None; how a reset or a fresh variable looks."""
        if (
            self.size == 0
            or self.stored.dtype.kind not in "fiu"
            or not bool(np.all(self.values == self.values.flat[0]))
        ):
            return None
        return float(self.values.flat[0])


class Observation:
    """What a model is. Sections are JSON as in the file; `array` turns a reference in them into its values.

    Arrays are not kept: a model may be larger than the memory that two copies of it would take.
    """

    def __init__(self, document: Mapping[str, Any], arrays: Mapping[str, Numbers], *, source: str = "memory") -> None:
        """Of the document and its arrays by key. Raises StoreError where the document is not of this schema."""
        self.source = source
        self._arrays = arrays
        self._document = _checked(document, source)

    @classmethod
    def read(cls, folder: Path) -> Observation:
        """Of a folder. Raises StoreError where it is damaged, incomplete, or of a newer schema."""
        path = folder / "observation.json"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise StoreError(f"{path}: cannot be read: {error}", expected="a JSON file", fix=_RETRY) from error
        return cls(document, _Archive(folder / "arrays.npz"), source=str(folder))

    @property
    def kind(self) -> str:
        """What was observed: "keras" a Keras model, "module" what tf.saved_model.load gives, "signature" a callable."""
        return cast(str, self._document["kind"])

    @property
    def model_class(self) -> str:
        """The name of the model's class."""
        return str(self._document.get("model_class") or "")

    @property
    def document(self) -> Mapping[str, Any]:
        """The whole of observation.json."""
        return self._document

    def section(self, name: str) -> Any:
        """One of SECTIONS, or None where it is absent or where observing it raised (see `error`)."""
        return None if self.error(name) is not None else self._document.get(name)

    def error(self, name: str) -> Mapping[str, Any] | None:
        """The exception (type, message) that observing a section raised, or None.

        `resume` keeps its exception beside the losses of the steps before it, and is not told here.
        """
        section = self._document.get(name)
        if not isinstance(section, dict) or section.keys() != {"error"}:
            return None
        return cast("Mapping[str, Any]", section["error"])

    def note(self, name: str) -> str:
        """Why a section is absent or incomplete; empty where nothing was said."""
        return str(self._document.get("notes", {}).get(name) or "")

    @property
    def seeds(self) -> Sequence[Mapping[str, Any]]:
        """Layers that draw random numbers, with the `state` of their generators: null where it cannot be seen."""
        return cast("Sequence[Mapping[str, Any]]", self._document.get("seeds") or [])

    @property
    def control(self) -> Mapping[str, Any] | None:
        """The model rebuilt from code in the reader with the writer's weights; None where that was not tried.

        `outputs` (null where it failed), `error`, and `renamed`: weights that have another name there.
        """
        return cast("Mapping[str, Any] | None", self._document.get("control"))

    @property
    def returns(self) -> str | None:
        """The kind of what the scenario's own loader makes of a SavedModel in its own writer; None elsewhere."""
        return cast("str | None", self._document.get("returns"))

    @property
    def reading(self) -> Mapping[str, Any] | None:
        """What a writer itself reads back from its artifact, where kernels other than TensorFlow's do it; else None.

        `outputs` (null where that failed), `error`, and `exact`: whether they ought to be the model's, up to rounding.
        """
        return cast("Mapping[str, Any] | None", self._document.get("reading"))

    def array(self, reference: Mapping[str, Any]) -> Array:
        """The values that a reference in a section stands for. Raises StoreError where they are damaged or missing."""
        try:
            dtype = str(reference["dtype"])
            shape = tuple(int(size) for size in reference["shape"])
            if "strings" in reference:
                return Array(dtype=dtype, stored=_strings(reference["strings"], shape))
            key = str(reference["array"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(f"not a reference to an array: {dict(reference)!r:.200}") from error
        try:
            stored = self._arrays[key]
        except KeyError as error:
            raise self._damaged(f"array {key!r} is missing from arrays.npz") from error
        # What numpy does not know (bfloat16, float8) lies there as unsigned integers.
        fits = stored.dtype.name == dtype if dtype in np.sctypeDict else stored.dtype.kind == "u"
        if stored.shape != shape or not fits:
            raise self._damaged(f"array {key!r} is {stored.dtype.name}{list(stored.shape)}, not {dtype}{list(shape)}")
        return Array(dtype=dtype, stored=stored)

    def _damaged(self, what: str) -> StoreError:
        return StoreError(f"{self.source}: {what}", expected="an observation as the worker writes it", fix=_RETRY)


class _Archive(Mapping[str, Numbers]):
    """The arrays of an .npz file, each read when it is asked for; the file is opened at the first."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _file(self) -> Any:
        try:
            return np.load(self._path, allow_pickle=False)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise self._damaged(error) from error

    def __getitem__(self, key: str) -> Numbers:
        try:
            return cast(Numbers, self._file[key])
        except KeyError:
            raise
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise self._damaged(error) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._file.files)

    def __len__(self) -> int:
        return len(self._file.files)

    def _damaged(self, error: Exception) -> StoreError:
        return StoreError(f"{self._path}: cannot be read: {error}", expected="an .npz file", fix=_RETRY)


def _checked(document: Any, source: str) -> Mapping[str, Any]:
    """The document, or a StoreError: only the outer shape, references are checked when they are read."""
    if not isinstance(document, dict) or not isinstance(document.get("schema"), int):
        raise StoreError(f"{source}: not an observation: it has no schema", expected="an object", fix=_RETRY)
    if document["schema"] > SCHEMA:
        raise StoreError(
            f"{source}: the observation has schema {document['schema']}",
            expected=f"schema {SCHEMA} or older",
            fix="upgrade tfmatrix: a newer version wrote this",
        )
    if document.get("kind") not in KINDS:
        raise StoreError(f"{source}: unknown kind {document.get('kind')!r}", expected=" | ".join(KINDS), fix=_RETRY)
    shapes = {**dict.fromkeys((*SECTIONS, *TRAINED, "control", "reading", "notes"), dict), "weights": list}
    for name, shape in shapes.items():
        section = document.get(name)
        raised = isinstance(section, dict) and section.keys() == {"error"}
        if not (section is None or isinstance(section, shape) or raised):
            raise StoreError(f"{source}: section {name!r} is malformed", expected=f"{shape.__name__}", fix=_RETRY)
    return document


def _strings(encoded: Any, shape: tuple[int, ...]) -> Numbers:
    """Strings as an object array of bytes: numpy's own bytes dtype would lose trailing zero bytes."""
    texts = [base64.b64decode(text, validate=True) for text in encoded]
    if len(texts) != math.prod(shape):
        raise ValueError(f"{len(texts)} strings for shape {shape}")
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array.reshape(shape)


def _words(stored: Numbers) -> Numbers:
    """The bits as unsigned integers of the element's own width, so that comparing them is one pass over memory."""
    width = stored.dtype.itemsize
    flat = np.ascontiguousarray(stored).reshape(-1)
    return flat.view(f"u{width}") if width in (1, 2, 4, 8) else flat.view(np.uint8)
