"""Brings records of older versions up to the schema of today, one function a step.

Each step is frozen: it reads what its schema wrote, in the words of that time, and is never changed again when a check
learns to say something else.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any

from tfmatrix.core.records import RECORD_SCHEMA

Data = dict[str, Any]


def migrated(record: Data) -> Data:
    """A record, as JSON, in today's schema; itself where it has that already.

    Raises KeyError, TypeError or ValueError on what its own schema would not have written.
    """
    while record["schema"] < RECORD_SCHEMA:
        schema = record["schema"]
        record = {**_STEPS[schema](record), "schema": schema + 1}
    return record


_LOAD_MODEL, _LOAD, _INTERPRETER = "keras.models.load_model", "tf.saved_model.load", "tf.lite.Interpreter"
_FIRST_FORMATS: Mapping[str, tuple[str, str, str]] = {
    "h5": ("h5", _LOAD_MODEL, "keras-file"),
    "keras": ("keras", _LOAD_MODEL, "keras-file"),
    "savedmodel": ("savedmodel", _LOAD_MODEL, "keras-savedmodel"),
    "savedmodel-raw": ("savedmodel", _LOAD, "graph"),
    "savedmodel-signature": ("savedmodel", "tf.saved_model.load(…).signatures", "graph"),
    "savedmodel-tfsm": ("savedmodel", "keras.layers.TFSMLayer", "tfsm-layer"),
    "tf-savedmodel": ("tf-savedmodel", _LOAD_MODEL, "keras-savedmodel"),
    "tf-savedmodel-raw": ("tf-savedmodel", _LOAD, "graph"),
    "export": ("export", _LOAD, "graph"),
    "weights-h5": ("weights-h5", "load_weights", "keras-file"),
    "weights-h5-legacy": ("weights-h5-legacy", "load_weights", "keras-file"),
    "weights-tf": ("weights-tf", "load_weights", "checkpoint"),
    "checkpoint": ("checkpoint", "tf.train.Checkpoint.read", "checkpoint"),
    "tflite": ("tflite", _INTERPRETER, "tflite"),
    "tflite-dynamic": ("tflite-dynamic", _INTERPRETER, "tflite"),
    "tflite-int8": ("tflite-int8", _INTERPRETER, "tflite"),
    "custom": ("custom", "the scenario's load_model", "keras-file"),
}
"""Saver, loader and kind of the formats that there were before run.json said so of each."""


def header_with_format_info(header: Data) -> Data:
    """run.json with `format_info`, which those of older versions lack."""
    if header.get("format_info"):
        return header
    known = [name for name in header.get("formats") or () if name in _FIRST_FORMATS]
    info = {name: dict(zip(("saver", "loader", "policy"), _FIRST_FORMATS[name], strict=True)) for name in known}
    return {**header, "format_info": info} if info else header


def _to_2(record: Data) -> Data:
    """Checks get findings, and tries of remedies `held` and `missing`: schema 1 had sentences.

    A sentence of a form that schema 1 wrote becomes the finding that it was made of. Any other becomes `said`, with the
    sentence as its figure; where schema 1 kept a count in place of sentences over twenty, that becomes `more`.
    """
    checks, remedies = record["checks"], record["remedies"]
    if not isinstance(checks, dict) or not all(isinstance(each, dict) for each in (*checks.values(), *remedies)):
        raise ValueError("`checks` or `remedies` is no mapping of mappings")
    return {
        **record,
        "checks": {name: _with_findings(name, check) for name, check in checks.items()},
        "remedies": [_with_checks(each) for each in remedies],
    }


def _with_findings(name: str, check: Mapping[str, Any]) -> Data:
    detail = check.get("detail") or []
    sentences = [detail] if isinstance(detail, str) else list(detail)
    changed = dict(check)
    for key in ("differences", "aside"):
        if isinstance(changed.get(key), list):
            # The count that stood in place of more was no path.
            changed[key] = [path for path in changed[key] if not _MORE.fullmatch(str(path))]
    is_failed = check.get("status") in ("fail", "error")
    findings = [_finding(name, str(sentence), is_failed) for sentence in sentences]
    return {**changed, "findings": [dict(finding) for finding in findings], "detail": sentences}


def _with_checks(tried: Mapping[str, Any]) -> Data:
    """A try: `brings back A, B; not C`. Where it does not say so, its costs are not known: the fields are left out."""
    found = re.fullmatch(r"brings back (?P<held>[\w, -]+); not (?P<missing>[\w, -]*)", str(tried.get("detail") or ""))
    if found is None:
        return dict(tried)
    held = [] if found["held"] == "nothing" else found["held"].split(", ")
    return {**tried, "held": held, "missing": [name for name in found["missing"].split(", ") if name]}


_STEPS: Mapping[int, Callable[[Data], Data]] = {1: _to_2}
"""Schema to the step that leads on from it."""


# What the checks of schema 1 said, by check: the pattern of a sentence, the code of its finding, and what stands in it.
# The group `subject` is the finding's subject, other groups are figures: numbers and values where they read as such.

_MORE = re.compile(r"… and (?P<count>\d+) more")
_RAISED = r"(?P<type>[\w.]+)(?:: (?P<message>.*))?"
_VALUES = (
    (r"all (?P<elements>\d+) values are (?P<value>\S+) now", "reset"),
    (r"only the signs of zeros or the payloads of NaNs differ", "bits"),
    (
        r"(?P<unequal>\d+) of (?P<elements>\d+) values differ(?:, (?P<nan_mismatches>\d+) of them are NaN on one side "
        r"only)?(?:, by up to (?P<max_abs>\S+) \((?P<max_ulp>\d+) ULP\))?",
        "changed",
    ),
)
_CONFIG = (
    (r"(?P<subject>[^:]+): (?P<after>.*) is there but was not in the writer", "added"),
    (r"(?P<subject>[^:]+): (?P<before>.*) is missing", "missing"),
    (r"(?P<subject>[^:]+): (?P<before>.*?) → (?P<after>.*)", "changed"),
)
_ASIDE = tuple((f"set aside: {pattern}", f"aside-{code}") for pattern, code in _CONFIG)
_BEYOND = (
    r"(?P<beyond>\d+) of (?P<elements>\d+) values of (?:the output|output (?P<subject>'.*'|\".*\")) are beyond the "
    r"tolerance(?: \((?P<nan_mismatches>\d+) are NaN on one side only\))?: by up to (?P<max_abs>\S+) "
    r"\((?P<max_ulp>\d+) ULP\), allowed (?P<atol>\S+) \+ (?P<rtol>\S+) of the value"
    r"(?:; (?P<argmax_flips>\d+) rows have their largest element elsewhere)?"
)
_OUTPUT = r"(?:the output|output (?P<subject>'.*?'|\".*?\"))"
_OTHER = r"(?:the output|output (?P<after>'.*'|\".*\"))"
_SIGNATURE = r"signature (?P<subject>'.*?'|\".*?\")"
_SLOT = r"(?P<slot>\S+) of (?P<subject>.+?)"
_ARRAY = r"(?P<dtype>\w+)(?P<shape>\[[^\]]*\])"

COMMON_SENTENCES_OF_1 = (
    (r"the format does not promise to bring back what '(?P<subject>\w+)' looks at", "not-promised"),
    (rf"observing it raised in the writer already: {_RAISED}", "writer-raises"),
    (r"the writer has none(?:: (?P<why>.*))?", "writer-none"),
    (rf"the loaded model raises {_RAISED}", "raises"),
    (r"the loaded model has none: (?P<why>not a Keras model)", "no-keras-model"),
    (r"the loaded model has none: (?P<why>.*)", "none"),
)
SENTENCES_OF_1: Mapping[str, tuple[tuple[str, str], ...]] = {
    "load": ((r"(?P<type>[\w.-]+): (?P<message>.*)", "raised"),),
    "warnings": ((r"(?P<subject>save|load): (?P<total>\d+) warnings, (?P<different>\d+) different", "counted"),),
    "outputs": (
        (r"the model has no outputs", "no-outputs"),
        (rf"the structure changed: {_OUTPUT} is called {_OTHER} now", "renamed"),
        (rf"{_OUTPUT} is called {_OTHER} now", "called"),
        (rf"{_OUTPUT} is missing", "missing"),
        (rf"{_OUTPUT} is there but was not in the writer", "new"),
        (rf"{_OUTPUT} has shape (?P<after>\[.*\]), was (?P<before>\[.*\])", "shape"),
        (rf"{_OUTPUT} is (?P<after>\w+), was (?P<before>\w+)", "dtype"),
        (_BEYOND, "beyond"),
        (
            r"differs by up to (?P<max_abs>\S+) \((?P<max_ulp>\d+) ULP\): the kernels of the reader, as the model "
            r"rebuilt from code shows, and no more than another order of the same sums",
            "kernels",
        ),
        (r"the conversion itself moved the outputs by up to (?P<max_abs>\S+)", "conversion"),
        (rf"the writer's own interpreter raises {_RAISED}", "interpreter-raises"),
    ),
    "weights": (
        (r"the model has no weights", "no-weights"),
        *((rf"(?P<subject>\S+): {pattern}", code) for pattern, code in _VALUES),
        (rf"(?P<subject>\S+) {_ARRAY} is missing", "missing"),
        (rf"(?P<subject>\S+) {_ARRAY} is there but was not in the writer", "extra|in-graph"),
        (r"(?P<subject>\S+) has shape (?P<after>\[.*\]), was (?P<before>\[.*\])", "shape"),
        (r"(?P<subject>\S+) is (?P<after>\w+), was (?P<before>\w+)", "dtype"),
        (r"(?P<subject>\S+) is trainable now", "flag"),
        (r"(?P<subject>\S+) is not trainable any more", "flag"),
        (r"(?P<subject>\S+) is now called (?P<after>\S+)", "renamed"),
        (r"(?P<subject>\S+) moved from (?P<before>\d+) to (?P<after>\d+)", "moved"),
        (r"(?P<count>\d+) variables have no names there; they were found by their values", "unnamed"),
        (r"(?P<count>\d+) seed states set aside: (?:equal|(?P<differ>\d+) differ)", "seeds"),
        (
            r"\d+ seed states set aside: the writer had (?P<before>\d+), the loaded model has (?P<after>\d+)",
            "seeds",
        ),
    ),
    "config": (
        *_ASIDE,
        (r"(?P<subject>[^:]+): not compared, the writer's (?P<why>.*)", "unreadable"),
        *_CONFIG,
    ),
    "compile": (
        (r"the loaded model is not compiled: (?P<why>not a Keras model)", "no-keras-model"),
        (r"the loaded model is not compiled(?:: (?P<why>.*))?", "none"),
        (r"the loss (?P<before>.*) is lost", "loss-lost"),
        *_ASIDE,
        *_CONFIG,
    ),
    "optimizer": (
        (r"the loaded model has no optimizer: (?P<why>not a Keras model)", "no-keras-model"),
        (r"the loaded model has no optimizer(?:: (?P<why>.*))?", "none"),
        (r"the optimizer is (?P<after>\S+), was (?P<before>\S+)", "class"),
        (r"iterations (?P<before>\S+) → (?P<after>\S+)", "iterations"),
        *((rf"(?P<count>\d+) of (?P<of>\d+) slots {word}", f"slots-{word}") for word in ("lost", "reset", "changed")),
        (r"(?P<count>\d+) slots set aside: without momentum they are never read", "inert"),
        *((rf"{_SLOT}: {pattern}", code) for pattern, code in _VALUES),
        (rf"{_SLOT} is missing", "missing"),
        (rf"{_SLOT} is not there; it was all zeros", "zeros"),
        (rf"{_SLOT} was not there; it is all (?P<value>\S+)", "initial"),
        (rf"{_SLOT} holds values, but was not in the writer", "extra"),
        (rf"{_SLOT} is (?P<after>\S+\[.*\]), was (?P<before>\S+\[.*\])", "shape"),
        (r"(?P<subject>\w+) \((?P<before>\S+)\) is not kept", "state-lost|state-other"),
        (r"(?P<subject>\w+) (?P<before>\S+) → (?P<after>\S+)", "state"),
    ),
    "resume": (
        (r"the loaded model cannot be trained on: (?P<why>not a Keras model)", "no-keras-model"),
        (r"the loaded model cannot be trained on(?:: (?P<why>.*))?", "none"),
        (rf"the writer itself cannot train on: {_RAISED}", "writer-cannot"),
        (rf"step (?P<step>\d+) of the training after loading raises {_RAISED}", "step-raises"),
        (r"(?P<after>\d+) steps were made, the writer made (?P<before>\d+)", "steps"),
        (
            r"loss after (?P<steps>\d+) more steps (?P<loaded>\S+), writer (?P<writer>\S+), fresh optimizer "
            r"(?P<fresh>\S+): restarted from scratch",
            "restarted",
        ),
        (
            r"loss after (?P<steps>\d+) more steps (?P<loaded>\S+), writer (?P<writer>[^\s,]+)(?:, fresh optimizer "
            r"(?P<fresh>\S+): neither goes on nor restarts)?",
            "losses",
        ),
        (
            r"(?P<beyond>\d+) of (?P<moved>\d+) weights that training moves end elsewhere, by up to (?P<max_abs>\S+)",
            "weights|some-weights",
        ),
        (r"a fresh optimizer goes the same way here: its state cannot be seen", "state-unseen"),
    ),
    "signatures": (
        (r"the artifact has no signatures", "no-signatures"),
        (r"not looked at in a Keras model: (?P<why>.*)", "keras-model"),
        (rf"{_SIGNATURE} is missing", "missing"),
        (rf"{_SIGNATURE} is there but was not in the writer", "new"),
        (rf"{_SIGNATURE} raises {_RAISED}", "signature-raises"),
        *(
            (rf"(?P<subject>\w+)\.{side}s: (?P<name>'.*'|\".*\") {said}", f"{side}-{code}")
            for side in ("input", "output")
            for said, code in (("is missing", "missing"), ("is there but was not in the writer", "new"))
        ),
        (
            r"(?P<subject>\w+)\.(?P<side>inputs|outputs)\.(?P<name>.+): (?P<key>dtype|shape) (?P<before>.*) → "
            r"(?P<after>.*)",
            "spec",
        ),
        (
            rf"{_SIGNATURE}: (?P<beyond>\d+) of (?P<elements>\d+) values of (?P<name>'.*'|\".*\") are beyond the "
            r"tolerance, by up to (?P<max_abs>\S+) \((?P<max_ulp>\d+) ULP\)",
            "beyond",
        ),
        (rf"{_SIGNATURE}: (?:the output|output (?P<name>'.*'|\".*\")) is missing", "result-missing"),
        (
            rf"{_SIGNATURE}: (?:the output|output (?P<name>'.*'|\".*\")) is there but was not in the writer",
            "result-new",
        ),
    ),
}


@cache
def _forms(check: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple(
        (re.compile(pattern, re.DOTALL), codes)
        for pattern, codes in (*SENTENCES_OF_1.get(check, ()), *COMMON_SENTENCES_OF_1)
    )


@lru_cache(maxsize=8192)
def _finding(check: str, sentence: str, is_failed: bool) -> Mapping[str, Any]:
    """The finding that a sentence of schema 1 was made of."""
    if more := _MORE.fullmatch(sentence):
        return {"code": "more", "subject": "", "figures": {"count": int(more["count"])}}
    for pattern, codes in _forms(check):
        found = pattern.fullmatch(sentence)
        if found is not None:
            groups = {key: _value(key, text) for key, text in found.groupdict().items() if text is not None}
            code = _one_of(check, codes, is_failed, sentence, groups)
            return {"code": code, "subject": str(groups.pop("subject", "")), "figures": groups}
    return {"code": "said", "subject": "", "figures": {"sentence": sentence}}


def _one_of(check: str, codes: str, is_failed: bool, sentence: str, figures: Data) -> str:
    """One code, where one sentence was said of a loss and of what is none; and what a sentence says without figures."""
    if check == "load" and str(figures.get("type", "")).startswith(("SIG", "timeout", "memory", "crash")):
        return "ended"
    if codes == "flag":
        figures["after"] = sentence.endswith("is trainable now")
    if codes in ("restarted", "losses"):
        figures["restarted"] = codes == "restarted"
        figures.setdefault("fresh", None)
    if codes == "seeds":
        count = figures.pop("count", 0)
        figures.setdefault("before", count)
        figures.setdefault("after", count)
        figures.setdefault("differ", 0)
    if codes == "beyond" and figures.get("nan_mismatches") and check == "outputs":
        return "nan"
    if codes in ("beyond", "changed") and "max_abs" in figures:
        figures.setdefault("nan_mismatches", 0)
        figures.setdefault("argmax_flips", 0)
    loss, _, harmless = codes.partition("|")
    return loss if is_failed or not harmless else harmless


_TEXTS = ("type", "message", "why", "dtype", "slot", "side", "key")


def _value(key: str, text: str) -> Any:
    """What a part of a sentence stood for: numbers and values as Python writes them, else the text."""
    if key in _TEXTS or (key == "subject" and text[:1] not in "'\""):
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
