"""Lock files: uv.lock, poetry.lock, pylock.toml (PEP 751) and Pipfile.lock."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from tfmatrix.core.errors import ConfigError
from tfmatrix.core.packages import DECIDING
from tfmatrix.envs.pins.model import Pin, PinFile, exact_version, from_elsewhere

_AT_LINE = re.compile(r"\(at line (\d+)")


def read_toml(path: Path, text: str) -> dict[str, Any]:
    """The file as data, or a ConfigError with its line."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.search(str(error))
        line = int(found[1]) if found else None
        raise ConfigError(
            f"not TOML: {error}", file=path, line=line, expected="the file as its tool wrote it"
        ) from error


def read_uv_lock(path: Path, text: str) -> PinFile:
    """uv.lock: one `[[package]]` per package, or several, each with the markers under which it is taken."""
    data = read_toml(path, text)
    pins = tuple(_pins_of_packages(path, text, data, "package", _uv_marker))
    return PinFile(path=path, kind="uv.lock", pins=pins, **_python(path, text, data, "requires-python"))


def read_pylock(path: Path, text: str) -> PinFile:
    """pylock.toml: one `[[packages]]` per package."""
    data = read_toml(path, text)
    pins = tuple(_pins_of_packages(path, text, data, "packages", lambda each: str(each.get("marker") or "")))
    return PinFile(path=path, kind="pylock.toml", pins=pins, **_python(path, text, data, "requires-python"))


def read_poetry_lock(path: Path, text: str) -> PinFile:
    """poetry.lock: one `[[package]]` per package; the project's Python stands below `[metadata]`."""
    data = read_toml(path, text)
    pins = tuple(_pins_of_packages(path, text, data, "package", _poetry_marker))
    metadata = data.get("metadata") or {}
    return PinFile(path=path, kind="poetry.lock", pins=pins, **_python(path, text, metadata, "python-versions"))


def read_pipfile_lock(path: Path, text: str) -> PinFile:
    """Pipfile.lock: JSON with the groups `default` and `develop`."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"not JSON: {error.msg}", file=path, line=error.lineno, expected="the file as pipenv wrote it"
        ) from error
    if not isinstance(data, dict):
        raise ConfigError("not a JSON object", file=path, line=1, expected="the file as pipenv wrote it")
    pins = []
    for group in ("default", "develop"):
        for name, entry in (data.get(group) or {}).items():
            pin = _pipfile_pin(path, text, name, entry, group)
            if pin is not None:
                pins.append(pin)
    requires = (data.get("_meta") or {}).get("requires") or {}
    python = str(requires.get("python_version") or requires.get("python_full_version") or "")
    return PinFile(
        path=path,
        kind="Pipfile.lock",
        pins=tuple(pins),
        python=f"=={'.'.join(python.split('.')[:2])}.*" if python else "",
        python_line=line_with(text, "python_version") if python else None,
    )


def _pipfile_pin(path: Path, text: str, name: str, entry: Any, group: str) -> Pin | None:
    package = canonicalize_name(name)
    if package not in DECIDING:
        return None
    line = line_with(text, f'"{name}"')
    version = entry.get("version") if isinstance(entry, dict) else None
    if not isinstance(version, str):
        raise from_elsewhere(package, path, line)
    try:
        specifier = SpecifierSet(version)
    except InvalidSpecifier as error:
        raise ConfigError(f"{name}: not a version: {version!r}", file=path, line=line) from error
    return Pin(
        package=package,
        version=exact_version(specifier),
        specifier=str(specifier),
        file=path,
        line=line,
        marker=str(entry.get("markers") or ""),
        group="" if group == "default" else group,
    )


def _pins_of_packages(path: Path, text: str, data: Mapping[str, Any], key: str, marker: Any) -> Iterator[Pin]:
    packages = data.get(key) or []
    lines = [number for number, line in enumerate(text.splitlines(), start=1) if line.strip() == f"[[{key}]]"]
    if not isinstance(packages, list) or not all(isinstance(each, dict) for each in packages):
        raise ConfigError(f"`{key}` is not a list of tables", file=path, expected="the file as its tool wrote it")
    for number, each in enumerate(packages):
        name = canonicalize_name(str(each.get("name") or ""))
        if name not in DECIDING:
            continue
        line = lines[number] if len(lines) == len(packages) else None
        version = each.get("version")
        source = each.get("source")
        if not isinstance(version, str) or (isinstance(source, dict) and _is_elsewhere(source)):
            raise from_elsewhere(name, path, line)
        yield Pin(package=name, version=version, specifier=f"=={version}", file=path, line=line, marker=marker(each))


def _is_elsewhere(source: Mapping[str, Any]) -> bool:
    """Whether a package is from a repository, a folder or an address: uv names it by key, poetry by `type`."""
    return bool({"git", "url", "path", "directory", "editable"} & set(source)) or source.get("type") in (
        "git",
        "url",
        "file",
        "directory",
    )


def _uv_marker(package: Mapping[str, Any]) -> str:
    markers = [str(each) for each in package.get("resolution-markers") or ()]
    return " or ".join(f"({each})" for each in markers) if len(markers) > 1 else "".join(markers)


def _poetry_marker(package: Mapping[str, Any]) -> str:
    markers = package.get("markers")
    if isinstance(markers, dict):
        markers = markers.get("main") or ""
    return str(markers or "")


def _python(path: Path, text: str, data: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    if not isinstance(value, str):
        return {}
    line = line_with(text, key)
    return {"python": python_specifier(value, path, line), "python_line": line}


def python_specifier(value: str, path: Path, line: int | None) -> str:
    """A version constraint as a specifier (PEP 440), also one of poetry: `^3.9`, `~3.9`, `2.15.1`, `*`.

    Poetry's alternatives (`||`) have no such form: they are taken as no constraint.
    """
    if "||" in value:
        return ""
    parts = []
    together = re.sub(r"([<>=!~^]+)\s+", r"\1", value.strip())
    for part in re.split(r"[,\s]+", together):
        text = part.strip().replace(" ", "")
        if text in ("", "*"):
            continue
        if text[0] == "^" or (text[0] == "~" and not text.startswith("~=")):
            parts += _caret_or_tilde(text, value, path, line)
        elif text[0].isdigit():
            parts.append(f"=={text}")
        else:
            parts.append(text)
    try:
        return str(SpecifierSet(",".join(parts)))
    except InvalidSpecifier as error:
        raise ConfigError(
            f"not a version constraint: {value!r}", file=path, line=line, expected='such as ">=3.9,<3.12"'
        ) from error


def _caret_or_tilde(text: str, value: str, path: Path, line: int | None) -> list[str]:
    numbers = text[1:].split(".")
    if not all(number.isdigit() for number in numbers):
        raise ConfigError(f"not a version constraint: {value!r}", file=path, line=line, expected='such as "^3.9"')
    if text[0] == "^":
        kept = next((place for place, number in enumerate(numbers) if int(number)), len(numbers) - 1) + 1
    else:
        kept = min(2, len(numbers))
    upper = [*numbers[: kept - 1], str(int(numbers[kept - 1]) + 1)]
    return [f">={'.'.join(numbers)}", f"<{'.'.join(upper)}"]


def line_with(text: str, words: str) -> int | None:
    """The number of the first line with these words."""
    return next((number for number, line in enumerate(text.splitlines(), start=1) if words in line), None)
