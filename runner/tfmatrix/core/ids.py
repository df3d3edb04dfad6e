"""Ids: of environments (one grammar) and of cells (`scenario/format/writer/reader`).

    TENSORFLOW[+kerasX.Y.Z][+PACKAGE[VERSION]]…[+VARIABLE.VALUE]…[+pyX.Y][@AS_OF]

An id says what sets an environment apart, and leaves out what it would be anyway: the packages of the release's own
days (of today for nightly), the default Python of that TensorFlow, and TF_USE_LEGACY_KERAS beside tf-keras. Ranges are
spelt in letters (`h5py<3.12` is `h5py.lt3.12`). An id that would be long names a hash of its parts instead.

matrix.yaml, whose ids are looked after by a person and unique there, leaves out variables, Pythons and ranges; every
command takes an environment that stands there by the name it has there (`identified`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tfmatrix.core.environment import Environment, default_python
from tfmatrix.core.packages import TF_KERAS, rank
from tfmatrix.core.version_selectors import NIGHTLY

if TYPE_CHECKING:
    from packaging.requirements import Requirement

ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]*")

_LONGEST_ID = 36
_OPERATORS: Final = {"<": ".lt", "<=": ".le", ">": ".gt", ">=": ".ge", "!=": ".ne", "~=": ".like", "==": "", "===": ""}


@dataclass(frozen=True, kw_only=True, order=True)
class CellId:
    """`scenario/format/writer/reader`: the name of a cell everywhere, and what globs select."""

    scenario: str
    format: str
    writer: str
    reader: str

    def __str__(self) -> str:
        return f"{self.scenario}/{self.format}/{self.writer}/{self.reader}"

    @classmethod
    def parse(cls, text: str) -> CellId:
        """The inverse of str(); raises ValueError where the text has not four parts."""
        parts = text.split("/")
        if len(parts) != 4:
            raise ValueError(f"not a cell id (scenario/format/writer/reader): {text!r}")
        return cls(scenario=parts[0], format=parts[1], writer=parts[2], reader=parts[3])


def environment_id(environment: Environment, *, in_matrix: bool = False) -> str:
    """The id of an environment by what is pinned of it; "" for an image, which has to be named."""
    if not environment.tensorflow:
        return ""
    keras, requirements = _pins(environment)
    parts = [f"keras{keras}"] if keras else []
    parts += [_package(each, ranges=not in_matrix) for each in requirements]
    if not in_matrix:
        parts += _variables(environment, requirements)
    if not in_matrix and environment.python not in ("", default_python(environment.tensorflow)):
        parts.append(f"py{environment.python}")
    natural = "today" if environment.tensorflow == NIGHTLY else "release"
    ending = "" if environment.as_of == natural else f"@{environment.as_of}"
    name = "+".join([environment.tensorflow, *parts]) + ending
    if len(name) <= _LONGEST_ID and ID_PATTERN.fullmatch(name):
        return name
    return f"{environment.tensorflow}+pins.{_digest(name)}"


def identified(environment: Environment, known: Iterable[Environment] = ()) -> Environment:
    """The environment under its one id: that of the same one among `known` (matrix.yaml's), else by the grammar.

    Where that id means another environment there, a hash sets the two apart.
    """
    others = tuple(known)
    same = next((each for each in others if is_same(each, environment)), None)
    if same is not None:
        return same
    name = environment_id(environment)
    if name in {each.id for each in others}:
        name = f"{name}+{_digest(repr(_meaning(environment)))}"
    return replace(environment, id=name)


def is_same(first: Environment, second: Environment) -> bool:
    """Whether two environments are the same but for their ids and for how their packages are written."""
    return _meaning(first) == _meaning(second)


def _meaning(environment: Environment) -> tuple[object, ...]:
    keras, requirements = _pins(environment)
    packages = tuple(map(_package, requirements))
    bare = replace(
        environment, id="", keras=keras or None, with_packages=packages, env={}, index_options=(), overrides=()
    )
    return (bare, tuple(sorted(environment.env.items())))


def _pins(environment: Environment) -> tuple[str, list[Requirement]]:
    """The pin of Keras, wherever it stands, and the other packages in one order."""
    from packaging.requirements import Requirement  # slow to import, and most commands name no package
    from packaging.utils import canonicalize_name

    keras, requirements = environment.keras or "", []
    for each in map(Requirement, environment.with_packages):
        pins = [specifier.version for specifier in each.specifier if specifier.operator == "=="]
        if canonicalize_name(each.name) == "keras" and len(pins) == len(each.specifier) == 1 and not keras:
            keras = pins[0]
        else:
            requirements.append(each)
    return keras, sorted(requirements, key=lambda each: (rank(canonicalize_name(each.name)), each.name.lower()))


def _package(requirement: Requirement, *, ranges: bool = True) -> str:
    """`h5py3.10.0`, `h5py`, `h5py.ge3.lt4`."""
    from packaging.utils import canonicalize_name

    limits = sorted(requirement.specifier, key=lambda each: (each.version, each.operator))
    return canonicalize_name(requirement.name) + "".join(
        _OPERATORS[each.operator] + each.version.replace("*", "x")
        for each in limits
        if ranges or not _OPERATORS[each.operator]
    )


def _variables(environment: Environment, requirements: Iterable[Requirement]) -> list[str]:
    from packaging.utils import canonicalize_name

    has_tf_keras = any(canonicalize_name(each.name) in TF_KERAS for each in requirements)
    natural = {"TF_USE_LEGACY_KERAS": "1"} if has_tf_keras else {}
    return [f"{name}.{value}" for name, value in sorted(environment.env.items()) if natural.get(name) != value]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]
