"""Files migrated up and down with real TensorFlow; adapters with planted faults, each of which the proof catches."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from real_project import ROOT, RealProject
from tfmatrix.commands.migrate.command import MigrateOptions, migrate_project
from tfmatrix.core.environment import Environment
from tfmatrix.engine import migrating
from tfmatrix.engine.adapters import adapt
from tfmatrix.engine.adapters._objects import in_model, with_config
from tfmatrix.engine.migration import Level
from tfmatrix.engine.run import RunOptions
from tfmatrix.envs.provision import EnvironmentCache, default_cache_root
from tfmatrix.envs.uv import Uv
from tfmatrix.executors.supply import EnvironmentSupply
from tfmatrix.project.project import Project

pytestmark = pytest.mark.real
OLD, BETWEEN, NEW = "2.15.1", "2.16.2", "2.21.0"

SCRIPT = """
import sys
import numpy as np
import tensorflow as tf
L = tf.keras.layers

inner = tf.keras.Sequential([tf.keras.Input((4,)), L.Dense(4, activation="tanh")], name="inner")
x = tf.keras.Input((5, 3), name="x")
h = L.LSTM(4, return_sequences=True)(x)
h = L.Softmax(axis=-1)(L.LayerNormalization(epsilon=1e-5)(h))
h = L.Dense(4, name="second")(L.Dense(4, name="first")(L.GRU(4)(h)))
model = tf.keras.Model(x, L.Dense(2)(inner(inner(h)) * 2.0))
model.compile(tf.keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
rng = np.random.RandomState(0)
model.fit(rng.rand(8, 5, 3), rng.rand(8, 2), epochs=3, verbose=0)
model.save(sys.argv[1])
"""
"""Recurrent layers, a nested model that is called twice, an operator, and a state of the optimizer to lose."""


WORDS = """
import sys
import numpy as np
import tensorflow as tf
L = tf.keras.layers

words, numbers = tf.keras.Input((3,), dtype="string"), tf.keras.Input((3,), dtype="int64")
ids = L.IntegerLookup(vocabulary=[1, 2, 3])(numbers)
parts = [
    L.StringLookup(vocabulary=["a", "b"], output_mode="multi_hot")(words),
    L.CategoryEncoding(4, output_mode="count")(ids),
]
if tf.__version__.startswith("2.15"):
    parts.append(L.Flatten()(L.Embedding(4, 2)(ids)))
h = L.Dense(4, activation="swish")(L.Concatenate()(parts))
model = tf.keras.Model([words, numbers], L.Dense(1)(h))
model.compile(tf.keras.optimizers.AdamW(0.01, weight_decay=0.1), "mse")
rng = np.random.RandomState(0)
given = [tf.constant(rng.choice(["a", "b", "c"], (8, 3))), tf.constant(rng.randint(1, 4, (8, 3)), "int64")]
model.fit(given, tf.constant(rng.rand(8, 1)), epochs=3, verbose=0)
model.save(sys.argv[1])
"""
"""Lookups of words and numbers, tokens that repeat in a batch, and what the two Keras name otherwise.

Keras 2 cannot train an embedding as Keras 3 does where a token repeats: only the older version's model has one.
"""


LAMBDA_LAYER = """
import sys
import numpy as np
import tensorflow as tf
L = tf.keras.layers

x = tf.keras.Input((3,))
model = tf.keras.Model(x, L.Dense(2)(L.Lambda(lambda x: x * x + 1.0, output_shape=(3,), name="twist")(x)))
model.compile("adam", "mse")
model.fit(np.ones((8, 3)), np.ones((8, 2)), verbose=0)
model.save(sys.argv[1])
"""

FUNCTION = """
def twist_function(x):
    return x * x + {}


def custom_objects():
    return {{"twist_function": twist_function}}
"""
"""What a user gives in the place of the bytecode."""


LAMBDA_LOSS = """
import sys
import numpy as np
import tensorflow as tf

model = tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.Dense(2)])
model.compile("adam", loss=lambda true, predicted: tf.reduce_mean(tf.square(true - predicted)))
model.fit(np.ones((8, 3)), np.ones((8, 2)), verbose=0)
model.save(sys.argv[1])
"""
"""Its writer loads it with compile=False only."""


LEFT_BEHIND = """
import sys
import numpy as np
import tensorflow as tf
L = tf.keras.layers

rng = np.random.RandomState(0)
scale = L.Normalization()
scale.adapt(rng.rand(32, 3) * 9)
model = tf.keras.Sequential([tf.keras.Input((3,)), scale, L.Dense(4, activation="tanh"), L.Dense(2)])
model.compile(tf.keras.optimizers.Adam(0.01), "mse")
model.fit(rng.rand(8, 3), rng.rand(8, 2), epochs=3, verbose=0)
model.save(sys.argv[1])
"""
"""Three things that Keras 3 does not read of the HDF5 file that it writes: its loss, its slots, its statistics."""


ONLY_KERAS_3 = """
import sys
import numpy as np
import tensorflow as tf
L = tf.keras.layers

x = tf.keras.Input((5, 3), batch_size=8)
h = L.LSTM(2)(x, initial_state=[tf.fill((8, 2), 0.5), tf.fill((8, 2), -0.25)])
h = L.Dense(4, activation="hard_sigmoid")(h)
h = L.Dense(3, activation="tanh", activity_regularizer=tf.keras.regularizers.L2(0.1))(h)
model = tf.keras.Model(x, L.Dense(1)(h))
model.compile(tf.keras.optimizers.Adam(0.01), "mse")
rng = np.random.RandomState(0)
model.fit(rng.rand(8, 5, 3), rng.rand(8, 1), epochs=3, batch_size=8, verbose=0)
model.save(sys.argv[1])
"""
"""What Keras 2 has no word for: a constant state, another hard_sigmoid, a penalty that no batch divides."""


TOKENS = """
import sys
import numpy as np
import tensorflow as tf
L = tf.keras.layers

x = tf.keras.Input((6,), dtype="int32")
model = tf.keras.Model(x, L.Dense(1)(L.Flatten()(L.Embedding(4, 2, name="tokens")(x))))
model.compile("adam", "mse")
model.fit(np.ones((8, 6), "int32"), np.ones((8, 1)), epochs=3, verbose=0)
model.save(sys.argv[1])
"""
"""A token that comes up many times in a batch."""


HARD_SIGMOID = """
import sys
import numpy as np
import tensorflow as tf
L = tf.keras.layers

model = tf.keras.Sequential([
    tf.keras.Input((5, 3)),
    L.LSTM(4, recurrent_activation="hard_sigmoid"),
    L.Dense(3, activation="hard_sigmoid"),
    L.Dense(1),
])
model.compile(tf.keras.optimizers.Adam(0.01), "mse")
rng = np.random.RandomState(0)
model.fit(rng.rand(8, 5, 3), rng.rand(8, 1), epochs=3, verbose=0)
model.save(sys.argv[1])
"""
"""The older hard_sigmoid, in a recurrent cell and in a Sequential."""


NARROW = """
import sys
import numpy as np
import tensorflow as tf

x = tf.keras.Input((4,), dtype="float32")
model = tf.keras.Model(x, tf.keras.layers.Dense(1, dtype="bfloat16")(x))
model.compile("sgd", "mse")
model.fit(np.ones((8, 4)), np.ones((8, 1)), epochs=3, verbose=0)
model.save(sys.argv[1])
"""
"""Weights of bfloat16, which Keras 2 writes and cannot read."""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> RealProject:
    return RealProject(tmp_path_factory.mktemp("migrate") / "project", [OLD, BETWEEN, NEW], ["dense"])


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Callable[..., Path]:
    """A file that a version saved, by a plain script with nothing of tfmatrix."""
    cache = EnvironmentCache(root=default_cache_root())
    supply = EnvironmentSupply(locks=ROOT / "locks", cache=cache, uv=Uv(cache=cache.downloads), say=print)
    folder = tmp_path_factory.mktemp("saved")

    def make(version: str, name: str, script: str = SCRIPT) -> Path:
        lock = supply.lock(Environment(id=version, tensorflow=version, python="3.11"))
        python = supply.on_host(lock).python
        subprocess.run([python, "-c", script, folder / name], check=True, capture_output=True)
        return folder / name

    return make


@pytest.mark.parametrize(("version", "name", "to"), [(OLD, "up.h5", NEW), (NEW, "down.keras", OLD)])
def test_a_model_is_the_same_on_the_other_side_of_keras_3(project, saved, tmp_path, version, name, to):
    model = saved(version, name)
    before = model.read_bytes()
    arguments = ("migrate", str(model), "--saved-with", version, "--to", to, "-o", str(tmp_path), "--no-tf-keras")
    found = project.tfmatrix(*arguments, "--executor", "venv", "--trust-model", "--json")
    assert found.code == 0, found.stdout + found.stderr
    told = json.loads(found.stdout)["files"][0]
    assert told["result"] == "proven"
    assert {told["checks"][check] for check in ("outputs", "weights", "config", "optimizer", "resume")} == {"pass"}
    proof = json.loads((tmp_path / f"{model.stem}.proof.json").read_text())
    assert proof["reader"]["id"] == to
    assert model.read_bytes() == before


@pytest.mark.parametrize(("version", "to"), [(OLD, NEW), (NEW, OLD)])
def test_lookups_repeated_tokens_and_other_names_are_the_same_on_the_other_side(project, saved, tmp_path, version, to):
    model = saved(version, f"words_{version}.keras", WORDS)
    arguments = ("migrate", str(model), "--saved-with", version, "--to", to, "-o", str(tmp_path), "--no-tf-keras")
    found = project.tfmatrix(*arguments, "--executor", "venv", "--trust-model", "--json")
    told = json.loads(found.stdout)["files"][0]
    assert (told["result"], told["way"]) == ("proven", "native"), told


def test_what_keras_3_leaves_in_an_hdf5_file_is_in_the_new_one(project, saved, tmp_path):
    model = saved(BETWEEN, "left.h5", LEFT_BEHIND)
    arguments = ("migrate", str(model), "--saved-with", BETWEEN, "--to", NEW, "-o", str(tmp_path), "--no-tf-keras")
    found = project.tfmatrix(*arguments, "--executor", "venv", "--trust-model", "--json")
    told = json.loads(found.stdout)["files"][0]
    assert (told["result"], told["way"]) == ("proven", "native"), told
    for part in ("what Keras's short names are", "slots in the file", "what its normalization has adapted to"):
        assert part in told["notes"][0]
    checks = json.loads((tmp_path / "left.proof.json").read_text())["checks"]
    slots = checks["optimizer"]["figures"]
    assert (slots["identical"], slots["slots"], slots["iterations_after"]) == (8, 8, 3)
    assert checks["resume"]["status"] == "pass"


@pytest.mark.parametrize(
    ("version", "to", "script"),
    [
        pytest.param(NEW, OLD, ONLY_KERAS_3, id="only in Keras 3"),
        pytest.param(NEW, OLD, NARROW, id="bfloat16 down"),
        pytest.param(OLD, NEW, NARROW, id="bfloat16 up"),
        pytest.param(OLD, NEW, HARD_SIGMOID, id="only in Keras 2"),
    ],
)
def test_what_one_keras_has_no_word_for_is_the_same_all_the_same(project, saved, tmp_path, version, to, script):
    model = saved(version, f"no_word_{len(script)}_{version}.keras", script)
    arguments = ("migrate", str(model), "--saved-with", version, "--to", to, "-o", str(tmp_path), "--no-tf-keras")
    found = project.tfmatrix(*arguments, "--executor", "venv", "--trust-model", "--json")
    told = json.loads(found.stdout)["files"][0]
    assert (told["result"], told["way"]) == ("proven", "native"), told
    assert told["checks"]["resume"] == "pass"


@pytest.mark.slow
def test_what_keras_2_trains_otherwise_is_said_with_what_to_do(project, saved, tmp_path):
    model = saved(NEW, "tokens.keras", TOKENS)
    arguments = ("migrate", str(model), "--saved-with", NEW, "--to", OLD, "-o", str(tmp_path), "--no-tf-keras")
    found = project.tfmatrix(*arguments, "--executor", "venv", "--trust-model", "--json")
    told = json.loads(found.stdout)["files"][0]
    assert (told["result"], told["lost"]) == ("proven for inference", ["resume"]), told
    assert "Adam of Keras 2 squares the sum of its gradients in tokens" in told["reason"]
    assert "train on in the version that wrote it" in told["fix"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "result", "way"), [("1.0", "proven", "native"), ("1.1", "proven for inference", "inference")]
)
def test_a_lambda_is_built_of_the_function_that_is_given_and_proven_to_be_the_same(
    project, saved, tmp_path, given, result, way
):
    model, code = saved(OLD, "lambda_layer.h5", LAMBDA_LAYER), tmp_path / "code.py"
    code.write_text(FUNCTION.format(given))
    arguments = ("migrate", str(model), "--saved-with", OLD, "--to", NEW, "-o", str(tmp_path), "--no-tf-keras")
    found = project.tfmatrix(*arguments, "--custom-objects", str(code), "--executor", "venv", "--trust-model", "--json")
    told = json.loads(found.stdout)["files"][0]
    assert (told["result"], told["way"]) == (result, way), told


@pytest.mark.slow
def test_a_model_that_its_writer_loads_without_compiling_goes_on_as_what_was_loaded(project, saved, tmp_path):
    model = saved(OLD, "lambda_loss", LAMBDA_LOSS)
    arguments = ("migrate", str(model), "--saved-with", OLD, "--to", NEW, "-o", str(tmp_path), "--no-tf-keras")
    found = project.tfmatrix(*arguments, "--executor", "venv", "--trust-model", "--json")
    told = json.loads(found.stdout)["files"][0]
    assert told["result"] == "proven", told
    assert any("compile=False" in note for note in told["notes"])


Document = Mapping[str, Any]


def weights_swapped(document: Document) -> Document:
    """Two layers of one shape by each other's name, under which each gets the other's weights."""
    text = json.dumps(document["model"])
    names = ('"first"', '"?"'), ('"second"', '"first"'), ('"?"', '"second"')
    for old, new in names:
        text = text.replace(old, new)
    return {**document, "model": json.loads(text)}


def slot_dropped(document: Document) -> Document:
    """An optimizer that has no second moment to take."""
    optimizer = {"class_name": "SGD", "config": {"learning_rate": 0.01, "momentum": 0.9}}
    return {**document, "compile": {**document["compile"], "optimizer": optimizer}}


def axis_off_by_one(document: Document) -> Document:
    """A softmax over the axis before the right one."""
    return in_model(document, lambda each: changed(each, "Softmax", axis=-2))


def epsilon_changed(document: Document) -> Document:
    """A normalization that divides by a little more."""
    return in_model(document, lambda each: changed(each, "LayerNormalization", epsilon=1.1e-5))


def changed(each: Document, class_name: str, **arguments: Any) -> Document:
    return with_config(each, {**each["config"], **arguments}) if each["class_name"] == class_name else each


@pytest.mark.parametrize(
    ("fault", "way", "lost"),
    [
        (weights_swapped, "inference", None),
        (slot_dropped, "native", {"compile", "optimizer", "resume"}),
        pytest.param(axis_off_by_one, "inference", None, marks=pytest.mark.slow),
        pytest.param(epsilon_changed, "inference", None, marks=pytest.mark.slow),
    ],
)
def test_a_fault_planted_in_an_adapter_is_never_handed_over_as_proven(
    project, saved, tmp_path, monkeypatch, fault, way, lost
):
    model = saved(OLD, "planted.h5")
    monkeypatch.setattr(migrating, "adapt", lambda document, old, new: fault(adapt(document, old, new)))
    found = migrate_project(
        Project(root=project.root),
        [str(model)],
        MigrateOptions(to=NEW, saved_with=OLD, output=tmp_path, tf_keras=False),
        RunOptions(executor="venv", jobs=1, quiet=True, trust_model=True),
    ).files[0]
    assert found.level is Level.INFERENCE, found.reason
    assert found.way == way, "the file that the adapter spoiled is not the one that was handed over"
    assert not list(tmp_path.glob("*.keras")) or lost
    assert lost is None or set(found.lost) == lost
