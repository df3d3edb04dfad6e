"""`tfmatrix new-scenario`: a scenario file that runs as it is, with comments on what to change."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from tfmatrix.core.errors import ConfigError, UsageError
from tfmatrix.core.ids import ID_PATTERN


class ScenarioKind(StrEnum):
    """What the new scenario builds."""

    FUNCTIONAL = "functional"
    SUBCLASSED = "subclassed"
    MODULE = "module"


_HEAD = '''"""TITLE: say here, in one line, what this scenario is about.

What is under test, and where the claim comes from: a link, if there is one. Remove what you do not need.
"""

import tensorflow as tf

# tfmatrix selects by tag:NAME. Two more constants are optional: FORMATS = ("h5", "keras"), and
# REQUIRES = "tensorflow>=2.9", what an environment needs to write this model.
TAGS = ("mine",)

'''

_FUNCTIONAL = """
def build_model():
    # The same code for Keras 2 and Keras 3: tf.keras. Small: a few hundred weights are enough.
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(5, activation="relu")(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(hidden))
    # Without compile and training_data, training is not compared.
    model.compile(optimizer="adam", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    # What the model is called with: an array, or a list or a dictionary of arrays. `rng` has the run's seed.
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    # As many rows as in inputs; one training step takes all of them.
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
"""

_SUBCLASSED = """
class Perceptron(tf.keras.Model):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.hidden = tf.keras.layers.Dense(units, activation="relu")
        self.value = tf.keras.layers.Dense(1)

    def call(self, inputs):
        return self.value(self.hidden(inputs))

    def get_config(self):
        return {"units": self.units}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def build_model():
    # The same code for Keras 2 and Keras 3: tf.keras. Small: a few hundred weights are enough.
    model = Perceptron(5)
    # Without compile and training_data, training is not compared.
    model.compile(optimizer="adam", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    # What the model is called with: an array, or a list or a dictionary of arrays. `rng` has the run's seed.
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    # As many rows as in inputs; one training step takes all of them.
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)


def custom_objects():
    # What a user passes to load_model. Remove it to see what happens to those who do not.
    return {"Perceptron": Perceptron}
"""

_MODULE = """
class Affine(tf.Module):
    def __init__(self):
        super().__init__()
        self.scale = tf.Variable([[1.5, -0.5], [0.25, 2.0], [1.0, 0.0]], name="scale")
        self.offset = tf.Variable([0.5, -1.0], name="offset")

    # A SavedModel holds what was traced: with a signature, also what was never called.
    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
    def __call__(self, x):
        return tf.matmul(x, self.scale) + self.offset


def build_model():
    return Affine()


def inputs(rng):
    # The arguments of the call: one array; a list for several, a dictionary for named ones.
    return rng.uniform(-1.0, 1.0, size=(8, 3)).astype("float32")


# For signatures of your own, or another way to save: these two make the format `custom`.
# def save_model(model, path):
#     tf.saved_model.save(model, path, signatures={"serving_default": model.__call__})
#
#
# def load_model(path):
#     return tf.saved_model.load(path)
"""

_BODIES = {
    ScenarioKind.FUNCTIONAL: _FUNCTIONAL,
    ScenarioKind.SUBCLASSED: _SUBCLASSED,
    ScenarioKind.MODULE: _MODULE,
}


def write_new_scenario(folder: Path, name: str, kind: ScenarioKind) -> Path:
    """Writes `folder/NAME.py`, a scenario that runs as it is; returns the file.

    Raises UsageError for a name that cannot be a scenario's or is taken, ConfigError where there is no such folder.
    """
    _check_name(name)
    if not folder.is_dir():
        raise ConfigError(
            "there is no such folder",
            file=folder,
            expected="the scenarios of a project",
            fix="name the project with -C, or make one with `tfmatrix init`",
        )
    # Names become folders: two that differ only in case are one on some file systems.
    for path in sorted(folder.glob("*.py")):
        if path.stem.casefold() == name.casefold():
            raise UsageError(
                f"{path} exists already", expected="a name of its own for each scenario", fix="choose another name"
            )
    file = folder / f"{name}.py"
    try:
        # "x": a file that appears in between is not overwritten either.
        with file.open("x", encoding="utf-8") as stream:
            stream.write(scenario_text(name, kind))
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", file=file) from error
    return file


def scenario_text(name: str, kind: ScenarioKind) -> str:
    """The content of a new scenario file."""
    title = name.replace("_", " ").replace("-", " ").strip().capitalize()
    return _HEAD.replace("TITLE", title, 1) + _BODIES[kind]


def _check_name(name: str) -> None:
    expected = "a letter or digit, then letters, digits and any of . _ + @ -"
    if name.endswith(".py"):
        raise UsageError(f'"{name}" is a file\'s name', expected=expected, fix=f'say "{name.removesuffix(".py")}"')
    if not ID_PATTERN.fullmatch(name):
        raise UsageError(f'"{name}" cannot be the name of a scenario', expected=expected, fix="choose another name")
