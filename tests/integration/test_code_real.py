"""The format `code` on both sides of Keras 3: planted changes of training, each found by its check and named.

One scenario a change, which its code makes from TensorFlow 2.16 on; none of them touches what another checks. What
Keras 3 itself calls otherwise (the inputs and outputs of a signature) is there in all.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
from real_project import RealProject

# Trains thirty times: minutes on a busy machine.
pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]
OLD, NEW = "2.15.1", "2.21.0"
ENVIRONMENTS = (OLD, NEW)

SCENARIO = '''\
"""{name}"""
import tensorflow as tf

NEW = int(tf.__version__.split(".")[1]) >= 16

{definitions}

def build_model():
    features = tf.keras.Input(shape=(4,), name="features")
    x = {first}(6, activation="tanh", name="first")(features)
    x = {norm}(name="norm")(x)
    x = {between}(x)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1, name="head")(x))
    model.compile(optimizer=tf.keras.optimizers.SGD(0.05), loss="mse", metrics=[{metric}(name="off")])
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
'''


@dataclass(frozen=True, kw_only=True)
class Plant:
    """A change, the checks that must fail by it beside `signatures`, and the code and subject that name it."""

    definitions: str = ""
    first: str = "tf.keras.layers.Dense"
    norm: str = "tf.keras.layers.BatchNormalization"
    between: str = 'tf.keras.layers.Activation("linear", name="between")'
    metric: str = "tf.keras.metrics.MeanAbsoluteError"
    checks: tuple[str, ...] = ()
    named: tuple[str, str, str] | None = None
    by: tuple[str, ...] = ()


def _norm(argument: str, before: float, after: float) -> str:
    return f"""\
    class Norm(tf.keras.layers.BatchNormalization):
        def __init__(self, {argument}={after} if NEW else {before}, **kwargs):
            super().__init__({argument}={argument}, **kwargs)
    """


PLANTS = {
    "nothing": Plant(),
    "epsilon": Plant(
        definitions=_norm("epsilon", 1e-3, 1e-2),
        norm="Norm",
        checks=("defaults", "forward", "gradients", "updates", "metrics", "learning"),
        named=("defaults", "changed", "norm.epsilon"),
        by=("default", "arithmetic"),
    ),
    "momentum": Plant(
        definitions=_norm("momentum", 0.99, 0.9),
        norm="Norm",
        checks=("defaults", "updates", "metrics", "learning"),
        named=("updates", "statistics", "norm/moving_"),
        by=("default", "arithmetic"),
    ),
    "initializer": Plant(
        definitions="""\
        class First(tf.keras.layers.Dense):
            def __init__(self, units, kernel_initializer="he_normal" if NEW else "glorot_uniform", **kwargs):
                super().__init__(units, kernel_initializer=kernel_initializer, **kwargs)
        """,
        first="First",
        checks=("defaults", "initializers"),
        named=("initializers", "distribution", "first/kernel"),
        by=("default", "randomness"),
    ),
    "metric": Plant(
        definitions="""\
        class Off(tf.keras.metrics.MeanAbsoluteError):
            def update_state(self, y_true, y_pred, sample_weight=None):
                return super().update_state(y_true, -y_pred if NEW else y_pred, sample_weight)
        """,
        metric="Off",
        checks=("metrics",),
        named=("metrics", "source", "off"),
        by=("arithmetic",),
    ),
    "gradient": Plant(
        definitions="""\
        @tf.custom_gradient
        def scaled(x):
            return tf.identity(x), lambda upstream: upstream * (1.01 if NEW else 1.0)


        class Between(tf.keras.layers.Layer):
            def call(self, x):
                return scaled(x)
        """,
        between='Between(name="between")',
        checks=("gradients", "updates", "metrics", "learning"),
        named=("gradients", "gradient", "norm/"),
        by=("arithmetic",),
    ),
}
REMEDY = "the old defaults as arguments"


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """The cells from the old side to both, and of the new one to itself, by id."""
    pairs = f'pairs: ["{OLD}/{OLD}", "{OLD}/{NEW}", "{NEW}/{NEW}"]\n'
    project = RealProject(tmp_path_factory.mktemp("code"), ENVIRONMENTS, (), settings=pairs)
    for name, plant in PLANTS.items():
        parts = {part: getattr(plant, part) for part in ("first", "norm", "between", "metric")}
        code = SCENARIO.format(name=name, definitions=textwrap.dedent(plant.definitions), **parts)
        Path(project.root / "scenarios" / f"{name}.py").write_text(code)
    done = project.tfmatrix("run", "--format", "code", "--executor", "venv", "--json")
    assert done.code in (0, 1), done.stderr[-3000:]
    return done.cells()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("name", PLANTS)
def test_no_false_alarm_where_nothing_changes(cells: dict[str, dict], name: str, environment: str) -> None:
    found = cells[f"{name}/code/{environment}/{environment}"]
    assert (found["status"], found["failed_checks"]) == ("pass", [])


@pytest.mark.parametrize("name", PLANTS)
def test_each_planted_change_is_found_and_named(cells: dict[str, dict], name: str) -> None:
    plant, found = PLANTS[name], cells[f"{name}/code/{OLD}/{NEW}"]
    assert sorted(found["failed_checks"]) == sorted([*plant.checks, "signatures"]), found["checks"]
    assert found["attribution"]["training"]["by"] == [*plant.by, "interface"]
    if plant.named is not None:
        check, code, subject = plant.named
        subjects = [each["subject"] for each in found["checks"][check]["findings"] if each["code"] == code]
        assert any(each.startswith(subject) for each in subjects), found["checks"][check]


def test_a_scaled_gradient_is_told_with_its_factor(cells: dict[str, dict]) -> None:
    (finding,) = cells[f"gradient/code/{OLD}/{NEW}"]["checks"]["gradients"]["findings"]
    assert finding["figures"]["ratio"] == pytest.approx(1.01, abs=1e-4)


@pytest.mark.parametrize("name", [name for name, plant in PLANTS.items() if "defaults" in plant.checks])
def test_the_old_default_put_in_restores_the_training(cells: dict[str, dict], name: str) -> None:
    (tried,) = [each for each in cells[f"{name}/code/{OLD}/{NEW}"]["remedies"] if each["name"] == REMEDY]
    assert tried["missing"] == ["signatures"]


def test_a_change_that_no_argument_makes_has_no_such_remedy(cells: dict[str, dict]) -> None:
    assert not any(each["name"] == REMEDY for each in cells[f"gradient/code/{OLD}/{NEW}"]["remedies"])
