"""Scenarios of the kinds that users bring: a save that trains, inputs of every shape, a saved model without its code.

On both sides of Keras 3, and read there where they were written: what is red there is the comparison's own fault.
"""

from __future__ import annotations

import pytest
from real_project import RealProject

pytestmark = pytest.mark.real
OLD, NEW = "2.15.1", "2.21.0"

DENSE = """
def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(3, activation="tanh")(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(hidden))
    model.compile(optimizer=tf.keras.optimizers.Adam(0.01), loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)


def data():
    return training_data(np.random.RandomState(1))


"""
CHECKPOINT = (
    '''"""A callback saves the model at the end of an epoch."""
import numpy as np
import tensorflow as tf

FORMATS = ("custom", "keras")
'''
    + DENSE
    + """
def save_model(model, path):
    model.fit(*data(), epochs=2, verbose=0, callbacks=[tf.keras.callbacks.ModelCheckpoint(path + ".keras")])


def load_model(path):
    return tf.keras.models.load_model(path + ".keras")
"""
)
BACKUP = (
    '''"""A training that was interrupted goes on where its callback left it."""
import numpy as np
import tensorflow as tf

FORMATS = ("custom",)
'''
    + DENSE
    + """
def trained(model, path):
    backup = tf.keras.callbacks.BackupAndRestore(path, delete_checkpoint=False)
    model.fit(*data(), epochs=2, verbose=0, callbacks=[backup])
    return model


def save_model(model, path):
    trained(model, path)


def load_model(path):
    return trained(build_model(), path)
"""
)
INPUTS = {
    "one_entry": (
        "tf.keras.Input(shape=(4,), name='age')",
        "tf.keras.layers.Dense(1)(x)",
        "{'age': rng.uniform(size=(8, 4)).astype('float32')}",
        "{'age': x}",
    ),
    "sparse": (
        "tf.keras.Input(shape=(4,), sparse=True)",
        "tf.keras.layers.Dense(1)(x)",
        "tf.sparse.from_dense((rng.uniform(size=(8, 4)) * (rng.uniform(size=(8, 4)) > 0.5)).astype('float32'))",
        "x",
    ),
    "ragged": (
        "tf.keras.Input(shape=(None,), dtype='int32', ragged=True)",
        "tf.keras.layers.Dense(1)(tf.keras.layers.GlobalAveragePooling1D()(tf.keras.layers.Embedding(9, 3)(x)))",
        "tf.RaggedTensor.from_row_lengths(rng.randint(9, size=16).astype('int32'), [1, 3, 2, 2, 1, 3, 2, 2])",
        "x",
    ),
    "strings": (
        "tf.keras.Input(shape=(2,), dtype='string')",
        "tf.keras.layers.Dense(1)(tf.keras.layers.Flatten()(tf.keras.layers.Embedding(4, 3)("
        "tf.keras.layers.StringLookup(vocabulary=['red', 'green', 'blue'])(x))))",
        "tf.constant(rng.choice(['red', 'green', 'mauve'], size=(8, 2)))",
        "x",
    ),
}


def of_inputs(name: str) -> str:
    taken, output, values, form = INPUTS[name]
    requires = 'REQUIRES = "keras<3"\n' if name == "ragged" else ""
    return f'''"""Inputs: {name}."""
import tensorflow as tf

FORMATS = ("keras",)
{requires}

def build_model():
    x = {taken}
    model = tf.keras.Model({form}, {output})
    model.compile(optimizer=tf.keras.optimizers.Adam(0.01), loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return {values}


def training_data(rng):
    return inputs(rng), rng.uniform(size=(8, 1)).astype("float32")
'''


def statuses(project: RealProject, *arguments: str) -> dict[str, tuple[str, list[str]]]:
    done = project.tfmatrix("run", "--json", "--no-remedies", *arguments)
    return {cell: (record["status"], record["failed_checks"]) for cell, record in done.cells().items()}


@pytest.mark.timeout(900)
def test_what_is_read_where_it_was_written_is_the_same_model(real_project):
    project = real_project([OLD, NEW])
    scenarios = project.root / "scenarios"
    (scenarios / "checkpoint.py").write_text(CHECKPOINT)
    (scenarios / "backup.py").write_text(BACKUP)
    for name in INPUTS:
        (scenarios / f"{name}.py").write_text(of_inputs(name))
    pairs = [option for each in (OLD, NEW) for option in ("--only", f"*/*/{each}/{each}")]
    found = statuses(project, *pairs)
    assert len(found) == 2 * (3 + len(INPUTS))
    unsupported = {cell for cell in found if cell.startswith("ragged/") and NEW in cell}
    red = {cell: told for cell, told in found.items() if cell not in unsupported and told != ("pass", [])}
    assert red == {}
    assert {found[cell][0] for cell in unsupported} == {"unsupported"}


SAVED = """
import sys, tensorflow as tf
word = tf.keras.Input(shape=(2,), dtype="string", name="word")
size = tf.keras.Input(shape=(3,), name="size")
known = tf.keras.layers.StringLookup(vocabulary=["one", "two"])(word)
flat = tf.keras.layers.Flatten()(tf.keras.layers.Embedding(3, 2)(known))
joined = tf.keras.layers.Concatenate()([flat, size])
model = tf.keras.Model({"word": word, "size": size}, tf.keras.layers.Dense(1)(joined))
model.save(sys.argv[1])
"""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model"])
def test_a_saved_model_becomes_a_scenario(real_project, write, name):
    project = real_project([OLD, NEW])
    made = project.tfmatrix("new-scenario", "served", "--from", str(write(OLD, SAVED, name)))
    assert made.code == 0, made.stderr
    # Of the others some are red for TensorFlow's own reasons: Keras 2 has no TFSMLayer, SavedModels lose vocabularies.
    formats = [option for each in ("keras", "h5", "checkpoint", "tf-savedmodel-raw") for option in ("--format", each)]
    found = statuses(project, "--writer", OLD, "--reader", OLD, *formats)
    assert {cell: told for cell, told in found.items() if told != ("pass", [])} == {}
    assert len(found) == (2 if name == "model" else 4)
