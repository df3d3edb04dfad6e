"""Code that trains otherwise in a new version, and a switch of speed behind it: booked to the switch or to the upgrade.

One scenario a plant. XLA is switched on in the new version alone, as Keras 3 does by itself on a machine with a GPU; on
others no Keras 3 does. The other switches are on in both.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from real_project import RealProject

pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]
OLD, NEW = "2.15.1", "2.21.0"
XLA, ONEDNN, FLOAT32 = "jit_compile=False", "TF_ENABLE_ONEDNN_OPTS=0", "float32 in place of mixed precision"

SCENARIO = '''\
"""{name}"""
import os

import tensorflow as tf
from tensorflow.python.ops import control_flow_util

NEW = int(tf.__version__.split(".")[1]) >= 16


class Planted(tf.keras.layers.Layer):
    def call(self, x):
        is_compiled = control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())
        has_onednn = os.environ.get("TF_ENABLE_ONEDNN_OPTS") != "0"
        is_narrow = x.dtype == tf.float16
        return x * (1.1 if {when} else 1.0)


def build_model():
    policy = "{policy}"
    features = tf.keras.Input(shape=(4,), name="features")
    x = tf.keras.layers.Dense(6, activation="tanh", name="first", dtype=policy)(features)
    x = Planted(name="planted", dtype=policy)(x)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1, name="head", dtype="float32")(x))
    model.compile(optimizer=tf.keras.optimizers.SGD(0.05), loss="mse", jit_compile={jit})
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
'''
PLANTS = {
    "xla": ("is_compiled", "float32", "NEW"),
    "onednn": ("NEW and has_onednn", "float32", "False"),
    "narrow": ("NEW and is_narrow", "mixed_float16", "False"),
    "upgrade": ("NEW", "float32", "False"),
    "upgrade_of_xla": ("is_compiled and NEW", "float32", "True"),
}
"""When the layer computes something else, in what precision, and where XLA compiles the steps."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> RealProject:
    """A scenario a plant, from the old version to the new one."""
    pairs = f'pairs: ["{OLD}/{NEW}"]\n'
    project = RealProject(tmp_path_factory.mktemp("switches"), (OLD, NEW), (), settings=pairs)
    for name, (when, policy, jit) in PLANTS.items():
        code = textwrap.dedent(SCENARIO).format(name=name, when=when, policy=policy, jit=jit)
        Path(project.root / "scenarios" / f"{name}.py").write_text(code)
    return project


def _run(project: RealProject, *more: str) -> dict[str, dict]:
    done = project.tfmatrix("run", "--format", "code", "--executor", "venv", "--json", *more)
    assert done.code == 1, done.stderr[-3000:]
    return {cell.partition("/")[0]: found for cell, found in done.cells().items()}


@pytest.fixture(scope="module")
def cells(project: RealProject) -> dict[str, dict]:
    """The cells by the plant's name."""
    return _run(project, "--jobs", "1")


def _booked(found: dict) -> dict[str, tuple[str, bool, bool]]:
    switches = found["attribution"]["training"]["switches"]
    return {each["name"]: (each["to"], each["changes_old"], each["changes_new"]) for each in switches}


def test_what_xla_does_is_booked_to_the_switch_that_the_new_version_turns(cells: dict[str, dict]) -> None:
    found = cells["xla"]
    assert not {"forward", "gradients"} & set(found["failed_checks"])
    assert _booked(found) == {XLA: ("switch", False, True), ONEDNN: ("version", False, False)}
    assert found["attribution"]["training"]["by"] == ["switch", "interface"]


def test_the_argument_that_turns_xla_off_is_a_remedy_that_was_tried(cells: dict[str, dict]) -> None:
    (tried,) = [each for each in cells["xla"]["remedies"] if each["name"] == XLA]
    assert tried["missing"] == ["signatures"]


def test_what_xla_does_in_one_version_only_is_gone_without_it(cells: dict[str, dict]) -> None:
    assert _booked(cells["upgrade_of_xla"]) == {XLA: ("switch", False, True), ONEDNN: ("version", False, False)}


def test_what_onednn_does_is_booked_to_it_and_xla_is_not_tried_for_layers(cells: dict[str, dict]) -> None:
    assert _booked(cells["onednn"]) == {ONEDNN: ("switch", False, True)}


def test_what_only_mixed_precision_shows_is_booked_to_it(cells: dict[str, dict]) -> None:
    found = _booked(cells["narrow"])
    assert {name: to for name, (to, _, _) in found.items()} == {ONEDNN: "version", FLOAT32: "switch"}
    assert found[FLOAT32][2]


def test_what_is_there_with_the_switch_off_is_booked_to_the_upgrade(cells: dict[str, dict]) -> None:
    found = cells["upgrade"]
    assert _booked(found) == {ONEDNN: ("version", False, False)}
    assert found["attribution"]["training"]["by"] == ["arithmetic", "interface"]
    assert found["attribution"]["sentence"].endswith(f"with `{ONEDNN}` on both sides it is there as well: the upgrade")


def test_units_of_an_engine_book_the_same(cells: dict[str, dict], project: RealProject, tmp_path: Path) -> None:
    """Writer and reader with a switch turned are tries that units do, in environments with variables of their own."""
    chosen = [f"--scenario={name}" for name in ("onednn", "upgrade")]
    elsewhere = _run(project, *chosen, "--engine", "local", "--store", tmp_path.as_uri(), "--workers", "1")
    assert {name: _booked(found) for name, found in elsewhere.items()} == {
        name: _booked(cells[name]) for name in ("onednn", "upgrade")
    }
