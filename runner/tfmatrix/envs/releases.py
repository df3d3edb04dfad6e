"""Which releases a package has, asked of the index that uv installs from, and what a version selector chooses of them.

uv has no command that lists releases, so its settings (index, proxy, certificates, credentials) are followed here.
Sources: the simple repository API (PEP 503, 592, 691, 700), uv's reference of environment variables.
"""

from __future__ import annotations

import datetime
import functools
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from packaging.tags import Tag
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from tfmatrix.core.errors import InfrastructureError, UsageError
from tfmatrix.core.hints import did_you_mean
from tfmatrix.core.packages import DECIDING
from tfmatrix.core.version_selectors import NIGHTLY, OLDEST, SelectorError, VersionSelector, choose, parse_selector
from tfmatrix.envs.lock import host_platform
from tfmatrix.envs.uv import Uv

if TYPE_CHECKING:
    import requests

ANY_PYTHON: Final = "any"

DEFAULT_INDEX: Final = ""
"""Stands for the one that pip and uv ask where nothing else is configured; pypi-simple knows its address."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """One version of a package on the index.

    `uploaded` is the moment of its first file, None where the index does not say. `pythons` are those, oldest first,
    that have a wheel for this platform: ("3.10", "3.11"); ("any",) for pure Python; () where this platform has none.
    """

    version: str
    uploaded: datetime.datetime | None = None
    yanked: bool = False
    yanked_reason: str = ""
    pythons: tuple[str, ...] = ()

    @property
    def is_prerelease(self) -> bool:
        """Whether it is a release candidate, a nightly or the like."""
        return Version(self.version).is_prerelease

    @property
    def is_choosable(self) -> bool:
        """Whether a selector may choose it: not withdrawn, and installable on this platform."""
        return not self.yanked and bool(self.pythons)


@dataclass(frozen=True, kw_only=True)
class IndexFile:
    """A file of a package as the index lists it. `yanked` is the reason, None where it is not withdrawn."""

    name: str
    uploaded: datetime.datetime | None = None
    yanked: str | None = None


@dataclass(frozen=True, kw_only=True)
class Index:
    """The indexes that uv would ask, in its order: the first that has a package is the one that counts.

    `variables` are (name, value) pairs of `Uv.variables()`: proxies, certificates, credentials. Never to be shown.
    """

    urls: tuple[str, ...] = (DEFAULT_INDEX,)
    links: tuple[Path, ...] = ()
    timeout: float = 60.0
    offline: bool = False
    variables: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, uv: Uv) -> Index:
        """The index that `uv` is configured with."""
        variables = uv.variables()
        extra = (variables.get("UV_INDEX") or variables.get("UV_EXTRA_INDEX_URL") or "").split()
        default = variables.get("UV_DEFAULT_INDEX") or variables.get("UV_INDEX_URL") or DEFAULT_INDEX
        links = [Path(each) for each in variables.get("UV_FIND_LINKS", "").split(",") if each]
        seconds = variables.get("UV_HTTP_TIMEOUT") or variables.get("UV_REQUEST_TIMEOUT") or str(uv.network.timeout)
        return cls(
            urls=tuple(dict.fromkeys(_with_credentials(each, variables) for each in (*extra, default))),
            links=tuple(link for link in links if link.is_dir()),
            timeout=float(seconds) if seconds.isdigit() else float(uv.network.timeout),
            offline=uv.network.offline or variables.get("UV_OFFLINE", "") in ("1", "true"),
            variables=tuple(sorted(variables.items())),
        )

    def files(self, package: str) -> tuple[IndexFile, ...]:
        """All files of a package, none where there is no such package. InfrastructureError where nobody answers."""
        return _files(self, canonicalize_name(package))


def releases(package: str, index: Index, *, prereleases: bool = False) -> tuple[Release, ...]:
    """All versions of a package, oldest first, withdrawn ones too; with `prereleases` also rc and dev ones.

    Raises UsageError where there is no such package, InfrastructureError where the index cannot be asked.
    """
    files = index.files(package)
    if not files:
        raise UsageError(
            f'the package index has no package "{package}"',
            expected="a package such as tensorflow, tf-nightly or keras",
            fix=did_you_mean(package, DECIDING),
        )
    by_version: dict[Version, list[tuple[IndexFile, frozenset[Tag]]]] = {}
    for file in files:
        version, tags = _read_name(file.name)
        if version is not None and (prereleases or not version.is_prerelease):
            by_version.setdefault(version, []).append((file, tags))
    return tuple(_release(version, by_version[version]) for version in sorted(by_version))


def resolve_selector(text: str, index: Index, *, package: str = "tensorflow") -> list[str]:
    """The exact versions that a selector (see `tfmatrix.core.version_selectors`) chooses, oldest first; nightly stays.

    Withdrawn releases and those without a wheel for this platform are never chosen. Only `rc` may choose none.
    Raises UsageError where the text is no selector or chooses nothing, InfrastructureError as `releases` does.
    """
    try:
        selector = parse_selector(text)
    except SelectorError as error:
        raise UsageError(error.what, expected=error.expected, fix=error.fix) from error
    if selector.kind == "nightly":
        return [NIGHTLY]
    found = releases(package, index, prereleases=True)
    chosen = choose(selector, [each.version for each in found if each.is_choosable])
    if not chosen and not selector.may_be_empty:
        raise _chooses_nothing(selector, package, found)
    return chosen


def _chooses_nothing(selector: VersionSelector, package: str, found: Iterable[Release]) -> UsageError:
    """Why nothing was chosen: withdrawn, not for this platform, or not there at all."""
    listed = list(found)
    there = {each.version: each for each in listed}
    what = f'no release of {package} is meant by "{selector.text}"'
    if (release := there.get(selector.text)) is not None:
        if release.yanked:
            what = f"{package} {release.version} was withdrawn: {release.yanked_reason or 'no reason is given'}"
        else:
            what = f"{package} {release.version} has no wheel for {host_platform()}"
    stable = [each.version for each in listed if each.is_choosable and not each.is_prerelease]
    stable = [version for version in stable if Version(version) >= OLDEST] or stable
    reach = f"the index has {stable[0]} to {stable[-1]} for {host_platform()}" if stable else "a package with releases"
    minor = selector.text.rpartition(".")[0]
    return UsageError(
        what,
        expected=reach,
        fix=did_you_mean(selector.text, [each for each in stable if each.startswith(f"{minor}.")] or stable),
    )


# Releases out of files


def _release(version: Version, files: list[tuple[IndexFile, frozenset[Tag]]]) -> Release:
    """A version out of its files. It is withdrawn where all of them are (PEP 592)."""
    reasons = [file.yanked for file, _ in files]
    pythons = {python for file, tags in files for python in _pythons(tags)}
    return Release(
        version=str(version),
        uploaded=min((file.uploaded for file, _ in files if file.uploaded is not None), default=None),
        yanked=all(reason is not None for reason in reasons),
        yanked_reason=next((reason for reason in reasons if reason), ""),
        pythons=tuple(sorted(pythons, key=lambda python: [int(part) for part in python.split(".") if part.isdigit()])),
    )


def _pythons(tags: frozenset[Tag]) -> Iterator[str]:
    """The Pythons that a file can be installed for on this platform."""
    if not tags:
        yield ANY_PYTHON  # a source distribution
        return
    system, _, machine = host_platform().partition("-")
    for tag in tags:
        if tag.platform == "any":
            fits = True
        elif system == "linux":
            fits = tag.platform.startswith(("manylinux", "linux")) and tag.platform.endswith(f"_{machine}")
        elif system == "darwin":
            fits = tag.platform.startswith("macosx") and tag.platform.endswith((f"_{machine}", "_universal2"))
        else:
            fits = tag.platform == f"win_{machine}"
        if fits:
            digits = tag.interpreter.removeprefix("cp")
            yield f"{digits[0]}.{digits[1:]}" if tag.interpreter[:2] == "cp" and len(digits) > 1 else ANY_PYTHON


@functools.lru_cache(maxsize=65536)
def _read_name(name: str) -> tuple[Version | None, frozenset[Tag]]:
    """Version and tags of a file; no version for a file that is no distribution."""
    try:
        if name.endswith(".whl"):
            _, version, _, tags = parse_wheel_filename(name)
            return version, tags
        return parse_sdist_filename(name)[1], frozenset()
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return None, frozenset()


# Asking


@functools.lru_cache(maxsize=64)
def _files(index: Index, package: str) -> tuple[IndexFile, ...]:
    """See Index.files. Asked once in the life of a process: `lock`, `check` and `bisect` ask often."""
    local = [IndexFile(name=path.name) for link in index.links for path in sorted(link.iterdir())]
    local = [file for file in local if canonicalize_name(file.name.partition("-")[0]) == package]
    if index.offline:
        raise InfrastructureError(
            f"the package index cannot be asked for the releases of {package}: offline",
            fix="run once with the network allowed (defaults.network.offline: false)",
        )
    for url in index.urls:
        found = _ask(index, url, package)
        if found is not None:
            return (*found, *local)
    return tuple(local)


def _ask(index: Index, url: str, package: str) -> tuple[IndexFile, ...] | None:
    """The files of a package in one index; None where it has no such package."""
    # Imported here: an HTTP client and an HTML parser take longer to import than most commands take to run.
    import requests
    from pypi_simple import (
        ACCEPT_JSON_PREFERRED,
        PYPI_SIMPLE_ENDPOINT,
        NoSuchProjectError,
        PyPISimple,
        UnsupportedContentTypeError,
        UnsupportedRepoVersionError,
    )

    bare, auth = _split_credentials(url or PYPI_SIMPLE_ENDPOINT)
    try:
        with PyPISimple(bare, session=_session(index, bare, auth), accept=ACCEPT_JSON_PREFERRED) as client:
            page = client.get_project_page(package, timeout=index.timeout)
    except NoSuchProjectError:
        return None
    except requests.HTTPError as error:
        if error.response.status_code == HTTPStatus.GONE:
            return None
        raise _no_answer(bare, package, f"it answers {error.response.status_code} {error.response.reason}") from error
    except (UnsupportedContentTypeError, UnsupportedRepoVersionError) as error:
        raise _no_answer(bare, package, str(error)) from error
    except (OSError, ValueError) as error:  # of requests, of the connection, of JSON that is none or says nothing
        raise _no_answer(bare, package, _innermost(error)) from error
    return tuple(
        IndexFile(
            name=file.filename,
            uploaded=file.upload_time,
            yanked=(file.yanked_reason or "") if file.is_yanked else None,
        )
        for file in page.packages
    )


def _no_answer(url: str, package: str, why: str) -> InfrastructureError:
    return InfrastructureError(
        f"the package index {url} cannot be asked for the releases of {package}: {why}",
        expected="a package index that answers",
        fix="check the network, the proxy (HTTPS_PROXY), the certificates (SSL_CERT_FILE) and the index "
        "(UV_DEFAULT_INDEX or PIP_INDEX_URL), then run again",
    )


def _innermost(error: BaseException) -> str:
    """What was the matter at the bottom of a chain of exceptions, in one line: `Connection refused`."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    said = getattr(error, "strerror", None) or str(error).strip().partition("\n")[0]
    return said or type(error).__name__


def _session(index: Index, url: str, auth: tuple[str, str] | None) -> requests.Session:
    """What asks: with the credentials, proxies and certificates of uv's settings, and with no others."""
    import requests
    from requests.utils import get_netrc_auth, should_bypass_proxies

    variables = {name.upper(): value for name, value in index.variables}
    session = requests.Session()
    session.trust_env = False
    session.auth = auth or get_netrc_auth(url)
    if not should_bypass_proxies(url, variables.get("NO_PROXY")):
        for scheme in ("http", "https"):
            if proxy := variables.get(f"{scheme.upper()}_PROXY") or variables.get("ALL_PROXY"):
                session.proxies[scheme] = proxy
    trusted = {each.partition(":")[0] for each in variables.get("UV_INSECURE_HOST", "").split()}
    if urlsplit(url).hostname in trusted:
        session.verify = False
    else:
        session.verify = variables.get("SSL_CERT_FILE") or variables.get("SSL_CERT_DIR") or _system_certificates()
    session.cert = variables.get("SSL_CLIENT_CERT")
    return session


def _system_certificates() -> str | bool:
    """Where the machine keeps the authorities that it trusts: a company's own stands there. True: those of certifi."""
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath or True


def _with_credentials(entry: str, variables: dict[str, str]) -> str:
    """`NAME=URL` or `URL` of a setting as a URL, with the name and password that uv has for it."""
    name, named, url = entry.partition("=") if "=" in entry.partition("://")[0] else ("", "", entry)
    prefix = f"UV_INDEX_{name.upper().replace('-', '_')}"
    user = variables.get(f"{prefix}_USERNAME")
    if not named or not user:
        return url
    parts = urlsplit(url)
    secret = f"{user}:{variables.get(f'{prefix}_PASSWORD', '')}"
    return urlunsplit(parts._replace(netloc=f"{secret}@{parts.netloc.rpartition('@')[2]}"))


def _split_credentials(url: str) -> tuple[str, tuple[str, str] | None]:
    """The URL without a user, and the user with its password."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    return urlunsplit(parts._replace(netloc=host)), (unquote(name), unquote(password)) if at else None
