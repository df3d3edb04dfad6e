"""Planted losses on real models: each is found by the check it belongs to, and by those that follow from it, only.

Every scenario saves without a loss, in the version's own `.keras`, and its loader plants exactly one. All of them run
in one go per environment: Keras 2.15, and Keras 3.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import pytest
from real_project import RealProject

pytestmark = pytest.mark.real
ENVIRONMENTS = ("2.15.1", "2.21.0")

SCENARIO = '''\
"""{title}"""
import os

import numpy as np
import tensorflow as tf

FORMATS = ("custom",)


def build_model():
    features = tf.keras.Input(shape=(4,))
    x = tf.keras.layers.Dense(6, activation="relu", name="first")(features)
    x = tf.keras.layers.BatchNormalization(name="norm")(x)
    x = tf.keras.layers.Dense(6, activation="tanh", name="second")(x)
    x = tf.keras.layers.Dense(6, activation="tanh", name="third")(x)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1, name="head")(x))
    model.compile(optimizer=tf.keras.optimizers.Adam(0.05), loss="mse", metrics=["mae", "mape"])
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)


def save_model(model, path):
    os.makedirs(path)
    model.save(os.path.join(path, "model.keras"))


def load_model(path):
    file = os.path.join(path, "model.keras")
    model = tf.keras.models.load_model(file)
{plant}
    return model
'''

THIRD = 'name="third")(x)\n'
DROPOUT_SCENARIO = SCENARIO.replace(THIRD, THIRD + '    x = tf.keras.layers.Dropout(0.2, name="dropout")(x)\n')

SIGNATURE_SCENARIO = '''\
"""{title}"""
import tensorflow as tf

FORMATS = ("custom",)


class Affine(tf.Module):
    def __init__(self):
        super().__init__()
        self.scale = tf.Variable([[1.5, -0.5], [0.25, 2.0], [1.0, 0.0]])

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
    def __call__(self, x):
        return tf.matmul(x, self.scale)


def build_model():
    return Affine()


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 3)).astype("float32")


def save_model(model, path):
    tf.saved_model.save(model, path, signatures={{"serving_default": model.__call__, "score": model.__call__}})


def load_model(path):
    model = tf.saved_model.load(path)
{plant}
    return model
'''


UNTRAINED_SCENARIO = '''\
"""{title}"""
import os

import tensorflow as tf

FORMATS = ("custom",)


def build_model():
    return tf.keras.Sequential([tf.keras.Input(shape=(4,)), tf.keras.layers.Dense(2, name="only")])


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def save_model(model, path):
    os.makedirs(path)


def load_model(path):
    model = build_model()
{plant}
    return model
'''


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A loss: what the loader does to the model, the checks that must fail for it, and what they must say.

    `follows` says why checks beside the first fail by necessity. `says` are words of the first check's sentences.
    """

    code: str
    fails: tuple[str, ...]
    says: str = ""
    follows: str = ""
    template: str = SCENARIO


PLANTED = {
    "optimizer_dropped": Planted(
        code="model = tf.keras.models.load_model(file, compile=False)",
        fails=("optimizer", "compile", "resume"),
        says="the loaded model has no optimizer",
        follows="what is not compiled has neither loss nor metrics, and does not train",
    ),
    "optimizer_state_dropped": Planted(
        code="""
            fresh = type(model.optimizer).from_config(model.optimizer.get_config())
            model.compile(optimizer=fresh, loss="mse", metrics=["mae", "mape"])
        """,
        fails=("optimizer", "resume"),
        says="iterations 3 → 0",
        follows="the next steps are those of a new optimizer",
    ),
    "slot_zeroed": Planted(
        code="""
            kernel = model.get_layer("second").kernel
            (index,) = [i for i, item in enumerate(model.trainable_variables) if item is kernel]
            model.optimizer._velocities[index].assign(np.zeros((6, 6), "float32"))
        """,
        fails=("optimizer", "resume"),
        says="velocity of second/kernel: all 36 values are 0 now",
        follows="Adam divides by the root of that slot",
    ),
    "iterations_off_by_one": Planted(
        code="model.optimizer.iterations.assign_add(1)",
        fails=("optimizer", "resume"),
        says="iterations 3 → 4",
        follows="Adam corrects its moments by the number of steps",
    ),
    "learning_rate_changed": Planted(
        code="model.optimizer.learning_rate.assign(0.04)",
        fails=("compile", "resume"),
        says="hyperparameters.learning_rate: 0.05 → 0.04",
        follows="the steps have another length",
    ),
    "weights_swapped": Planted(
        code="""
            second, third = model.get_layer("second").kernel, model.get_layer("third").kernel
            values = second.numpy(), third.numpy()
            second.assign(values[1])
            third.assign(values[0])
        """,
        fails=("weights", "outputs", "resume"),
        says="second/kernel: 36 of 36 values differ",
        follows="the model computes something else, and trains on from there",
    ),
    "weight_off_by_one_ulp": Planted(
        code="""
            kernel = model.get_layer("second").kernel
            values = kernel.numpy()
            values[3, 3] = np.nextafter(values[3, 3], np.float32(np.inf))
            kernel.assign(values)
        """,
        fails=("weights",),
        says="second/kernel: 1 of 36 values differ",
    ),
    "trainable_flipped": Planted(
        code="""
            model.get_layer("second").trainable = False
            # Keras 2 looks at the flags in compile only.
            model.compile(optimizer=model.optimizer, loss="mse", metrics=["mae", "mape"])
        """,
        fails=("config", "resume"),
        says="second.trainable: True → False",
        follows="the layer stands still while the writer trains it",
    ),
    "loss_function_lost": Planted(
        code="""
            model.compile(optimizer=model.optimizer, metrics=["mae", "mape"])
            # Keras 3 goes on with the loss of an earlier compile.
            model.loss = model._compile_loss = None
        """,
        fails=("compile", "resume"),
        says="the loss 'mean_squared_error' is lost",
        follows="training without a loss raises",
    ),
    "metric_dropped": Planted(
        code='model.compile(optimizer=model.optimizer, loss="mse", metrics=["mae"])',
        fails=("compile", "resume"),
        says="metrics",
        follows="the next steps report one value less",
    ),
    "signature_renamed": Planted(
        code="""
            kept, score = model.signatures["serving_default"], model.signatures["score"]
            tf.saved_model.save(model, "again", signatures={"serving_default": kept, "predict": score})
            model = tf.saved_model.load("again")
        """,
        fails=("signatures",),
        says="score",
        template=SIGNATURE_SCENARIO,
    ),
    "activation_changed": Planted(
        code='model.get_layer("third").activation = tf.keras.activations.sigmoid',
        fails=("config", "outputs", "resume"),
        says="third.activation: 'tanh' → 'sigmoid'",
        follows="the model computes something else, in training too",
    ),
    "moving_mean_reset": Planted(
        code='model.get_layer("norm").moving_mean.assign(np.zeros(6, "float32"))',
        fails=("weights", "outputs", "resume"),
        says="norm/moving_mean: all 6 values are 0 now",
        follows="inference normalizes with it, and it ends elsewhere after the same further steps",
    ),
    "everything": Planted(
        # The initializers must not make the same weights again in the reader.
        code="",
        fails=("weights", "outputs"),
        says="only/kernel: 8 of 8 values differ",
        follows="other weights compute something else",
        template=UNTRAINED_SCENARIO,
    ),
    # Controls: nothing is lost.
    "nothing": Planted(code="", fails=()),
    "nothing_of_a_saved_model": Planted(code="", fails=(), template=SIGNATURE_SCENARIO),
    "nothing_with_dropout": Planted(code="", fails=(), template=DROPOUT_SCENARIO),
    "dropout_seed": Planted(
        code="""
            dropout = model.get_layer("dropout")
            dropout.seed = 7
            if hasattr(dropout, "seed_generator"):
                dropout.seed_generator.state.assign([7, 9])
        """,
        fails=(),
        template=DROPOUT_SCENARIO,
    ),
}


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def records(request, tmp_path_factory):
    """Scenario to record, of one run of all planted losses in one environment."""
    project = RealProject(tmp_path_factory.mktemp("planted") / "project", [request.param], [])
    for name, planted in PLANTED.items():
        plant = textwrap.indent(textwrap.dedent(planted.code).strip("\n"), "    ")
        text = planted.template.format(title=name, plant=plant)
        (project.root / "scenarios" / f"{name}.py").write_text(text)
    finished = project.tfmatrix("run", "--json", "--executor", "venv", "--no-remedies")
    assert finished.code == 1, finished.stderr
    return {record["scenario"]: record for record in finished.cells().values()}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_loss_is_found_by_what_it_belongs_to(name, records):
    planted, record = PLANTED[name], records[name]
    assert record["error"] is None
    checks = record["checks"]
    said = {check: checks[check]["detail"] for check in record["failed_checks"]}
    assert set(record["failed_checks"]) == set(planted.fails), said
    assert record["status"] == ("drift" if planted.fails else "pass")
    if planted.fails:
        first = planted.fails[0]
        assert any(planted.says in sentence for sentence in checks[first]["detail"]), checks[first]["detail"]


def test_what_a_loader_lost_is_attributed_to_serialization(records):
    attributions = [record["attribution"] for record in records.values() if record["status"] == "drift"]
    assert len(attributions) == sum(bool(planted.fails) for planted in PLANTED.values())
    assert {(found["serialization"]["found"], found["numerics"]["found"]) for found in attributions} == {(True, False)}


def test_the_measured_controls_say_that_training_restarts(records):
    restarted = {name: record["checks"]["resume"].get("restarted") for name, record in records.items()}
    assert [name for name, found in restarted.items() if found] == ["optimizer_state_dropped"]


def test_every_check_looked_at_something(records):
    """A check that has nothing to look at would find no loss either."""
    statuses = {check: found["status"] for check, found in records["nothing"]["checks"].items()}
    assert statuses.pop("signatures") == "not-applicable"
    assert set(statuses.values()) == {"pass"}
    assert records["nothing_of_a_saved_model"]["checks"]["signatures"]["status"] == "pass"
