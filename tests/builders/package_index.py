"""A package index of this machine: small wheels that say what they need, served over HTTP as the simple API."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


class PackageIndex:
    """The folder of the index; `url` answers while it is served."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""

    def add(
        self, name: str, *versions: str, needs: Sequence[str] = (), pythons: Sequence[str] = (), python: str = ""
    ) -> None:
        """A package in some versions: pure, or with wheels of Linux for `pythons` ("3.11") and a source archive."""
        place = self.folder / name
        place.mkdir(parents=True, exist_ok=True)
        escaped = name.replace("-", "_")
        for version in versions:
            lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
            lines += [f"Requires-Python: {python}"] if python else []
            lines += [f"Requires-Dist: {each}" for each in needs]
            metadata = "\n".join(lines) + "\n"
            tags = [f"cp{each.replace('.', '')}" for each in pythons]
            for tag in [f"{each}-{each}-manylinux2014_x86_64" for each in tags] or ["py3-none-any"]:
                info = f"{escaped}-{version}.dist-info"
                with zipfile.ZipFile(place / f"{escaped}-{version}-{tag}.whl", "w") as wheel:
                    wheel.writestr(f"{info}/METADATA", metadata)
                    wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
                    wheel.writestr(f"{info}/RECORD", "")
            if pythons:
                _source(place / f"{escaped}-{version}.tar.gz", f"{escaped}-{version}", metadata)

    @contextmanager
    def served(self) -> Iterator[str]:
        """The address, while the block runs."""
        for place in self.folder.iterdir():
            files = sorted(path for path in place.iterdir() if path.name != "index.html")
            links = [f'<a href="{each.name}#sha256={_digest(each)}">{each.name}</a>' for each in files]
            (place / "index.html").write_text("<!DOCTYPE html><html><body>" + "".join(links) + "</body></html>")
        handler = functools.partial(_Quiet, directory=str(self.folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}/"
        try:
            yield self.url
        finally:
            server.shutdown()
            server.server_close()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _source(path: Path, name: str, metadata: str) -> None:
    """A source archive that says all that a resolver asks for."""
    import io
    import tarfile

    metadata = metadata.replace("Metadata-Version: 2.1", "Metadata-Version: 2.2")
    with tarfile.open(path, "w:gz") as archive:
        for inside, text in (("PKG-INFO", metadata), ("setup.py", "from setuptools import setup\nsetup()\n")):
            entry = tarfile.TarInfo(f"{name}/{inside}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))


PYTHONS_OF = {
    "2.8.4": ("3.7", "3.8", "3.9", "3.10"),
    "2.8.0": ("3.7", "3.8", "3.9", "3.10"),
    "2.11.1": ("3.7", "3.8", "3.9", "3.10"),
}


def tensorflow_index(folder: Path) -> PackageIndex:
    """TensorFlow and what decides beside it, with the dependencies that the real ones have among each other."""
    index = PackageIndex(folder)
    for release in ("2.8.0", "2.8.4", "2.11.1", "2.12.1", "2.14.1", "2.15.1"):
        pythons = PYTHONS_OF.get(release, ("3.9", "3.10", "3.11"))
        minor = ".".join(release.split(".")[:2])
        protobuf = "protobuf>=3.9.2" if release in ("2.8.0", "2.8.4", "2.11.1") else "protobuf>=3.20.3,<5"
        needs = (f"keras=={minor}.*", "numpy<2", "h5py>=2.9", protobuf)
        index.add("tensorflow", release, needs=needs, pythons=pythons)
    index.add("tensorflow", "2.16.2", needs=("keras>=3", "numpy<2", "h5py>=3.10", "protobuf>=3.20.3,<5"),
              pythons=("3.9", "3.10", "3.11", "3.12"))  # fmt: skip
    index.add("tensorflow-text", "2.14.0", needs=("tensorflow>=2.14,<2.15",))
    index.add("tensorflow-macos", "2.9.2", pythons=("2.7",))
    index.add("tf-keras", "2.15.0", "2.16.0", "2.17.0", needs=("tensorflow",))
    index.add("keras", "2.8.0", "2.11.0", "2.12.0", "2.14.0", "2.15.0", "3.3.3", "3.15.1")
    index.add("numpy", "1.20.1", pythons=("3.7", "3.8", "3.9"))
    index.add("numpy", "1.21.6", "1.23.5", "1.24.3", "1.26.4", "2.0.0")
    index.add("h5py", "3.1.0", pythons=("3.7", "3.8", "3.9"))
    index.add("h5py", "3.10.0", "3.14.0")
    index.add("protobuf", "3.19.1", "3.20.3", "4.25.3", "4.25.9")
    index.add("mediapipe", "0.10.9", needs=("protobuf>=3.11,<4",))
    index.add("requests", "2.31.0", "2.32.0")
    index.add("absl-py", "0.11.0", "2.1.0")
    return index
