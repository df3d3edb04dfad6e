"""Scenarios that crash, hang, vanish, shout, cannot be imported or take all memory: each its own status."""

from __future__ import annotations

import textwrap

import pytest

pytestmark = pytest.mark.real
TENSORFLOW = "2.15.1"

HEAD = '''"""{title}"""
import ctypes
import os
import tensorflow as tf

FORMATS = ("custom",)


def build_model():
    return tf.keras.Sequential([tf.keras.layers.Dense(2, input_shape=(3,))])


def inputs(rng):
    return rng.uniform(size=(4, 3)).astype("float32")


def save_model(model, path):
    model.save(path + ".h5")
    os.makedirs(path)


def load_model(path):
'''
GOOD = "    return tf.keras.models.load_model(path + '.h5')\n"
BODIES = {
    "neighbour_a": GOOD,
    "segfault": "    ctypes.string_at(0)\n",
    "endless": "    while True:\n        pass\n",
    "vanishes": "    os._exit(0)\n",
    "shouts": "    for _ in range(40000):\n        print('x' * 1000)\n" + GOOD,
    "eats": "    blocks = []\n    while True:\n        blocks.append(bytearray(64 * 1024 * 1024))\n",
    "quits": "    raise SystemExit(0)\n",
    "neighbour_b": GOOD,
}


@pytest.fixture(params=[pytest.param("docker", marks=pytest.mark.docker), "venv"])
def records(request, real_project):
    if request.param == "docker":
        request.getfixturevalue("engine")
    project = real_project([TENSORFLOW], settings="defaults: {timeout: 10, memory: 1500m}\n")
    for name, body in BODIES.items():
        text = HEAD.format(title=name) + body
        (project.root / "scenarios" / f"{name}.py").write_text(text)
    broken = textwrap.dedent(
        '''
        """Raises at import."""
        import tensorflow as tf
        FORMATS = ("custom",)
        def build_model(): ...
        def inputs(rng): ...
        def save_model(model, path): ...
        def load_model(path): ...
        raise RuntimeError("not today")
        '''
    ).lstrip()
    (project.root / "scenarios" / "broken.py").write_text(broken)
    finished = project.tfmatrix("run", "--json", "--executor", request.param)
    assert finished.code == 1, finished.stderr
    return {record["scenario"]: record for record in finished.cells().values()}


def test_each_is_told_apart_with_its_evidence(records):
    assert {name: record["status"] for name, record in records.items()} == {
        "neighbour_a": "pass",
        "segfault": "crash",
        "endless": "timeout",
        "vanishes": "crash",
        "shouts": "pass",
        "eats": "crash",
        "quits": "load-error",
        "broken": "save-error",
        "neighbour_b": "pass",
    }
    assert "SIGSEGV" in records["segfault"]["error"]["message"]
    assert "load_model" in records["segfault"]["error"]["traceback"]
    assert "time limit" in records["endless"]["error"]["message"]
    assert "load_model" in records["endless"]["error"]["traceback"]
    assert "exit code 0" in records["vanishes"]["error"]["message"]
    assert "memory" in records["eats"]["error"]["message"]
    assert records["quits"]["error"]["type"] == "SystemExit"
    assert records["broken"]["error"]["phase"] == "import"
    assert records["broken"]["error"]["message"] == "not today"


KERNEL = '''"""A layer whose kernel kills the new version in training, where oneDNN is on."""
import os

import tensorflow as tf

FORMATS = ("keras",)
KILLS = int(tf.__version__.split(".")[1]) >= 15 and os.environ.get("TF_ENABLE_ONEDNN_OPTS") != "0"


@tf.keras.utils.register_keras_serializable("kernel")
class Kernel(tf.keras.layers.Layer):
    def call(self, x, training=None):
        if training and KILLS:
            os.abort()
        return x * 2.0


def build_model():
    model = tf.keras.Sequential([tf.keras.layers.Dense(2, input_shape=(3,)), Kernel()])
    model.compile("sgd", "mse")
    return model


def inputs(rng):
    return rng.uniform(size=(4, 3)).astype("float32")


def training_data(rng):
    return inputs(rng), rng.uniform(size=(4, 2)).astype("float32")
'''


def test_what_dies_of_a_kernel_of_onednn_is_told_how_it_lives(real_project):
    project = real_project(["2.12.1", TENSORFLOW], settings=f'pairs: ["2.12.1/{TENSORFLOW}"]\n')
    (project.root / "scenarios" / "kernel.py").write_text(KERNEL)
    done = project.tfmatrix("run", "--executor", "venv", "--json")
    (record,) = done.cells().values()
    assert (record["status"], record["failed_checks"]) == ("crash", ["resume"]), done.stderr
    assert record["remedy"] == "TF_ENABLE_ONEDNN_OPTS=0"
    (tried,) = [each for each in record["remedies"] if each["name"] == record["remedy"]]
    assert (tried["status"], tried["missing"]) == ("pass", [])
