"""Files of the kinds that packages ship, written by plain scripts: what check finds in them with real TensorFlow."""

from __future__ import annotations

import json
from typing import Any

import pytest
from real_project import RealProject

pytestmark = pytest.mark.real
BEFORE, OLD, NEW = "2.12.1", "2.15.1", "2.21.0"
FIRST_WITH_KERAS_3 = "2.16.2"

LAMBDA_LOSS = """
import sys
import tensorflow as tf

model = tf.keras.Sequential([tf.keras.layers.Dense(2, input_shape=(3,))])
model.compile("adam", loss=lambda truth, found: tf.reduce_mean(tf.square(truth - found)))
model.save(sys.argv[1])
"""

SEQUENTIAL = """
import sys
import keras

model = keras.Sequential([keras.layers.Input((None, 3)), keras.layers.GRU(2, return_sequences=True)])
model.compile("rmsprop", "mse")
model.save(sys.argv[1])
"""

CROPS = """
import sys
import tensorflow as tf

steps = tf.keras.Input((None, 2), name="steps")
inner = tf.keras.layers.Cropping1D(20)(tf.keras.layers.Conv1D(3, 1)(steps))
model = tf.keras.Model(steps, DyingInTraining()(inner))
model.compile("sgd", "mean_squared_error")
model.save(sys.argv[1])
"""

DYING = """
import os
import signal

import tensorflow as tf


@tf.keras.utils.register_keras_serializable("tests")
class DyingInTraining(tf.keras.layers.Layer):
    def call(self, inputs, training=False):
        if training and tf.__version__.startswith("2.21"):
            os.kill(os.getpid(), signal.SIGSEGV)
        return inputs * 2.0
"""

LAMBDA_ACTIVATION = """
import sys
import tensorflow as tf

clipped = lambda x: tf.keras.activations.relu(x, max_value=20.0)
model = tf.keras.Sequential([tf.keras.layers.Dense(4, input_shape=(3,), activation=clipped)])
model.compile("adam", "mean_absolute_error")
model.save(sys.argv[1])
"""

CLIPPED = """
import tensorflow as tf


def custom_objects():
    return {"<lambda>": lambda x: tf.keras.activations.relu(x, max_value=20.0)}
"""

QUANTIZED = """
import sys
import tensorflow as tf

layers = [tf.keras.layers.Input((64,)), tf.keras.layers.Dense(64, activation="relu"), tf.keras.layers.Dense(8)]
converter = tf.lite.TFLiteConverter.from_keras_model(tf.keras.Sequential(layers))
converter.optimizations = [tf.lite.Optimize.DEFAULT]
open(sys.argv[1], "wb").write(converter.convert())
"""

RECURRENT_DROPOUT = """
import sys
import tensorflow as tf

tokens = tf.keras.Input((20,))
inner = tf.keras.layers.Embedding(21, 8)(tokens)
inner = tf.keras.layers.Bidirectional(tf.keras.layers.LSTM(6, recurrent_dropout=0.2))(inner)
model = tf.keras.Model(tokens, tf.keras.layers.Dense(7, activation="softmax")(tf.keras.layers.Dropout(0.2)(inner)))
model.compile("adam", "mean_squared_error")
model.save(sys.argv[1])
"""


def checked(project: RealProject, *arguments: str) -> tuple[dict[str, Any], dict[tuple[str, str], dict[str, Any]]]:
    """The answer, and its cells by format and reader."""
    found = project.tfmatrix("check", *arguments, "--executor", "venv", "--trust-model", "--no-remedies", "--json")
    assert found.stdout, found.stderr
    data = json.loads(found.stdout)
    return data, {(cell["format"], cell["reader"]): cell for cell in data["cells"]}


def test_a_loss_that_keras_does_not_know_keeps_nobody_from_predicting(write, real_project):
    path = write(OLD, LAMBDA_LOSS, "lambda_loss")
    project = real_project([OLD, NEW])
    data, cells = checked(project, str(path), "--readers", NEW)
    assert not data["unknown"]
    assert "compile=False (ValueError: Unknown loss" in data["not_compared"]["compile"]
    assert cells["savedmodel", OLD]["status"] == "pass"
    assert cells["savedmodel-raw", NEW]["status"] == "pass"
    assert cells["savedmodel-tfsm", NEW]["status"] == "pass"
    assert cells["savedmodel", NEW]["status"] == "load-error"
    data, cells = checked(project, str(path), "--readers", NEW, "--loader", "tfsm")
    assert data["exit_code"] == 0
    assert set(cells) == {("savedmodel-signature", OLD), ("savedmodel-tfsm", NEW)}


def test_a_sequential_of_the_first_keras_3_is_compared(write, real_project):
    path = write(FIRST_WITH_KERAS_3, SEQUENTIAL, "sequential.keras")
    project = real_project([FIRST_WITH_KERAS_3, NEW])
    data, cells = checked(project, str(path), "--saved-with", FIRST_WITH_KERAS_3, "--readers", NEW)
    assert not data["unknown"]
    for cell in cells.values():
        assert cell["checks"]["outputs"]["status"] == "pass"


def test_what_dies_in_training_is_of_resume_and_longer_inputs_are_found(write, real_project, tmp_path):
    code = tmp_path / "dying.py"
    code.write_text(DYING)
    path = write(OLD, DYING + CROPS, "crops.h5")
    arguments = (str(path), "--readers", NEW, "--custom-objects", str(code))
    data, cells = checked(real_project([OLD, NEW]), *arguments)
    assert [entry["shape"] for entry in data["inputs"]] == [[8, 64, 2]]
    died = cells["h5", NEW]
    assert died["status"] == "crash", died["error"]
    assert died["error"]["phase"] == "resume"
    assert died["checks"]["load"]["status"] == "pass"
    assert died["checks"]["outputs"]["status"] == "pass"
    assert died["checks"]["resume"]["status"] == "error"


def test_a_lambda_that_is_handed_over_is_the_same_function_however_it_is_written(write, real_project, tmp_path):
    path = write(BEFORE, LAMBDA_ACTIVATION, "clipped.h5")
    code = tmp_path / "clipped.py"
    code.write_text(CLIPPED)
    data, cells = checked(real_project([BEFORE, OLD]), str(path), "--readers", OLD, "--custom-objects", str(code))
    assert data["exit_code"] == 0
    assert cells["h5", OLD]["checks"]["config"]["status"] == "pass"


@pytest.mark.slow
def test_recurrent_dropout_is_no_reason_to_fail(write, real_project):
    path = write(BEFORE, RECURRENT_DROPOUT, "recurrent.h5")
    data, cells = checked(real_project([BEFORE, OLD]), str(path), "--readers", OLD)
    assert data["exit_code"] == 0
    assert cells["h5", BEFORE]["status"] == "pass"


def test_the_least_tensorflow_that_a_tflite_file_names_is_measured(write, real_project):
    path = write(NEW, QUANTIZED, "quantized.tflite")
    project = real_project([OLD, NEW])
    inspected = json.loads(project.tfmatrix("inspect", str(path), "--json").stdout)
    assert inspected["runtime"] == "2.17.0"
    data, cells = checked(project, str(path), "--readers", OLD)
    assert data["writer"]["id"] == NEW
    assert cells["tflite", NEW]["status"] == "pass"
    assert "'FULLY_CONNECTED' version '12'" in cells["tflite", OLD]["error"]["message"]
