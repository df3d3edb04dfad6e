"""Folders with installed environments: content-addressed, shared by all projects and all runs of a user.

    <root>/uv/           uv's cache: downloads and unpacked wheels
    <root>/envs/<key>/   one environment each: a virtual environment whose files are hard links into uv's cache
    <root>/users/        for each environment the locks that it was built and used for, and when
    <root>/locks/        files that processes lock while they build

All lies under one folder, because hard links need one file system and containers mount it as one.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import filelock
import platformdirs

try:
    import fcntl
except ImportError:  # Windows, where a folder with open files cannot be renamed anyway
    fcntl = None  # type: ignore[assignment]

from tfmatrix.core.data import parse_json
from tfmatrix.core.errors import ConfigError, InfrastructureError
from tfmatrix.envs.interpreters import Interpreter
from tfmatrix.envs.lock import Lock, host_platform
from tfmatrix.envs.uv import Uv, disk_full, make_folder

RECIPE = 1
"""Part of every key. Raised when environments are built in another way, so that old ones are not taken for new ones."""

MARKER = "tfmatrix.json"
"""Written last into an environment: what has it is whole. Its modification time is that of the last use."""

_HELD: dict[Path, int] = {}
"""Descriptors of the environments that this process uses; the system closes them with the process."""

_HOLDING = threading.Lock()

_KEY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class Provisioned:
    """An environment that is ready for use. `python` is the interpreter in it; `key` names the folder."""

    folder: Path
    python: Path
    key: str
    packages: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class CachedEnvironment:
    """An environment in the cache. `bytes` is its size on disk, shared files included.

    `environment_id` is the one it was first built for: environments with the same lock share it. `lock` is the lock's
    digest. These and `python` are empty where the marker cannot be read: without one the environment is not whole, and
    is built again when it is needed. `users` are the files of locks that it was ever used for.
    """

    key: str
    folder: Path
    environment_id: str
    lock: str
    python: str
    last_used: datetime.datetime
    bytes: int
    users: tuple[Path, ...] = ()

    @property
    def projects(self) -> tuple[Path, ...]:
        """The projects that still ask for it: folders whose lock is there, and is still the one of this environment."""
        return tuple(sorted({lock.parent.parent for lock in self.users if _asks(lock, self.lock)}))


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What `prune` removed, and how much room that made: files which others share make none."""

    keys: tuple[str, ...]
    freed_bytes: int


def default_cache_root() -> Path:
    """The folder that TFMATRIX_CACHE names, else the platform's cache folder of the user, else one for temporary files.

    The last is for users without a home that they may write to. InfrastructureError where that is somebody else's.
    """
    if named := os.environ.get("TFMATRIX_CACHE"):
        return Path(named).expanduser().absolute()
    try:
        usual = Path(platformdirs.user_cache_dir("tfmatrix")).absolute()
    except RuntimeError:
        usual = None
    if usual is not None and _may_write(usual):
        return usual
    user = os.getuid() if hasattr(os, "getuid") else "user"
    folder = Path(tempfile.gettempdir()) / f"tfmatrix-cache-{user}"
    if folder.exists() and hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
        raise InfrastructureError(
            f"there is no folder for the cache: {usual or 'no home'} cannot be written, {folder} is somebody else's",
            expected="a cache folder that may be written",
            fix="let TFMATRIX_CACHE name a folder that you may write",
        )
    return folder


def _may_write(folder: Path) -> bool:
    """Whether a folder may be written, or made."""
    there = next((each for each in (folder, *folder.parents) if each.exists()), None)
    return there is not None and os.access(there, os.W_OK | os.X_OK)


def environment_key(lock: Lock, base: str) -> str:
    """The name of an environment's folder: what is installed, and on which interpreter.

    `base` is `Interpreter.identity` on the host, the image's digest in a container. 32 hex digits.
    """
    content = json.dumps({"recipe": RECIPE, "lock": lock.digest, "base": base}, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def install_commands(*, lock: Path, target: Path, python: Path | str, uv: Path, cache: Path) -> list[list[str]]:
    """The commands that make `target`, a folder that is absent or empty, an environment as `lock` says.

    The same on the host and in a container, where the paths are the container's; the variables are `Uv.variables()`.
    Relocatable, because it is built under another name. Compiled, because nobody can write .pyc files later.
    """
    create = [
        "venv",
        "--quiet",
        "--relocatable",
        "--no-project",
        "--no-python-downloads",
        "--python",
        str(python),
        str(target),
    ]
    install = ["pip", "sync", "--quiet", "--require-hashes", "--link-mode", "hardlink", "--compile-bytecode"]
    install += ["--python", str(target), str(lock)]
    return [[str(uv), "--cache-dir", str(cache), *command] for command in (create, install)]


def environment_python(folder: Path) -> Path:
    """The interpreter of the environment in `folder`."""
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"


def provision_on_host(
    lock: Lock,
    interpreter: Interpreter,
    cache: EnvironmentCache,
    uv: Uv,
    *,
    progress: Callable[[str], None] | None = None,
) -> Provisioned:
    """The lock's packages with an interpreter of this host; built on first use. Nothing of them is imported.

    Raises ConfigError for a lock of another platform, InfrastructureError where uv fails.
    """
    if lock.platform != host_platform():
        raise ConfigError(
            f"this lock was made on {lock.platform}, this machine is {host_platform()}: packages differ",
            file=lock.path,
            expected=f"a lock made on {host_platform()}",
            fix=f"tfmatrix lock {lock.environment_id}, or the docker executor",
        )

    uv = replace(uv, index_options=lock.index_options)

    def install(folder: Path) -> None:
        if progress is not None:
            progress(f"installing {lock.environment_id}: {len(lock.packages)} packages")
        for command in install_commands(
            lock=lock.path.absolute(),
            target=folder.absolute(),
            python=interpreter.path,
            uv=uv.executable,
            cache=uv.cache.absolute(),
        ):
            result = uv.run(command[1:])
            if not result.succeeded:
                raise uv.failure(f"{lock.environment_id} could not be installed:", result)

    key = environment_key(lock, interpreter.identity)
    description = describe_environment(lock, interpreter.version)
    folder = cache.build(key, install, description=description, user=lock.path, progress=progress)
    return Provisioned(folder=folder, python=environment_python(folder), key=key, packages=lock.packages)


def describe_environment(lock: Lock, python_version: str) -> dict[str, Any]:
    """What an environment's marker says of it, for `tfmatrix env list`."""
    return {"environment": lock.environment_id, "python": python_version, "lock": lock.digest}


@dataclass(frozen=True, kw_only=True)
class EnvironmentCache:
    """The folder of all environments. Any number of processes and threads may use it at once."""

    root: Path

    @property
    def downloads(self) -> Path:
        """The cache of uv: beside the environments, so that their files can be hard links into it."""
        return self.root / "uv"

    def folder(self, key: str) -> Path:
        """Where the environment of that key is, or will be."""
        if _KEY.fullmatch(key) is None:
            raise ValueError(f"not a key of an environment: {key!r}")
        return self._environments / key

    def build(
        self,
        key: str,
        builder: Callable[[Path], None],
        *,
        description: Mapping[str, Any] | None = None,
        user: Path | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Path:
        """The folder of that key: the whole one that is there, or one that `builder` fills now.

        `builder` gets an empty folder under another name, readable by all; what it leaves there appears under its own
        name at once, or not at all if it raises or the process dies. One process builds, others wait for it. `user` is
        the lock that wants it: who prunes later sees which projects still do.

        From now on until this process ends, nobody removes the folder: a worker that finds a module missing would tell
        it as an incompatibility.
        """
        final = self.folder(key)
        with self._reserved(key, progress):
            if user is not None:
                self._record_user(key, user.absolute())
            if _read_marker(final):
                os.utime(final / MARKER)
                self._hold(key)
                return final
            if final.exists():
                self._wait_until_unused(key, progress)
            self._remove_leftovers(key)
            temporary = make_folder(self._environments / f"{key}.{secrets.token_hex(4)}.tmp")
            try:
                builder(temporary)
                marker = {"recipe": RECIPE, "key": key, **(description or {})}
                (temporary / MARKER).write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")
                (temporary / MARKER).chmod(0o644)
                temporary.rename(final)
            except BaseException as error:
                shutil.rmtree(temporary, ignore_errors=True)
                if isinstance(error, OSError):
                    raise self._write_error(final, error) from error
                raise
            self._hold(key)
            return final

    def list_environments(self) -> tuple[CachedEnvironment, ...]:
        """All environments, the latest used first."""
        found = [
            replace(environment, users=self._read_users(folder.name))
            for folder in self._folders()
            if (environment := _read_environment(folder)) is not None
        ]
        return tuple(sorted(found, key=lambda environment: environment.last_used, reverse=True))

    def prune(self, keep_keys: Collection[str] = (), older_than: datetime.timedelta = datetime.timedelta(0)) -> Pruned:
        """Removes environments outside `keep_keys` that were not used for `older_than`, and what builders left.

        What is being built, or used by another process, is passed over. The downloads stay.
        """
        removed = []
        for folder in self._folders():
            if folder.name in keep_keys:
                continue
            # Passed over where somebody builds it, uses it, or has just removed it.
            with (
                contextlib.suppress(filelock.Timeout, FileNotFoundError, BlockingIOError),
                self._lock(folder.name).acquire(timeout=0),
                self._unused(folder.name),
            ):
                if _age(folder) >= older_than:
                    # Renamed first: half an environment never stands under its name. Removed below.
                    folder.rename(self._environments / f"{folder.name}.{secrets.token_hex(4)}.tmp")
                    removed.append(folder.name)
                    self._users_file(folder.name).unlink(missing_ok=True)
        return Pruned(keys=tuple(removed), freed_bytes=self.remove_half_built().freed_bytes)

    def remove_half_built(self) -> Pruned:
        """Removes what builders left that died; what is being built is passed over. `keys` has one for each."""
        leftovers = []
        for path in sorted(self._environments.glob("*.tmp")):
            with contextlib.suppress(filelock.Timeout), self._lock(path.name[:32]).acquire(timeout=0):
                leftovers.append(path)
        freed = _freed_by_removing(leftovers)
        for path in leftovers:
            shutil.rmtree(path, ignore_errors=True)
        return Pruned(keys=tuple(path.name[:32] for path in leftovers), freed_bytes=freed)

    def freed_by_removing(self, keys: Iterable[str]) -> int:
        """How many bytes the disk gains when these environments go: files which others share make no room."""
        return _freed_by_removing([self.folder(key) for key in keys])

    @property
    def environments(self) -> Path:
        """The folder of the environments, one for each key."""
        return self._environments

    @property
    def _environments(self) -> Path:
        return self.root / "envs"

    def _folders(self) -> list[Path]:
        if not self._environments.is_dir():
            return []
        return sorted(path for path in self._environments.iterdir() if _KEY.fullmatch(path.name))

    def _lock(self, key: str) -> filelock.FileLock:
        for folder in (self.root, self._environments, self.root / "locks"):
            make_folder(folder)
        return filelock.FileLock(self.root / "locks" / f"{key}.lock")

    @contextlib.contextmanager
    def _reserved(self, key: str, progress: Callable[[str], None] | None) -> Iterator[None]:
        """Holds the key for this thread alone. The system lets go of it when the process dies."""
        lock = self._lock(key)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            if progress is not None:
                progress(f"waiting for another run that is building {key}")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _hold(self, key: str) -> None:
        """Marks the environment as used by this process, until it ends, however it ends."""
        if fcntl is None:
            return
        path = self._use_file(key)
        with _HOLDING:
            if path not in _HELD:
                _HELD[path] = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
                # At once: whoever wants the file for itself has the key's lock, and so have we.
                fcntl.flock(_HELD[path], fcntl.LOCK_SH)

    @contextlib.contextmanager
    def _unused(self, key: str, *, wait: bool = False) -> Iterator[None]:
        """Holds an environment that nobody else uses; BlockingIOError for one in use, unless told to wait."""
        if fcntl is None:
            yield
            return
        path = self._use_file(key)
        with _HOLDING:
            if (held := _HELD.pop(path, None)) is not None:
                os.close(held)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            yield
        finally:
            os.close(handle)

    def _wait_until_unused(self, key: str, progress: Callable[[str], None] | None) -> None:
        """Returns once no other process uses the environment, which is about to be built anew."""
        try:
            with self._unused(key):
                return
        except BlockingIOError:
            if progress is not None:
                progress(f"waiting for another run that uses {key}, which is damaged and is to be built anew")
        with self._unused(key, wait=True):
            return

    def _users_file(self, key: str) -> Path:
        return self.root / "users" / f"{key}.json"

    def _read_users(self, key: str) -> tuple[Path, ...]:
        try:
            return tuple(Path(each) for each in parse_json(self._users_file(key).read_text(encoding="utf-8"))["locks"])
        except (OSError, ValueError, KeyError, TypeError):
            return ()

    def _record_user(self, key: str, lock: Path) -> None:
        """Adds a lock to those that want the environment; whoever calls has the key for itself."""
        known = self._read_users(key)
        if lock in known:
            return
        file = self._users_file(key)
        make_folder(file.parent)
        aside = file.with_suffix(f".{secrets.token_hex(4)}")
        aside.write_text(json.dumps({"locks": sorted(map(str, (*known, lock)))}, indent=1) + "\n", encoding="utf-8")
        aside.replace(file)

    def _use_file(self, key: str) -> Path:
        return self.root / "locks" / f"{key}.use"

    def _write_error(self, folder: Path, error: OSError) -> InfrastructureError:
        what = f"The environment {folder} could not be written: {error}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return disk_full(self.root, what)
        return InfrastructureError(what, fix=f"mend what it names, or remove {folder} and run again")

    def _remove_leftovers(self, key: str) -> None:
        """Removes what dead builders of that key left, for whoever builds holds its lock."""
        for path in [self.folder(key), *self._environments.glob(f"{key}.*.tmp")]:
            shutil.rmtree(path, ignore_errors=True)


def _asks(lock: Path, digest: str) -> bool:
    """Whether the lock is that of a project (and not of one question), and still pins what has this digest."""
    if not digest or not (lock.parent.parent / "matrix.yaml").is_file():
        return False
    try:
        return f"sha256:{digest}" in lock.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def disk_usage(folders: Iterable[Path]) -> int:
    """Bytes on disk of everything in the folders; files with several names (hard links) count once."""
    return sum(size for size, _, _ in _inodes(folders).values())


def _freed_by_removing(folders: Iterable[Path]) -> int:
    return sum(size for size, names, links in _inodes(folders).values() if names == links)


def _inodes(folders: Iterable[Path]) -> dict[tuple[int, int], tuple[int, int, int]]:
    """Of every file: its bytes on disk, how many names it has in the folders, how many it has anywhere."""
    found: dict[tuple[int, int], tuple[int, int, int]] = {}
    waiting = [str(folder) for folder in folders]
    while waiting:
        folder = waiting.pop()
        # Another process may be removing what is counted here.
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    waiting.append(entry.path)
                    continue
                size = getattr(status, "st_blocks", -(-status.st_size // 512)) * 512
                names = found.get((status.st_dev, status.st_ino), (0, 0, 0))[1]
                found[status.st_dev, status.st_ino] = (size, names + 1, status.st_nlink)
    return found


def _read_environment(folder: Path) -> CachedEnvironment | None:
    """The environment in `folder`; None where another process has just removed it."""
    try:
        last_used = _last_used(folder)
    except FileNotFoundError:
        return None
    marker = _read_marker(folder)
    return CachedEnvironment(
        key=folder.name,
        folder=folder,
        environment_id=str(marker.get("environment", "")),
        lock=str(marker.get("lock", "")),
        python=str(marker.get("python", "")),
        last_used=last_used,
        bytes=disk_usage([folder]),
    )


def _read_marker(folder: Path) -> dict[str, Any]:
    """What the marker says of a whole environment; nothing of one that is not."""
    try:
        marker = parse_json((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return marker if isinstance(marker, dict) else {}


def _last_used(folder: Path) -> datetime.datetime:
    marker = folder / MARKER
    status = marker.stat() if marker.exists() else folder.stat()
    return datetime.datetime.fromtimestamp(status.st_mtime, datetime.UTC)


def _age(folder: Path) -> datetime.timedelta:
    return datetime.datetime.now(datetime.UTC) - _last_used(folder)
