"""The form of an observation, held before anything else looks at one: what a worker wrote is a stranger's text.

`problem` says in one line what is wrong with a folder's two files, or nothing. All that the checks read is covered:
fields and their types, sizes, and that every reference to an array fits the array in arrays.npz.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import IO, Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from tfmatrix.core.data import bounded, too_deep
from tfmatrix.worker.protocol import ARRAYS, DOCUMENT

MAX_JSON_BYTES = 256 << 20
MAX_DEPTH = 120
"""Levels of nesting in observation.json: configs are cut at 40, and stand a few levels deep."""

MAX_ARRAYS = 200_000
MAX_HEADER_BYTES = 10_000
"""Of one array in an .npz: numpy's own limit for a header that it parses."""

_LOOSE = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)

Text = Annotated[str, Field(max_length=100_000)]
Number = float | Literal["nan", "inf", "-inf"]
Size = Annotated[int, Field(ge=0, lt=2**48)]


class Stored(NamedTuple):
    """An array as its header in arrays.npz declares it."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]


class _Form(BaseModel):
    model_config = _LOOSE


class Raised(_Form):
    """An exception as data."""

    type: Text
    message: Text


class Ref(_Form):
    """A reference to a tensor: by its key in arrays.npz, or with its strings."""

    dtype: Annotated[str, Field(max_length=100)]
    shape: Annotated[list[Size], Field(max_length=64)]
    array: Annotated[str, Field(max_length=100)] | None = None
    strings: list[str] | None = None

    @model_validator(mode="after")
    def _fits(self, info: ValidationInfo) -> Ref:
        if (self.array is None) == (self.strings is None):
            raise PydanticCustomError("reference", "neither an array nor strings")
        if self.strings is not None:
            if len(self.strings) != math.prod(self.shape):
                raise PydanticCustomError("reference", "another number of strings than the shape has")
            return self
        stored: Stored | None = (info.context or {}).get(self.array)
        if stored is None:
            raise PydanticCustomError("reference", "the array is missing from arrays.npz")
        # What numpy does not know (bfloat16, float8) lies there as unsigned integers.
        fits = stored.dtype.name == self.dtype if self.dtype in np.sctypeDict else stored.dtype.kind == "u"
        if not fits or stored.shape != tuple(self.shape):
            raise PydanticCustomError("reference", "the array in arrays.npz has another type or shape")
        return self


class _Errored(_Form):
    error: Raised


Refs = dict[Text, Ref]


class _Weight(_Form):
    path: Text
    layer: Text
    role: Text
    index: Size
    trainable: bool
    tracked: bool = True
    array: Ref


class _Slot(_Form):
    slot: Text
    variable: Size
    path: Text
    array: Ref


class _Optimizer(_Form):
    class_: Annotated[Text, Field(alias="class")]
    implementation: Text
    iterations: int
    hyperparameters: dict[Text, Any]
    state: dict[Text, Number | None] = {}
    slots: list[_Slot]


class _Layer(_Form):
    path: Text
    class_: Annotated[Text, Field(alias="class")]
    custom: bool = False
    config: dict[str, Any] | None


class _Config(_Form):
    class_: Annotated[Text, Field(alias="class")]
    layers: list[_Layer]
    trainable: dict[Text, bool]
    dtype_policies: dict[Text, Any]
    wiring: dict[Text, list[list[Text]]] | None = None


class _Compile(_Form):
    optimizer: Text
    hyperparameters: dict[Text, Any]


class _Course(_Form):
    losses: list[Number | list[Any]]
    metrics: dict[Text, list[Any]] = {}
    weights_after: list[Ref] | None
    slots_after: list[_Slot] | None = None
    outputs_after: Refs | None = None
    error: Raised | None


class _Noise(_Form):
    losses: Number = 0.0
    metrics: dict[Text, Number] = {}
    weights: list[Number] = []
    slots: list[Number] = []
    outputs: dict[Text, Number] = {}
    error: Raised | None


class _Resume(_Course):
    fresh: _Course | None = None
    noise: _Noise | None = None


class _Evaluated(_Form):
    before: dict[Text, Any]
    after: dict[Text, Any]


class _Training(_Form):
    first: _Resume
    last: _Resume
    silent: list[Text]
    drawn: list[list[Number]] = []
    evaluated: _Evaluated | None = None


class _Sample(_Form):
    path: Text
    shape: list[Size]
    scale: Number
    array: Ref


class _Tensor(_Sample):
    class_: Annotated[Text, Field(alias="class")]
    call: Size
    name: Text


class _Forward(_Form):
    inference: list[_Tensor]
    training: list[_Tensor]


class _Gradients(_Form):
    loss: Any
    variables: list[_Sample]


class _Drawn(_Form):
    path: Text
    layer: Text
    distinct: Size
    size: Size
    mean: Number
    std: Number
    largest: Number
    numbers: Ref


class _Draws(_Form):
    builds: Size
    repeats: bool
    weights: list[_Drawn]


class _Seed(_Form):
    path: Text
    state: list[int] | None


class _Spec(_Form):
    dtype: Text
    shape: list[int | None] | None


class _Signature(_Form):
    inputs: dict[Text, _Spec]
    outputs: dict[Text, _Spec]
    results: Refs | None
    error: Raised | None = None


class _Control(_Form):
    outputs: Refs | None
    renamed: list[Annotated[list[Text], Field(min_length=2, max_length=2)]]
    config: _Config | None = None
    compile: _Compile | None = None
    resume: _Course | None = None
    error: Raised | None


class _Reading(_Form):
    outputs: Refs | None
    exact: bool
    error: Raised | None


class _Interface(_Form):
    inputs: list[Text] | None = None
    outputs: list[Text] | None = None


class Document(_Form):
    """observation.json."""

    schema_: Annotated[Literal[1], Field(alias="schema")]
    kind: Literal["keras", "module", "signature"]
    model_class: Text | None = None
    interface: _Interface | None = None
    outputs: Refs | _Errored | None = None
    weights: list[_Weight] | _Errored | None = None
    optimizer: _Optimizer | _Errored | None = None
    config: _Config | _Errored | None = None
    compile: _Compile | _Errored | None = None
    resume: _Resume | _Errored | None = None
    signatures: dict[Text, _Signature] | _Errored | None = None
    course: _Training | _Errored | None = None
    forward: _Forward | _Errored | None = None
    gradients: _Gradients | _Errored | None = None
    draws: _Draws | _Errored | None = None
    control: _Control | _Errored | None = None
    reading: _Reading | _Errored | None = None
    seeds: list[_Seed] = []
    notes: dict[Text, Text] | None = None
    given: dict[str, Any] | None = None
    unfinished: Text | None = None
    returns: Literal["keras", "module"] | None = None


def problem_in(folder: Path) -> str:
    """What is wrong with the host's own copy of an observation; empty where nothing is."""
    try:
        with (folder / DOCUMENT).open("rb") as document, (folder / ARRAYS).open("rb") as arrays:
            return problem(document, arrays)
    except FileNotFoundError as error:
        return f"it has no {Path(str(error.filename)).name}"


def problem(document: IO[bytes], arrays: IO[bytes]) -> str:
    """What is wrong with an observation, given its two files; empty where it is one. Reads no array."""
    try:
        stored = _declared(arrays)
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, NotImplementedError, RecursionError) as error:
        return f"its arrays.npz is none: {error}"
    text = document.read(MAX_JSON_BYTES + 1)
    if len(text) > MAX_JSON_BYTES:
        return f"its observation.json has more than {MAX_JSON_BYTES >> 20} MB"
    try:
        value = bounded_json(text)
    except ValueError as error:
        return f"its observation.json is none: {error}"
    try:
        Document.model_validate(value, context=stored)
    except ValidationError as error:
        return f"its observation.json is none: {first_problem(error)}"
    return ""


def bounded_json(text: bytes, depth: int = MAX_DEPTH) -> Any:
    """The value of strict JSON of at most so many levels. Raises ValueError for everything else."""
    try:
        value = json.loads(text.decode("utf-8"), parse_constant=_refused)
    except RecursionError:
        raise too_deep(depth) from None
    return bounded(value, depth)


def first_problem(error: ValidationError) -> str:
    """The first thing that a form misses, in one line: where, and what."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = "/".join(str(part)[:60] for part in first["loc"][:12])
    return f"{where or 'it'}: {first['msg']}"


def _refused(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _declared(file: IO[bytes]) -> Mapping[str, Stored]:
    """The arrays of an .npz as their headers declare them: none is read, and none can be larger than the file."""
    size = file.seek(0, 2)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > MAX_ARRAYS:
            raise ValueError(f"more than {MAX_ARRAYS} arrays")
        # numpy.savez stores without compressing. What is larger unpacked than the file is a bomb.
        if sum(member.file_size for member in members) > size:
            raise ValueError("its arrays would be larger than the file")
        found: dict[str, Stored] = {}
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name == member.filename or name in found or member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"it holds {member.filename[:60]!r}, which numpy.savez does not write")
            with archive.open(member) as stream:
                found[name] = _header(stream, member.file_size)
    return found


def _header(stream: IO[bytes], size: int) -> Stored:
    """The declared type and shape of one array; its values must be as long as they say."""
    version = np.lib.format.read_magic(stream)
    width = _LENGTH_BYTES.get(version)
    if width is None:
        raise ValueError(f"an array of version {version}")
    length = stream.read(width)
    stored = _parsed(version, length + stream.read(min(int.from_bytes(length, "little"), MAX_HEADER_BYTES)))
    if math.prod(stored.shape) * stored.dtype.itemsize != size - stream.tell():
        raise ValueError("an array that is not as long as it says")
    return stored


_LENGTH_BYTES = {(1, 0): 2, (2, 0): 4}
"""By the version of the format: of the number that says how long the header is."""


@lru_cache(maxsize=4096)
def _parsed(version: tuple[int, int], header: bytes) -> Stored:
    """What a header says, its length included. Most arrays of a night have one that others have, too."""
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(io.BytesIO(header), max_header_size=MAX_HEADER_BYTES)
    if dtype.hasobject or dtype.names is not None or dtype.subdtype is not None:
        raise ValueError("an array of objects")
    if any(not isinstance(length, int) or length < 0 for length in shape):
        raise ValueError("an array with an impossible shape")
    return Stored(dtype, tuple(shape))
