"""Runs for the tests of the site: of any size, shaped like real ones, and hostile ones."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.project.formats import own_formats
from tfmatrix.store.runs import Run, RunWriter

VERSIONS = (
    "2.0.4", "2.1.4", "2.2.3", "2.3.4", "2.4.4", "2.5.3", "2.6.5", "2.7.4", "2.8.4", "2.9.3", "2.10.1", "2.11.1",
    "2.12.1", "2.13.1", "2.14.1", "2.15.1", "2.16.2", "2.16.2@today", "2.16.2+keras3.0.5", "2.16.2+keras3.3.3",
    "2.16.2+keras3.6.0", "2.16.2+tf-keras", "2.17.1", "2.18.1", "2.19.1", "2.20.0", "2.21.0", "2.21.0@today",
    "2.22.0rc0", "nightly",
)  # fmt: skip
FORMATS = ("h5", "keras", "savedmodel", "tf-savedmodel")
_KINDS = (
    "dense", "conv_batchnorm", "depthwise_conv", "lstm", "gru", "bidirectional", "embedding", "attention", "dropout",
    "lambda_layer", "custom_layer_raw_variable", "custom_layer_add_weight", "custom_loss", "optimizer_state",
    "optimizer_adamw", "optimizer_schedule", "frozen_layer", "functional_two_inputs", "functional_two_outputs",
    "shared_layer", "nested_model", "subclassed_model", "mixed_precision", "normalization", "text_vectorization",
    "string_lookup", "tf_module", "compile_arguments",
)  # fmt: skip
TAGS = ("article", "layers", "custom", "training", "structure")

HOSTILE = (
    "<script>window.hacked = 1</script>",
    '"><img src=x onerror="window.hacked = 2">',
    "</script><script>window.hacked = 3</script>",
    "\x1b[31mred\x1b[0m \x07 \x00 \u202edesrever",
    "lone \ud800 surrogate, \u2028 line separator, {{ 7 * 7 }} {% raw %}",
    "javascript:window.hacked=4",
    "&lt;b&gt; & ' \" ` \\ </td></table>",
)
"""Texts that somebody else wrote."""

_TRACEBACK = "Traceback (most recent call last):\n" + "".join(
    f'  File "/cache/envs/0f3c/lib/python3.11/site-packages/keras/src/saving/module_{line}.py", line {line}, in load\n'
    f"    return deserialize(config, custom_objects={line})\n"
    for line in range(8)
)


def is_keras_3(environment: str) -> bool:
    """Whether tf.keras is Keras 3 there."""
    return environment not in VERSIONS[:16] and "tf-keras" not in environment


def records(
    run: str,
    environments: Sequence[str] = VERSIONS[12:18],
    scenarios: int = 6,
    formats: Sequence[str] = FORMATS,
    night: int = 0,
) -> Iterator[CellRecord]:
    """Cells in the proportions of a real run: half passes, a quarter is unsupported, the rest fails in some way."""
    for number in range(scenarios):
        scenario = scenario_name(number)
        for fmt in formats:
            for writer in environments:
                save = _save(fmt, writer)
                for reader in environments:
                    yield _record(run, scenario, number, fmt, writer, reader, save, night)


def scenario_name(number: int) -> str:
    """The name of the n-th scenario."""
    kind = _KINDS[number % len(_KINDS)]
    return kind if number < len(_KINDS) else f"{kind}_{number // len(_KINDS) + 1}"


def _save(fmt: str, writer: str) -> dict[str, Any]:
    if fmt == "savedmodel" and is_keras_3(writer):
        return {"status": "unsupported", "warnings": [], "seconds": 0, "phases": {}}
    said = []
    if fmt == "h5" and writer not in VERSIONS[:13]:
        said.append(_warning("save", "UserWarning", "You are saving your model as an HDF5 file via `model.save()`."))
    return {"status": "ok", "warnings": said, "seconds": 3.752, "phases": {"build": 0.9, "save": 0.07, "train": 1.87}}


def _warning(phase: str, category: str, message: str) -> dict[str, Any]:
    return {
        "category": category,
        "channel": "python",
        "count": 1,
        "message": message,
        "phase": phase,
        "text": message,
        "fingerprint": f"{len(message):012x}",
    }


def _record(
    run: str, scenario: str, number: int, fmt: str, writer: str, reader: str, save: Mapping[str, Any], night: int
) -> CellRecord:
    cell = f"{scenario}/{fmt}/{writer}/{reader}"
    chance = random.Random(f"{cell}").random()
    status, error, failed, checks = Status.PASS, None, [], _checks(chance)
    load = {"status": "ok", "warnings": [], "seconds": 0.4 + round(chance, 3), "phases": {"load": 0.35}}
    remedies: list[dict[str, Any]] = []
    remedy = attribution = None
    if save["status"] == "unsupported":
        status, checks, load = Status.UNSUPPORTED, {}, {}
        message = "Keras 3 does not write SavedModel directories with model.save"
        error = {"phase": "start", "type": "unsupported", "message": message, "traceback": ""}
    elif is_keras_3(reader) and not is_keras_3(writer) and (fmt == "savedmodel" or chance < 0.45):
        status, failed, load = Status.LOAD_ERROR, ["load"], {**load, "status": "error"}
        message = (
            "File format not supported: filepath=m. Keras 3 only supports V3 `.keras` files and legacy H5 format files."
            if fmt == "savedmodel"
            else "Could not deserialize 'keras.metrics.mse' because it is not a KerasSaveable subclass"
            if number % 3
            else f"Error when deserializing class 'DepthwiseConv2D' using config={{'name': 'l{number}'}}: groups"
        )
        error = {"phase": "load", "type": "ValueError", "message": message, "traceback": f"{_TRACEBACK}{message}\n"}
        checks = {"load": {"status": "fail", "detail": [f"ValueError: {message}"]}}
        remedies = [
            {"name": "safe_mode=False", "status": "load-error", "detail": f"ValueError: {message}"},
            {"name": "compile=False", "status": "pass" if number % 2 else "drift", "detail": "brings back the weights"},
        ]
        remedy = "compile=False" if number % 2 else None
    elif is_keras_3(reader) != is_keras_3(writer) or chance < 0.03:
        status, failed = Status.DRIFT, ["optimizer", "resume"]
        checks["optimizer"] = {
            "status": "fail", "iterations_before": 3, "iterations_after": 0, "slots": 8, "reset": 8,
            "detail": ["iterations 3 → 0", "8 of 8 slots reset"],
        }  # fmt: skip
        checks["resume"] = {"status": "error", "losses": [], "detail": ["step 1 of the training raises TypeError"]}
        attribution = {
            "serialization": {"found": True, "checks": failed, "max_abs": 0.0},
            "numerics": {"found": False, "max_abs": 0.0},
            "sentence": "serialization lost optimizer, resume: the outputs are the writer's, bit for bit",
        }
    elif 0.5 < chance < 0.52 + 0.01 * (night % 3):
        status, failed = Status.DRIFT, ["outputs"]
        checks["outputs"] = {
            **checks["outputs"], "status": "fail", "max_abs": 1e-4 * (1 + night) * (1 + chance), "beyond": 3,
            "detail": [f"3 of 8 values differ by up to {1e-4 * (1 + night):.1e}"],
        }  # fmt: skip
    elif chance > 0.999:
        status, failed, checks, load = Status.CRASH, ["load"], {}, {**load, "status": "crash"}
        error = {"phase": "load", "type": "SIGSEGV", "message": "the process died of SIGSEGV", "traceback": ""}
    elif chance > 0.998:
        status, failed, checks, load = Status.TIMEOUT, ["load"], {}, {**load, "status": "timeout"}
        error = {"phase": "load", "type": "timeout", "message": "not done after 120 s", "traceback": ""}
    return CellRecord(
        run=run, cell=cell, scenario=scenario, format=fmt, writer=writer, reader=reader, status=status,
        known=status.is_incompatibility and number % 2 == 0,
        fixed=status is Status.PASS and chance > 0.995,
        flaky=chance > 0.997,
        promised=writer == reader or (fmt == "tf-savedmodel" and VERSIONS.index(writer) <= VERSIONS.index(reader)),
        failed_checks=tuple(failed), checks=checks, save=save, load=load, error=error, remedies=tuple(remedies),
        remedy=remedy, attribution=attribution,
        artifact=None if status is Status.UNSUPPORTED else {"name": "m", "digest": hash_of(cell.rpartition("/")[0])},
        key=hash_of(cell), cached=False, seconds=round(1 + chance, 3),
    )  # fmt: skip


def hash_of(text: str) -> str:
    """64 hexadecimal digits for a text."""
    return f"{random.Random(text).getrandbits(256):064x}"


def _checks(chance: float) -> dict[str, Any]:
    losses = [1.9488353729248047, 1.9296863079071045, 1.9107304811477661]
    return {
        "load": {"status": "pass", "detail": []},
        "outputs": {
            "status": "pass", "elements": 8, "unequal": 0, "beyond": 0, "nan_mismatches": 0, "max_abs": 0.0,
            "max_rel": 0.0, "max_ulp": 0, "argmax_flips": 0, "worst": None, "rtol": 1.9e-06, "atol": 1.27e-06,
            "detail": [],
        },
        "weights": {
            "status": "pass", "variables": 4, "identical": 4, "changed": 0, "missing": 0, "extra": 0, "renamed": 0,
            "worst": "", "max_abs": 0.0, "max_rel": 0.0, "max_ulp": 0, "detail": [],
        },
        "config": {"status": "pass", "layers": 2, "differences": [], "aside": [], "detail": []},
        "compile": {"status": "pass", "differences": [], "aside": [], "detail": []},
        "optimizer": {
            "status": "pass", "iterations_before": 3, "iterations_after": 3, "slots": 8, "identical": 8, "lost": 0,
            "reset": 0, "changed": 0, "max_abs": 0.0, "detail": [],
        },
        "resume": {
            "status": "pass", "losses": losses, "writer_losses": losses, "fresh_losses": losses, "max_abs": 0.0,
            "restarted": False, "weights_moved": 61, "detail": [],
        },
        "signatures": {"status": "not-applicable", "detail": ["the format does not promise to bring them back"]},
        "warnings": {"status": "pass", "save": {"total": 1}, "load": {"total": 0}, "detail": ["save: 1 warning"]},
    }  # fmt: skip


def header(environments: Sequence[str], scenarios: int, formats: Sequence[str], started: datetime) -> dict[str, Any]:
    """What run.json says of such a run."""
    return {
        "started": started.isoformat(),
        "tfmatrix": "0.1.0",
        "set": "nightly",
        "executor": {"name": "docker", "reason": "an engine answers"},
        "environments": {name: _environment(name) for name in environments},
        "scenarios": {
            scenario_name(number): {
                "title": f"What is kept of `{scenario_name(number)}` when it is saved?",
                "description": "Claim: *the model is the same after loading.*\n\nThe checks measure it.",
                "tags": [TAGS[number % len(TAGS)], TAGS[(number + 2) % len(TAGS)]],
            }
            for number in range(scenarios)
        },
        "formats": list(formats),
        "format_info": {each.id: each.to_info() for each in own_formats().values()},
        "known_failures": [
            {"cells": ["*/h5/*/*"], "status": ["load-error", "drift"], "reason": "Keras 3 knows no `mse`", "link": ""}
        ],
        "settings": {"seed": 0, "steps": 3, "timeout": 120},
        "host": {"system": "Linux", "machine": "x86_64", "cpus": 2},
    }


def _environment(name: str) -> dict[str, Any]:
    tensorflow = "2.22.0.dev20251120" if name == "nightly" else name.partition("@")[0].partition("+")[0]
    keras = "3.4.1" if is_keras_3(name) else tensorflow
    return {
        "base": {"kind": "image", "reference": "python:3.11-slim"},
        "python": "3.11.7",
        "tensorflow": tensorflow,
        "keras": keras,
        "packages": {
            "tensorflow-cpu": tensorflow,
            "keras": keras,
            "numpy": "1.26.4" if tensorflow < "2.18" else "2.1.3",
            "h5py": "3.11.0",
            "protobuf": "4.25.3",
            **{f"package-{number}": f"{number}.{len(name)}" for number in range(25)},
        },
        "lock": hash_of(name),
    }


def write_run(
    results: Path,
    *,
    run: str = "20251101T020000Z-aaaaaa",
    environments: Sequence[str] = VERSIONS[12:18],
    scenarios: int = 6,
    formats: Sequence[str] = FORMATS,
    night: int = 0,
    changes: Mapping[str, Any] | None = None,
    cells: Sequence[CellRecord] | None = None,
) -> Run:
    """A run in a results folder, `night` days after the first of November; `changes` go to its header."""
    started = datetime.fromisoformat("2025-11-01T02:00:00+00:00") + timedelta(days=night)
    about = header(environments, scenarios, formats, started) | dict(changes or {})
    with RunWriter(results, run, about) as writer:
        for record in records(run, environments, scenarios, formats, night) if cells is None else cells:
            writer.add(record)
        return writer.finish(started + timedelta(hours=1))


def inferred_from(source: CellRecord, writer: str, reader: str, by: str = "artifact") -> CellRecord:
    """The record of a cell that was not measured, as a run with `pairs: adaptive` leaves it."""
    return CellRecord(
        run=source.run, cell=f"{source.scenario}/{source.format}/{writer}/{reader}", scenario=source.scenario,
        format=source.format, writer=writer, reader=reader, status=source.status, known=source.known,
        failed_checks=source.failed_checks, inferred={"from": source.cell, "by": by},
    )  # fmt: skip


def write_adaptive(results: Path) -> Run:
    """A run in which one writer is measured, and the files of another are inferred from its."""
    environments = VERSIONS[12:18]
    measured, inferred = environments[1], environments[2]
    cells = [each for each in records("adaptive", environments, 2) if each.writer != inferred]
    cells += [inferred_from(each, inferred, each.reader) for each in cells if each.writer == measured]
    return write_run(results, run="adaptive", scenarios=2, cells=cells)


def write_nights(results: Path, count: int, **options: Any) -> list[Run]:
    """Several runs, one a night."""
    return [
        write_run(results, run=f"202511{night + 1:02}T020000Z-{night:06x}", night=night, **options)
        for night in range(count)
    ]


def write_hostile(results: Path) -> Run:
    """A run in which every text that comes from outside wants to be more than text."""
    names = [f"s{number} {text}".replace("/", "\u2215") for number, text in enumerate(HOSTILE)]
    environments = [VERSIONS[12], VERSIONS[16]]
    cells = []
    for name in names:
        for text in HOSTILE:
            for writer in environments:
                for reader in environments:
                    fmt = f"f {text}".replace("/", "\u2215")
                    said = _warning("load", text, f"{text} {'long ' * 200_000 if text is HOSTILE[0] else ''}")
                    cells.append(
                        CellRecord(
                            run="hostile", cell=f"{name}/{fmt}/{writer}/{reader}", scenario=name, format=fmt,
                            writer=writer, reader=reader, status=Status.LOAD_ERROR, failed_checks=("load", text),
                            checks={text: {"status": text, "detail": [text], text: text}},
                            save={"status": "ok", "warnings": [said]}, load={"status": text, "warnings": [said]},
                            error={"phase": text, "type": text, "message": f"{text}\n{text}", "traceback": text * 50},
                            remedies=({"name": text, "status": text, "detail": text},), remedy=text,
                            attribution={"sentence": text}, artifact={"kind": text, "name": text, "digest": text},
                        )
                    )  # fmt: skip
    about = {
        "set": HOSTILE[0],
        "scenarios": {
            name: {"title": name, "description": "\n".join(HOSTILE), "tags": list(HOSTILE)} for name in names
        },
        "environments": {
            name: {"python": HOSTILE[0], "packages": {text: text for text in HOSTILE}} for name in environments
        },
        "formats": [f"f {text}".replace("/", "\u2215") for text in HOSTILE],
        "known_failures": [{"cells": ["*"], "status": ["load-error"], "reason": HOSTILE[1], "link": HOSTILE[5]}],
        "executor": {"name": HOSTILE[1], "reason": HOSTILE[2]},
        "tfmatrix": HOSTILE[0],
    }
    return write_run(results, run="hostile", changes=about, cells=cells)
