"""From what an exception says to why it was raised: one sentence, the same in every scenario that meets this cause.

Keras wraps an exception in others, each with the whole config of a layer; `decisive` finds the innermost. What belongs
to a scenario (its layers, functions, shapes, counts) is left out, what belongs to Keras (its classes, names of
arguments) stays: `DepthwiseConv2D` and `groups` tell causes apart, `MyLayer` does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from tfmatrix.checks.fingerprint import normalise
from tfmatrix.core.text import one_line

NAMES_FILE = Path(__file__).with_name("keras_names.txt")

MAX_TITLE = 160
_MAX_WHOLE, _MAX_TEXT = 50_000, 4_000
"""Characters that are looked at of a message, and of what is decisive in it: expressions walk over it."""

DOING: Mapping[str, str] = {
    "import": "importing the scenario",
    "build": "building the model",
    "train": "training before the save",
    "save": "saving",
    "load": "loading",
    "observe": "using the loaded model",
    "resume": "training on",
    "reading": "reading the artifact back",
    "signatures": "calling a signature",
    "control": "rebuilding the model",
}


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why something was raised. `title` has code in backticks, and is the key that groups.

    It is a sentence of ours where the message is a known one (`in_words`), else the exception's own words. `text` is
    the decisive part of the message as it was written, on one line.
    """

    title: str
    text: str
    in_words: bool


@cache
def keras_names() -> frozenset[str]:
    """Names that belong to Keras: its classes and functions."""
    lines = NAMES_FILE.read_text(encoding="utf-8").splitlines()
    return frozenset(name for line in lines if not line.startswith("#") for name in line.split())


def reason(error: Mapping[str, Any]) -> Reason:
    """Why an exception (type, message) was raised."""
    # The worker leaves out the middle of what is too long: what is decisive stands last.
    return _reason(str(error.get("type") or "an exception"), str(error.get("message") or "")[-_MAX_WHOLE:])


@lru_cache(maxsize=4096)
def _reason(kind: str, whole: str) -> Reason:
    """The same of a type and a message: a whole map has few, in a hundred thousand cells."""
    text = decisive(whole)[:_MAX_TEXT]
    for pattern, words in _RULES:
        match = pattern.search(text)
        if match is not None:
            return Reason(title=_shortened(words(match, whole)), text=one_line(text, 600), in_words=True)
    kind = one_line(kind, 60).replace("`", "'")
    said = neutral(first_sentence(text)).rstrip(".")
    title = f"`{kind}`: {said}" if said else f"`{kind}` without a message"
    return Reason(title=_shortened(title), text=one_line(text, 600), in_words=False)


def decisive(message: str) -> str:
    """The part of a message that says what is wrong: of nested exceptions the innermost, without configs and advice."""
    text = re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]", "", message)
    text = text.rpartition("Exception encountered: ")[2]
    example = re.search(r"Example error message for object [^\n]*:\s+(.*?)(?:\n\s*List of objects|$)", text, re.DOTALL)
    if example:
        text = example[1]
    text = re.sub(r"^Exception encountered when calling [^\n]*\n+", "", text.strip())
    text = re.split(r"\n\s*(?:Call a|A)rguments received by ", text)[0]
    text = text.rpartition("Error encountered during deserialization: ")[2]
    graph = re.search(r"^([^\n]+)\n[^\n]*\[\[\{\{node ", text, re.MULTILINE)
    if graph:
        text = graph[1]
    first, _, rest = text.strip().partition("\n\n")
    # "…:" announces what comes in the next paragraph.
    if first.rstrip().endswith(":") and rest:
        first = f"{first}\n{rest.partition(chr(10) * 2)[0]}"
    return re.sub(r"\s*Full object config: .*", "", first, flags=re.DOTALL).strip()


def first_sentence(text: str) -> str:
    """The first sentence, and the next ones while it is too short to mean anything."""
    sentences = re.split(r"(?<=[.!?])(?<!\be\.g\.)(?<!\bi\.e\.)\s+(?=[A-Z`'\"<])", " ".join(text.split()))
    said = sentences[0]
    for sentence in sentences[1:]:
        if len(said) >= 20:
            break
        said = f"{said} {sentence}"
    return said


def neutral(text: str) -> str:
    """A text without what belongs to one scenario: its names, shapes, counts and values, paths and addresses."""
    text = normalise(text[:_MAX_TEXT])
    text = re.sub(r"<class '([\w.]+)'>", lambda match: f"`{_class(match[1])}`", text)
    text = re.sub(r"<([\w.]+) [^<>]*>", lambda match: f"<{_class(match[1])}>", text)
    text = re.sub(r"<function [\w.]+(?:<locals>[\w.]*)*(?: at <address>)?>", "<function>", text)
    text = re.sub(r"\{[^{}]*\}", "{…}", text)
    text = re.sub(r"\b(Expected|Received)(:|=) ?(?:\w+=)?\[[^\]]*\]", r"\1\2 […]", text)
    text = re.sub(r"\bsuch as \w+(?:, \w+)*(?= while )", "such as …", text)
    text = _SHAPE.sub("<shape>", text)
    text = _NAMED.sub(lambda match: f"{match[1]}{match[2]}{_own_or_name(match[3])}{match[2]}", text)
    text = re.sub(r"\bname=[\w./:>-]+", "name=<name>", text)
    text = re.sub(r"(\boptimizer )(['\"`])\w+\2", r"\1\2<name>\2", text)
    # Versions stay: "Keras 3", "v2.11", "Python 3.12", as do digits within words.
    text = _NUMBER.sub("<n>", text)
    return re.sub(r"(<n>|<shape>)(?:, ?(?:<n>|<shape>))+", r"\1", text)


# Of round brackets only those with a comma: "(1)" counts an argument.
_SHAPE = re.compile(r"\[(?:None|-?\d+)(?:, ?(?:None|-?\d+))*\]|\((?:(?:None|-?\d+), ?)+(?:None|-?\d+)?\)")
_NUMBER = re.compile(
    r"(?<![\w.<-])(?<!Keras )(?<!TensorFlow )(?<!Python )(?<!TF )-?\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.-]*\w)"
)
_NAMED = re.compile(
    r"(\b(?i:layers?|class|functions?|models?|variables?|weights?|tensors?|objects?|modules?|metrics?|loss|identifier"
    r"|activation|op|node|named|called|file)\b:? )(['\"`])([A-Za-z_][\w./:>-]*)\2"
)


def _own_or_name(name: str) -> str:
    """A name that belongs to Keras or to an API, else a placeholder."""
    return name if _is_own(name) or name.startswith(("keras.", "tf.", "tensorflow.")) else "<name>"


def _is_own(name: str) -> bool:
    """Whether a name is one of Keras, or the automatic name of one of its layers (`depthwise_conv2d_1`)."""
    plain = re.sub(r"_\d+$", "", name.rpartition(">")[2])
    return plain in keras_names() or plain in _automatic_names()


@cache
def _automatic_names() -> Mapping[str, str]:
    """The names that Keras gives to its own layers, and their class: `conv2d_transpose` is a `Conv2DTranspose`."""
    return {_snake(name): name for name in sorted(keras_names(), reverse=True) if name[:1].isupper()}


def _snake(name: str) -> str:
    # As keras.utils.naming does it.
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _class(path: str) -> str:
    """The class of a dotted path; a placeholder where it is none of Keras, TensorFlow or Python."""
    name = path.rpartition(".")[2]
    if _is_own(name) or path.startswith(("tf.", "tensorflow.", "numpy.", "keras.")) or name in _COMMON:
        return name
    return "custom class"


_COMMON = {
    "str", "int", "float", "bool", "list", "tuple", "dict", "NoneType", "bytes", "function", "type", "set", "ndarray",
    "Tensor", "EagerTensor", "Variable", "KerasVariable", "ResourceVariable",
}  # fmt: skip
"""Classes of Python, numpy and TensorFlow that messages speak of."""


def _shortened(title: str) -> str:
    return one_line(title, MAX_TITLE)


def _public(module: str) -> str:
    """A module as users write it: `keras.layers` for `keras.api._v2.keras.layers`."""
    parts = module.split(".")
    if parts[0] in ("tensorflow", "tensorflow_core", "keras", "tf_keras") and "keras" in parts:
        return ".".join(parts[len(parts) - 1 - parts[::-1].index("keras") :])
    return module


# Sentences for what is met often. Each is tested with the message that it was written for.

_Title = Callable[[re.Match[str], str], str]


def _always(title: str) -> _Title:
    return lambda _match, _whole: title


def _owner(match: re.Match[str], whole: str) -> str:
    """The class that complains, as code; from the enclosing exception where the message does not name it."""
    named = match.groupdict().get("owner")
    if not named:
        around = re.findall(r"deserializing class '([\w>.]+)'", whole)
        named = around[-1] if around else None
    if named is None:
        return "a layer"
    return f"`{named}`" if _is_own(named) else "a class of the scenario"


def _unknown_argument(match: re.Match[str], whole: str) -> str:
    given = match["arguments"]
    names = re.findall(r"['\"](\w+)['\"]\s*:", given) if given.startswith("{") else re.findall(r"\w+", given)
    # Only the outermost keys of the dictionary: its values may be configs themselves.
    if given.startswith("{"):
        names = [name for name in names if _depth(given, name) == 1]
    listed = ", ".join(f"`{name}`" for name in sorted(set(names)))
    what = "an unknown argument" if len(set(names)) == 1 else "unknown arguments"
    return f"{_owner(match, whole)} got {what} {listed}"


def _depth(text: str, key: str) -> int:
    """How many braces are open where a key first stands."""
    before = text[: re.search(rf"['\"]{re.escape(key)}['\"]\s*:", text).start()]  # type: ignore[union-attr]
    return before.count("{") - before.count("}")


def _unknown_thing(match: re.Match[str], _whole: str) -> str:
    kind, name = match["kind"].lower(), match["name"].strip("'\"`.")
    if _is_own(name):
        return f"the loader does not know the {kind} `{name.rpartition('>')[2]}`"
    return f"the loader does not know the scenario's own {kind}"


def _lost_variables(match: re.Match[str], whole: str) -> str:
    if match["found"] == "0":
        # Which layer comes first says nothing: the whole file is laid out in another way.
        return "the file holds no variables where the loader looks for those of a layer"
    example = re.findall(r"Example error message for object <(\w+) ", whole)
    named = example[-1] if example else _automatic_names().get(re.sub(r"_\d+$", "", match["layer"]), "")
    layer = f"`{named}`" if named and _is_own(named) else "a custom layer"
    if match["expected"] == "0":
        return f"the file holds variables for {layer}, which has none when it is loaded"
    return f"the file holds another number of variables for {layer}"


_UNKNOWN_KINDS = (
    "layer|object|class|function|loss function|loss|metric function|metric|activation function|activation|initializer"
    "|regularizer|constraint|optimizer|dtype policy|dtype"
)

_RULES: tuple[tuple[re.Pattern[str], _Title], ...] = tuple(
    (re.compile(pattern, re.DOTALL), title)
    for pattern, title in (
        (r"Unrecognized keyword arguments passed to (?P<owner>\w+): (?P<arguments>\{.*\})", _unknown_argument),
        (r"Unrecognized keyword arguments: \[(?P<arguments>[^\]]*)\]", _unknown_argument),
        (r"[Kk]eyword argument not understood:,? '?(?P<arguments>\w+)", _unknown_argument),
        (r"\b(?P<owner>\w+)\.__init__\(\) got an unexpected keyword argument '(?P<arguments>\w+)'", _unknown_argument),
        (r"__init__\(\) got an unexpected keyword argument '(?P<arguments>\w+)'", _unknown_argument),
        (rf"Unknown (?P<kind>{_UNKNOWN_KINDS}): (?P<name>['\"`]?[\w>.]+)", _unknown_thing),
        (r"Could not locate (?P<kind>class|function) '(?P<name>[\w>.]+)'", _unknown_thing),
        (r"Could not interpret (?P<kind>[\w ]+?) identifier: \{.*'config': '(?P<name>[\w>.]+)'", _unknown_thing),
        (r"Could not interpret (?P<kind>[\w ]+?) identifier: (?P<name>['\"`]?[\w>.]+)", _unknown_thing),
        (
            r"Could not deserialize '(?P<name>keras\.[\w.]+)' because it is not a KerasSaveable",
            lambda match, _: f"`{match['name']}` is refused, because it is no KerasSaveable class",
        ),
        (
            r"because its parent module (?P<name>(?:keras|tf_keras|tensorflow)[\w.]*) cannot be imported",
            lambda match, _: f"the module `{match['name']}` does not exist in this version",
        ),
        (
            r"File format not supported: filepath=\S*\.(?P<ending>\w+)\. .*SavedModel format is not supported",
            lambda match, _: f"`load_model` of Keras 3 reads no file whose name ends in `.{match['ending']}`",
        ),
        (
            r"File format not supported: .*SavedModel format is not supported by `load_model\(\)`",
            _always("`load_model` of Keras 3 does not read SavedModels"),
        ),
        (
            r"File format not supported: .*Keras 3 only supports V3 `\.keras`.*`\.weights\.h5`",
            _always("`load_weights` of Keras 3 does not read TensorFlow checkpoints"),
        ),
        (
            r"File not found: .*accessible `\.keras` zip file",
            _always("the `.keras` file is not the zip archive that the loader expects"),
        ),
        (
            r"Layer '(?P<layer>[^']*)' expected (?P<expected>\d+) variables, but received (?P<found>\d+) variables",
            _lost_variables,
        ),
        (
            r"[Rr]equested the deserialization of a `?Lambda`? layer|of this `Lambda` layer is a Python lambda",
            _always("a Python lambda in a `Lambda` layer is refused by `safe_mode`"),
        ),
        (
            r"`name` must be a string and cannot contain character `/`",
            _always("a name with `/` in it is refused"),
        ),
        (
            r"Invalid Functional model configuration",
            _always("the graph of a Functional model cannot be rebuilt: some of its nodes are never resolved"),
        ),
        (
            r"Layer count mismatch when loading weights from file|"
            r"trying to load a weight file containing \d+ layers into a model with \d+ layers",
            _always("the file holds weights for another number of layers"),
        ),
        (
            r"filename must end in `\.weights\.h5`",
            _always("`save_weights` of Keras 3 only takes names that end in `.weights.h5`"),
        ),
        (
            r"Invalid filepath extension for saving",
            _always("`model.save` of Keras 3 does not write SavedModels"),
        ),
        (
            r"Saving the model to HDF5 format requires the model to be a Functional model or a Sequential",
            _always("a subclassed model cannot be saved to HDF5"),
        ),
        (
            r"module '(?P<module>[\w.]+)' has no attribute '(?P<name>\w+)'",
            lambda match, _: f"this version has no `{_public(match['module'])}.{match['name']}`",
        ),
        (
            r"'tf\.(?P<op>\w+)' op is neither a custom op nor a flex op",
            lambda match, _: f"TFLite has no operation of its own for `tf.{match['op']}`",
        ),
        (
            r"(?:Layer \w+ has|Layers with) arguments\b.*?\s+in\s+`__init__`\s+(?:and therefore )?"
            r"must override `get_config",
            _always("a layer of the scenario's own has arguments and no `get_config`"),
        ),
        (
            r"Unknown variable: <\w*Variable\b.*optimizer can only be called for the variables it was originally built",
            _always("the optimizer was built with other variables than those of the model"),
        ),
        (
            r"Didn't find op for builtin opcode '(?P<op>\w+)' version '(?P<number>\d+)'",
            lambda match, _: f"the interpreter has no `{match['op']}` of version {match['number']}",
        ),
        (
            r"Tried to export a function which references an '?untracked'? resource",
            _always("a function of the model uses a resource that is not tracked, and cannot be exported"),
        ),
    )
)
