"""A Dockerfile: the image that it starts from, and what its `RUN` lines install by pip, conda and projects' tools."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from tfmatrix.core.errors import ConfigError
from tfmatrix.core.packages import TENSORFLOW
from tfmatrix.envs.index import PRERELEASES
from tfmatrix.envs.pins.conda import left_out
from tfmatrix.envs.pins.declared import following
from tfmatrix.envs.pins.model import Note, PinFile, pin_of
from tfmatrix.envs.pins.readers import Rank
from tfmatrix.envs.pins.requirements import read_requirements
from tfmatrix.envs.pins.text import read_text
from tfmatrix.envs.uv import Uv

KIND = "Dockerfile"
NAMES = ("Dockerfile", "Dockerfile.*", "*.Dockerfile", "*.dockerfile", "Containerfile")
RANK = Rank.OTHER
MADE_OF = ()

_TENSORFLOW = re.compile(r"(?:^|/)tensorflow/(?:tensorflow|serving):(?P<version>\d+\.\d+\.\d+(?:rc\d+)?)(?![\w.])")
_PYTHON = re.compile(r"(?:(?:^|/)python:(?:\d+-)?|:(?:\S+-)?python)(?P<version>3\.\d+)(?!\d)")
"""Of whatever registry: `python:3.11.4-slim@sha256:…`, `devcontainers/python:1-3.11`, `uv:0.5-python3.11-alpine`."""
_VARIABLE = re.compile(r"\$\{?(?P<name>\w+)(?::?-(?P<default>[^}]*))?\}?")
_VERSION_UNSET = re.compile(r"^(?P<package>[A-Za-z0-9._-]+)(?:\[.*\])?[=<>!~]+\$\{?(?P<variable>\w+)")
_HERE = re.compile(
    r"^(?P<run>RUN\b[^\n]*?)<<-?[\"']?(?P<end>\w+)[\"']?[^\n]*\n(?P<body>.*?)^[ \t]*(?P=end)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
_COPIED_FROM = re.compile(r"--from=(\S+)")
_SEPARATORS = {"&&", "||", ";", "|", "&"}
_FILES = ("-r", "--requirement", "-c", "--constraint")
_TAKEN = (*_FILES, "-e", "--editable", "-i", "--index-url", "--extra-index-url", "-f", "--find-links")
_PASSED_OVER = (
    "-t", "--target", "--timeout", "--retries", "--progress-bar", "--prefix", "--root", "--src", "--platform",
    "--python-version", "--implementation", "--abi", "--upgrade-strategy", "--no-binary", "--only-binary",
    "--trusted-host", "--cache-dir", "--log", "--proxy", "--cert", "--client-cert", "--exists-action", "--report", "-C",
    "--config-settings", "--global-option", "-p", "--python",
)  # fmt: skip
"""Options of pip and uv that have a value: those that say what is installed, and the others."""

_CONDA = ("conda", "mamba", "micromamba")
_CONDA_VERBS = ("env", "install", "create", "update")
_CONDA_VALUES = ("-n", "--name", "-p", "--prefix", "-c", "--channel", "-f", "--file", "--solver", "-r", "--root-prefix")
_OF_PROJECTS: Mapping[tuple[str, str], Sequence[str]] = {
    ("uv", "sync"): ("uv.lock", "pyproject.toml"),
    ("poetry", "install"): ("poetry.lock", "pyproject.toml"),
    ("poetry", "sync"): ("poetry.lock", "pyproject.toml"),
    ("pdm", "sync"): ("pdm.lock",),
    ("pdm", "install"): ("pdm.lock", "pyproject.toml"),
    ("pipenv", "sync"): ("Pipfile.lock",),
    ("pipenv", "install"): ("Pipfile.lock", "Pipfile"),
    ("pixi", "install"): ("pixi.lock", "pixi.toml", "pyproject.toml"),
}
"""What a command of a tool reads, the first that there is."""

_TOOLS = {"pip", "pip3", "uv pip", *_CONDA, *(tool for tool, _ in _OF_PROJECTS)}
_PARTS = {
    "--extra": "extra", "-E": "extra", "--extras": "extra",
    "--group": "group", "--with": "group", "-G": "group", "--only-group": "group", "--categories": "group",
}  # fmt: skip
_EVERY = {"--all-extras": "extra", "--all-groups": "group"}
"""Options that choose parts of a project, by their names and all of them."""


def read(path: Path, text: str, uv: Uv) -> PinFile:
    """The last stage: TensorFlow and Python by its image, what its commands install there or where it copies from."""
    from dockerfile_parse import DockerfileParser

    structure = DockerfileParser(fileobj=io.BytesIO(_HERE.sub(_one_line, text).encode())).structure
    before: dict[str, str] = {}
    stages: dict[str, _Stage] = {}
    stage, number_of_stages = _Stage(), 0
    for entry in structure:
        number, value = entry["startline"] + 1, entry["value"]
        values = stage.values if stages else before
        match entry["instruction"].upper():
            case "ARG":
                for word in _words(value):
                    name, equals, default = word.partition("=")
                    # Without a value in its stage it is that of before the first image.
                    given = _filled(default, values) if equals else "" if values is before else before.get(name, "")
                    values[name] = stage.env.get(name) or given or os.environ.get(name, "")
            case "ENV":
                for name, given in _assignments(value):
                    stage.values[name] = stage.env[name] = _filled(given, values)
            case "FROM":
                words = [each for each in _filled(value, before).split() if not each.startswith("--")]
                base = stages.get(words[0].lower()) if words else None
                stage = base.based() if base else _Stage(image=words[0] if words else "", line=number)
                stages[str(number_of_stages)] = stage
                number_of_stages += 1
                if len(words) == 3:
                    stages[words[2].lower()] = stage
            case "COPY":
                copied = _COPIED_FROM.search(value)
                if copied is not None and copied[1].lower() in stages:
                    stage.add(stages[copied[1].lower()].asked)
            case "RUN":
                stage.add(_installed(path, _filled(value, values), number, uv))
    return _of_stage(path, stage)


def _of_stage(path: Path, stage: _Stage) -> PinFile:
    image, line = stage.image, stage.line
    pins = [pin for each in stage.asked for pin in each.pins]
    notes = [note for each in stage.asked for note in each.notes]
    found = _TENSORFLOW.search(image)
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
    python = _PYTHON.search(image)
    said = next((each for each in stage.asked if each.python), None)
    return PinFile(
        path=path,
        kind=KIND,
        pins=tuple(pins),
        python=f"=={python['version']}.*" if python else said.python if said else "",
        python_line=line,
        options=tuple(dict.fromkeys(option for each in stage.asked for option in each.options)),
        notes=tuple(notes),
        reads=tuple(file for each in stage.asked for file in each.reads),
        wanted=_wanted(stage.asked),
        env=tuple((name, value) for name, value in stage.env.items() if name.startswith(("TF_", "KERAS_"))),
        overrides=tuple(dict.fromkeys(each for file in stage.asked for each in file.overrides)),
    )


def _wanted(asked: Sequence[PinFile]) -> tuple[str, ...] | None:
    """What is asked for, where a lock has more than that."""
    if all(each.wanted is None for each in asked):
        return None
    named = [each.wanted if each.wanted is not None else [pin.package for pin in each.pins] for each in asked]
    return tuple(sorted({name for names in named for name in names}))


@dataclass(kw_only=True)
class _Stage:
    """A stage of the build: the image that it starts from, its variables, and what its commands install."""

    image: str = ""
    line: int = 0
    asked: tuple[PinFile, ...] = ()
    values: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)

    def add(self, more: Iterable[PinFile]) -> None:
        self.asked = tuple(dict.fromkeys((*self.asked, *more)))

    def based(self) -> _Stage:
        """A stage that starts from this one."""
        return replace(self, values=dict(self.values), env=dict(self.env))


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


def _installed(path: Path, text: str, line: int, uv: Uv) -> Iterator[PinFile]:
    """What the commands of a RUN install: those of pip, of conda, and of the tools that have a file of their own."""
    for words in _commands(text):
        tool, verb, arguments = _called(words)
        notes: list[Note] = []
        if verb == "install" and tool in ("pip", "pip3", "uv pip"):
            lines = [each for each in _asked_of_pip(path, arguments, line, notes) if each]
            found = read_requirements(path, "\n".join(lines) or "#", following(uv), line=line)
            yield replace(found, notes=(*found.notes, *notes))
        elif tool in _CONDA and verb in _CONDA_VERBS:
            yield from _asked_of_conda(path, verb, arguments, line, uv)
        elif (reader := _OF_PROJECTS.get((tool, verb))) is not None:
            yield from _asked_of_project(path, tool, verb, reader, arguments, line, uv)


def _commands(text: str) -> Iterator[list[str]]:
    """The commands of a line of the shell."""
    command: list[str] = []
    for word in _words(text):
        if word in _SEPARATORS:
            yield command
            command = []
        elif word.endswith(";"):
            yield [*command, word.rstrip(";")]
            command = []
        else:
            command.append(word)
    yield command


def _called(words: Sequence[str]) -> tuple[str, str, list[str]]:
    """The tool of a command, what it is told to do, and the rest; three times nothing for any other command."""
    for position, word in enumerate(words):
        tool = word.rpartition("/")[2]
        rest = list(words[position + 1 :])
        if tool == "uv" and rest[:1] == ["pip"]:
            tool, rest = "uv pip", rest[1:]
        if tool in _TOOLS:
            told = next((number for number, each in enumerate(rest) if not each.startswith("-")), len(rest))
            if rest[told : told + 1] == ["run"]:
                continue  # `conda run -n base pip install …`
            return tool, (rest[told] if told < len(rest) else ""), [*rest[:told], *rest[told + 1 :]]
        # `sudo -H`, `python3 -m`, `VARIABLE=value`, `--mount=…` stand before it.
    return "", "", []


def _asked_of_project(
    path: Path, tool: str, verb: str, files: Sequence[str], arguments: Sequence[str], line: int, uv: Uv
) -> Iterator[PinFile]:
    """What a tool installs of the lock or the declaration that lies beside the Dockerfile."""
    from tfmatrix.envs.pins.readers import kinds

    file = next((path.parent / name for name in files if (path.parent / name).is_file()), None)
    if file is None:
        what = f"{tool} {verb} needs {' or '.join(files)}, which is not beside it: left out"
        yield PinFile(path=path, kind=KIND, pins=(), notes=(Note(file=path, line=line, what=what),))
        return
    kind = next(each for each in kinds() if each.matches(file.name))
    found = kind.read(file, read_text(file), uv)
    chosen: dict[str, list[str]] = {"extra": [], "group": []}
    for option, value in _options(arguments, (*_PARTS, *_EVERY)):
        if option in _PARTS:
            chosen[_PARTS[option]] += re.split(r"[\s,]+", value)
        else:
            chosen[_EVERY[option]] += found.extras if _EVERY[option] == "extra" else found.groups
    selected = found.selected(chosen["extra"], chosen["group"])
    pins = tuple(pin for pin in selected.pins if pin.is_production)
    yield replace(selected, pins=pins, reads=(file, *selected.reads))


def _asked_of_conda(path: Path, verb: str, arguments: Sequence[str], line: int, uv: Uv) -> Iterator[PinFile]:
    """`conda env create -f FILE`, `conda install PACKAGES`, and the same of its kin."""
    from tfmatrix.envs.pins.readers import conda

    files = [value for _, value in _options(arguments, ("-f", "--file")) if value]
    if verb == "env" and not files:
        files = ["environment.yml"]
    for name in files:
        file = path.parent / Path(name).name
        if file.is_file() and file.suffix in (".yml", ".yaml"):
            found = conda.read(file, read_text(file), uv)
            yield replace(found, reads=(file, *found.reads))
        else:
            what = f"{name} of conda is not beside it: left out"
            yield PinFile(path=path, kind=KIND, pins=(), notes=(Note(file=path, line=line, what=what),))
    specs = list(_plain(arguments, _CONDA_VALUES))
    if not files and specs:
        pins, python, others = conda.read_specs(path, [(each, line) for each in specs])
        yield PinFile(path=path, kind=KIND, pins=tuple(pins), python=python, notes=tuple(left_out(path, others)))


def _options(arguments: Sequence[str], names: Collection[str]) -> Iterator[tuple[str, str]]:
    """The options among arguments, with their values: `-f FILE`, `--file=FILE`."""
    for position, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if name in names:
            yield name, value if equals else (arguments[position + 1] if position + 1 < len(arguments) else "")


def _plain(arguments: Sequence[str], with_values: Collection[str]) -> Iterator[str]:
    """The arguments that are no options, nor the values of these."""
    position = 0
    while position < len(arguments):
        word = arguments[position]
        position += 2 if word in with_values else 1
        if not word.startswith("-"):
            yield word


def _asked_of_pip(path: Path, words: Sequence[str], line: int, notes: list[Note]) -> Iterator[str]:
    """What `pip install` is asked for, as lines of a requirements file.

    What names a variable without a value is left out, with a note; ConfigError where that is TensorFlow.
    """
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        name, equals, value = word.partition("=")
        if word.startswith("-"):
            if name in (*_TAKEN, *_PASSED_OVER) and not equals and position < len(words):
                value = words[position]
                position += 1
            if name in _FILES:
                # A file of the build's context: it lies beside, wherever the image has it.
                value = Path(value).name if (path.parent / Path(value).name).is_file() else value
                yield f"{name} {value}" if (path.parent / value).is_file() else ""
            elif name in _TAKEN:
                yield f"{name} {value}"
            elif name == PRERELEASES or (name, value) == ("--prerelease", "allow"):
                yield PRERELEASES
        elif (unset := _VERSION_UNSET.match(word)) is not None:
            if canonicalize_name(unset["package"]) in TENSORFLOW:
                raise ConfigError(
                    f"the build argument {unset['variable']} has no value",
                    file=path,
                    line=line,
                    expected="its value, as where the image is built",
                    fix=f"set it: {unset['variable']}=… tfmatrix …",
                )
            what = f"{unset['package']}: the build argument {unset['variable']} has no value: left out"
            notes.append(Note(file=path, line=line, what=what))
        elif _names_a_package(word):
            yield word
