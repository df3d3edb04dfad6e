"""Archives and compressed files that hold a model: what is in them, and the command that takes it out.

Only names and first bytes are looked at; nothing is unpacked, and no more than `MAX_BYTES` is decompressed to see
them: a few megabytes may be terabytes.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import shlex
import tarfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from tfmatrix.core.errors import UsageError
from tfmatrix.project.modelfiles.heads import ending_of

MAX_MEMBERS = 10_000
MAX_BYTES = 256 << 20
"""Decompressed to list a tar archive: what lies behind is not told."""
MAX_HEADER = 1 << 20
"""Of one member: long names and attributes are read as a whole."""
MAX_SHOWN = 5
_COMPRESSED = {b"\x1f\x8b": ("gzip", ".gz"), b"BZh": ("bzip2", ".bz2"), b"\xfd7zXZ\x00": ("xz", ".xz")}
_OPENERS: Mapping[str, Callable[[Path], Any]] = {"gzip": gzip.GzipFile, "bzip2": bz2.BZ2File, "xz": lzma.LZMAFile}
_ENDINGS = (".h5", ".hdf5", ".hdf", ".keras", ".tflite")


def is_archive(path: Path, head: bytes) -> bool:
    """Whether a file that begins with `head` is compressed, or a tar archive. Zip is told apart by the caller."""
    return any(head.startswith(magic) for magic in _COMPRESSED) or _is_tar(path)


def _is_tar(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(257)
        return stream.read(5) == b"ustar"


def refusal(path: Path, head: bytes) -> UsageError:
    """What an archive is and holds, and what to do about it."""
    shown = shlex.quote(str(path))
    unpacked = path.name.split(".")[0] + "-unpacked"
    try:
        names = _names(path, head)
        return _of_members(path, "a tar archive", names, f"mkdir {unpacked} && tar xf {shown} -C {unpacked}", unpacked)
    except (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        kind, ending = next((each for magic, each in _COMPRESSED.items() if head.startswith(magic)), ("", ""))
        if not kind:
            return UsageError(
                f"{path} is a damaged tar archive: {error}", fix="save or download it again, and unpack it"
            )
    try:
        with _OPENERS[kind](path) as stream:
            inner = ending_of(stream.read(8))
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        return UsageError(f"{path} is a damaged {kind} file: {error}", fix="save or download it again")
    name = path.name.removesuffix(ending)
    if inner and not name.endswith(_ENDINGS if inner == ".h5" else inner):
        name += inner
    target = shlex.quote(str(path.with_name(name if name != path.name else f"unpacked-{name}")))
    what = {".h5": "an HDF5 file", ".keras": "a zip archive", ".tflite": "a TFLite model"}.get(inner, "no model")
    if not inner:
        return UsageError(f"{path} is compressed by {kind}, and what it holds is {what}", expected="a saved model")
    return UsageError(
        f"{path} is {what}, compressed by {kind}: no loader reads it so",
        expected="the model itself",
        fix=f"{kind} -dc {shown} > {target} && tfmatrix check {target}",
    )


_ABOUT_THE_NEXT = (
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
)
"""Members that say something about the one behind them; tarfile reads them into memory."""


class _EnoughError(Exception):
    """All that may be decompressed is."""


class _Bounded:
    """The first MAX_BYTES of a stream."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._left = MAX_BYTES

    def read(self, size: int) -> bytes:
        """Raises _EnoughError beyond the bound."""
        if self._left <= 0:
            raise _EnoughError
        found: bytes = self._stream.read(min(size, self._left))
        self._left -= len(found)
        return found


class _Member(tarfile.TarInfo):
    """A member of a tar archive whose own header is of a sensible size."""

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        if self.size > MAX_HEADER and self.type in _ABOUT_THE_NEXT:
            raise tarfile.ReadError(f"a header of {self.size} bytes")
        return super()._proc_member(archive)  # type: ignore[misc]


def _names(path: Path, head: bytes) -> list[str]:
    """The names in a tar archive, as far as the bounds go. Raises as `tarfile.open`."""
    kind = next((kind for magic, (kind, _) in _COMPRESSED.items() if head.startswith(magic)), None)
    names: list[str] = []
    with contextlib.ExitStack() as stack:
        if kind is None:
            archive = stack.enter_context(tarfile.open(path, "r:", tarinfo=_Member))
        else:
            stream: Any = _Bounded(stack.enter_context(_OPENERS[kind](path)))
            try:
                archive = stack.enter_context(tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member))
            except _EnoughError as error:
                raise tarfile.ReadError("no tar archive") from error
        with contextlib.suppress(_EnoughError):
            for member in archive:
                names.append(member.name)
                if len(names) >= MAX_MEMBERS:
                    break
    return names


def refusal_of_zip(path: Path, names: Iterable[str]) -> UsageError:
    """The same of a zip file that is no .keras archive."""
    unpacked = path.name.split(".")[0] + "-unpacked"
    names = list(names)
    if any(PurePosixPath(name).name == "data.pkl" for name in names):
        return UsageError(f"{path} is a model of PyTorch, which TensorFlow does not read", expected="a model of Keras")
    return _of_members(
        path, "a zip archive", names, f"unzip {shlex.quote(str(path))} -d {shlex.quote(unpacked)}", unpacked
    )


def _of_members(path: Path, what: str, names: list[str], command: str, unpacked: str) -> UsageError:
    models = models_in(names)
    if not models:
        return UsageError(
            f"{path} is {what} without a model in it: it has no config.json of a .keras archive, no "
            "saved_model.pb, no .h5, .keras or .tflite file and no checkpoint",
            expected="a saved model, or what model.save writes to a name that ends in .keras",
        )
    listed = ", ".join(models[:MAX_SHOWN]) + (", …" if len(models) > MAX_SHOWN else "")
    target = str(PurePosixPath(unpacked, models[0] if len(models) == 1 else "."))
    every = "" if len(models) == 1 else " --all"
    return UsageError(
        f"{path} is {what} of {'a model' if len(models) == 1 else f'{len(models)} models'}: {listed}",
        expected="the model itself: it is not unpacked here",
        fix=f"{command} && tfmatrix check {shlex.quote(target)}{every}",
    )


def models_in(names: Iterable[str]) -> list[str]:
    """The models that a listing of files has, by their names: files, folders of SavedModels, prefixes."""
    found: dict[str, None] = {}
    places = [PurePosixPath(name) for name in names]
    folders = {place.parent for place in places if place.name == "saved_model.pb"}
    for place in places:
        if place.parent in folders and place.name == "saved_model.pb":
            found[str(place.parent)] = None
        elif any(folder in place.parents for folder in folders):
            continue
        elif place.name.endswith(_ENDINGS):
            found[str(place)] = None
        elif place.name.endswith(".index"):
            found[str(place).removesuffix(".index")] = None
    return list(found)
