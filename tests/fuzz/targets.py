"""The readers of what others wrote, each as a function of bytes, with inputs that it accepts.

A target may raise a TfmatrixError: the one clear error. Anything else is a fault. What has several files is one input:
its parts are separated by a line of dashes.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from golden_hdf5 import LATEST_LAYOUT, NEW_H5PY, OLD_H5PY, WEIGHTS_ONLY
from observation_builder import trained
from repository import ROOT
from run_builder import article_run
from saved_models import saved_model
from tfmatrix.checks.observation_schema import problem
from tfmatrix.cli import run_command
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import TfmatrixError
from tfmatrix.core.ids import CellId
from tfmatrix.core.selection import Selector
from tfmatrix.core.status import Status
from tfmatrix.core.version_selectors import SelectorError, choose, parse_selector
from tfmatrix.engine.plan import make_plan
from tfmatrix.envs.lock import read_lock
from tfmatrix.envs.pins.read import read_pins
from tfmatrix.executors.channel import Channel, LogTail
from tfmatrix.executors.replies import RefusedError, read_reply
from tfmatrix.project.config import load_known_failures
from tfmatrix.project.config.selected import read_selected
from tfmatrix.project.modelfiles.contents import read_contents
from tfmatrix.project.modelfiles.modelfile import read_model
from tfmatrix.project.project import Project
from tfmatrix.project.scenario import read_scenario
from tfmatrix.store.content import Store
from tfmatrix.store.runs import RunWriter
from tfmatrix.worker import protocol

BREAK = b"\n-----\n"
Read = Callable[[bytes], None]


@dataclass(frozen=True)
class Target:
    """`make` gets a folder of its own and returns the reader; `cost` is how much rarer it is tried than others."""

    seeds: Callable[[Path], Iterable[bytes]]
    make: Callable[[Path], Read]
    cost: int = 1


MATRIX = b"""schema: 1
environments:
  - {tensorflow: "2.15.1", python: "3.11"}
  - {tensorflow: "2.21.0", python: "3.11", as_of: today, with: ["tf-keras"], env: {A: "1"}, id: "x"}
  - {tensorflow: "2.16.2", keras: "3.0.5", as_of: "2025-01-01", id: "k"}
scenarios: ["dense", "!lstm", "tag:*"]
formats: [h5, keras]
pairs: ["2.15.1/*", adjacent]
sets:
  quick: {environments: ["2.15.1"], pairs: all}
defaults: {seed: 0, timeout: 120, memory: 4g}
"""

KNOWN = b"""schema: 1
entries:
  - cells: optimizer_state/h5/{2.12.1,2.15.1}/2.16.2
    status: drift
    checks: [optimizer, resume]
    reason: because of it
    link: https://github.com/keras-team/keras/issues/1
    until: 2026-12-31
  - {cells: [dense/h5/**, "a/b/2.*/2.1[0-9].*"], status: [load-error, crash], reason: x, until: "2.22.0"}
"""

SCENARIO = b'''"""A dense layer."""
import tensorflow as tf

FORMATS = ("h5", "keras")
REQUIRES = "tensorflow>=2.9"
TAGS = ("layers",)


def build_model():
    return tf.keras.Sequential([tf.keras.layers.Dense(2, input_shape=(3,))])


def inputs(rng):
    return rng.uniform(size=(4, 3)).astype("float32")
'''

LOCK = (ROOT / "locks" / "2.15.1.txt").read_bytes()

INDEX = (
    "ABwEX0NIRUNLUE9JTlRBQkxFX09CSkVDVF9HUkFQSAgBEgAANAhrZXJhc19hcGkvbWV0cmljcy8wL3RvdGFsLy5BVFRSSUJVVEVT"
    "L1ZBUklBQkxFX1ZBTFVFCAESBBICCAUAKQRvcHRpbWl6ZXIvaXRlci8uQVRUUklCVVRFUy9WQVJJQUJMRV9WQUxVRQgBEgAAJgx2"
    "YXJpYWJsZXMvMC8uQVRUUklCVVRFUy9WQVJJQUJMRV9WQUxVRQgBEggSAggDEgIIBA01DE9QVElNSVpFUl9TTE9UL29wdGltaXpl"
    "ci9tLy5BVFRSSUJVVEVTL1ZBUklBQkxFX1ZBTFVFCAESCBICCAMSAggEChwIMS8uQVRUUklCVVRFUy9WQVJJQUJMRV9WQUxVRQgB"
    "EgQSAggEAAAAAAEAAAAAY3JjXwABA3oAugIAAAAAAQAAAABjcmNfAAC/Ag8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAFf7gIskdUfb"
)
"""The index of a checkpoint, as TensorFlow writes it."""

GLOBS = (
    *(b"dense/h5/2.15.1/2.21.0", b"**/2.21.0", b"{a,b}/[!x]?*/2.*", b"tag:x*", b"2.x", b"2.15-2.18", b">=2.3,<2.9"),
    *(b"latest", b"nightly", b"2.15.1", b"@x", b"a{b,c}[d-f]*?g/**/h", b"2.12.1,2.15-2.18,latest"),
)

PINS = {
    "requirements.txt": b"tensorflow==2.15.1 ; python_version >= '3.9' \\\n  --hash=sha256:" + b"a" * 64
    + b"\nkeras>=2,<3\nnumpy ~= 1.26\ntf-keras @ https://x.invalid/tf_keras-2.15.0-py3-none-any.whl\n",
    "poetry.lock": b'[[package]]\nname = "tensorflow"\nversion = "2.15.1"\npython-versions = ">=3.9"\n'
    b'files = [{file = "a", hash = "sha256:a"}]\n[metadata]\nlock-version = "2.1"\npython-versions = "^3.11"\n',
    "Pipfile.lock": b'{"_meta": {"requires": {"python_version": "3.11"}}, "default": {"tensorflow": {"version": '
    b'"==2.15.1", "markers": "python_version >= \'3.9\'"}}, "develop": {"numpy": {"version": "==1.26.4"}}}',
    "pylock.toml": b'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "tensorflow"\n'
    b'version = "2.15.1"\nmarker = "python_version >= \'3.9\'"\n',
    "pyproject.toml": b'[project]\nname = "a"\nversion = "1"\ndependencies = ["tensorflow==2.15.1"]\n'
    b'[project.optional-dependencies]\ngpu = ["tensorflow[and-cuda]==2.15.1"]\n[dependency-groups]\n'
    b'test = []\ndev = ["numpy", {include-group = "test"}]\n[tool.poetry.dependencies]\npython = "^3.11"\n'
    b'tensorflow = {version = "~2.15", optional = true, python = ">=3.9"}\nfoo = {git = "https://x.invalid"}\n',
    "Pipfile": b'[packages]\ntensorflow = "==2.15.1"\nkeras = {version = "*", markers = "python_version<\'3\'"}\n'
    b'[requires]\npython_version = "3.11"\n',
    "environment.yml": b"name: a\ndependencies:\n  - python=3.11\n  - tensorflow=2.15.1\n  - pip: [keras==2.15.0]\n",
    "setup.cfg": b"[options]\npython_requires = >=3.11\ninstall_requires =\n    tensorflow==2.15.1\n",
    "Dockerfile": b"ARG TF=2.15.1\nFROM tensorflow/tensorflow:${TF}\nRUN pip install keras==2.15.0 && true\n",
    "pdm.lock": b'[metadata]\nlock_version = "4.5.0"\n[[package]]\nname = "tensorflow"\nversion = "2.15.1"\n'
    b'groups = ["default"]\n',
    "pixi.toml": b'[workspace]\nname = "a"\n[dependencies]\npython = "3.11.*"\n[pypi-dependencies]\n'
    b'tensorflow = "==2.15.1"\n',
    "pixi.lock": b"version: 6\nenvironments:\n  default:\n    packages:\n      linux-64:\n      - pypi: "
    b"https://x.invalid/a.whl\npackages:\n- pypi: https://x.invalid/a.whl\n  name: tensorflow\n  version: 2.15.1\n",
}  # fmt: skip


class NoUv:
    """Readers that would call uv, and a build with it, are not what is tried here."""

    def run(self, arguments: object) -> Any:
        raise TfmatrixError("no uv here")


class Said:
    """A transport of a worker that says these bytes and is gone."""

    def __init__(self, data: bytes) -> None:
        self.log = LogTail()
        self._pieces = deque([data, b""])

    def read(self, timeout: float) -> bytes:
        return self._pieces.popleft() if self._pieces else b""

    def write(self, data: bytes, timeout: float) -> None:
        return

    def fate(self) -> str:
        return "exit code 9"

    def kill(self) -> None:
        return


def _matrix(folder: Path) -> Read:
    (folder / "scenarios").mkdir()
    for name in ("dense", "lstm"):
        (folder / "scenarios" / f"{name}.py").write_bytes(SCENARIO)

    def read(data: bytes) -> None:
        (folder / "matrix.yaml").write_bytes(data)
        project = Project(root=folder)
        for name in (None, "quick"):
            make_plan(project.config.selection(name), project.scenarios, formats=project.formats)

    return read


def _known(folder: Path) -> Read:
    def read(data: bytes) -> None:
        (folder / "known_failures.yaml").write_bytes(data)
        for each in load_known_failures(folder / "known_failures.yaml"):
            each.matches(CellId.parse("dense/h5/2.15.1/2.21.0"), Status.DRIFT)
            each.is_expired(date(2026, 1, 1), ["2.15.1", "nightly"])
            json.dumps(each.to_json())

    return read


def _pins(folder: Path) -> Read:
    def read(data: bytes) -> None:
        name, _, content = data.partition(b"\n")
        path = folder / name.decode("ascii", "replace").replace("/", "_").replace("\0", "_")
        if path.name not in PINS:
            return
        path.write_bytes(content)
        try:
            found = read_pins(path, NoUv())  # type: ignore[arg-type]
            assert isinstance(found.every_tensorflow, tuple)
        finally:
            path.unlink()

    return read


def _globs(folder: Path) -> Read:
    ids = ("dense/h5/2.15.1/2.21.0", "a/b/c/d", "-" * 100 + "/h5/2.15.1/2.21.0")

    def read(data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")[:4000]
        for option in ("only", "writer", "scenario"):
            with contextlib.suppress(TfmatrixError):
                selector = Selector.from_options(**{option: [text]})
                for each in ids:
                    selector.takes_cell(each)
                    selector.takes_writer(each)
        with contextlib.suppress(SelectorError):
            choose(parse_selector(text), ["2.0.4", "2.15.1", "2.16.0rc0", "2.21.0", "2.22.0.dev20260101"])

    return read


def _head(name: str) -> Callable[[Path], Read]:
    def make(folder: Path) -> Read:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        (path.parent / "variables").mkdir()
        path.with_suffix(".data-00000-of-00001").touch()

        def read(data: bytes) -> None:
            path.write_bytes(data)
            found = read_model(path.parent if path.name == "saved_model.pb" else path)
            assert found.said is not None
            assert found.files
            read_contents(found)

        return read

    return make


def _archive(_: Path) -> Iterable[bytes]:
    config = {"module": "keras", "class_name": "Sequential", "config": {"layers": []}}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.4.1", "date_saved": "2026-01-01@00:00:00"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", b"\x89HDF")
    yield stream.getvalue()


def _hdf5(_: Path) -> Iterable[bytes]:
    return [zlib.decompress(base64.b64decode(each)) for each in (LATEST_LAYOUT, NEW_H5PY, OLD_H5PY, WEIGHTS_ONLY)]


def _saved_model(folder: Path) -> Iterable[bytes]:
    yield (saved_model(folder / "saved", "2.15.1", keras=True) / "saved_model.pb").read_bytes()


def _run_seeds(folder: Path) -> Iterable[bytes]:
    written = article_run(("2.12.1", "2.16.2"))
    header = {key: value for key, value in written.header.items() if key not in ("run", "complete", "counts")}
    header["known_failures"] = [
        {"cells": ["dense/**"], "status": ["drift"], "reason": "x", "link": None, "until": None}
    ]
    with RunWriter(folder, written.id, header) as writer:
        for record in written.records[:6]:
            writer.add(record)
    made = folder / "runs" / written.id
    # One line, which mutations of JSON can change by value.
    yield (
        json.dumps(json.loads((made / "run.json").read_bytes())).encode() + b"\n" + (made / "cells.jsonl").read_bytes()
    )


COMMANDS = (
    *(("report",), ("report", "--format", "md"), ("report", "--format", "csv"), ("report", "--format", "json")),
    *(("warnings", "--run"), ("explain", "**", "--run"), ("diff",)),
)
"""What reads a run; the folder follows."""


def _runs(folder: Path) -> Read:
    (folder / "matrix.yaml").write_bytes(MATRIX)
    run = folder / "run"
    run.mkdir()
    turn = 0

    def read(data: bytes) -> None:
        nonlocal turn
        turn += 1
        head, _, cells = data.partition(b"\n")
        (run / "run.json").write_bytes(head)
        (run / "cells.jsonl").write_bytes(cells)
        command = COMMANDS[turn % len(COMMANDS)]
        told, out = io.StringIO(), io.StringIO()
        with contextlib.redirect_stderr(told), contextlib.redirect_stdout(out):
            again = (str(run),) if command[0] == "diff" else ()
            arguments = [*command, str(run), *again, "-C", str(folder)]
            run_command(arguments)
            if "itself failed" in told.getvalue():
                run_command(arguments, debug=True)
                raise AssertionError(f"{command}: {told.getvalue()[-1500:]}")
        if "Usage:" in told.getvalue() or "Traceback" in told.getvalue():
            raise AssertionError(f"{command}: {told.getvalue()[-1500:]}")

    return read


def _reply(**changes: Any) -> Mapping[str, Any]:
    empty = dict.fromkeys(("phase", "reason", "error"))
    warned = [{"phase": "save", "channel": "logging", "category": "WARNING", "message": "legacy", "count": 1}]
    plain = {"status": "ok", **empty, "artifact": True, "observation": True, "warnings": warned, "seconds": {"save": 1}}
    return {**plain, **changes}


def _reply_seeds(_: Path) -> Iterable[bytes]:
    raised = {"type": "ValueError", "message": "no", "traceback": "…"}
    yield json.dumps(_reply()).encode()
    yield json.dumps(_reply(status="error", phase="load", error=raised, observation=False)).encode()


def _replies(_: Path) -> Read:
    def read(data: bytes) -> None:
        payload = b'{"schema": %d, "id": 1, "event": "result", "job": 0, "result": %s}' % (protocol.SCHEMA, data)
        for line in (b"%d %s\n" % (len(payload), payload), data):
            channel = Channel(Said(line), name="2.15.1")
            with contextlib.suppress(TfmatrixError, RefusedError):
                while True:
                    read_reply(channel.receive(1).get("result"))

    return read


def _observation_seeds(folder: Path) -> Iterable[bytes]:
    (folder / "observation").mkdir()
    made = trained().write(folder / "observation")
    document = json.dumps(json.loads((made / "observation.json").read_bytes())).encode()
    yield document + BREAK + (made / "arrays.npz").read_bytes()


def _observations(_: Path) -> Read:
    def read(data: bytes) -> None:
        document, _, arrays = data.partition(BREAK)
        assert isinstance(problem(io.BytesIO(document), io.BytesIO(arrays)), str)

    return read


def _outcome_seeds(folder: Path) -> Iterable[bytes]:
    store = Store(folder / "seeds")
    store.write_outcome("ab" * 16, {"status": "ok", "seconds": {"save": 1.5}, "warnings": []})
    yield next((folder / "seeds").rglob("abab*.json")).read_bytes()


def _outcomes(folder: Path) -> Read:
    store = Store(folder / "store")
    key = "ab" * 16
    store.write_outcome(key, {})
    path = next((folder / "store").rglob(f"{key}.json"))

    def read(data: bytes) -> None:
        path.write_bytes(data)
        found = store.read_outcome(key)
        assert found is None or isinstance(found, dict)

    return read


def _scenarios(folder: Path) -> Read:
    def read(data: bytes) -> None:
        (folder / "fuzzed.py").write_bytes(data)
        read_scenario(folder / "fuzzed.py")

    return read


def _locks(folder: Path) -> Read:
    environment = Environment(id="2.15.1", tensorflow="2.15.1", python="3.11")

    def read(data: bytes) -> None:
        (folder / "2.15.1.txt").write_bytes(data)
        read_lock(folder, environment)

    return read


def _selected(folder: Path) -> Read:
    def read(data: bytes) -> None:
        (folder / "selected.json").write_bytes(data)
        read_selected(folder / "selected.json")

    return read


def _always(*seeds: bytes) -> Callable[[Path], Iterable[bytes]]:
    return lambda _: seeds


TARGETS: Mapping[str, Target] = {
    "matrix": Target(_always(MATRIX), _matrix, cost=4),
    "known_failures": Target(_always(KNOWN), _known, cost=2),
    "pins": Target(_always(*(name.encode() + b"\n" + text for name, text in PINS.items())), _pins, cost=2),
    "locks": Target(_always(LOCK), _locks),
    "selected": Target(
        _always(b'{"schema": 1, "selected": [{"package": "tensorflow", "selector": "2.x", "versions": ["2.15.1"], '
                b'"date": "2026-01-01"}]}'),
        _selected,
    ),
    "globs": Target(_always(*GLOBS), _globs),
    "heads_hdf5": Target(_hdf5, _head("model.h5"), cost=200),
    "heads_archive": Target(_archive, _head("model.keras"), cost=200),
    "heads_savedmodel": Target(_saved_model, _head("saved/saved_model.pb")),
    "heads_checkpoint": Target(_always(base64.b64decode(INDEX)), _head("ckpt.index")),
    "runs": Target(_run_seeds, _runs, cost=20),
    "replies": Target(_reply_seeds, _replies),
    "observations": Target(_observation_seeds, _observations, cost=2),
    "outcomes": Target(_outcome_seeds, _outcomes),
    "scenarios": Target(_always(SCENARIO), _scenarios),
}  # fmt: skip
