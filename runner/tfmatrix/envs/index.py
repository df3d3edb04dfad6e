"""What the host knows about package indexes, proxies and certificates, as variables that uv understands.

People configure pip; uv reads none of it. So pip's variables and pip.conf are translated here, and everything
else that could change a resolution (UV_EXCLUDE_NEWER, UV_CONSTRAINT, an active virtual environment) is left behind.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tfmatrix.envs.home import home_folder

PRERELEASES: Final = "--pre"
"""The option of a requirements file by which versions before a release are taken, too."""

_UV = frozenset(
    {
        "UV_CONFIG_FILE",
        "UV_DEFAULT_INDEX",
        "UV_EXTRA_INDEX_URL",
        "UV_FIND_LINKS",
        "UV_HTTP_RETRIES",
        "UV_HTTP_TIMEOUT",
        "UV_INDEX",
        "UV_INDEX_STRATEGY",
        "UV_INDEX_URL",
        "UV_INSECURE_HOST",
        "UV_KEYRING_PROVIDER",
        "UV_NATIVE_TLS",
        "UV_NO_CONFIG",
        "UV_OFFLINE",
        "UV_PYTHON_DOWNLOADS",
        "UV_PYTHON_DOWNLOADS_JSON_URL",
        "UV_PYTHON_INSTALL_DIR",
        "UV_PYTHON_INSTALL_MIRROR",
        "UV_REQUEST_TIMEOUT",
        "UV_SYSTEM_CERTS",
    }
)
"""uv's own settings of where and how to download; `UV_INDEX_<NAME>_USERNAME` and the like are let through too."""

_NETWORK = frozenset(
    {
        "ALL_PROXY",
        "CURL_CA_BUNDLE",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "NETRC",
        "NO_PROXY",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "SSL_CLIENT_CERT",
    }
)
"""Variables of the network in general, upper or lower case."""

_PIP = {
    "cert": "PIP_CERT",
    "client-cert": "PIP_CLIENT_CERT",
    "extra-index-url": "PIP_EXTRA_INDEX_URL",
    "find-links": "PIP_FIND_LINKS",
    "index-url": "PIP_INDEX_URL",
    "proxy": "PIP_PROXY",
    "timeout": "PIP_DEFAULT_TIMEOUT",
    "trusted-host": "PIP_TRUSTED_HOST",
}
"""pip's options that matter here: the key in pip.conf, the variable (PIP_TIMEOUT has an older name that rules)."""

_FILES = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSL_CLIENT_CERT",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NETRC",
    "UV_CONFIG_FILE",
)
"""Variables that name one file or folder of the host."""


_NOWHERE = "file:///nonexistent/"
"""An index without packages: uv has no variable for pip's `--no-index`."""


def index_environment(environ: Mapping[str, str], options: Sequence[str] = ()) -> dict[str, str]:
    """The variables that provisioning needs, in uv's terms, from `environ` and from pip's configuration files.

    uv's own variables win over pip's variables, and these over pip.conf; the index options of a requirements file
    win over all. The values may hold credentials: they are for a process environment, never for a log. Sources: uv's
    reference of environment variables, pip's user guide ("Configuration").
    """
    result = {
        name: value
        for name, value in environ.items()
        if value and (name in _UV or name.startswith("UV_INDEX_") or name.upper() in _NETWORK)
    }
    pip = _pip_settings(environ)
    if "UV_INDEX_URL" not in result:
        _default(result, "UV_DEFAULT_INDEX", pip.get("index-url"))
    if "UV_EXTRA_INDEX_URL" not in result:
        _default(result, "UV_INDEX", _joined(pip.get("extra-index-url"), " "))
    _default(result, "UV_FIND_LINKS", _joined(_existing_links(pip.get("find-links")), ","))
    _default(result, "UV_INSECURE_HOST", _joined(pip.get("trusted-host"), " "))
    if "UV_REQUEST_TIMEOUT" not in result:
        _default(result, "UV_HTTP_TIMEOUT", pip.get("timeout"))
    _default(result, "SSL_CLIENT_CERT", pip.get("client-cert"))
    bundle = pip.get("cert") or result.get("REQUESTS_CA_BUNDLE") or result.get("CURL_CA_BUNDLE")
    if "SSL_CERT_DIR" not in result:
        _default(result, "SSL_CERT_FILE", bundle)
    if not any(name.upper() in ("HTTPS_PROXY", "ALL_PROXY") for name in result):
        _default(result, "ALL_PROXY", pip.get("proxy"))
    return _with_options(result, options)


def index_files(variables: Mapping[str, str]) -> tuple[Path, ...]:
    """Files and folders of the host that the result of `index_environment` names: a container needs them mounted."""
    named = [variables[name] for name in _FILES if name in variables]
    named += [link for link in variables.get("UV_FIND_LINKS", "").split(",") if link and not _is_url(link)]
    return tuple(dict.fromkeys(path for path in map(Path, named) if path.is_absolute() and path.exists()))


def _is_usual(address: str) -> bool:
    from pypi_simple import PYPI_SIMPLE_ENDPOINT  # it brings requests, which most commands never need

    return address.rstrip("/") == PYPI_SIMPLE_ENDPOINT.rstrip("/")


def _with_options(result: dict[str, str], options: Sequence[str]) -> dict[str, str]:
    """With the index options of a requirements file; one that names the usual index leaves it where the host has it."""
    given: dict[str, list[str]] = {}
    if PRERELEASES in options:
        result["UV_PRERELEASE"] = "allow"
    for option in options:
        if option == PRERELEASES:
            continue
        name, _, value = option.partition(" ")
        if not _is_usual(value):
            given.setdefault(name, []).append(value)
    if "--no-index" in given:
        result.pop("UV_INDEX_URL", None)
        result |= {"UV_DEFAULT_INDEX": _NOWHERE, "UV_INDEX": "", "UV_EXTRA_INDEX_URL": ""}
    if "--index-url" in given:
        result.pop("UV_INDEX_URL", None)
        result["UV_DEFAULT_INDEX"] = given["--index-url"][-1]
    if "--extra-index-url" in given:
        more = result.pop("UV_EXTRA_INDEX_URL", "")
        result["UV_INDEX"] = " ".join([*given["--extra-index-url"], *result.get("UV_INDEX", "").split(), *more.split()])
    if "--find-links" in given:
        links = [each for each in result.get("UV_FIND_LINKS", "").split(",") if each]
        result["UV_FIND_LINKS"] = ",".join(dict.fromkeys([*given["--find-links"], *links]))
    if given:
        # As pip: all indexes are one, and the best version of any is taken.
        result["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return result


def _default(result: dict[str, str], name: str, value: str | None) -> None:
    if value and name not in result:
        result[name] = value


def _joined(words: str | None, separator: str) -> str:
    """Several values are separated by white space (in pip.conf also by lines)."""
    return separator.join((words or "").split())


def _existing_links(words: str | None) -> str:
    """Those that exist: pip passes over a find-links folder that does not, uv fails on it."""
    links = (words or "").split()
    return " ".join(link for link in links if _is_url(link) or (Path(link).is_absolute() and Path(link).exists()))


def _is_url(link: str) -> bool:
    return len(urlsplit(link).scheme) > 1  # one letter is a drive of Windows


def _pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Options of pip by their name in pip.conf; sections `install` and `download` are ignored."""
    settings: dict[str, str] = {}
    for path in _pip_files(environ):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue  # pip itself will complain; a broken pip.conf is no reason to stop here
        if parser.has_section("global"):
            settings.update({key.replace("_", "-"): value for key, value in parser.items("global")})
    settings.update({option: environ[name] for option, name in _PIP.items() if environ.get(name)})
    return settings


def _pip_files(environ: Mapping[str, str]) -> list[Path]:
    """Where pip looks, the file that wins last."""
    if environ.get("PIP_CONFIG_FILE") == os.devnull:
        return []
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or home_folder() or "~")
    if sys.platform == "win32":
        files = [Path(environ.get("PROGRAMDATA", "")) / "pip/pip.ini", home / "pip/pip.ini"]
        files.append(Path(environ.get("APPDATA", "")) / "pip/pip.ini")
    else:
        config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
        shared = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
        files = [Path(folder) / "pip/pip.conf" for folder in reversed(shared)]
        files += [Path("/etc/pip.conf"), Path("/Library/Application Support/pip/pip.conf")]
        files += [home / ".pip/pip.conf", config / "pip/pip.conf", home / "Library/Application Support/pip/pip.conf"]
    if environ.get("PIP_CONFIG_FILE"):
        files.append(Path(environ["PIP_CONFIG_FILE"]))
    return files
