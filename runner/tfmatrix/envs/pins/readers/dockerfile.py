"""A Dockerfile: the image that it starts from, and what its `RUN pip install` lines name."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from tfmatrix.envs.pins.model import Pin, PinFile, pin_of
from tfmatrix.envs.pins.readers import Rank
from tfmatrix.envs.pins.requirements import read_requirements
from tfmatrix.envs.pins.text import decode
from tfmatrix.envs.uv import Uv

KIND = "Dockerfile"
NAMES = ("Dockerfile", "Dockerfile.*", "*.Dockerfile", "*.dockerfile", "Containerfile")
RANK = Rank.OTHER
MADE_OF = ()

_TENSORFLOW = re.compile(
    r"^(?:docker\.io/)?tensorflow/(?:tensorflow|serving):(?P<version>\d+\.\d+\.\d+(?:rc\d+)?)(?:-|$)"
)
_PYTHON = re.compile(r"^(?:docker\.io/)?(?:library/)?python:(?P<version>3\.\d+)(?:[.-]|$)")
_VARIABLE = re.compile(r"\$\{?(?P<name>\w+)(?::?-(?P<default>[^}]*))?\}?")
_SEPARATORS = {"&&", "||", ";", "|"}


def read(path: Path, text: str, uv: Uv) -> PinFile:
    """TensorFlow and Python by the image of the last stage; requirements by `pip install`."""
    from dockerfile_parse import DockerfileParser

    structure = DockerfileParser(fileobj=io.BytesIO(text.encode())).structure
    values: dict[str, str] = {}
    env: dict[str, str] = {}
    stages: dict[str, tuple[str, int]] = {}
    pins: list[Pin] = []
    notes: list[str] = []
    reads: list[Path] = []
    image, line = "", 0
    for entry in structure:
        number, value = entry["startline"] + 1, entry["value"]
        match entry["instruction"].upper():
            case "ARG":
                name, _, default = value.partition("=")
                values.setdefault(name.strip(), default.strip("\"' "))
            case "ENV":
                for name, given in _assignments(value):
                    values[name] = env[name] = given
            case "FROM":
                words = [each for each in _filled(value, values).split() if not each.startswith("--")]
                image, line = stages.get(words[0], (words[0], number)) if words else ("", number)
                if len(words) == 3:
                    stages[words[2]] = (image, line)
            case "RUN":
                pins += _installed(path, number, _filled(value, values), notes, reads)
    found = _TENSORFLOW.match(image)
    if found is not None:
        pins.insert(0, pin_of(f"tensorflow=={found['version']}", path, line))
        notes.append(f"{path}:{line}: the image {image} names TensorFlow; its other packages are not the index's")
    python = _PYTHON.match(image)
    return PinFile(
        path=path,
        kind=KIND,
        pins=tuple(pins),
        python=f"=={python['version']}.*" if python else "",
        python_line=line,
        notes=tuple(notes),
        reads=tuple(reads),
        env=tuple((name, value) for name, value in env.items() if name.startswith(("TF_", "KERAS_"))),
    )


def _filled(value: str, values: dict[str, str]) -> str:
    return _VARIABLE.sub(lambda match: values.get(match["name"]) or match["default"] or match[0], value)


def _assignments(value: str) -> list[tuple[str, str]]:
    words = _words(value)
    if words and "=" not in words[0]:
        return [(words[0], " ".join(words[1:]))]
    return [(name, given) for name, _, given in (word.partition("=") for word in words)]


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text.replace("\\\n", " "))
    except ValueError:
        return []


def _installed(path: Path, line: int, command: str, notes: list[str], reads: list[Path]) -> list[Pin]:
    """The requirements of `pip install` in a command line; options are passed over, `-r` is followed."""
    pins: list[Pin] = []
    words = _words(command)
    installs = False
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        ends = word in _SEPARATORS or word.endswith(";")
        if word == "install" and any(
            each.endswith(("pip", "pip3", "uv")) for each in words[max(0, position - 4) : position]
        ):
            installs = True
        elif installs and word in ("-r", "--requirement", "-c", "--constraint") and position < len(words):
            pins += _of_file(path, words[position], notes, reads)
            position += 1
        elif installs and not word.startswith("-"):
            pins += _requirement(path, line, word.rstrip(";"))
        if ends:
            installs = False
    return pins


def _requirement(path: Path, line: int, word: str) -> list[Pin]:
    try:
        Requirement(word)
    except InvalidRequirement:
        return []
    return [pin_of(word, path, line)]


def _of_file(path: Path, name: str, notes: list[str], reads: list[Path]) -> list[Pin]:
    """The file of the build's context of that name, where it lies beside."""
    file = path.parent / Path(name).name
    if not file.is_file():
        return []
    reads.append(file)
    content: Any = file.read_bytes()
    if not content.strip():
        return []
    found = read_requirements(file, decode(file, content))
    notes += found.notes
    return list(found.pins)
