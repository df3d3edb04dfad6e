"""A format as it is declared, and its calls as they are run. The host reads the declarations, a job brings them along.

A format is one file of declarations, read without being run (see formats/__init__.py for what may stand in it). Its
calls are text: what the worker executes, and what `tfmatrix reproduce` prints.
"""

from __future__ import annotations

import linecache
import os
import re
from dataclasses import asdict, dataclass, field
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

MODELS = ("keras", "any")
LOADS = ("keras", "module", "signature", "interpreter")
READING = ("exact", "quantized")
POLICY = ("graph", "keras-savedmodel", "tfsm-layer", "keras-file", "checkpoint", "tflite")
"""The words that a declaration may have; see formats/__init__.py."""

FILES = (
    "hdf5",
    "weights",
    "zip",
    "tflite",
    "keras-savedmodel",
    "savedmodel",
    "checkpoint",
    "weights-checkpoint",
)
"""What a model file may be."""

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": lambda own, other: own >= other,
    "<=": lambda own, other: own <= other,
    ">": lambda own, other: own > other,
    "<": lambda own, other: own < other,
}
FUNCTIONS = ("build_model", "save_model", "load_model")
"""The functions of a scenario that a call may use, beside `inputs`, which each has."""

REQUIREMENT = re.compile(r"^(tensorflow|keras)(>=|<=|<|>)(\d+(?:\.\d+)*)$")
"""What `requires` may ask for."""


@dataclass(frozen=True)
class Format:
    """What a format's file declares; the fields are its constants in small letters, the docstring its `title`.

    `saver` is the format whose artifact it reads: its own id where it writes itself. `save`, `artifact`, `models` and
    `requires` are then that format's. `functions` are those of a scenario that its calls use;
    `by_name` says that it is for scenarios that name it only.
    """

    id: str
    title: str
    saver: str
    artifact: str
    models: str
    save: str
    load: str
    loads: str
    loader: str
    checks: Tuple[str, ...]
    requires: Mapping[str, str] = field(default_factory=dict)
    reading: Optional[str] = None
    files: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    order: int = 1000
    functions: Tuple[str, ...] = ()
    by_name: bool = False
    policy: str = ""

    def unsupported(self, env: Mapping[str, str]) -> Optional[str]:
        """Why an environment with these versions of "tensorflow" and "keras" cannot write the format, or None."""
        for requirement, reason in self.requires.items():
            match = REQUIREMENT.match(requirement)
            assert match is not None, "the reader has checked it"
            package, operator, wanted = match.groups()
            if not _OPERATORS[operator](version(env[package]), version(wanted)):
                return reason
        return None

    def to_job(self) -> Dict[str, Any]:
        """What a job brings along of it."""
        return dict(asdict(self), checks=list(self.checks))

    def to_info(self) -> Dict[str, str]:
        """What run.json says of it, for reports."""
        return {"title": self.title, "saver": self.saver, "loader": self.loader, "policy": self.policy}

    @classmethod
    def of_job(cls, data: Mapping[str, Any]) -> Format:
        """The format that a job brought."""
        return cls(**dict(data))

    def write(self, model: Any, path: str, scenario: Any = None) -> None:
        """Runs the call that saves. Every exception passes: it is the finding."""
        _run(self, "save", {"model": model, "PATH": path, **_functions(scenario)})

    def read(
        self,
        path: str,
        custom_objects: Optional[Mapping[str, Any]] = None,
        build: Optional[Callable[[], Any]] = None,
        scenario: Any = None,
    ) -> Any:
        """Runs the call that loads; returns its `model`. Every exception passes.

        `custom_objects` is what the scenario's user would pass, or None. `build` returns a fresh model made by the
        scenario's code, compiled, with its variables created; formats of weights alone load into it.
        """
        names = {"PATH": path, "CUSTOM_OBJECTS": custom_objects, "build": build, **_functions(scenario)}
        model = _run(self, "load", names)["model"]
        if self.loads != "interpreter":
            return model
        from observe.interpreter import Interpreted

        return Interpreted(model)

    @property
    def is_of_scenario(self) -> bool:
        """Whether it saves with a function of the scenario's own, which may do anything to the model."""
        return "save_model" in self.functions

    @property
    def kind(self) -> str:
        """How what `read` returns is called: "keras", "module" or "signature"."""
        return "signature" if self.loads == "interpreter" else self.loads


def _functions(scenario: Any) -> Dict[str, Any]:
    return {name: getattr(scenario, name) for name in (*FUNCTIONS, "inputs") if hasattr(scenario, name)}


def _run(chosen: Format, part: str, names: Mapping[str, Any]) -> Dict[str, Any]:
    """Executes a call in a namespace of its own; returns that."""
    import numpy as np
    import tensorflow as tf

    text = getattr(chosen, part)
    file = "<format %s: %s>" % (chosen.id, part)
    # So that tracebacks show the line.
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    namespace = dict(names, tf=tf, np=np, __name__="tfmatrix_format")
    exec(compile(text, file, "exec"), namespace)
    return namespace


def version(text: str) -> Tuple[int, ...]:
    """The leading numbers of a version: "2.16.0rc1" is (2, 16, 0), "nightly" is (9999,)."""
    numbers = []
    for part in text.split("."):
        digits = ""
        for character in part:
            if not character.isdigit():
                break
            digits += character
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers) if numbers else (9999,)


def artifact_kind(path: str) -> str:
    """What an artifact really is, whatever its name: "directory", "hdf5", "zip", "tflite" or "unknown".

    `model.save("m.keras")` writes HDF5 where `.keras` was only another suffix of it (measured: TensorFlow 2.0 to 2.12).
    """
    if os.path.isdir(path):
        return "directory"
    with open(path, "rb") as file:
        head = file.read(8)
    if head == b"\x89HDF\r\n\x1a\n":
        return "hdf5"
    if head[:4] == b"PK\x03\x04":
        return "zip"
    if head[4:8] == b"TFL3":
        return "tflite"
    return "unknown"
