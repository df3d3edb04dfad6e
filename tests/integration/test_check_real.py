"""A model saved by a plain script, with nothing of tfmatrix: what check finds in it, with real TensorFlow."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from real_project import ROOT
from tfmatrix.core.environment import Environment
from tfmatrix.envs.provision import EnvironmentCache, default_cache_root
from tfmatrix.envs.uv import Uv
from tfmatrix.executors.supply import EnvironmentSupply

pytestmark = pytest.mark.real
OLD, NEW = "2.15.1", "2.21.0"

SCRIPT = """
import sys
import numpy as np
import tensorflow as tf

tokens = tf.keras.Input((5,), dtype="int32", name="tokens")
size = tf.keras.Input((2,), name="size")
known = tf.keras.layers.Embedding(7, 3)(tokens)
joined = tf.keras.layers.Concatenate()([tf.keras.layers.Flatten()(known), size])
model = tf.keras.Model([tokens, size], tf.keras.layers.Dense(4, activation="softmax")(joined))
model.compile("adam", "sparse_categorical_crossentropy")
x = [np.random.randint(0, 7, (16, 5)), np.random.rand(16, 2)]
model.fit(x, np.random.randint(0, 4, 16), verbose=0)
model.save(sys.argv[1])
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    cache = EnvironmentCache(root=default_cache_root())
    supply = EnvironmentSupply(locks=ROOT / "locks", cache=cache, uv=Uv(cache=cache.downloads), say=print)
    lock = supply.lock(Environment(id=OLD, tensorflow=OLD, python="3.11"))
    path = tmp_path_factory.mktemp("saved") / "by hand.h5"
    subprocess.run([supply.on_host(lock).python, "-c", SCRIPT, path], check=True, capture_output=True)
    return path


def test_what_two_versions_read_of_a_file_on_generated_inputs(saved, real_project):
    project = real_project([OLD, NEW], ["dense"])
    before = hashlib.sha256(saved.read_bytes()).hexdigest()
    found = project.tfmatrix("check", str(saved), "--readers", NEW, "--executor", "venv", "--trust-model", "--json")
    assert found.code == 1, found.stderr
    data = json.loads(found.stdout)
    assert data["writer"] == {
        "id": OLD,
        "known_by": "the file says Keras 2.15.0, which belongs to TensorFlow 2.15",
    }
    assert [entry["values"] for entry in data["inputs"]] == [
        "integers below 7: Embedding embedding",
        "uniform in [0, 1)",
    ]
    assert data["network"] == "none"
    cells = {cell["cell"]: cell for cell in data["cells"]}
    assert cells[f"by_hand/h5/{OLD}/{OLD}"]["status"] == "pass"
    assert cells[f"by_hand/h5/{OLD}/{OLD}"]["checks"]["resume"]["status"] == "pass"
    read = cells[f"by_hand/h5/{OLD}/{NEW}"]
    # Keras 3 brings back what predicts, and loses the optimizer: as with the scenarios of the matrix.
    assert read["status"] == "drift"
    assert read["checks"]["outputs"]["status"] == "pass"
    assert read["checks"]["weights"]["status"] == "pass"
    assert {"optimizer", "resume"} <= set(read["failed_checks"])
    assert hashlib.sha256(saved.read_bytes()).hexdigest() == before == data["model"]["sha256"]


def test_given_inputs_are_taken_or_refused_in_one_sentence(saved, real_project, tmp_path):
    project = real_project([OLD, NEW], ["dense"])
    arrays = {"tokens": np.zeros((3, 5), dtype="int64"), "size": np.ones((3, 2))}
    np.savez(tmp_path / "good.npz", **arrays)
    np.savez(tmp_path / "bad.npz", **{**arrays, "size": np.ones((3, 9))})
    common = ("check", str(saved), "--readers", OLD, "--executor", "venv", "--trust-model", "-q", "--inputs")
    good = project.tfmatrix(*common, str(tmp_path / "good.npz"))
    assert good.code == 0, good.stderr
    assert "tokens int32 [3, 5]: from the file" in good.stdout
    bad = project.tfmatrix(*common, str(tmp_path / "bad.npz"))
    assert bad.code == 2
    assert bad.stderr.splitlines()[-2:] == [
        "error: inputs of by hand.h5: input 'size' has the shape [3, 9] in the file; the model takes [any, 2]",
        "  to fix:   give an array for each input: --inputs FILE.npz, as numpy.savez writes it",
    ]
