"""A model file that no scenario made: its code, inputs for it, and data to train on.

The writer's job "adopt" loads the file and observes it on inputs that were given (an .npz file) or are generated here
from what the model says of its inputs. Both, and targets for training steps, become the field `given` of the
observation; readers take them from there, so that every environment gets the very same bits.

    given = {"inputs": TREE, "described": [{"name", "dtype", "shape", "values"}, …], "targets": TREE or null,
             "network": what was done about it, "way": how the writer had to load it, "note": the same in words, or ""}

`way` is {"arguments": {…}} of load_model, which a reader uses too, {"raw": true} where no Keras model could be had,
{"unsafe": true} where the writer reads the code in the file only when it is let, {"named": true} where it must be told
what Keras's own short names stand for, and {"widened": true} where it reads bfloat16 only as float32.

A TREE is {"ref": REF}, {"list": [TREE, …]} or {"dict": {name: TREE}}.
"""

from __future__ import annotations

import ctypes
import json
import os
from types import ModuleType
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import observe
from observe import calls, config, layers
from observe.arrays import Arrays, Reference, flatten, to_numpy
from steps import import_file

ROWS = 8
"""Rows of generated inputs."""

OPEN_SIZES = (16, 64, 224, 8, 1024, 4096, 16384)
"""Sizes to try for dimensions that the model leaves open, beside the rows: the first on which it says something.

A model may crop thousands of positions: what it makes of less is empty, and no error in every version.
"""

FEW_ROWS = 2
"""Rows of generated inputs of LONG and more."""

LONG = 1024

MOST_VALUES = 1 << 22
"""No input that is generated has more values than this, but for the first size."""

FEW = 2
"""Integers stay below this where nothing in the model says how many it knows: every table has two rows."""

WORDS = ("alpha", "beta", "gamma", "the quick brown fox")
"""Strings for a model that has no vocabulary."""

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000


class InputsError(Exception):
    """Inputs that do not fit the model, or that cannot be generated for it."""


class Spec(NamedTuple):
    """One input as the model describes it; a size that is open is None, a shape that is not known too."""

    name: str
    dtype: str
    shape: Optional[Tuple[Optional[int], ...]]


Specs = Optional[Tuple[List[Spec], Any]]
"""The inputs of a model, and the form in which it takes them; see `specs_of`."""


RANGES = ((0.0, 1.0), (-3.0, 3.0), (0.0, 256.0))
"""Ranges of generated floats, in the order in which they are tried: what is scaled, what is standardized, pixels."""


class Values(NamedTuple):
    """What generated values are drawn from: `words` (strings or integers), or integers from 0 to `below`, or floats
    from `low` to `high`; in words.
    """

    words: Optional[Sequence[Any]]
    below: Optional[int]
    said: str = "uniform in [0, 1)"
    low: float = 0.0
    high: float = 1.0

    @property
    def is_real(self) -> bool:
        """Whether these are floats that nothing in the model bounds."""
        return self.words is None and self.below is None

    def within(self, low: float, high: float) -> Values:
        """The same in another range, where it has one."""
        if not self.is_real:
            return self
        return Values(None, None, "uniform in [%g, %g)" % (low, high), low, high)


# Where it runs


def cut_network() -> str:
    """Takes the network away from this process, as far as the kernel lets it; returns what it came to, in words.

    A model file is code of somebody else. A container has no network anyhow.
    """
    if not os.path.isdir("/proc/self/ns"):
        return "open: this system has no namespaces"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) == 0:
        return "none"
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0:
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", "%d %d 1" % (uid, uid)),
            ("gid_map", "%d %d 1" % (gid, gid)),
        ):
            try:
                with open("/proc/self/" + name, "w") as stream:
                    stream.write(text)
            except (IOError, OSError):
                pass
        return "none"
    if _has_only_loopback():
        return "none"
    return "open: %s" % os.strerror(ctypes.get_errno())


def _has_only_loopback() -> bool:
    try:
        return set(os.listdir("/sys/class/net")) <= {"lo"}
    except (IOError, OSError):
        return False


# Code that belongs to the file


def code(job: Mapping[str, Any]) -> ModuleType:
    """The user's code as if it were a scenario: what `custom` defines, `build_model` from the builder.

    Importing is enough for classes that register themselves. Raises whatever the files raise.
    """
    modules = {path: import_file(path) for path in (job.get("custom"), job.get("builder")) if path}
    main = modules.get(job.get("custom") or job.get("builder") or "")
    scenario = ModuleType(main.__name__ if main is not None else "checked")
    if main is not None:
        vars(scenario).update((name, value) for name, value in vars(main).items() if not name.startswith("__"))
    vars(scenario).pop("build_model", None)
    if job.get("builder"):
        function = getattr(modules[job["builder"]], job["function"], None)
        if not callable(function):
            raise AttributeError("%s has no function %s" % (os.path.basename(job["builder"]), job["function"]))
        setattr(scenario, "build_model", function)  # noqa: B010
    return scenario


# What the inputs are


def specs_of(model: Any, kind: str, path: str) -> Specs:
    """The inputs of whatever a loader returned, and the form in which it takes them: None for one array, "list", or
    "dict"; None where it does not say.
    """
    if hasattr(model, "input_specs"):
        found = [Spec(str(name), str(dtype), _shape(shape)) for name, dtype, shape in model.input_specs()]
        return found, None if len(found) == 1 else "dict"
    if kind == "keras":
        found = _keras_specs(model)
        if found:
            structure = calls.attribute(model, "input")
            return found, "dict" if isinstance(structure, Mapping) else None if len(found) == 1 else "list"
        shape = _built_shape(model)
        if shape is not None:
            return [Spec("inputs", "float32", shape)], None
    if kind == "module" and callable(model):
        called = _called_specs(model)
        if called is not None:
            return called
    signature = _signature(model, path)
    if signature is None:
        return None
    named = signature.structured_input_signature[1]
    found = [_spec(name, named[name]) for name in sorted(named, key=layers.natural_order)]
    return found, None if len(found) == 1 else "dict"


def _keras_specs(model: Any) -> List[Spec]:
    tensors = calls.attribute(model, "inputs")
    if isinstance(tensors, Mapping):
        tensors = [tensors[name] for name in tensors]
    if not isinstance(tensors, (list, tuple)) or not tensors:
        return []
    names = calls.attribute(model, "input_names")
    if not isinstance(names, (list, tuple)) or len(names) != len(tensors):
        names = [tensor.name for tensor in tensors]
    return [_spec(str(name), tensor) for name, tensor in zip(names, tensors)]


def _built_shape(model: Any) -> Optional[Tuple[Optional[int], ...]]:
    """The shape that a model of its own class was built with: Keras 3 keeps it in the file."""
    for found in (getattr(model, "_build_input_shape", None), _build_config(model)):
        if found is not None and all(size is None or isinstance(size, int) for size in found):
            return _shape(found)
    return None


def _build_config(model: Any) -> Any:
    try:
        found = model.get_build_config()
    except Exception:  # a class of its own, or a Keras that has no such thing
        return None
    shape = (found or {}).get("input_shape") if isinstance(found, Mapping) else None
    return shape if isinstance(shape, (list, tuple)) else None


def _called_specs(model: Any) -> Specs:
    """The arguments of a restored `__call__`, where they are plain tensors, or one structure of them as Keras has."""
    for function in getattr(model.__call__, "concrete_functions", None) or []:
        positional, named = function.structured_input_signature
        first = positional[0] if positional else None
        if isinstance(first, Mapping) and first and all(map(_is_spec, first.values())):
            return [_spec(str(name), first[name]) for name in first], "dict"
        # Keras's own calls have a flag and a mask beside the inputs; those of a module are its arguments.
        is_list = isinstance(first, (list, tuple))
        several = first if is_list else positional if all(map(_is_spec, positional)) and not named else positional[:1]
        if several and all(map(_is_spec, several)):
            found = [_spec(str(getattr(each, "name", None) or index), each) for index, each in enumerate(several)]
            return found, "list" if is_list or len(found) > 1 else None
    return None


def _is_spec(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _signature(model: Any, path: str) -> Any:
    """The signature that serving uses, of the object itself or of the SavedModel that it was read from."""
    import tensorflow as tf

    if not getattr(model, "signatures", None) and os.path.exists(os.path.join(path, "saved_model.pb")):
        model = tf.saved_model.load(path)
    try:
        return calls.default_signature(model)
    except (AttributeError, KeyError, StopIteration):
        return None


def _spec(name: str, tensor: Any) -> Spec:
    import tensorflow as tf

    kind = getattr(tensor, "type_spec", None) or getattr(tensor, "_type_spec", None) or tensor
    for what in ("Ragged", "Sparse"):
        if what in type(kind).__name__ or getattr(tensor, what.lower(), False) is True:
            raise InputsError(
                "the model's input %r is a %s tensor, which check can neither read from a file nor generate"
                % (name, what.lower())
            )
    return Spec(name.partition(":")[0], tf.as_dtype(tensor.dtype).name, _shape(tensor.shape))


def _shape(shape: Any) -> Optional[Tuple[Optional[int], ...]]:
    if shape is None or getattr(shape, "rank", 0) is None:
        return None
    sizes = shape.as_list() if hasattr(shape, "as_list") else shape
    return tuple(None if size is None or int(size) < 0 else int(size) for size in sizes)


# Inputs that are given


def read_inputs(path: str) -> Dict[str, np.ndarray]:
    """The arrays of an .npz file, in its order. Raises InputsError where it is none."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:
        raise InputsError("the file of inputs cannot be read: %s" % error)


def fitted(
    arrays: Mapping[str, np.ndarray], found: Optional[Tuple[List[Spec], Any]]
) -> Tuple[Any, List[Dict[str, Any]]]:
    """The arrays in the form that the model takes, and their description. Raises InputsError where they do not fit."""
    names = list(arrays)
    in_order = all(name.isdigit() or (name[:4] == "arr_" and name[4:].isdigit()) for name in names)
    if found is None:
        specs = [Spec(name, arrays[name].dtype.name, None) for name in names]
        form: Optional[str] = None if len(names) == 1 else "list" if in_order else "dict"
    else:
        specs, form = found
    if len(specs) != len(names):
        raise InputsError("the file has %s; the model takes %s" % (_counted(names), _listed(specs)))
    if {spec.name for spec in specs} == set(names):
        chosen = [arrays[spec.name] for spec in specs]
    elif len(names) == 1 or in_order:
        chosen = [arrays[name] for name in sorted(names, key=layers.natural_order)]
    else:
        raise InputsError("the file's names are %s; the model takes %s" % (", ".join(names), _listed(specs)))
    values = [_cast(array, spec) for array, spec in zip(chosen, specs)]
    described = [_described(spec, value, "from the file") for spec, value in zip(specs, values)]
    return _formed([spec.name for spec in specs], values, form), described


def _cast(array: Any, spec: Spec) -> Any:
    """The array in the input's type, where that loses nothing but digits."""
    shape = spec.shape
    if shape is not None and (
        len(shape) != array.ndim or any(size not in (None, own) for size, own in zip(shape, array.shape))
    ):
        raise InputsError(
            "input %r has the shape %s in the file; the model takes %s" % (spec.name, list(array.shape), _sizes(shape))
        )
    kind = array.dtype.kind
    if spec.dtype == "string":
        if kind not in "US":
            raise InputsError("input %r is %s in the file; the model takes strings" % (spec.name, array.dtype.name))
        return _strings(array)
    if kind in "US":
        raise InputsError("input %r holds strings in the file; the model takes %s" % (spec.name, spec.dtype))
    wanted = _numpy_dtype(spec.dtype)
    if np.dtype(wanted).kind in "iub" and kind in "fc":
        raise InputsError("input %r is %s in the file; the model takes %s" % (spec.name, array.dtype.name, spec.dtype))
    return array.astype(wanted)


def _strings(array: Any) -> Any:
    flat = [item if isinstance(item, bytes) else str(item).encode("utf-8") for item in array.ravel().tolist()]
    result = np.empty(len(flat), dtype=object)
    result[:] = flat
    return result.reshape(array.shape)


def _numpy_dtype(name: str) -> Any:
    import tensorflow as tf

    return tf.as_dtype(name).as_numpy_dtype


# Inputs that are generated


def generated(
    model: Any, kind: str, found: Specs, seed: int, call: Callable[[Any], Any]
) -> Tuple[Any, List[Dict[str, Any]]]:
    """Inputs with which `call` returns, and their description. Raises InputsError where there are none to be found."""
    if found is None:
        raise InputsError("the model does not say what its inputs are, so that none can be generated")
    specs, form = found
    for spec in specs:
        if spec.shape is None:
            raise InputsError(
                "the shape of the model's input %r is not known, so that none can be generated" % spec.name
            )
    drawn = [_values(model, kind, spec) for spec in specs]
    is_open = any(size is None for spec in specs for size in (spec.shape or ())[1:])
    problem = ""
    for low, high in RANGES if any(each.is_real for each in drawn) else RANGES[:1]:
        ranged = [each.within(low, high) for each in drawn]
        for size in OPEN_SIZES if is_open else OPEN_SIZES[:1]:
            if size != OPEN_SIZES[0] and max(_count(spec, size) for spec in specs) > MOST_VALUES:
                continue
            rng = np.random.RandomState(seed)
            values = [_draw(spec, each, size, rng) for spec, each in zip(specs, ranged)]
            inputs = _formed([spec.name for spec in specs], values, form)
            try:
                silence = says_nothing(call(inputs))
            except Exception as error:
                problem = problem or "%s: %s" % (type(error).__name__, str(error)[:1000])
                continue
            if not silence:
                described = [_described(spec, value, each.said) for spec, value, each in zip(specs, values, ranged)]
                return inputs, described
            problem = silence
    raise InputsError(
        "the model cannot be compared on what was generated for %s: %s; give inputs on which it says something"
        % (_listed(specs), problem)
    )


def says_nothing(outputs: Sequence[Tuple[str, Any]], is_constant_nothing: bool = True) -> str:
    """Why these outputs are no reference for anybody's, in words; empty where one of them is.

    A single number may be any, and so may integers, which are often the number of a class.
    """
    reasons: List[str] = []
    for path, tensor in outputs:
        value = np.asarray(to_numpy(tensor))
        name = "the output %s" % path if path else "the output"
        if value.size == 0:
            reasons.append("%s is empty, of shape %s" % (name, list(value.shape)))
        elif value.dtype.kind in "fc" and not np.isfinite(value).all():
            reasons.append("%s holds values that are not finite" % name)
        elif (
            is_constant_nothing and value.dtype.kind in "fc" and value.size > 1 and bool((value == value.flat[0]).all())
        ):
            reasons.append("%s is the same everywhere: %s" % (name, value.flat[0]))
        else:
            return ""
    return "; ".join(reasons) or "it has no outputs"


def _count(spec: Spec, size: int) -> int:
    count = FEW_ROWS if size >= LONG else ROWS
    for own in (spec.shape or ())[1:]:
        count *= size if own is None else own
    return count


def _values(model: Any, kind: str, spec: Spec) -> Values:
    """What the values of an input may be: floats anything, integers and strings what the model's tables hold."""
    near = _consumers(model, spec.name) if kind == "keras" else []
    known = [each for each in map(_table, near) if each is not None]
    if spec.dtype.startswith(("float", "bfloat")):
        # Keras 2 gives an Embedding that comes first a float input, and casts.
        return known[0] if known else Values(None, None)
    if spec.dtype == "bool":
        return Values((False, True), None, "true and false")
    if spec.dtype == "string":
        others = [_table(layer) for _, layer in layers.walk(model)] if kind == "keras" else []
        for table in [*known, *others]:
            if table is not None and table.words is not None and isinstance(table.words[0], str):
                return table
        return Values(WORDS, None, "words: the model has no vocabulary")
    if spec.dtype.startswith(("int", "uint")):
        if known:
            return min(known, key=lambda each: each.below or len(each.words or ()))
        others = [_table(layer) for _, layer in layers.walk(model)] if kind == "keras" else []
        sizes = [table for table in others if table is not None and table.below]
        if sizes:
            return min(sizes, key=lambda each: each.below or 0)
        return Values(None, FEW, "integers below %d: nothing says how many the model knows" % FEW)
    raise InputsError("the model's input %r is %s, which check does not generate" % (spec.name, spec.dtype))


def _consumers(model: Any, name: str) -> List[Any]:
    """The layers that an input goes to first; those inside a nested model too."""
    import tensorflow as tf

    try:
        if isinstance(model, tf.keras.Sequential):
            found = [layer for layer in model.layers if type(layer).__name__ != "InputLayer"][:1]
        else:
            entries = model.get_config()["layers"]
            quoted = json.dumps(name)
            found = [
                model.get_layer(entry.get("name") or entry["config"]["name"])
                for entry in entries
                if quoted in json.dumps(entry.get("inbound_nodes"), default=str)
            ]
    except Exception:  # a model of its own class has no such config
        return []
    result: List[Any] = []
    for layer in found:
        if isinstance(layer, tf.keras.Model):
            inner = _keras_specs(layer)
            result.extend(each for spec in inner for each in _consumers(layer, spec.name))
        result.append(layer)
    return result


def _table(layer: Any) -> Optional[Values]:
    """What a layer that looks its inputs up can look up; None for another one."""
    layer = getattr(layer, "layer", None) or layer  # TimeDistributed and others
    name = type(layer).__name__
    if name == "Embedding" and isinstance(getattr(layer, "input_dim", None), int):
        return Values(None, layer.input_dim, "integers below %d: Embedding %s" % (layer.input_dim, layer.name))
    if name == "CategoryEncoding" and getattr(layer, "num_tokens", None):
        return Values(
            None, int(layer.num_tokens), "integers below %d: CategoryEncoding %s" % (layer.num_tokens, layer.name)
        )
    if name in ("StringLookup", "IntegerLookup", "TextVectorization") and hasattr(layer, "get_vocabulary"):
        try:
            vocabulary = layer.get_vocabulary()
        except Exception:
            return None
        if name == "IntegerLookup":
            words: List[Any] = [int(word) for word in vocabulary if str(word) not in ("-1", "[UNK]")]
        else:
            words = [str(word) for word in vocabulary if str(word) not in ("", "[UNK]")]
        if words:
            return Values(words, None, "the vocabulary of %s %s" % (name, layer.name))
    return None


def _draw(spec: Spec, values: Values, size: int, rng: Any) -> Any:
    assert spec.shape is not None, "generated() has refused it"
    rows = FEW_ROWS if size >= LONG else ROWS
    sizes = [(rows if index == 0 else size) if own is None else own for index, own in enumerate(spec.shape)]
    if spec.dtype == "string":
        chosen = rng.randint(0, len(values.words or ()), size=sizes)
        return _strings(np.array(values.words, dtype=object)[chosen])
    dtype = _numpy_dtype(spec.dtype)
    if values.words is not None:
        return np.asarray(np.asarray(values.words)[rng.randint(0, len(values.words), size=sizes)], dtype=dtype)
    if values.below is not None:
        return np.asarray(rng.randint(0, values.below, size=sizes)).astype(dtype)
    return np.asarray(values.low + (values.high - values.low) * rng.random_sample(size=sizes)).astype(dtype)


def _formed(names: Sequence[str], values: Sequence[np.ndarray], form: Optional[str]) -> Any:
    if form is None:
        return values[0]
    return dict(zip(names, values)) if form == "dict" else list(values)


def _described(spec: Spec, value: np.ndarray, said: str) -> Dict[str, Any]:
    return {"name": spec.name, "dtype": spec.dtype, "shape": list(value.shape), "values": said}


def _counted(names: Sequence[str]) -> str:
    return "%d array%s (%s)" % (len(names), "" if len(names) == 1 else "s", ", ".join(names))


def _listed(specs: Sequence[Spec]) -> str:
    return ", ".join("%s (%s, %s)" % (spec.name, spec.dtype, _sizes(spec.shape)) for spec in specs)


def _sizes(shape: Optional[Sequence[Optional[int]]]) -> str:
    if shape is None:
        return "of any shape"
    return "[%s]" % ", ".join("any" if size is None else str(size) for size in shape)


# Training


def targets(model: Any, inputs: Any, seed: int) -> Any:
    """Targets for the outputs on `inputs` that the model's own losses can take; None where it cannot be trained.

    Raises whatever calling the model raises.
    """
    if not layers.is_keras_model(model) or not config.is_compiled(model) or not model.trainable_weights:
        return None
    outputs = model(calls.as_tensors(inputs), training=False)
    losses = config.observe_compile(model)["loss"]
    if losses is None:
        return None
    rng = np.random.RandomState(seed)

    def visit(output: Any, loss: Any, key: Any) -> Any:
        if isinstance(output, Mapping):
            return {name: visit(output[name], loss, name) for name in output}
        if isinstance(output, (list, tuple)):
            return [visit(item, loss, index) for index, item in enumerate(output)]
        return _target(to_numpy(output), _loss_name(loss, key), rng)

    return visit(outputs, losses, None)


def _loss_name(loss: Any, key: Any) -> str:
    """The name of the loss of one output: a model has one for all, a list, or a dictionary."""
    if isinstance(loss, Mapping) and "name" not in loss:
        loss = loss.get(key) if key in loss else next(iter(loss.values()), None)
    if isinstance(loss, list):
        loss = loss[key if isinstance(key, int) and key < len(loss) else 0]
    return str(loss.get("name") if isinstance(loss, Mapping) else loss)


def _target(output: np.ndarray, loss: str, rng: Any) -> np.ndarray:
    shape = output.shape
    if loss.startswith("sparse_categorical"):
        return np.asarray(rng.randint(0, shape[-1], size=shape[:-1])).astype("int64")
    if loss.startswith(("categorical", "kl_divergence")) and shape:
        chosen = rng.randint(0, shape[-1], size=shape[:-1])
        return np.asarray(np.eye(shape[-1], dtype="float32")[chosen])
    if loss.startswith(("binary", "hinge", "squared_hinge", "poisson")):
        return np.asarray(rng.randint(0, 2, size=shape)).astype("float32")
    return np.asarray(rng.random_sample(size=shape)).astype("float32")


def made_targets(observation: Any, model: Any, inputs: Any, seed: int) -> Any:
    """Targets for training steps, or None where the model cannot be trained; the observation then says why."""
    try:
        made = targets(model, inputs, seed)
    except Exception as error:
        observation.absent("resume", "no targets could be made: %s: %s" % (type(error).__name__, str(error)[:500]))
        return None
    if made is None:
        observation.absent("resume", "the model is not compiled with a loss")
    return made


def resume(observation: Any, model: Any, inputs: Any, made: Any, steps: int, seed: int, silent: bool = False) -> bool:
    """Observes further training steps on the targets that were made; whether the writer could. `silent` is as in
    observe_resume.

    That the writer cannot train on what was made up is no loss of any reader.
    """
    observe.observe_resume(observation, model, (trainable(inputs), made), steps, seed, fresh=True, silent=silent)
    found = observation.get("resume") or {}
    problem = found.get("error")
    if problem:
        observation.set("resume", None)
        observation.absent("resume", "on made-up targets the writer raises %(type)s: %(message)s" % problem)
    return not problem


def trainable(inputs: Any) -> Any:
    """Inputs as `fit` takes them: Keras 3 refuses numpy's strings, and takes TensorFlow's."""
    has_strings = any(getattr(getattr(value, "dtype", None), "kind", "") == "O" for _, value in flatten(inputs))
    return calls.as_tensors(inputs) if has_strings else inputs


# Between writer and readers


def tree(structure: Any, arrays: Arrays) -> Dict[str, Any]:
    """A structure of arrays as a TREE."""
    if isinstance(structure, Mapping):
        return {"dict": {str(name): tree(structure[name], arrays) for name in structure}}
    if isinstance(structure, (list, tuple)):
        return {"list": [tree(item, arrays) for item in structure]}
    return {"ref": arrays.add(structure)}


class Given(NamedTuple):
    """What the writer's observation hands to readers: inputs, training data (x and y, or None), the arguments of
    load_model that it needed, and whether random layers are silent in training.
    """

    inputs: Any
    data: Any
    arguments: Dict[str, Any]
    silent: bool


def given(folder: str) -> Given:
    """That of a written observation."""
    reference = Reference(folder)
    known = reference.json["given"]
    inputs = _structure(known["inputs"], reference)
    data = None
    if known["targets"] is not None:
        data = (trainable(inputs), _structure(known["targets"], reference))
    return Given(inputs, data, dict(known["way"].get("arguments") or {}), bool(known.get("silent")))


def _structure(node: Mapping[str, Any], reference: Reference) -> Any:
    if "dict" in node:
        return {name: _structure(item, reference) for name, item in node["dict"].items()}
    if "list" in node:
        return [_structure(item, reference) for item in node["list"]]
    return reference.array(node["ref"])


# Checkpoints


def missing_in_checkpoint(model: Any, prefix: str) -> List[str]:
    """Paths of the model's variables whose values the checkpoint does not hold: they are still the initializers'."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(prefix)
    held = set()
    for name in reader.get_variable_to_shape_map():
        if "OPTIMIZER_SLOT" in name or name == "_CHECKPOINTABLE_OBJECT_GRAPH":
            continue
        value = np.asarray(reader.get_tensor(name))
        held.add((value.shape, value.tobytes()))
    found = []
    for weight in layers.weights(model):
        value = to_numpy(weight.variable)
        if (value.shape, value.tobytes()) not in held:
            found.append(weight.path)
    return found
