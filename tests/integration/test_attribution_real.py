"""Attribution on real versions: a planted difference of the kernels is numerics, a planted loss is serialization.

The layer `Scaled` computes a thousandth more from TensorFlow 2.16 on: the same code and weights, another result, as
when a release changes a kernel. A loader that shifts a weight stands for what a file lost.
"""

from __future__ import annotations

import pytest
from real_project import RealProject

pytestmark = pytest.mark.real
OLD, NEW = "2.15.1", "2.21.0"

SCENARIO = '''\
"""{title}"""
import os

import numpy as np
import tensorflow as tf

FORMATS = ("custom", "weights-h5", "tf-savedmodel-raw")
FACTOR = {factor}


class Scaled(tf.keras.layers.Layer):
    def call(self, inputs):
        return inputs * FACTOR


def custom_objects():
    return {{"Scaled": Scaled}}


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(5, activation="tanh", name="hidden")(features)
    return tf.keras.Model(features, tf.keras.layers.Dense(1, name="head")(Scaled(name="scaled")(hidden)))


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def save_model(model, path):
    os.makedirs(path)
    np.savez(os.path.join(path, "weights.npz"), *model.get_weights())


def load_model(path):
    model = build_model()
    with np.load(os.path.join(path, "weights.npz")) as file:
        model.set_weights([file[name] for name in file.files])
    {plant}
    return model
'''
KERNELS = "1.001 if int(tf.__version__.split('.')[1]) >= 16 else 1.0"
LOSS = 'model.get_layer("hidden").bias.assign_add(np.full(5, 0.01, "float32"))'
SCENARIOS = {
    "nothing": ("1.0", ""),
    "kernels": (KERNELS, ""),
    "loss": ("1.0", LOSS),
    "both": (KERNELS, LOSS),
}


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """The records of one run, by cell id."""
    project = RealProject(tmp_path_factory.mktemp("attribution") / "project", [OLD, NEW], [], "pairs: forward\n")
    for name, (factor, plant) in SCENARIOS.items():
        text = SCENARIO.format(title=name, factor=factor, plant=plant or "pass")
        (project.root / "scenarios" / f"{name}.py").write_text(text)
    finished = project.tfmatrix("run", "--json", "--executor", "venv", "--no-remedies")
    assert finished.code == 1, finished.stderr
    return finished.cells()


def test_without_either_the_versions_agree(cells):
    found = {cell: record["status"] for cell, record in cells.items() if cell.startswith("nothing/")}
    assert len(found) == 9
    assert set(found.values()) == {"pass"}


@pytest.mark.parametrize("format", ["custom", "weights-h5"])
def test_a_kernel_that_changed_is_numerics(cells, format):
    record = cells[f"kernels/{format}/{OLD}/{NEW}"]
    assert record["failed_checks"] == ["outputs"]
    numerics, serialization = record["attribution"]["numerics"], record["attribution"]["serialization"]
    assert (numerics["found"], serialization["found"]) == (True, False)
    assert numerics["max_rel"] == pytest.approx(1e-3, rel=0.01)
    assert serialization["max_abs"] == 0
    assert record["attribution"]["sentence"].startswith("numerics: the model rebuilt in the reader differs")
    assert cells[f"kernels/{format}/{OLD}/{OLD}"]["status"] == "pass"
    assert cells[f"kernels/{format}/{NEW}/{NEW}"]["status"] == "pass"


def test_a_saved_model_brings_its_own_graph_along(cells):
    """It does not run the reader's version of the layer, so that nothing is to be attributed."""
    assert cells[f"kernels/tf-savedmodel-raw/{OLD}/{NEW}"]["status"] == "pass"


@pytest.mark.parametrize("pair", [(OLD, OLD), (OLD, NEW), (NEW, NEW)])
def test_a_weight_that_loading_changed_is_serialization(cells, pair):
    record = cells["/".join(("loss", "custom", *pair))]
    assert record["failed_checks"] == ["outputs", "weights"]
    numerics, serialization = record["attribution"]["numerics"], record["attribution"]["serialization"]
    assert (numerics["found"], serialization["found"]) == (False, True)
    assert serialization["checks"] == ["weights"]
    assert serialization["max_abs"] == pytest.approx(record["checks"]["outputs"]["max_abs"], rel=1e-4)
    # Within one version nothing, between two no more than another order of the same sums.
    assert numerics["max_ulp"] == 0 if len(set(pair)) == 1 else numerics["max_ulp"] < 16


def test_both_at_once_are_told_apart_with_a_figure_each(cells):
    across = cells[f"both/custom/{OLD}/{NEW}"]["attribution"]
    assert (across["numerics"]["found"], across["serialization"]["found"]) == (True, True)
    alone = {
        "numerics": cells[f"kernels/custom/{OLD}/{NEW}"]["attribution"]["numerics"],
        "serialization": cells[f"both/custom/{NEW}/{NEW}"]["attribution"]["serialization"],
    }
    for share, figures in alone.items():
        assert across[share]["max_abs"] == pytest.approx(figures["max_abs"], rel=1e-4)
    # What the reader's kernels do alone, and loading alone, add up to what the cell shows.
    whole = cells[f"both/custom/{OLD}/{NEW}"]["checks"]["outputs"]["max_abs"]
    assert whole <= across["numerics"]["max_abs"] + across["serialization"]["max_abs"] + 1e-6
