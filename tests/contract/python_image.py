"""Makes an image like `python:X.Y-slim` without a registry: an interpreter of this host and the libraries it needs.

About 100 MB and some seconds. As in the official one, CPython lies under /usr/local, and `/root` is closed to all but
root. It has no shell, no compiler, no git and no package but those asked for: what works in it needs only Python.

    python tests/contract/python_image.py python-here:3.11 /usr/bin/python3.11 pip
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LEFT_OUT = {"__pycache__", "ensurepip", "idlelib", "site-packages", "test", "tests", "tkinter", "turtledemo"}
WHEELS_NEED = ("libstdc++.so.6", "libgcc_s.so.1", "librt.so.1", "libpthread.so.0", "libdl.so.2", "libutil.so.1")
"""Libraries that manylinux wheels expect of every system, beside those of the interpreter."""


def make_python_image(client: Any, reference: str, interpreter: Path, packages: Sequence[str] = ()) -> None:
    """Imports the image under a reference "repository:tag". `interpreter` is an executable of this host.

    `packages` are folders of its site-packages that come along, as pip does in the official image.
    """
    repository, _, tag = reference.rpartition(":")
    executable = interpreter.resolve()
    with tempfile.TemporaryFile() as stream:
        with tarfile.open(fileobj=stream, mode="w") as tar:
            _add_python(tar, executable, packages)
            _add_system(tar, executable)
        stream.seek(0)
        client.import_image_from_data(
            stream,
            repository=repository,
            tag=tag,
            changes=["ENV PATH=/usr/local/bin:/usr/bin:/bin", "LABEL tfmatrix.test=python-image"],
        )


def _add_python(tar: tarfile.TarFile, executable: Path, packages: Sequence[str]) -> None:
    def keep(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        name = Path(entry.name).name
        return None if name in LEFT_OUT or name.startswith("config-") else _plain(entry)

    prefix = executable.parent.parent
    tar.add(executable, f"usr/local/bin/{executable.name}", filter=_plain)
    for library in (prefix / "lib").glob("libpython*.so*"):
        # Where every loader looks: there is no ldconfig here that would know /usr/local/lib.
        tar.add(library, f"usr/lib/{library.name}", filter=_plain)
    tar.add(prefix / "lib" / executable.name, f"usr/local/lib/{executable.name}", filter=keep)
    (site := tarfile.TarInfo(f"usr/local/lib/{executable.name}/site-packages")).type = tarfile.DIRTYPE
    site.mode = 0o755
    tar.addfile(site)
    for package in packages:
        path = Path("lib", executable.name, "site-packages", package)
        tar.add(prefix / path, f"usr/local/{path}", filter=_plain)
    for name in ("python3", "python"):
        link = tarfile.TarInfo(f"usr/local/bin/{name}")
        link.type, link.linkname = tarfile.SYMTYPE, executable.name
        tar.addfile(link)


def _add_system(tar: tarfile.TarFile, executable: Path) -> None:
    prefix = executable.parent.parent
    modules = list(prefix.glob("lib/python3*/lib-dynload/*.so"))
    libraries = _libraries([executable, *modules])
    folder = next(library for library in libraries if library.name.startswith("libc.so")).parent
    libraries |= {folder / name for name in WHEELS_NEED if (folder / name).exists()}
    for library in sorted(library for library in libraries if prefix not in library.parents):
        # The name that the loader asks for, with the contents of what it links to.
        entry = _plain(tar.gettarinfo(str(library.resolve()), arcname=str(library)))
        entry.type, entry.size = tarfile.REGTYPE, library.stat().st_size
        with library.open("rb") as stream:
            tar.addfile(entry, stream)
    for name, mode in (("tmp", 0o1777), ("root", 0o700), ("proc", 0o755), ("sys", 0o755), ("dev", 0o755)):
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        tar.addfile(entry)
    users = b"root:x:0:0::/root:/bin/false\nnobody:x:65534:65534::/tmp:/bin/false\n"
    entry = tarfile.TarInfo("etc/passwd")
    entry.size = len(users)
    tar.addfile(entry, io.BytesIO(users))


def _libraries(binaries: list[Path]) -> set[Path]:
    """The shared libraries that binaries load, the loader included."""
    listing = subprocess.run(["ldd", *map(str, binaries)], check=True, capture_output=True, text=True).stdout
    found = re.findall(r"(?:=>)?\s(/\S+) \(0x", listing)
    return {Path(path) for path in found}


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    import docker

    make_python_image(docker.from_env().api, sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
