"""The base of an environment's containers: its own image, a Python image, or the host's userland.

The first that can be had is taken, and every decision says why in one line. A registry is asked once per run.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import sys
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any, Literal

import docker.errors
from docker import auth

from tfmatrix.core.environment import Environment
from tfmatrix.executors.base import UnavailableError
from tfmatrix.executors.engine import ENGINE_ERRORS, LABEL, NOBODY, Engine, cause

Kind = Literal["image", "python-image", "host-userland"]

IMAGE_PYTHON = "python3"
"""The interpreter of an image, found by its PATH."""

USERLAND_REPOSITORY = "tfmatrix/host-userland"
PROGRESS_SECONDS = 10.0
_TOP_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Folders of the root that are links into /usr on a merged-usr system and real ones elsewhere."""


class BaseUnavailableError(UnavailableError):
    """No base image can be had. `what` is one line that names why."""


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """Where base images come from. `template` has the field {python}; `offline` asks no registry at all.

    `host_userland` says whether the host's userland is taken where no Python image can be had (`auto`), `never`, or
    `always` instead of one.
    """

    template: str = "python:{python}-slim"
    pull: Literal["missing", "never", "always"] = "missing"
    registry_seconds: float = 10.0
    offline: bool = False
    host_userland: Literal["auto", "never", "always"] = "auto"


@dataclass(frozen=True, kw_only=True)
class Base:
    """An image that containers can be made of.

    `image` is what the engine is given. `digest` identifies the contents in store keys: the registry's where there
    is one, else the image's id; for the host's userland it covers the image and the host's release and C library.
    `note` tells a human what was taken and why. `platform` is as in locks, such as "linux-x86_64".
    """

    kind: Kind
    image: str
    reference: str
    digest: str
    note: str
    from_registry: bool = False
    platform: str = ""

    def describe(self) -> dict[str, str]:
        """For run.json."""
        return {"kind": self.kind, "reference": self.reference, "digest": self.digest, "note": self.note}

    def identity(self) -> dict[str, str]:
        """What of the base can change a result: for keys."""
        return {"kind": self.kind, "digest": self.digest}


class BaseImages:
    """Finds and caches the bases of one run. Any thread may ask; images are fetched one at a time."""

    def __init__(self, engine: Engine, settings: ImageSettings, say: Callable[[str], None]) -> None:
        self._engine = engine
        self._settings = settings
        self._say = say
        self._lock = RLock()
        self._silent: dict[str, str] = {}
        self._found: dict[str, Base | BaseUnavailableError] = {}

    def for_environment(self, environment: Environment, *, pinned: str = "") -> Base:
        """The first base that can be had for an environment; `pinned` is its Python image's digest in the lock.

        Raises BaseUnavailableError.
        """
        if environment.image:
            return self.given(environment.image)
        if self._settings.host_userland == "always":
            return self.host_userland("matrix.yaml asks for it")
        try:
            return self.python(environment.python, pinned=pinned)
        except BaseUnavailableError as error:
            if self._settings.host_userland == "never":
                raise
            reason = error.what
        try:
            return self.host_userland(reason)
        except BaseUnavailableError as error:
            raise BaseUnavailableError(f"{reason}; {error.what}") from error

    def given(self, reference: str) -> Base:
        """An image that is used as it is. Raises BaseUnavailableError."""
        return self._once(reference, lambda: self._image(reference, "image"))

    def python(self, version: str, *, pinned: str = "") -> Base:
        """The Python image of a version "X.Y". Raises BaseUnavailableError."""
        reference = self._settings.template.format(python=version)
        if pinned:
            repository, _ = split_reference(reference)
            reference = f"{repository}@{pinned}"
        return self._once(reference, lambda: self._image(reference, "python-image"))

    def host_userland(self, reason: str) -> Base:
        """An image of our own into which the host's /usr is mounted. Raises BaseUnavailableError.

        `reason` says why no other base was taken.
        """
        return self._once(USERLAND_REPOSITORY, lambda: self._host_userland(reason))

    def _once(self, name: str, find: Callable[[], Base]) -> Base:
        with self._lock:
            if name not in self._found:
                try:
                    self._found[name] = find()
                except BaseUnavailableError as error:
                    self._found[name] = error
            found = self._found[name]
        if isinstance(found, BaseUnavailableError):
            raise found
        return found

    def _image(self, reference: str, kind: Kind) -> Base:
        local = self._inspect(reference)
        pull = "never" if self._settings.offline else self._settings.pull
        note = f"image {reference}"
        if local is None and pull == "never":
            raise BaseUnavailableError(f"no local image {reference}, and none may be pulled")
        if local is None or pull == "always":
            try:
                self._pull(reference)
                note += ", pulled"
            except BaseUnavailableError as error:
                if local is None:
                    raise
                note += f", the local copy ({error.what})"
        else:
            note += ", local"
        image = self._inspect(reference)
        if image is None:
            raise BaseUnavailableError(f"{reference} was pulled, but the engine does not have it")
        digests = [digest.partition("@")[2] for digest in image.get("RepoDigests") or ()]
        digest = digests[0] if digests else str(image["Id"])
        return Base(
            kind=kind,
            image=str(image["Id"]),
            reference=reference,
            digest=digest,
            note=note,
            from_registry=bool(digests),
            platform=_platform(str(image.get("Os", "")), str(image.get("Architecture", ""))),
        )

    def _inspect(self, reference: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = self._engine.client.inspect_image(reference)  # type: ignore[no-untyped-call]
            return found
        except docker.errors.ImageNotFound:
            return None
        except ENGINE_ERRORS as error:
            raise BaseUnavailableError(f"the engine cannot look up {reference}: {cause(error)}") from error

    def _pull(self, reference: str) -> None:
        """Pulls an image, with progress lines. A registry that is silent once is not asked again."""
        registry, _ = auth.resolve_repository_name(split_reference(reference)[0])
        if registry in self._silent:
            raise BaseUnavailableError(self._silent[registry])
        try:
            # The engine itself would try for a minute and more. This asks for the digest only.
            quick = self._engine.quick_client(self._settings.registry_seconds)
            quick.inspect_distribution(reference)  # type: ignore[no-untyped-call]
        except ENGINE_ERRORS as error:
            refused = isinstance(error, docker.errors.APIError) and error.is_client_error()
            if not refused:
                name = "the default registry" if registry == auth.INDEX_NAME else f"registry {registry}"
                self._silent[registry] = f"{name} does not answer: {_core(cause(error))}"
                raise BaseUnavailableError(self._silent[registry]) from error
            # Not every engine can ask for a digest: let the pull itself say what is wrong.
        self._say(f"pulling {reference}")
        start = time.monotonic()
        repository, tag = split_reference(reference)
        try:
            events = self._engine.client.pull(repository, tag=tag, stream=True, decode=True)
            for line in pull_progress(events, clock=time.monotonic):
                self._say(f"pulling {reference}: {line}")
        except ENGINE_ERRORS as error:
            raise BaseUnavailableError(f"cannot pull {reference}: {_brief(cause(error))}") from error
        self._say(f"pulled {reference} in {time.monotonic() - start:.0f} s")

    def _host_userland(self, reason: str) -> Base:
        if not sys.platform.startswith("linux"):
            raise BaseUnavailableError("the host's userland serves on Linux only")
        engine = self._engine
        if engine.os_type != "linux" or engine.architecture not in (platform.machine(), ""):
            other = f"{engine.os_type}/{engine.architecture}"
            raise BaseUnavailableError(f"the engine runs {other} and cannot run this host's programs")
        content = userland_tar(Path("/"))
        digest = hashlib.sha256(content).hexdigest()
        reference = f"{USERLAND_REPOSITORY}:{digest[:16]}"
        try:
            if self._inspect(reference) is None:
                changes = [f"LABEL {LABEL}=host-userland"]
                engine.client.import_image_from_data(
                    content, repository=USERLAND_REPOSITORY, tag=digest[:16], changes=changes
                )
        except ENGINE_ERRORS as error:
            raise BaseUnavailableError(f"the engine cannot import an image: {cause(error)}") from error
        host = host_identity()
        identity = hashlib.sha256("\n".join([digest, *host.values()]).encode()).hexdigest()
        return Base(
            kind="host-userland",
            image=reference,
            reference=reference,
            digest=f"sha256:{identity}",
            note=f"host userland of {host['system']} ({reason})",
        )


def split_reference(reference: str) -> tuple[str, str]:
    """Repository and tag (or digest) of an image reference; the tag is `latest` where none is given."""
    repository, separator, digest = reference.partition("@")
    if separator:
        return repository, digest
    head, separator, tag = reference.rpartition(":")
    # A colon before a slash is a registry's port.
    if separator and "/" not in tag:
        return head, tag
    return reference, "latest"


def pull_progress(events: Iterable[Mapping[str, Any]], *, clock: Callable[[], float]) -> Iterator[str]:
    """Lines to show, one in PROGRESS_SECONDS, from the events of a pull. Raises APIError on a failed one."""
    layers: dict[str, bool] = {}
    shown = clock()
    for event in events:
        if "error" in event:
            raise docker.errors.APIError("pull failed", explanation=str(event["error"]))
        layer, status = event.get("id"), str(event.get("status", ""))
        if layer and status in (
            "Pulling fs layer",
            "Waiting",
            "Downloading",
            "Extracting",
            "Download complete",
        ):
            layers.setdefault(str(layer), False)
        elif layer and status in ("Pull complete", "Already exists"):
            layers[str(layer)] = True
        if clock() - shown >= PROGRESS_SECONDS:
            shown = clock()
            yield f"{sum(layers.values())} of {len(layers)} layers"


def userland_tar(root: Path) -> bytes:
    """The tar of an image into which the host's userland is mounted: empty folders, and links as on the host.

    Same host, same bytes: the image's tag is their hash.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        folders = dict.fromkeys(("dev", "etc", "etc/alternatives", "proc", "root", "sys", "usr", "var"), 0o755)
        folders |= {"tmp": 0o1777, "tfmatrix": 0o755}
        for name in _TOP_FOLDERS:
            path = root / name
            if path.is_symlink():
                link = _entry(name, tarfile.SYMTYPE, 0o777)
                link.linkname = str(path.readlink()).lstrip("/")
                tar.addfile(link)
            elif path.is_dir():
                folders[name] = 0o755
        for name, mode in sorted(folders.items()):
            tar.addfile(_entry(name, tarfile.DIRTYPE, mode))
        files = {
            "etc/group": f"root:x:0:\nnogroup:x:{NOBODY}:\n",
            "etc/ld.so.cache": "",
            "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
            "etc/passwd": f"root:x:0:0::/root:/bin/false\nnobody:x:{NOBODY}:{NOBODY}::/tmp:/bin/false\n",
        }
        for name, text in sorted(files.items()):
            entry = _entry(name, tarfile.REGTYPE, 0o644)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def userland_mounts(root: Path) -> tuple[Path, ...]:
    """What of the host is mounted read-only into the image of `userland_tar`: code and libraries, no data."""
    names = ["usr", "etc/ld.so.cache", "etc/alternatives"]
    names += [name for name in _TOP_FOLDERS if not (root / name).is_symlink()]
    return tuple(root / name for name in names if (root / name).exists())


def interpreter_mounts(interpreter: Path) -> tuple[Path, ...]:
    """What must be mounted beside /usr so that an interpreter of the host runs: each prefix that its path leads to.

    `interpreter` is an executable: of an environment it leads by links to the real one, maybe through a folder that is
    a link itself. Empty when all of it lies in /usr.
    """
    found: list[Path] = []
    executable = interpreter
    while True:
        for name in (executable, executable.parent.resolve() / executable.name):
            prefix = name.parent.parent
            if not prefix.is_relative_to("/usr") and prefix not in found:
                found.append(prefix)
        if not executable.is_symlink():
            return tuple(found)
        executable = Path(os.path.normpath(executable.parent / executable.readlink()))


def host_identity() -> dict[str, str]:
    """What of the host's userland can change a result: its release, C library and machine."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    names = os.confstr_names if hasattr(os, "confstr_names") else {}
    libc = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in names else None
    name = release.get("NAME", platform.system()).removesuffix(" GNU/Linux")
    return {
        "system": f"{name} {release.get('VERSION_ID', platform.release())}".strip(),
        "libc": libc or "unknown",
        "machine": platform.machine(),
    }


def _platform(system: str, architecture: str) -> str:
    """Docker's names of a platform as locks have them."""
    return f"{system}-{ {'amd64': 'x86_64', 'arm64': 'aarch64'}.get(architecture, architecture) }"


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type = kind
    entry.mode = mode
    return entry


def _core(text: str) -> str:
    """The end of an engine's chain of reasons, such as "no such host" or "connection refused"."""
    return _brief(text.rpartition(": ")[2])


def _brief(text: str) -> str:
    return text if len(text) <= 160 else text[:160] + "…"
