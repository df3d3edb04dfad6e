"""What single releases of Keras 3 lose, and what they do not: each value was measured with plain scripts.

Threads: keras-team/keras#19820 (activity_regularizer), #19458 and #19396 (signatures of tf.saved_model.save), #19389
(BackupAndRestore), #22625 (metrics by output name).
"""

from __future__ import annotations

import pytest
from real_project import RealProject

# Three more environments for what single releases did: `--slow`.
pytestmark = [pytest.mark.real, pytest.mark.slow]
EARLY, NEW, MIXED_UP = "2.16.2+keras3.0.5", "2.21.0", "2.21.0+keras3.14.0"

PENALTY = '''\
"""Activations that cost something, in training that goes on."""
import tensorflow as tf

FORMATS = ("keras",)


def build_model():
    features = tf.keras.Input(shape=(3,))
    penalty = tf.keras.regularizers.L1(0.1)
    hidden = tf.keras.layers.Dense(5, activation="relu", activity_regularizer=penalty, name="costly")(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1, name="head")(hidden))
    model.compile(optimizer=tf.keras.optimizers.SGD(0.02), loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.normal(size=(6, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x[:, 1:2]
'''
SERVED = '''\
"""Words and numbers by name, for serving."""
import numpy as np
import tensorflow as tf

FORMATS = ("tf-savedmodel-raw", "export")


def build_model():
    count = tf.keras.Input(shape=(2,), dtype="int32", name="counts")
    hidden = tf.keras.layers.Flatten()(tf.keras.layers.Embedding(7, 2, name="table")(count))
    return tf.keras.Model(count, tf.keras.layers.Dense(1, name="score")(hidden))


def inputs(rng):
    return rng.randint(0, 7, size=(3, 2)).astype("int32")
'''
EXPORTED = '''\
"""A file for inference, which its own project reads with TensorFlow alone."""
import tensorflow as tf

FORMATS = ("custom",)


def build_model():
    features = tf.keras.Input(shape=(3,), name="features")
    hidden = tf.keras.layers.Dense(4)(features)
    outputs = {name: tf.keras.layers.Dense(2, name=name)(hidden) for name in ("who", "where")}
    model = tf.keras.Model(features, outputs)
    model.compile(optimizer="sgd", loss="mean_squared_error")
    return model


def save_model(model, path):
    model.export(path, format="tf_saved_model", input_signature=[tf.TensorSpec((None, 3), tf.float32, name="features")])


def load_model(path):
    return tf.saved_model.load(path)


def inputs(rng):
    return rng.normal(size=(4, 3)).astype("float32")
'''
BACKED_UP = '''\
"""A training that was interrupted and is taken up in a new process."""
import os

import tensorflow as tf

FORMATS = ("custom",)


def build_model():
    features = tf.keras.Input(shape=(3,))
    model = tf.keras.Model(features, tf.keras.layers.Dense(2, name="only")(features))
    model.compile(optimizer=tf.keras.optimizers.Adam(0.02), loss=tf.keras.losses.MeanSquaredError())
    return model


def _started(model, path):
    callback = tf.keras.callbacks.BackupAndRestore(os.path.join(path, "state"), delete_checkpoint=False)
    callback.set_model(model)
    callback.set_params({"epochs": 5, "steps": 1})
    callback.on_train_begin()
    return callback


def save_model(model, path):
    os.makedirs(path)
    callback = _started(model, path)
    callback.on_epoch_begin(0)
    callback.on_epoch_end(0)


def load_model(path):
    model = build_model()
    _started(model, path)
    return model


def inputs(rng):
    return rng.normal(size=(6, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x[:, :2]
'''
HEADS = '''\
"""Two outputs with a metric each, by name, in another order than their names."""
import tensorflow as tf

FORMATS = ("keras",)


def build_model():
    features = tf.keras.Input(shape=(4,))
    outputs = [tf.keras.layers.Dense(2, name=name)(features) for name in ("width", "height")]
    model = tf.keras.Model(features, outputs)
    model.compile(
        optimizer=tf.keras.optimizers.SGD(0.01),
        loss={name: tf.keras.losses.MeanSquaredError() for name in ("width", "height")},
        metrics={
            "width": [tf.keras.metrics.MeanAbsoluteError(name="off")],
            "height": [tf.keras.metrics.MeanSquaredError(name="squared")],
        },
    )
    return model


def inputs(rng):
    return rng.normal(size=(6, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, {"width": x[:, :2] + 5.0, "height": x[:, 2:] - 2.0}
'''
SCENARIOS = {"penalty": PENALTY, "served": SERVED, "exported": EXPORTED, "backed_up": BACKED_UP, "heads": HEADS}
CELLS = (
    f"penalty/keras/{EARLY}/{{{EARLY},{NEW}}}",
    f"served/*/{EARLY}/{EARLY}",
    f"served/*/{NEW}/{NEW}",
    f"exported/*/{NEW}/{NEW}",
    f"backed_up/*/{{{EARLY},{NEW}}}/{{{EARLY},{NEW}}}",
    f"heads/keras/{NEW}/{{{NEW},{MIXED_UP}}}",
)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """The records of one run, by cell id."""
    project = RealProject(tmp_path_factory.mktemp("minors") / "project", [EARLY, NEW, MIXED_UP], [])
    for name, text in SCENARIOS.items():
        (project.root / "scenarios" / f"{name}.py").write_text(text)
    only = [part for cell in CELLS for part in ("--only", cell)]
    finished = project.tfmatrix("run", "--json", "--executor", "venv", *only)
    assert finished.code == 1, finished.stderr
    return finished.cells()


def codes(record, check):
    return {finding["code"]: finding for finding in record["checks"][check]["findings"]}


@pytest.mark.parametrize("reader", [EARLY, NEW])
def test_a_penalty_that_is_not_in_the_file_is_found_and_comes_back_from_code(cells, reader):
    record = cells[f"penalty/keras/{EARLY}/{reader}"]
    assert set(record["failed_checks"]) == {"config", "resume"}
    assert record["attribution"]["serialization"]["checks"] == ["config", "resume"]
    assert record["remedy"] == "rebuild from code + load_weights"
    tries = {each["name"]: each for each in record["remedies"]}
    assert tries[record["remedy"]]["status"] == "pass"
    assert "config" in tries["compile=False"]["missing"]


def test_a_signature_that_was_written_wrong_is_its_writers_fault(cells):
    wrong = cells[f"served/tf-savedmodel-raw/{EARLY}/{EARLY}"]
    assert "writer-wrong" in codes(wrong, "signatures")
    assert wrong["attribution"]["sentence"].startswith("the writer: ")
    assert wrong["remedy"] == "save as export"
    assert cells[f"served/export/{EARLY}/{EARLY}"]["status"] == "pass"
    assert cells[f"served/tf-savedmodel-raw/{NEW}/{NEW}"]["status"] == "pass"


def test_a_file_for_inference_is_not_held_to_a_model(cells):
    record = cells[f"exported/custom/{NEW}/{NEW}"]
    assert record["status"] == "pass"
    assert {record["checks"][name]["status"] for name in ("config", "compile", "optimizer")} == {"not-applicable"}
    assert {record["checks"][name]["status"] for name in ("outputs", "signatures")} == {"pass"}


def test_a_training_that_is_taken_up_goes_on_or_starts_anew(cells):
    lost = cells[f"backed_up/custom/{EARLY}/{EARLY}"]
    assert {"optimizer", "resume"} <= set(lost["failed_checks"])
    assert "restarted" in codes(lost, "resume")
    assert cells[f"backed_up/custom/{NEW}/{NEW}"]["status"] == "pass"
    assert cells[f"backed_up/custom/{EARLY}/{NEW}"]["status"] == "pass"


def test_metrics_that_see_the_other_output_are_found_and_booked_to_the_version(cells):
    record = cells[f"heads/keras/{NEW}/{MIXED_UP}"]
    assert record["failed_checks"] == ["resume"]
    metrics = [each["subject"] for each in record["checks"]["resume"]["findings"] if each["code"] == "metric"]
    assert sorted(metrics) == ["height_squared", "width_off"]
    assert record["attribution"]["numerics"]["checks"] == ["resume"]
    assert cells[f"heads/keras/{NEW}/{NEW}"]["status"] == "pass"
