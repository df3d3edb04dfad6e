"""pixi.lock: what the environment `default` has on this platform."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from tfmatrix.envs.pins.conda import TAKEN, entries, left_out, pin_of_conda
from tfmatrix.envs.pins.model import Pin, PinFile, line_with
from tfmatrix.envs.pins.pixi import PLATFORMS
from tfmatrix.envs.pins.readers import Rank
from tfmatrix.envs.pins.text import read_yaml, table
from tfmatrix.envs.uv import Uv

KIND = "pixi.lock"
NAMES = ("pixi.lock",)
RANK = Rank.LOCK
MADE_OF = ("pixi.toml", "pyproject.toml")

_CONDA = re.compile(r"/(?P<name>[^/]+)-(?P<version>[^/-]+)-[^/-]+\.(?:conda|tar\.bz2)$")


def read(path: Path, text: str, uv: Uv) -> PinFile:
    """Packages of the package index as they are; of conda's, those that decide here, by their versions."""
    data = read_yaml(path, text)
    by_address = {
        str(each.get("pypi")): each
        for each in entries(data.get("packages"))
        if isinstance(each, dict) and each.get("pypi")
    }
    chosen = table(data, "environments", "default", "packages", file=path)
    pins: list[Pin] = []
    others: list[str] = []
    python = ""
    for each in entries(chosen.get(PLATFORMS.get(sys.platform, "linux-64"))):
        address = str(each.get("pypi") or each.get("conda") or "")
        line = line_with(text, address)
        if each.get("pypi"):
            name, version = _of_index(address, by_address.get(address) or {})
            if name and version:
                pins.append(pin_of_conda(name, f"=={version}", path, line))
            continue
        found = _CONDA.search(address)
        if found is None:
            continue
        name = canonicalize_name(found["name"])
        if name == "python":
            python = f"=={'.'.join(found['version'].split('.')[:2])}.*"
        elif name in TAKEN:
            pins.append(pin_of_conda(name, f"=={found['version']}", path, line))
        else:
            others.append(name)
    return PinFile(
        path=path,
        kind=KIND,
        pins=tuple(pins),
        python=python,
        python_line=line_with(text, "/python-3"),
        notes=tuple(left_out(path, others)),
    )


def _of_index(address: str, package: dict[str, Any]) -> tuple[str, str]:
    name, version = str(package.get("name") or ""), str(package.get("version") or "")
    if not (name and version):
        try:
            found = parse_wheel_filename(address.rpartition("/")[2].partition("#")[0])
        except InvalidWheelFilename:
            return "", ""
        name, version = found[0], found[1].public
    return canonicalize_name(name), version
