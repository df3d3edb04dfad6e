"""The tables of pixi, in pixi.toml or below `tool.pixi`: what each feature asks for, here."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from tfmatrix.envs.index import PRERELEASES
from tfmatrix.envs.pins.conda import TAKEN, conda_specifier, left_out, pin_of_conda
from tfmatrix.envs.pins.model import Note, Pin, PinFile, line_with
from tfmatrix.envs.pins.pipenv import pin_of_entry
from tfmatrix.envs.pins.text import table

PLATFORMS = {"linux": "linux-64", "darwin": "osx-arm64", "win32": "win-64"}
_TARGETS = {"linux": ("linux", "unix"), "darwin": ("osx", "unix"), "win32": ("win",)}


def read_pixi(path: Path, text: str, data: Mapping[str, Any]) -> PinFile:
    """`[pypi-dependencies]`, and of `[dependencies]` those that decide here.

    What the environment `default` has is production; each other feature is a group.
    """
    platform = PLATFORMS.get(sys.platform, "linux-64")
    targets = (platform, *_TARGETS.get(sys.platform, ()))
    notes: list[Note] = []
    others: list[str] = []
    pins: list[Pin] = []
    options: list[str] = []
    overrides: list[str] = []
    env: dict[str, str] = {}
    python = ""
    environments = table(data, "environments", file=path)
    chosen = environments.get("default") or []
    default = set(chosen.get("features") or () if isinstance(chosen, dict) else chosen)
    features = {"": data, **table(data, "feature", file=path)}
    for feature, asked in features.items():
        group = "" if feature in ("", *default) else feature
        tables = [asked, *(table(asked, "target", each, file=path) for each in targets)]
        if not group:
            settings = table(asked, "pypi-options", file=path)
            options += _indexes(path, settings)
            overrides += _overrides(path, text, table(settings, "dependency-overrides", file=path), notes)
        for each in tables:
            if not group:
                env |= {name: str(value) for name, value in table(each, "activation", "env", file=path).items()}
            for name, entry in table(each, "dependencies", file=path).items():
                line = line_with(text, f"{name} =", f"{name}=", name)
                version = entry.get("version") if isinstance(entry, dict) else entry
                specifier = conda_specifier("" if version in (None, "*") else _any_patch(str(version)), path, line)
                if name == "python":
                    python = python or ("" if group else specifier)
                elif canonicalize_name(name) in TAKEN:
                    pins.append(pin_of_conda(canonicalize_name(name), specifier, path, line, group=group))
                else:
                    others.append(name)
            for name, entry in table(each, "pypi-dependencies", file=path).items():
                place = line_with(text, f"{name} =", f"{name}=", name)
                pin = pin_of_entry(path, place, name, entry, group, notes)
                if pin is not None:
                    pins.append(pin)
    return PinFile(
        path=path,
        kind="pixi.toml",
        pins=tuple(pins),
        python=python,
        python_line=line_with(text, "python =", "python="),
        options=tuple(dict.fromkeys(options)),
        overrides=tuple(overrides),
        env=tuple((name, value) for name, value in env.items() if name.startswith(("TF_", "KERAS_"))),
        notes=(*notes, *left_out(path, others)),
        groups=tuple(dict.fromkeys(pin.group for pin in pins if pin.group)),
    )


def _indexes(path: Path, settings: Mapping[str, Any]) -> Iterator[str]:
    """`[pypi-options]` as lines of a requirements file."""
    if settings.get("index-url"):
        yield f"--index-url {settings['index-url']}"
    for url in settings.get("extra-index-urls") or ():
        yield f"--extra-index-url {url}"
    for link in settings.get("find-links") or ():
        if "url" in link:
            yield f"--find-links {link['url']}"
        elif (path.parent / link["path"]).is_dir():
            yield f"--find-links {(path.parent / link['path']).resolve()}"
    if settings.get("prerelease-mode") == "allow":
        yield PRERELEASES


def _overrides(path: Path, text: str, asked: Mapping[str, Any], notes: list[Note]) -> Iterator[str]:
    for name, entry in asked.items():
        pin = pin_of_entry(path, line_with(text, f"{name} =", f"{name}="), name, entry, "", notes)
        if pin is not None:
            yield pin.requirement


def _any_patch(version: str) -> str:
    """A bare version is any of its patches."""
    return f"={version}" if version[:1].isdigit() and not version.endswith("*") else version
