"""Which releases a package has, asked of the index that uv installs from, and what a version selector chooses of them.

uv has no command that lists releases, so its settings (index, proxy, certificates, credentials) are followed here.
Sources: the simple repository API (PEP 503, 592, 691, 700), uv's reference of environment variables.
"""

from __future__ import annotations

import base64
import datetime
import functools
import json
import netrc
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urldefrag, urlsplit, urlunsplit

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
from tfmatrix.core.version_selectors import NIGHTLY, OLDEST, SelectorError, VersionSelector, choose, parse_selector
from tfmatrix.envs.lock import host_platform
from tfmatrix.envs.uv import Uv

ANY_PYTHON: Final = "any"

_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.2, */*;q=0.1"


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


def default_index() -> str:
    """The one of pip and uv where nothing else is configured."""
    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    return PYPI_SIMPLE_ENDPOINT


@dataclass(frozen=True, kw_only=True)
class Index:
    """The indexes that uv would ask, in its order: the first that has a package is the one that counts.

    `variables` are (name, value) pairs of `Uv.variables()`: proxies, certificates, credentials. Never to be shown.
    """

    urls: tuple[str, ...] = field(default_factory=lambda: (default_index(),))
    links: tuple[Path, ...] = ()
    timeout: float = 60.0
    offline: bool = False
    variables: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, uv: Uv) -> Index:
        """The index that `uv` is configured with."""
        variables = uv.variables()
        extra = (variables.get("UV_INDEX") or variables.get("UV_EXTRA_INDEX_URL") or "").split()
        default = variables.get("UV_DEFAULT_INDEX") or variables.get("UV_INDEX_URL") or default_index()
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
            fix=did_you_mean(package, ("tensorflow", "tensorflow-cpu", "tf-nightly", "tf-nightly-cpu", "keras")),
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
    bare, user = _split_credentials(url)
    request = urllib.request.Request(f"{bare.rstrip('/')}/{package}/", headers={"Accept": _ACCEPT})
    user = user or _from_netrc(bare, dict(index.variables).get("NETRC"))
    if user:
        request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
    try:
        with _opener(index, bare).open(request, timeout=index.timeout) as answer:
            content, kind = answer.read(), answer.headers.get_content_type()
        return tuple(_read_json(content) if kind.endswith("json") else _read_html(content.decode("utf-8", "replace")))
    except urllib.error.HTTPError as error:
        if error.code in (404, 410):
            return None
        raise _no_answer(bare, package, f"it answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _no_answer(bare, package, str(error.reason)) from error
    except (OSError, ValueError, KeyError) as error:
        raise _no_answer(bare, package, f"{type(error).__name__}: {error}") from error


def _no_answer(url: str, package: str, why: str) -> InfrastructureError:
    return InfrastructureError(
        f"the package index {url} cannot be asked for the releases of {package}: {why}",
        expected="a package index that answers",
        fix="check the network, the proxy (HTTPS_PROXY), the certificates (SSL_CERT_FILE) and the index "
        "(UV_DEFAULT_INDEX or PIP_INDEX_URL), then run again",
    )


def _read_json(content: bytes) -> Iterator[IndexFile]:
    data: dict[str, Any] = json.loads(content)
    for file in data["files"]:
        yanked = file.get("yanked", False)
        time = file.get("upload-time")
        yield IndexFile(
            name=file["filename"],
            uploaded=datetime.datetime.fromisoformat(time) if time else None,
            yanked=(yanked if isinstance(yanked, str) else "") if yanked else None,
        )


class _Links(HTMLParser):
    """The links of an index page that knows no JSON (PEP 503): names and withdrawals, but no times."""

    def __init__(self) -> None:
        super().__init__()
        self.files: list[IndexFile] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collects `<a href>`."""
        found = dict(attrs)
        if tag == "a" and (href := found.get("href")):
            name = unquote(urlsplit(urldefrag(href)[0]).path.rpartition("/")[2])
            yanked = (found["data-yanked"] or "") if "data-yanked" in found else None
            self.files.append(IndexFile(name=name, yanked=yanked))


def _read_html(text: str) -> list[IndexFile]:
    parser = _Links()
    parser.feed(text)
    return parser.files


def _opener(index: Index, url: str) -> urllib.request.OpenerDirector:
    """What asks: with the proxies and certificates of uv's settings."""
    variables = {name.upper(): value for name, value in index.variables}
    everything = variables.get("ALL_PROXY")
    proxies = {
        scheme: proxy
        for scheme in ("http", "https")
        if (proxy := variables.get(f"{scheme.upper()}_PROXY") or everything)
    }
    trusted = {each.partition(":")[0] for each in variables.get("UV_INSECURE_HOST", "").split()}
    folder = variables.get("SSL_CERT_DIR")
    context = ssl.create_default_context()
    if variables.get("SSL_CERT_FILE") or folder:
        context = ssl.create_default_context(cafile=variables.get("SSL_CERT_FILE"), capath=folder)
    if urlsplit(url).hostname in trusted:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if variables.get("SSL_CLIENT_CERT"):
        context.load_cert_chain(variables["SSL_CLIENT_CERT"])
    return urllib.request.build_opener(
        urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=context)
    )


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


def _split_credentials(url: str) -> tuple[str, str]:
    """The URL without a user, and the user with its password."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=host)), unquote(user)


def _from_netrc(url: str, path: str | None) -> str:
    """`user:password` of a host, or nothing."""
    file = Path(path) if path else Path(os.environ.get("HOME") or Path.home()) / ".netrc"
    try:
        found = netrc.netrc(str(file)).authenticators(urlsplit(url).hostname or "")
    except (OSError, netrc.NetrcParseError):
        return ""
    return f"{found[0]}:{found[2]}" if found else ""
