"""A Dockerfile: the image that it starts from, and what its `RUN pip install` lines name."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from tfmatrix.core.errors import ConfigError
from tfmatrix.core.packages import TENSORFLOW
from tfmatrix.envs.pins.declared import following
from tfmatrix.envs.pins.model import Note, PinFile, pin_of
from tfmatrix.envs.pins.readers import Rank
from tfmatrix.envs.pins.requirements import read_requirements
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
_VERSION_UNSET = re.compile(r"^(?P<package>[A-Za-z0-9._-]+)(?:\[.*\])?[=<>!~]+\$\{?(?P<variable>\w+)")
_HERE = re.compile(
    r"^(?P<run>RUN\b[^\n]*?)<<-?[\"']?(?P<end>\w+)[\"']?[^\n]*\n(?P<body>.*?)^[ \t]*(?P=end)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
_COPIED_FROM = re.compile(r"--from=(\S+)")
_SEPARATORS = {"&&", "||", ";", "|"}
_FILES = ("-r", "--requirement", "-c", "--constraint")
_TAKEN = (*_FILES, "-e", "--editable", "-i", "--index-url", "--extra-index-url", "-f", "--find-links")
_PASSED_OVER = (
    "-t", "--target", "--timeout", "--retries", "--progress-bar", "--prefix", "--root", "--src", "--platform",
    "--python-version", "--implementation", "--abi", "--upgrade-strategy", "--no-binary", "--only-binary",
    "--trusted-host", "--cache-dir", "--log", "--proxy", "--cert", "--client-cert", "--exists-action", "--report", "-C",
    "--config-settings", "--global-option", "-p", "--python",
)  # fmt: skip
"""Options of pip and uv that have a value: those that say what is installed, and the others."""


def read(path: Path, text: str, uv: Uv) -> PinFile:
    """The last stage: TensorFlow and Python by its image, what `pip install` asks for there or where it copies from."""
    from dockerfile_parse import DockerfileParser

    structure = DockerfileParser(fileobj=io.BytesIO(_HERE.sub(_one_line, text).encode())).structure
    values: dict[str, str] = {}
    env: dict[str, str] = {}
    stages: dict[str, _Stage] = {}
    stage, number_of_stages = _Stage(), 0
    for entry in structure:
        number, value = entry["startline"] + 1, entry["value"]
        match entry["instruction"].upper():
            case "ARG":
                name, _, default = value.partition("=")
                values.setdefault(name.strip(), default.strip("\"' ") or os.environ.get(name.strip(), ""))
            case "ENV":
                for name, given in _assignments(value):
                    values[name] = env[name] = given
            case "FROM":
                words = [each for each in _filled(value, values).split() if not each.startswith("--")]
                base = stages.get(words[0].lower()) if words else None
                stage = replace(base) if base else _Stage(image=words[0] if words else "", line=number)
                stages[str(number_of_stages)] = stage
                number_of_stages += 1
                if len(words) == 3:
                    stages[words[2].lower()] = stage
            case "COPY":
                copied = _COPIED_FROM.search(value)
                if copied is not None and copied[1].lower() in stages:
                    stage.add(stages[copied[1].lower()].asked)
            case "RUN":
                left_out: list[Note] = []
                lines = [each for each in _installed(path, _filled(value, values), number, left_out) if each]
                stage.left_out += tuple(left_out)
                stage.add([read_requirements(path, "\n".join(lines) or "#", following(uv), line=number)])
    image, line = stage.image, stage.line
    pins = [pin for each in stage.asked for pin in each.pins]
    notes = [*(note for each in stage.asked for note in each.notes), *stage.left_out]
    found = _TENSORFLOW.match(image)
    if found is not None:
        pins.insert(0, pin_of(f"tensorflow=={found['version']}", path, line))
        notes.append(
            Note(
                file=path, line=line, what=f"the image {image} names TensorFlow; its other packages are not the index's"
            )
        )
    elif "tensorflow" in image and not any(pin.package in TENSORFLOW for pin in pins):
        raise ConfigError(
            f"the image {image} does not say which TensorFlow it has",
            file=path,
            line=line,
            expected="a release, such as tensorflow/tensorflow:2.15.0",
            fix="give --from and --to as versions",
        )
    python = _PYTHON.match(image)
    return PinFile(
        path=path,
        kind=KIND,
        pins=tuple(pins),
        python=f"=={python['version']}.*" if python else "",
        python_line=line,
        options=tuple(dict.fromkeys(option for each in stage.asked for option in each.options)),
        notes=tuple(notes),
        reads=tuple(file for each in stage.asked for file in each.reads),
        env=tuple((name, value) for name, value in env.items() if name.startswith(("TF_", "KERAS_"))),
    )


@dataclass(kw_only=True)
class _Stage:
    """A stage of the build: the image that it starts from, and what its commands install."""

    image: str = ""
    line: int = 0
    asked: tuple[PinFile, ...] = ()
    left_out: tuple[Note, ...] = ()

    def add(self, more: Sequence[PinFile]) -> None:
        self.asked = tuple(dict.fromkeys((*self.asked, *more)))


def _names_a_package(word: str) -> bool:
    """Whether an argument of pip says what to install: no variable of the shell, no path of the image."""
    try:
        Requirement(word)
    except InvalidRequirement:
        return word.startswith(".") or "://" in word
    return True


def _one_line(match: re.Match[str]) -> str:
    """The commands of a here-document as one line, with as many lines as before."""
    commands = [each.strip() for each in match["body"].replace("\\\n", " ").splitlines() if each.strip()]
    return f"{match['run']} {' && '.join(commands)}" + "\n" * match[0].count("\n")


def _filled(value: str, values: dict[str, str]) -> str:
    return _VARIABLE.sub(lambda match: values.get(match["name"]) or match["default"] or match[0], value)


def _assignments(value: str) -> list[tuple[str, str]]:
    words = _words(value)
    if words and "=" not in words[0]:
        return [(words[0], " ".join(words[1:]))]
    return [(name, given) for name, _, given in (word.partition("=") for word in words)]


def _words(text: str) -> list[str]:
    if text.lstrip().startswith("["):
        try:
            return [str(each) for each in json.loads(text)]
        except ValueError:
            return []
    try:
        return shlex.split(text.replace("\\\n", " "))
    except ValueError:
        return []


def _installed(path: Path, command: str, line: int, left_out: list[Note]) -> Iterator[str]:
    """What `pip install` in a command line is asked for, as lines of a requirements file.

    What names a variable without a value is left out, with a note; ConfigError where that is TensorFlow.
    """
    words = _words(command)
    installs = False
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        ends = word in _SEPARATORS or word.endswith(";")
        name, equals, value = word.partition("=")
        if word == "install" and any(
            each.endswith(("pip", "pip3", "uv")) for each in words[max(0, position - 4) : position]
        ):
            installs = True
        elif installs and word.startswith("-"):
            if name in (*_TAKEN, *_PASSED_OVER) and not equals and position < len(words):
                value = words[position]
                position += 1
            if name in _FILES:
                # A file of the build's context: it lies beside, wherever the image has it.
                value = Path(value).name if (path.parent / Path(value).name).is_file() else value
                yield f"{name} {value}" if (path.parent / value).is_file() else ""
            elif name in _TAKEN:
                yield f"{name} {value}"
        elif installs and (unset := _VERSION_UNSET.match(word)) is not None:
            if canonicalize_name(unset["package"]) in TENSORFLOW:
                raise ConfigError(
                    f"the build argument {unset['variable']} has no value",
                    file=path,
                    line=line,
                    expected="its value, as where the image is built",
                    fix=f"set it: {unset['variable']}=… tfmatrix …",
                )
            what = f"{unset['package']}: the build argument {unset['variable']} has no value: left out"
            left_out.append(Note(file=path, line=line, what=what))
        elif installs and _names_a_package(word.rstrip(";")):
            yield word.rstrip(";")
        if ends:
            installs = False
