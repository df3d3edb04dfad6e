"""Runs in a real environment, as `python -I real_probe.py REPOSITORY FOLDER`: experiments on the worker's modules.

FOLDER/formats.json holds the formats as a job brings them along. Writes FOLDER/results.json: experiment → what it
found, or {"raised": traceback}. The tests assert on it; one process for all of them, because TensorFlow takes seconds
to import. Written for Python 3.7.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
import traceback

REPOSITORY, FOLDER = sys.argv[1:3]
sys.path.insert(0, os.path.join(REPOSITORY, "runner", "tfmatrix", "worker"))

import declared
import numpy as np
import observe
import tensorflow as tf
from observe.arrays import Arrays, Reference, flatten

with open(os.path.join(FOLDER, "formats.json")) as _file:
    FORMATS = {name: declared.Format.of_job(data) for name, data in json.load(_file).items()}

SEED = 0
READER_SEED = 12345
RESUME_SEED = 7
STEPS = 3
# Of the project's scenarios those that show each part of an observation: all of them would take an hour.
ROUND_TRIPS = (
    "compile_arguments",
    "conv_batchnorm",
    "custom_layer_add_weight",
    "custom_layer_raw_variable",
    "dense",
    "dropout",
    "embedding",
    "frozen_layer",
    "functional_two_inputs",
    "functional_two_outputs",
    "lambda_layer",
    "lstm",
    "optimizer_state",
    "tf_module",
)
THROUGH_SAVEDMODEL = ("dense", "dropout", "functional_two_outputs", "optimizer_state", "tf_module")


def scenario(name):
    path = os.path.join(REPOSITORY, "scenarios", name + ".py")
    return module(name, path)


def module(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


def rng():
    return np.random.RandomState(SEED)


def data_of(source):
    return source.training_data(rng()) if hasattr(source, "training_data") else None


def versions():
    package = tf.keras.layers.Layer.__module__.split(".")[0]
    keras = tf.keras if package == "tensorflow" else sys.modules[package]
    return {"tensorflow": tf.__version__, "keras": keras.__version__}


def write(source, name, save=lambda model: None):
    """A writer's job: the folder of its observation and the live model."""
    observe.fresh_start(SEED)
    model = source.build_model()
    data = data_of(source)
    if data is not None:
        observe.train(model, data[0], data[1], 3)
    observation = observe.Observation(observe.kind_of(model, "keras"))
    observe.observe_state(observation, model, source.inputs(rng()))
    save(model)
    observe.observe_resume(observation, model, data, STEPS, RESUME_SEED, fresh=True)
    folder = os.path.join(FOLDER, name)
    observation.write(folder)
    return folder


def read(source, name, kind, load, reference, resume=True):
    """A reader's job: the folder of its observation."""
    observe.fresh_start(READER_SEED)
    model = load()
    observation = observe.Observation(observe.kind_of(model, kind))
    observe.observe_state(observation, model, source.inputs(rng()), reference)
    if kind == "module":
        observe.observe_signatures(observation, model, source.inputs(rng()), reference)
    if resume:
        observe.observe_resume(observation, model, data_of(source), STEPS, RESUME_SEED)
    observe.observe_control(observation, source.build_model, source.inputs(rng()), reference, READER_SEED)
    folder = os.path.join(FOLDER, name)
    observation.write(folder)
    return folder


def seen(folder):
    """An observation with its arrays in place of their references."""
    reference = Reference(folder)

    def resolve(value):
        if isinstance(value, dict) and "dtype" in value and ("array" in value or "strings" in value):
            return reference.array(value).tolist()
        if isinstance(value, dict):
            return {key: resolve(item) for key, item in value.items()}
        return [resolve(item) for item in value] if isinstance(value, list) else value

    return resolve(reference.json)


def round_trips():
    """Scenarios through `.keras` in this one environment, some through SavedModels too."""
    found = {}
    for name in ROUND_TRIPS:
        source = scenario(name)
        identities = ["keras"]
        if name in THROUGH_SAVEDMODEL:
            identities += ["savedmodel", "tf-savedmodel-raw"]
        if name == "tf_module":
            identities = ["tf-savedmodel-raw"]
        for identity in identities:
            found["%s/%s" % (name, identity)] = round_trip(source, name, identity)
    return found


def round_trip(source, name, identity):
    chosen = FORMATS[identity]
    if chosen.unsupported(versions()):
        return {"unsupported": chosen.unsupported(versions())}
    place = "%s-%s" % (name, identity)
    path = os.path.join(FOLDER, place, chosen.artifact)
    os.makedirs(os.path.dirname(path))
    custom = source.custom_objects() if hasattr(source, "custom_objects") else None
    try:
        reference = write(source, place + "-writer", lambda model: chosen.write(model, path, source))
    except Exception as error:
        return {"save": "%s: %s" % (type(error).__name__, error)}
    kind = declared.artifact_kind(path)
    try:
        folder = read(
            source, place + "-reader", chosen.kind, lambda: chosen.read(path, custom, None, source), reference
        )
    except Exception as error:
        return {"kind": kind, "load": "%s: %s" % (type(error).__name__, error), "writer": seen(reference)}
    return {"kind": kind, "writer": seen(reference), "reader": seen(folder)}


def rebuilt():
    """The formats that load into a model made from code."""
    found = {}
    source = scenario("optimizer_state")
    for identity in ("weights-h5", "weights-h5-legacy", "weights-tf", "checkpoint"):
        chosen = FORMATS[identity]
        if chosen.unsupported(versions()):
            found[identity] = {"unsupported": chosen.unsupported(versions())}
            continue
        path = os.path.join(FOLDER, "rebuilt-" + identity, chosen.artifact)
        os.makedirs(os.path.dirname(path))

        def save(model, chosen=chosen, path=path):
            chosen.write(model, path, source)

        def load(chosen=chosen, path=path):
            return chosen.read(path, None, lambda: observe.built(source.build_model, source.inputs(rng())), source)

        reference = write(source, "rebuilt-%s-writer" % identity, save)
        folder = read(source, "rebuilt-%s-reader" % identity, "keras", load, reference)
        found[identity] = {"kind": declared.artifact_kind(path), "writer": seen(reference), "reader": seen(folder)}
    return found


def same_bytes():
    """The same model observed twice, and in a second life of the process."""
    source = scenario("conv_batchnorm")
    contents = []
    for number in range(2):
        folder = write(source, "same-%d" % number)
        with open(os.path.join(folder, "observation.json"), "rb") as text:
            with open(os.path.join(folder, "arrays.npz"), "rb") as arrays:
                contents.append((text.read(), arrays.read()))
    return contents[0] == contents[1]


def optimizers():
    """Optimizers after one step on one Dense layer: the slots, and whether they are those of the right variables."""
    made = {
        "Adam": lambda of: of.Adam(),
        "SGD": lambda of: of.SGD(0.1, momentum=0.9),
        "RMSprop": lambda of: of.RMSprop(),
        "Adagrad": lambda of: of.Adagrad(),
        "Nadam": lambda of: of.Nadam(),
        "Adamax": lambda of: of.Adamax(),
        "Adadelta": lambda of: of.Adadelta(),
        "Ftrl": lambda of: of.Ftrl(),
    }
    places = {"current": tf.keras.optimizers}
    if hasattr(tf.keras.optimizers.legacy, "Adam") and versions()["keras"].startswith("2"):
        places["legacy"] = tf.keras.optimizers.legacy
    x, y = np.ones((4, 3), "float32"), np.zeros((4, 2), "float32")
    found = {}
    for place, of in places.items():
        for name, make in made.items():
            observe.fresh_start(SEED)
            features = tf.keras.Input(shape=(3,))
            frozen = tf.keras.layers.Dense(3, trainable=False)(features)
            model = tf.keras.Model(features, tf.keras.layers.Dense(2)(frozen))
            model.compile(make(of), "mse")
            observe.train(model, x, y, 1)
            observation = observe.Observation("keras")
            observe.observe_state(observation, model, x)
            observe.observe_resume(observation, model, (x, y), 2, SEED, fresh=True)
            observation.write(os.path.join(FOLDER, "optimizer-%s-%s" % (place, name)))
            found["%s/%s" % (place, name)] = seen(os.path.join(FOLDER, "optimizer-%s-%s" % (place, name)))
    return found


def loss_scale():
    """A loss-scale wrapper."""
    policy = "mixed_float16"
    observe.fresh_start(SEED)
    features = tf.keras.Input(shape=(3,))
    model = tf.keras.Model(features, tf.keras.layers.Dense(2, dtype=policy)(features))
    model.compile(tf.keras.mixed_precision.LossScaleOptimizer(tf.keras.optimizers.Adam()), "mse")
    x, y = np.ones((4, 3), "float32"), np.zeros((4, 2), "float32")
    observe.train(model, x, y, 2)
    observation = observe.Observation("keras")
    observe.observe_state(observation, model, x)
    observe.observe_resume(observation, model, (x, y), 2, SEED, fresh=True)
    observation.write(os.path.join(FOLDER, "loss-scale"))
    return seen(os.path.join(FOLDER, "loss-scale"))


class NoConfig(tf.keras.layers.Layer):
    """Raises in get_config, and holds variables in places of its own."""

    def __init__(self):
        super().__init__()
        self.several = [tf.Variable([1.0, 2.0]), tf.Variable([3.0], trainable=False)]
        self.named = {"inner": tf.Variable(4.0)}

    def call(self, inputs):
        return inputs * self.several[0] * self.named["inner"]

    def get_config(self):
        raise NotImplementedError("no config")


def custom_layer():
    observe.fresh_start(SEED)
    model = tf.keras.Sequential([NoConfig(), tf.keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    observation = observe.Observation("keras")
    observe.observe_state(observation, model, np.ones((2, 2), "float32"))
    observation.write(os.path.join(FOLDER, "custom-layer"))
    return seen(os.path.join(FOLDER, "custom-layer"))


def compiled():
    """What compile is normalised to: strings and objects of one meaning, and arguments that matter."""
    of = tf.keras
    given = {
        "strings": ("mse", ["mae", "acc"]),
        "objects": (of.losses.MeanSquaredError(), [of.metrics.MeanAbsoluteError(), "accuracy"]),
        "functions": (of.losses.get("mse"), [of.losses.get("mae"), "accuracy"]),
        "huber": (of.losses.Huber(delta=0.25), []),
        "none": (None, None),
    }
    found = {}
    for name, (loss, metrics) in given.items():
        observe.fresh_start(SEED)
        features = of.Input(shape=(3,))
        model = of.Model(features, of.layers.Dense(1)(features))
        model.compile(of.optimizers.SGD(0.25), loss, metrics=metrics)
        observation = observe.Observation("keras")
        observe.observe_state(observation, model, np.ones((2, 3), "float32"))
        found[name] = observation.get("compile")
    return found


def broken_calls():
    """Models that cannot be called, trained or rebuilt: each is a finding of its section."""
    observe.fresh_start(SEED)

    class Raises(tf.keras.Model):
        def call(self, inputs):
            raise ValueError("cannot be called")

    model = Raises()
    model.compile("sgd", "mse")
    observation = observe.Observation("keras")
    x, y = np.ones((2, 3), "float32"), np.ones((2, 1), "float32")
    observe.observe_state(observation, model, x)
    observe.observe_resume(observation, model, (x, y), 2, SEED)
    source = scenario("dense")
    reference = write(source, "broken-writer")

    def another():
        features = tf.keras.Input(shape=(4,))
        return tf.keras.Model(features, tf.keras.layers.Dense(5)(features))

    observe.observe_control(observation, another, source.inputs(rng()), reference, SEED)
    observation.write(os.path.join(FOLDER, "broken"))
    return dict(seen(os.path.join(FOLDER, "broken")), errors=observation.errors())


def uncompiled():
    observe.fresh_start(SEED)
    features = tf.keras.Input(shape=(3,))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(features))
    data = np.ones((2, 3), "float32"), np.ones((2, 1), "float32")
    found = {}
    for side, fresh in (("writer", True), ("reader", False)):
        observation = observe.Observation("keras")
        observe.observe_state(observation, model, data[0])
        observe.observe_resume(observation, model, data, 2, SEED, fresh=fresh)
        observation.write(os.path.join(FOLDER, "uncompiled-" + side))
        found[side] = seen(os.path.join(FOLDER, "uncompiled-" + side))
    return found


def tensors():
    """Structures and types: what comes back from the two files."""
    arrays = Arrays()
    structure = {
        "b": [tf.constant([1.5, -2.0], tf.bfloat16), (tf.constant([[1, 2]], tf.int64), None)],
        "a": tf.constant([b"\xff\x00", b"text"]),
        "c": tf.ragged.constant([[1, 2], [3]]),
        "d": tf.sparse.from_dense([[0.0, 5.0]]),
        "e": tf.constant(float("nan")),
        "f": tf.constant([True]),
    }
    refs = {path: arrays.add(value) for path, value in flatten(structure)}
    arrays.save(os.path.join(FOLDER, "arrays.npz"))
    with open(os.path.join(FOLDER, "observation.json"), "w") as file:
        json.dump({"outputs": refs}, file)
    reference = Reference(FOLDER)
    values = {path: str(reference.array(ref).tolist()) for path, ref in refs.items()}
    return {"dtypes": {path: ref["dtype"] for path, ref in refs.items()}, "values": values}


def tflite():
    """Models of several inputs, outputs and dtypes through the converter, and what the writer itself reads back."""
    found = {}
    for name in ("functional_two_inputs", "functional_two_outputs", "tf_module"):
        source = scenario(name)
        for identity in ("tflite", "tflite-dynamic"):
            chosen = FORMATS[identity]
            observe.fresh_start(SEED)
            model = source.build_model()
            inputs = source.inputs(rng())
            observation = observe.Observation(observe.kind_of(model, "keras"))
            observe.observe_state(observation, model, inputs)
            path = os.path.join(FOLDER, "%s-%s-%s" % (name, identity, chosen.artifact))
            chosen.write(model, path, source)
            observe.observe_reading(observation, lambda path=path, f=chosen: f.read(path), inputs, identity == "tflite")
            folder = path + "-writer"
            observation.write(folder)
            found["%s/%s" % (name, identity)] = {
                "kind": declared.artifact_kind(path),
                "writer": seen(folder),
                "specs": chosen.read(path).input_specs(),
            }
    return found


def preprocessing():
    """Layers that keep a vocabulary, and ragged and sparse inputs, also where a signature only takes dense ones."""
    layers = tf.keras.layers
    words = layers.TextVectorization(max_tokens=10, output_sequence_length=4)
    words.adapt(["a b c", "b c d"])
    cases = {
        "text": (words, {"shape": (1,), "dtype": "string"}, np.array([["a b"], ["d z"]])),
        "ragged": (
            layers.Embedding(5, 2),
            {"shape": (None,), "dtype": "int64", "ragged": True},
            tf.ragged.constant([[1, 2], [3]], dtype=tf.int64),
        ),
        "sparse": (
            layers.Dense(2),
            {"shape": (4,), "sparse": True},
            tf.sparse.from_dense(np.eye(4, dtype="float32")),
        ),
    }
    found = {}
    for name, (layer, arguments, inputs) in cases.items():
        features = tf.keras.Input(**arguments)
        model = tf.keras.Model(features, layer(features))
        writer = observe.Observation("keras")
        observe.observe_state(writer, model, inputs)
        folder = os.path.join(FOLDER, "preprocessing-" + name)
        writer.write(folder)
        path = os.path.join(folder, "m")
        model.export(path)
        reader = observe.Observation("module")
        observe.observe_state(reader, tf.saved_model.load(path), inputs, folder)
        reader.write(folder + "-reader")
        found[name] = {
            "errors": [writer.errors(), reader.errors()],
            "writer": seen(folder),
            "reader": seen(folder + "-reader"),
        }
    return found


def wirings():
    """Two models of the same layers that are put together in another way."""
    found = {}
    for name in ("one", "other"):
        observe.fresh_start(SEED)
        left, right = tf.keras.Input((3,)), tf.keras.Input((3,))
        shared = tf.keras.layers.Dense(3, name="shared")
        inner = tf.keras.Sequential([tf.keras.layers.Dense(3, name="hidden")], name="inner")
        a, b = shared(left), shared(right)
        before = [a, b] if name == "one" else [b, left]
        outputs = tf.keras.layers.Concatenate(name="together")([inner(tf.keras.layers.Add(name="sum")(before)), left])
        found[name] = observe.config.wiring(tf.keras.Model([left, right], outputs))
    return found


def vector_metric():
    """A metric with one value for each threshold."""
    model = tf.keras.Sequential([tf.keras.layers.Dense(1, activation="sigmoid")])
    model.compile("sgd", "mse", metrics=[tf.keras.metrics.Precision(thresholds=[0.1, 0.9], name="precision")])
    return observe.train(model, np.ones((4, 3), "float32"), np.ones((4, 1), "float32"), 2)


def loaded_weights():
    """What the remedy `weights_afterwards` brings back of a SavedModel's optimizer, beside the plain load."""
    if not versions()["keras"].startswith("2"):
        return None
    from loading import Loading

    source = scenario("optimizer_state")
    chosen = FORMATS["savedmodel"]
    path = os.path.join(FOLDER, "loaded-weights", chosen.artifact)
    reference = write(source, "loaded-weights-writer", lambda model: chosen.write(model, path, source))

    def load(*remedies):
        return Loading(chosen, path, None, None, source).run(remedies)

    plain = read(source, "loaded-weights-plain", "keras", load, reference)
    helped = read(source, "loaded-weights-helped", "keras", lambda: load("weights_afterwards"), reference)
    return {"writer": seen(reference), "plain": seen(plain), "helped": seen(helped)}


def readme():
    """The example of scenarios/README.md."""
    with open(os.path.join(REPOSITORY, "scenarios", "README.md")) as file:
        blocks = re.findall(r"```python\n(.*?)```", file.read(), re.S)
    path = os.path.join(FOLDER, "tanh_dense.py")
    with open(path, "w") as file:
        file.write(blocks[0])
    source = module("tanh_dense", path)
    return seen(write(source, "readme"))["outputs"]


EXPERIMENTS = (
    round_trips,
    rebuilt,
    same_bytes,
    optimizers,
    loss_scale,
    custom_layer,
    compiled,
    broken_calls,
    uncompiled,
    tensors,
    tflite,
    preprocessing,
    wirings,
    vector_metric,
    loaded_weights,
    readme,
)


def main():
    results = {"versions": versions()}
    for experiment in EXPERIMENTS:
        try:
            results[experiment.__name__] = experiment()
        except Exception:
            results[experiment.__name__] = {"raised": traceback.format_exc()}
    with open(os.path.join(FOLDER, "results.json"), "w") as file:
        json.dump(results, file)


main()
