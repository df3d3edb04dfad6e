"""Reads the attributes of an HDF5 file's root with pyfive, as a process of its own with limits: see hdf5.py.

    python -P hdf5_reader.py FILE CPU_SECONDS BYTES [MEMBER]
    python -P hdf5_reader.py --each SECONDS CPU_SECONDS BYTES FILE…

Prints a JSON object a line: `{"names": […], "keras_version": "…", "model_config": "…", "training_config": "…"}`, then
`{"parameters": …}`, how many numbers the model's variables have. With MEMBER the second alone, of the file of that name
in the archive. `{"error": "…"}` in the place of what cannot be read. With `--each` every file has a process of its own
all the same, forked behind the imports, which are most of the time; `{"ended": STATUS}` comes behind its lines.
pyfive follows whatever offset a file names, for ever if it must; nothing in a file can make it do more than compute.
"""

import io
import json
import os
import signal
import sys
import types
from typing import Any

TOLD = {"keras_version": 100, "model_config": 64 * 2**20, "training_config": 2**20}
"""Attributes whose text is told, and how many characters at most; of a JSON text that is longer nothing can be made."""


def limit(cpu_seconds: int, memory: int) -> None:
    """Limits this process; what the platform does not limit, the parent's clock does."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "darwin":  # which knows the name, and refuses to set it
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


class Absent(types.ModuleType):
    """A module in place of one that is imported and not used; everything in it is such a one."""

    def __getattr__(self, name: str) -> "Absent":
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(name)

    def __call__(self, *_given: Any) -> "Absent":
        """What is made of it is one, too."""
        return self


def leave_out() -> None:
    """Keeps pyfive from importing what it has for remote files and checksums of chunks: half of this process's time."""
    for name in ("fsspec", "fsspec.utils", "numcodecs"):
        sys.modules[name] = Absent(name)


def head(stream: Any) -> dict[str, Any]:
    """Names of the root's attributes, and the one that says which Keras wrote them."""
    from pyfive import File  # type: ignore[import-untyped]

    attributes = File(stream).attrs
    found: dict[str, Any] = {"names": sorted(map(str, attributes))}
    for name, most in TOLD.items():
        value = attributes.get(name, b"")
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        found[name] = text[:most]
    return found


def parameters(stream: Any) -> dict[str, Any]:
    """The sum of the sizes of all datasets, without an optimizer's and without the state of random generators."""
    from pyfive import Dataset, File

    total = 0
    root = File(stream)
    # Keras 3 keeps everything side by side at the root of its own layout, Keras 2 the layers in a group.
    waiting = [root.get("model_weights", root)]
    while waiting:
        group = waiting.pop()
        aside = ("optimizer", "metrics") if group is root else ("seed_generator", "seed_generator_state")
        for name in group:
            if name in aside:
                continue
            each = group[name]
            if isinstance(each, Dataset):
                total += int(each.size) if each.dtype != object else 0
            else:
                waiting.append(each)
    return {"parameters": total}


def tell(function: Any, stream: Any) -> None:
    """Prints what the function returns, or what reading ended with."""
    try:
        found = function(stream)
    except MemoryError:
        found = {"error": "it names more memory than a model's head can need"}
    except NotImplementedError as error:
        found = {"error": str(error)[:300]}
    except Exception as error:  # noqa: BLE001  (pyfive raises whatever the bytes make it stumble over)
        found = {"error": ": ".join(filter(None, (type(error).__name__, str(error))))[:300]}
    print(json.dumps(found), flush=True)


def tell_member(stream: Any, member: str) -> dict[str, Any]:
    """The parameters of a file in an archive."""
    import zipfile

    with zipfile.ZipFile(stream) as archive:
        about = archive.getinfo(member)
        with archive.open(member) as inner:  # checks the member's own head
            if about.compress_type != zipfile.ZIP_STORED or about.flag_bits & 1:
                return parameters(inner)
            return parameters(
                io.BufferedReader(Window(stream, beginning(stream, about.header_offset), about.file_size))
            )


class Window(io.RawIOBase):
    """A part of a file, as Keras stores the weights in an archive: reading at any place costs what is read there.

    What zipfile opens reads all that is before a place again, and weights are read in a thousand places.
    """

    def __init__(self, stream: Any, start: int, size: int) -> None:
        self._stream, self._start, self._size, self._at = stream, start, size, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Goes to a place in the part."""
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Reads on from there, no further than the part goes."""
        self._stream.seek(self._start + self._at)
        found = self._stream.read(max(0, min(len(buffer), self._size - self._at)))
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)


def beginning(stream: Any, header: int) -> int:
    """Where the content of a member begins that has its head at an offset.

    Source: "APPNOTE.TXT - .ZIP File Format Specification", 4.3.7.
    """
    stream.seek(header + 26)
    name, extra = stream.read(2), stream.read(2)
    return header + 30 + int.from_bytes(name, "little") + int.from_bytes(extra, "little")


def tell_file(path: str) -> None:
    """The head of a file, and its parameters."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  (pathlib is one more import of a process that lives for this)
            tell(head, file)
            tell(parameters, file)
    except OSError as error:
        print(json.dumps({"error": str(error)}), flush=True)


def tell_each(seconds: int, cpu_seconds: int, memory: int, paths: "list[str]") -> None:
    """What `tell_file` says of each, in a process of its own."""
    import pyfive  # noqa: F401  (once for all of them)

    for path in paths:
        child = os.fork()
        if child == 0:
            signal.alarm(seconds)
            limit(cpu_seconds, memory)
            tell_file(path)
            os._exit(0)
        print(json.dumps({"ended": os.waitpid(child, 0)[1]}), flush=True)


if __name__ == "__main__":
    leave_out()
    if sys.argv[1] == "--each":
        tell_each(int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
        sys.exit()
    limit(int(sys.argv[2]), int(sys.argv[3]))
    if len(sys.argv) > 4:
        with open(sys.argv[1], "rb") as archive:  # noqa: PTH123
            tell(lambda stream: tell_member(stream, sys.argv[4]), archive)
    else:
        tell_file(sys.argv[1])
