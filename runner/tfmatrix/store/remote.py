"""A store by URL that several machines share: `file://` (also NFS), `s3://`, `gs://`, `az://`.

    outcomes/KK/KEY.json            what a save or a load came to, with its digest
    folders/DD/DIGEST/…             the members of an artifact or an observation
    folders/DD/DIGEST.json          its manifest: names, sizes and digests, written last
    batches/NAME.json, .result.json what a unit was given, and what it came to

Everything is written once, whole, under a name that says what it is, and read by that name: nothing is listed, because
a client's listing may be stale, and nothing is locked. A folder without a manifest is not there. What does not have its
digest is removed, and made again by whoever needs it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from tfmatrix.core.data import parse_json
from tfmatrix.core.errors import InfrastructureError, UsageError
from tfmatrix.store.content import Store, Stored, write_atomically
from tfmatrix.store.keys import digest_of

_T = TypeVar("_T")

SCHEMA = 1

PATIENCE = 300.0
"""Seconds that a store may be out of reach: a link is cut and mended, a bucket throttles."""

_PAUSES = (0.2, 1.0, 3.0, 10.0)
"""Seconds between tries; the last one again and again."""

_SILENT = 2
"""Tries that fail before somebody is told: most stores are back by then."""

_STRANGERS = ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError", "CredentialUnavailableError")
"""What the clouds' libraries raise where nobody is logged in, by name: botocore, google.auth, azure.identity. Waiting
does not help.
"""

_EXTRA = 'python -m pip install "tfmatrix[cloud]"'


class Remote:
    """Bytes under names. Any process of any machine may read and write at once."""

    def __init__(
        self,
        url: str,
        *,
        patience: float = PATIENCE,
        options: Mapping[str, Any] | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`options` are fsspec's, such as `endpoint_url` of an S3 server of one's own; else its own configuration.
        `say` is told when the store is waited for.

        Raises UsageError for an address that is none, or whose protocol needs a package that is not there.
        """
        self.url = url.rstrip("/")
        self._patience = patience
        self._say = say
        parts = urlsplit(self.url)
        self._folder: Path | None = None
        if parts.scheme == "file":
            if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
                raise UsageError(f"--store {url!r} names no folder", expected="file:///FOLDER, an absolute path")
            self._folder = Path(unquote(parts.path))
            return
        if not parts.scheme or not (parts.netloc or parts.scheme == "memory"):
            raise UsageError(
                f"--store {url!r} is no address of a store",
                expected="file:///FOLDER, s3://BUCKET/PATH, gs://BUCKET/PATH or az://CONTAINER/PATH",
            )
        try:
            import fsspec

            # Neither listings nor file systems of before: another client may have written since.
            self._files, self._root = fsspec.url_to_fs(
                self.url, use_listings_cache=False, skip_instance_cache=True, **(options or {})
            )
        except ImportError as error:
            raise UsageError(f"--store {url!r} needs a package that is not there: {error}", fix=_EXTRA) from error
        except ValueError as error:
            raise UsageError(f"--store {url!r}: {error}", expected="a protocol that fsspec knows") from error

    def read(self, name: str) -> bytes | None:
        """The bytes under a name; None where there are none. Raises InfrastructureError."""
        return self._tried(lambda: self._read(name), f"reading {name}")

    def write(self, name: str, data: bytes) -> None:
        """Puts bytes under a name, at once. Raises InfrastructureError."""
        self._tried(lambda: self._write(name, data), f"writing {name}")

    def remove(self, name: str) -> None:
        """Removes what is under a name, where there is anything. Raises InfrastructureError."""
        self._tried(lambda: self._remove(name), f"removing {name}")

    def has_folder(self, digest: str) -> bool:
        """Whether the folder with that digest was written to its end."""
        return self.read(_manifest(digest)) is not None

    def put_folder(self, digest: str, folder: Path) -> None:
        """Writes a folder, unless it is there: its members, and then its manifest. Raises InfrastructureError."""
        if self.has_folder(digest):
            return
        files, empty = {}, []
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_file():
                data = path.read_bytes()
                files[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                self.write(f"{_members(digest)}/{name}", data)
            elif not any(path.iterdir()):
                empty.append(name)
        content = {"files": files, "empty": empty}
        self.write_json(_manifest(digest), content)

    def get_folder(self, digest: str, target: Path) -> bool:
        """Reads a folder into an empty one; False where there is none, or a damaged one, which is then removed."""
        manifest = self.read_json(_manifest(digest))
        if manifest is None:
            return False
        for name in manifest["empty"]:
            _inside(target, name).mkdir(parents=True, exist_ok=True)
        for name, told in manifest["files"].items():
            data = self.read(f"{_members(digest)}/{name}")
            if data is None or hashlib.sha256(data).hexdigest() != told["sha256"]:
                self.remove(_manifest(digest))
                return False
            path = _inside(target, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return True

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Writes a document with its digest."""
        document = {"schema": SCHEMA, "content": dict(content), "digest": digest_of(content)}
        self.write(name, json.dumps(document, sort_keys=True).encode())

    def read_json(self, name: str) -> dict[str, Any] | None:
        """A document; None where there is none, or a damaged one, which is then removed."""
        data = self.read(name)
        if data is None:
            return None
        try:
            document = parse_json(data)
            content = document["content"]
            if document["schema"] == SCHEMA and isinstance(content, dict) and document["digest"] == digest_of(content):
                return content
        except (ValueError, KeyError, TypeError):
            pass  # half of it, or something else
        self.remove(name)
        return None

    def _read(self, name: str) -> bytes | None:
        try:
            if self._folder is not None:
                return (self._folder / name).read_bytes()
            data: bytes = self._files.cat_file(f"{self._root}/{name}")
            return data
        except FileNotFoundError:
            return None

    def _write(self, name: str, data: bytes) -> None:
        if self._folder is not None:
            # Through a temporary name: on NFS and local disks others see a half-written file.
            write_atomically(self._folder / name, data)
        else:
            self._files.pipe_file(f"{self._root}/{name}", data)

    def _remove(self, name: str) -> None:
        if self._folder is not None:
            (self._folder / name).unlink(missing_ok=True)
        elif self._read(name) is not None:
            self._files.rm_file(f"{self._root}/{name}")

    def _tried(self, action: Callable[[], _T], what: str) -> _T:
        """Tries until `patience` is over: stores fail for a while, and every action may be repeated."""
        deadline = time.monotonic() + self._patience
        for number in range(10**6):
            try:
                return action()
            except PermissionError as error:
                raise InfrastructureError(f"{self.url}: {what}: not allowed: {error}", fix=_RIGHTS) from error
            except Exception as error:
                pause = _PAUSES[min(number, len(_PAUSES) - 1)]
                told = f"{self.url}: {what}: {type(error).__name__}: {error}"
                if type(error).__name__ in _STRANGERS:
                    raise InfrastructureError(told, fix=_LOGIN) from error
                if time.monotonic() + pause >= deadline:
                    raise InfrastructureError(
                        told, expected="a store that this machine reaches, in which this user may read and write"
                    ) from error
                if number == _SILENT:
                    self._say(f"{told}; tried again for {self._patience:g} s")
                time.sleep(pause)
        raise AssertionError("a deadline ends it")


_LOGIN = "log in as the cloud's library expects it, for S3 by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_RIGHTS = "give this user the right to read, write and delete there"


class SharedStore(Store):
    """A local store behind which a remote one stands: what is missing here is looked for there, and kept there, too.

    With `fetches`, `read_sealed` and `has_folder` bring here what is there: for whoever measures. Else an outcome is
    here or nowhere, `has_folder` only asks, and `fetched` brings a folder.
    `outcomes` has everything that was read or written, by key.
    """

    def __init__(
        self, root: Path, remote: Remote, *, fetches: bool, say: Callable[[str], None] = lambda _: None
    ) -> None:
        super().__init__(root, say=say)
        self.remote = remote
        self.outcomes: dict[str, dict[str, Any]] = {}
        self._fetches = fetches
        self._there: set[str] = set()

    def has_folder(self, digest: str) -> bool:
        """Whether it is here or there."""
        if self.is_here(digest):
            return True
        if self._fetches:
            return self._fetch(digest)
        if digest not in self._there and self.remote.has_folder(digest):
            self._there.add(digest)
        return digest in self._there

    def fetched(self, digest: str) -> Path:
        """See Store. Raises InfrastructureError where it is nowhere."""
        if not self.is_here(digest) and not self._fetch(digest):
            raise InfrastructureError(f"{self.remote.url} does not have the folder {digest} any more")
        return self.folder(digest)

    def read_sealed(self, key: str) -> Stored | None:
        """See Store."""
        found = super().read_sealed(key)
        if found is None and self._fetches:
            content = self.remote.read_json(_outcome(key))
            found = None if content is None else Stored(content, sealed=True)
        if found is not None:
            self.outcomes[key] = found.content
        return found

    def read_outcome(self, key: str) -> dict[str, Any] | None:
        """See Store: what was computed, and so is here or nowhere."""
        found = super().read_sealed(key)
        if found is None:
            return None
        self.outcomes[key] = found.content
        return found.content

    def ask(self, key: str) -> dict[str, Any] | None:
        """What a unit has written there under a key, also where it did not come to its end."""
        return self.remote.read_json(_outcome(key))

    def write_outcome(self, key: str, outcome: Mapping[str, Any]) -> None:
        """See Store. Its folders are there before it is."""
        super().write_outcome(key, outcome)
        self.outcomes[key] = dict(outcome)
        if "status" not in outcome:
            return  # computed from two observations: cheap to compute again, and part of what a unit tells
        for digest in _folders_of(outcome):
            if self.is_here(digest):
                self.remote.put_folder(digest, self.folder(digest))
        self.remote.write_json(_outcome(key), outcome)

    def take(self, outcomes: Mapping[str, Mapping[str, Any]]) -> None:
        """Keeps outcomes here that a unit has written there, behind their folders."""
        for key, outcome in outcomes.items():
            super().write_outcome(key, outcome)
            self._there.update(_folders_of(outcome))

    def _fetch(self, digest: str) -> bool:
        with self.incoming() as staged:
            if not self.remote.get_folder(digest, staged):
                return False
            found = self.keep(staged)
        if found != digest:
            self._say(f"{self.remote.url}: the folder {digest} is damaged: what needs it is measured again")
            self.remote.remove(_manifest(digest))
        return found == digest


def _manifest(digest: str) -> str:
    return f"folders/{digest[:2]}/{digest}.json"


def _members(digest: str) -> str:
    return f"folders/{digest[:2]}/{digest}"


def _outcome(key: str) -> str:
    return f"outcomes/{key[:2]}/{key}.json"


def _folders_of(outcome: Mapping[str, Any]) -> list[str]:
    """The folders that an outcome speaks of."""
    digests = (outcome.get("observation"), (outcome.get("artifact") or {}).get("digest"))
    return [digest for digest in digests if digest]


def _inside(folder: Path, name: str) -> Path:
    """A member's path. Raises InfrastructureError for a name that leads out of the folder: others wrote it."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or PurePosixPath(name).is_absolute():
        raise InfrastructureError(f"a manifest names {name!r}, which is outside of its folder")
    return folder.joinpath(*parts)
