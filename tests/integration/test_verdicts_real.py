"""What the outputs do not show, on both sides of Keras 3: statistics, metrics, seeds, notation, the optimizer.

Each value was measured with plain scripts in TensorFlow 2.15.1 and 2.21.0.
"""

from __future__ import annotations

import pytest
from real_project import RealProject

pytestmark = pytest.mark.real
OLD, NEW = "2.15.1", "2.21.0"

STATISTICS = '''\
"""A convolution with batch normalization that goes on training."""
import os

import tensorflow as tf

FORMATS = ("custom",)


def build_model():
    picture = tf.keras.Input(shape=(3, 3, 2))
    hidden = tf.keras.layers.Conv2D(3, 2, name="see")(picture)
    hidden = tf.keras.layers.BatchNormalization(momentum=0.5, name="norm")(hidden)
    model = tf.keras.Model(picture, tf.keras.layers.Dense(1, name="head")(tf.keras.layers.Flatten()(hidden)))
    model.compile(optimizer=tf.keras.optimizers.SGD(0.02), loss=tf.keras.losses.MeanSquaredError())
    return model


def save_model(model, path):
    os.makedirs(path)
    model.save_weights(os.path.join(path, "own.weights.h5"))


def load_model(path):
    model = build_model()
    model.load_weights(os.path.join(path, "own.weights.h5"))
    model.optimizer.iterations.assign(3)
    return model


def inputs(rng):
    return rng.normal(size=(3, 3, 3, 2)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=(1, 2, 3))[:, None]
'''
METRICS = '''\
"""A metric for each of two outputs, by their names."""
import tensorflow as tf

FORMATS = ("h5", "keras", "weights-tf")


def build_model():
    features = tf.keras.Input(shape=(3,))
    outputs = [tf.keras.layers.Dense(1, name=name)(features) for name in ("price", "age")]
    model = tf.keras.Model(features, outputs)
    model.compile(
        optimizer=tf.keras.optimizers.Adam(0.05),
        loss=tf.keras.losses.MeanSquaredError(),
        metrics={name: [tf.keras.metrics.MeanAbsoluteError(name="off")] for name in ("age", "price")},
    )
    return model


def inputs(rng):
    return rng.normal(size=(6, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, [x[:, :1], x[:, 1:2] * 3]
'''
DROPOUT = '''\
"""A dropout layer that draws from a generator of its own."""
import tensorflow as tf

FORMATS = ("keras",)


def build_model():
    features = tf.keras.Input(shape=(5,))
    hidden = tf.keras.layers.Dropout(0.4, seed=11, name="drop")(tf.keras.layers.Dense(8, name="wide")(features))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1, name="head")(hidden))
    model.compile(optimizer=tf.keras.optimizers.Adam(0.05), loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.normal(size=(6, 5)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x[:, :1]
'''
TEXT = '''\
"""One input, by name, for serving and for phones."""
import tensorflow as tf

FORMATS = ("savedmodel-tfsm", "tflite-int8")


def build_model():
    features = tf.keras.Input(shape=(2,), name="features")
    return tf.keras.Model({"features": features}, [tf.keras.layers.Dense(2, name="out")(features)])


def inputs(rng):
    return {"features": rng.normal(size=(4, 2)).astype("float32")}
'''
PAIR = '''\
"""Two inputs by name, which a signature takes by name only."""
import tensorflow as tf

FORMATS = ("savedmodel-tfsm", "tflite")


def build_model():
    parts = {name: tf.keras.Input(shape=(2,), name=name) for name in ("west", "east")}
    both = tf.keras.layers.Concatenate()(list(parts.values()))
    return tf.keras.Model(parts, tf.keras.layers.Dense(2, name="out")(both))


def inputs(rng):
    return {name: rng.normal(size=(4, 2)).astype("float32") for name in ("west", "east")}
'''
REBUILT = '''\
"""Code that the new version cannot run, of a model whose file it reads."""
import os
import signal

import tensorflow as tf

FORMATS = ("h5",)


def build_model():
    if tf.__version__.startswith("2.21"):
        os.kill(os.getpid(), signal.SIGSEGV)
    return tf.keras.Sequential([tf.keras.layers.Input((3,)), tf.keras.layers.Dense(2)])


def inputs(rng):
    return rng.normal(size=(4, 3)).astype("float32")
'''
SCENARIOS = {
    "statistics": STATISTICS,
    "metrics": METRICS,
    "dropout": DROPOUT,
    "named": TEXT,
    "pair": PAIR,
    "rebuilt": REBUILT,
}
CELLS = (
    f"statistics/custom/{OLD}/*",
    f"metrics/*/{OLD}/{OLD}",
    f"dropout/keras/{NEW}/{NEW}",
    f"{{named,pair,rebuilt}}/*/{OLD}/{NEW}",
)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """The records of one run, by cell id."""
    project = RealProject(tmp_path_factory.mktemp("verdicts") / "project", [OLD, NEW], [])
    for name, text in SCENARIOS.items():
        (project.root / "scenarios" / f"{name}.py").write_text(text)
    only = [part for cell in CELLS for part in ("--only", cell)]
    finished = project.tfmatrix("run", "--json", "--executor", "venv", "--no-remedies", *only)
    assert finished.code == 1, finished.stderr
    return finished.cells()


def test_a_moving_variance_that_ends_elsewhere_is_named_and_booked_to_the_version(cells):
    record = cells[f"statistics/custom/{OLD}/{NEW}"]
    assert record["failed_checks"] == ["resume"]
    resume = record["checks"]["resume"]
    codes = {finding["code"]: finding for finding in resume["findings"]}
    assert {"statistics", "outputs"} <= codes.keys()
    assert not {"losses", "weights", "restarted"} & codes.keys()
    assert (codes["statistics"]["subject"], codes["statistics"]["figures"]["class"]) == (
        "norm/moving_variance",
        "BatchNormalization",
    )
    shares = record["attribution"]
    assert (shares["numerics"]["checks"], shares["serialization"]["found"]) == (["resume"], False)
    assert cells[f"statistics/custom/{OLD}/{OLD}"]["status"] == "pass"


def test_an_axis_that_is_written_otherwise_is_notation(cells):
    config = cells[f"statistics/custom/{OLD}/{NEW}"]["checks"]["config"]
    assert config["status"] == "pass"
    assert "norm.axis" in config["aside"]


def test_metrics_that_are_called_otherwise_after_loading_are_named(cells):
    record = cells[f"metrics/keras/{OLD}/{OLD}"]
    assert record["failed_checks"] == ["resume"]
    renamed = {each["subject"]: each["figures"].get("after") for each in record["checks"]["resume"]["findings"]}
    assert renamed == {"age_off": "age_age_off", "price_off": "price_price_off"}


def test_a_list_of_metrics_is_the_same_as_a_dictionary_by_name(cells):
    assert cells[f"metrics/h5/{OLD}/{OLD}"]["status"] == "pass"


def test_weights_of_tensorflows_format_bring_the_optimizer_back(cells):
    record = cells[f"metrics/weights-tf/{OLD}/{OLD}"]
    assert record["status"] == "pass"
    assert record["checks"]["optimizer"]["iterations_before"] == record["checks"]["optimizer"]["iterations_after"] == 3


def test_the_state_of_a_seed_generator_is_told(cells):
    record = cells[f"dropout/keras/{NEW}/{NEW}"]
    assert record["status"] == "pass"
    seed = next(each for each in record["checks"]["resume"]["findings"] if each["code"] == "seed")
    assert (seed["subject"], seed["figures"]["before"][0], seed["figures"]["after"]) == ("drop", 11, [11, 0])
    assert seed["figures"]["before"] != seed["figures"]["after"]


def test_a_dictionary_with_one_input_is_no_reason_to_fail_for_a_layer(cells):
    assert cells[f"named/savedmodel-tfsm/{OLD}/{NEW}"]["status"] == "pass"


def test_an_integer_model_is_calibrated_by_the_scenarios_inputs(cells):
    record = cells[f"named/tflite-int8/{OLD}/{NEW}"]
    assert record["status"] == "pass"
    assert record["checks"]["outputs"]["conversion"] > 1e-4, "activations of 8 bits are not the model's"


def test_a_layer_passes_one_argument_and_a_signature_of_two_inputs_takes_none(cells):
    record = cells[f"pair/savedmodel-tfsm/{OLD}/{NEW}"]
    (raised,) = record["checks"]["outputs"]["findings"]
    assert raised["figures"]["type"] == "TypeError"
    assert "positional arguments" in raised["figures"]["message"]


def test_signatures_of_a_tflite_file_are_compared(cells):
    checks = cells[f"pair/tflite/{OLD}/{NEW}"]["checks"]
    assert (checks["signatures"]["status"], checks["signatures"]["signatures"]) == ("pass", 1)
    assert checks["load"]["findings"][0]["code"] == "runtime"


def test_a_process_that_ends_in_the_control_costs_the_control_alone(cells):
    record = cells[f"rebuilt/h5/{OLD}/{NEW}"]
    assert (record["status"], record["error"]) == ("pass", None)
