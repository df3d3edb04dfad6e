"""`tfmatrix new-scenario`: a scenario file that runs as it is, with comments on what to change."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from tfmatrix.core.choices import ScenarioKind
from tfmatrix.core.errors import ConfigError, UsageError
from tfmatrix.core.hints import did_you_mean, one_of
from tfmatrix.core.ids import ID_PATTERN
from tfmatrix.project.modelfiles.contents import read_contents
from tfmatrix.project.modelfiles.modelfile import read_model

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
    return _write(folder, name, scenario_text(name, kind))


def _write(folder: Path, name: str, text: str) -> Path:
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
            stream.write(text)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", file=file) from error
    return file


_FROM = '''"""TITLE: say here, in one line, what this scenario is about."""

import tensorflow as tf

from MODULE import FUNCTION as build

TAGS = ("mine",)


def build_model():
    # As production builds it. For its training to be compared, compile it and add training_data(rng).
    return build()


INPUTS'''

_KNOWN_INPUTS = """def inputs(rng):
    # Eight rows of what the model takes, with 4 where a size is open.
    return VALUE
"""

_UNKNOWN_INPUTS = """def inputs(rng):
    # Eight rows of what the model says that it takes, with 4 where a size is open. Write them down here instead where
    # values matter: tokens of a vocabulary, images, words.
    def rows(spec):
        shape = [8, *[4 if size is None else int(size) for size in spec.shape[1:]]]
        name = getattr(spec.dtype, "name", spec.dtype)
        if name == "string":
            return tf.constant(rng.choice(["one", "other"], size=shape))
        whole = name.startswith(("int", "uint"))
        return (rng.randint(0, 2, size=shape) if whole else rng.uniform(-1.0, 1.0, size=shape)).astype(name)

RETURN"""

_OF_MODEL = """    model = BUILD()
    # A Sequential of Keras 3 has no `input`.
    return tf.nest.map_structure(rows, model.inputs[0] if isinstance(model, tf.keras.Sequential) else model.input)
"""

_OF_SIGNATURE = """    return tf.nest.map_structure(rows, Served().takes())
"""

_OF_FILE = '''"""TITLE: a saved model, as whoever has the file uses it."""

import IMPORTS
import tensorflow as tf
from PACKAGE import MODEL

TAGS = ("mine",)


BODYINPUTS'''

_KERAS_BODY = """def build_model():
    # A copy, for Keras 3.0 opens a .keras file to write, too. For its training to be compared, add training_data(rng).
    file = shutil.copyfile(MODEL, os.path.join(tempfile.mkdtemp(), os.path.basename(MODEL)))
    return tf.keras.models.load_model(fileCUSTOM)


"""

_CUSTOM_OBJECTS = """def custom_objects():
    # The file names classes that are not of Keras: NAMES. Import them from where they are, and name them here.
    return {}


"""

_SERVED_BODY = """class Served(tf.Module):
    # What a server calls, and whoever does not have the code: the signature.
    def __init__(self):
        super().__init__()
        self.loaded = tf.saved_model.load(MODEL)

    @tf.function
    def __call__(self, **inputs):
        return self.loaded.signatures["serving_default"](**inputs)

    def takes(self):
        return self.loaded.signatures["serving_default"].structured_input_signature[1]


def build_model():
    return Served()


"""

_MODEL_PACKAGE = '''"""The saved model that scenarios/NAME.py is about."""

import os

MODEL = os.path.join(os.path.dirname(__file__), "FILE")
'''


def write_scenario_of(folder: Path, name: str, target: str, source_folders: Sequence[Path]) -> Path:
    """Writes `folder/NAME.py`, a scenario of the model that `target` ("package.module:function") builds.

    Its inputs are those of the `Input` calls of that function, where they are literals; else the model is asked for
    them. The module is read, not imported. Raises UsageError for a target that is none, else as `write_new_scenario`.
    """
    module, colon, function = target.partition(":")
    if not colon or not function.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise UsageError(
            f'"{target}" is neither a function nor a saved model',
            expected="PACKAGE.MODULE:FUNCTION, such as app.models:build_model, or the path of a model",
        )
    tree = _module(module, source_folders)
    known = None
    if tree is not None:
        node = next((each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == function), None)
        names = {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.ClassDef)}
        names |= {alias.asname or alias.name for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)
                  for alias in each.names}  # fmt: skip
        if function not in names:
            raise UsageError(
                f"{module} has no function {function}",
                expected=one_of(sorted(names)),
                fix=did_you_mean(function, names),
            )
        known = _inputs_of(node) if node is not None else None
    unknown = _UNKNOWN_INPUTS.replace("RETURN", _OF_MODEL.replace("BUILD", "build"))
    inputs = unknown if known is None else _KNOWN_INPUTS.replace("VALUE", known)
    text = _FROM.replace("TITLE", _title(name), 1).replace("INPUTS", inputs)
    if "tf." not in text.partition("def build_model")[2]:
        text = text.replace("import tensorflow as tf\n\n", "")
    as_build = function if function == "build" else f"{function} as build"
    return _write(folder, name, text.replace("MODULE", module).replace("FUNCTION as build", as_build))


def write_scenario_of_file(folder: Path, name: str, path: Path) -> Path:
    """Writes `folder/NAME.py`, a scenario of a saved model, and a copy of that in the package `_NAME` beside it.

    A file of Keras is loaded, a SavedModel is called by its signature. Raises UsageError where `path` is no whole
    model, else as `write_new_scenario`.
    """
    model = read_model(path)
    if model.kind not in ("hdf5", "zip", "directory"):
        raise UsageError(
            f"{path} is {model.what}",
            expected="a model in .h5 or .keras, or a SavedModel",
            fix=f"such a file is asked about as it is: tfmatrix check {path}",
        )
    custom = read_contents(model).custom
    package = "_" + re.sub(r"\W", "_", name)
    if model.kind == "directory":
        imports, body, rows = "", _SERVED_BODY, _OF_SIGNATURE
    else:
        imports, body = "os\nimport shutil\nimport tempfile\n", _KERAS_BODY
        rows = _OF_MODEL.replace("BUILD", "build_model")
        body = body.replace("CUSTOM", ", custom_objects=custom_objects()" if custom else "")
        body += _CUSTOM_OBJECTS.replace("NAMES", ", ".join(custom)) if custom else ""
    text = _OF_FILE.replace("BODY", body).replace("INPUTS", _UNKNOWN_INPUTS.replace("RETURN", rows))
    text = text.replace("import IMPORTS\n", f"import {imports}\n" if imports else "").replace("PACKAGE", package)
    file = _write(folder, name, text.replace("TITLE", _title(name), 1))
    kept = folder / package
    kept.mkdir(exist_ok=True)
    copy = kept / f"model{path.suffix if path.is_file() else ''}"
    (kept / "__init__.py").write_text(_MODEL_PACKAGE.replace("NAME", name).replace("FILE", copy.name), encoding="utf-8")
    if path.is_dir():
        shutil.copytree(path, copy, dirs_exist_ok=True)
    else:
        shutil.copyfile(path, copy)
    return file


def _title(name: str) -> str:
    return name.replace("_", " ").replace("-", " ").strip().capitalize()


def _module(module: str, source_folders: Sequence[Path]) -> ast.Module | None:
    """The syntax tree of a module of the project; None for one of an installed package."""
    parts = module.split(".")
    for folder in source_folders:
        place = folder.joinpath(*parts)
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                try:
                    return ast.parse(file.read_bytes())
                except (SyntaxError, ValueError) as error:
                    raise ConfigError(f"is not Python: {error}", file=file, fix="correct the syntax") from error
        if folder.joinpath(parts[0]).is_dir() and len(parts) > 1:
            raise UsageError(f"there is no module {module} in {folder / parts[0]}", fix="name one that is there")
    return None


def _inputs_of(function: ast.FunctionDef) -> str | None:
    """What `inputs` returns for the `Input(shape=…)` calls of a function; None where that is not written there."""
    found = []
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or _last_name(node.func) not in ("Input", "InputLayer"):
            continue
        given = {each.arg: each.value for each in node.keywords}
        shape = given.get("shape", given.get("input_shape", node.args[0] if node.args else None))
        dtype = given.get("dtype")
        try:
            sizes = ast.literal_eval(shape) if shape is not None else None
            kind = "float32" if dtype is None else _last_name(dtype) or ast.literal_eval(dtype)
        except ValueError:
            return None
        if not isinstance(sizes, tuple | list) or {"sparse", "ragged", "tensor", "batch_shape"} & set(given):
            return None
        full = ", ".join(["8", *(str(4 if each is None else each) for each in sizes)])
        if kind.startswith(("int", "uint")):
            found.append(f'rng.randint(0, 2, size=({full})).astype("{kind}")')
        elif kind.startswith("float"):
            found.append(f'rng.uniform(-1.0, 1.0, size=({full})).astype("{kind}")')
        else:
            return None
    if not found:
        return None
    return found[0] if len(found) == 1 else f"[{', '.join(found)}]"


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def scenario_text(name: str, kind: ScenarioKind) -> str:
    """The content of a new scenario file."""
    return _HEAD.replace("TITLE", _title(name), 1) + _BODIES[kind]


def _check_name(name: str) -> None:
    expected = "a letter or digit, then letters, digits and any of . _ + @ -"
    if name.endswith(".py"):
        raise UsageError(f'"{name}" is a file\'s name', expected=expected, fix=f'say "{name.removesuffix(".py")}"')
    if not ID_PATTERN.fullmatch(name):
        raise UsageError(f'"{name}" cannot be the name of a scenario', expected=expected, fix="choose another name")
