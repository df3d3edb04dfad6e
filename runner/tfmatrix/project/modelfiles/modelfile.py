"""What a model file is, and what it says of who wrote it. Looks, and deserializes nothing.

Only heads and headers are read: attributes of an HDF5 file's root, two small JSON files of a .keras archive, the meta
information of a SavedModel. Everything else of the file is read by workers only.
"""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfmatrix.core.errors import UsageError
from tfmatrix.project.modelfiles.hdf5 import SIGNATURE, Hdf5Error, read_head
from tfmatrix.project.modelfiles.protobuf import ProtobufError, inside

MAX_JSON = 64 * 1024 * 1024

_ACCEPTED = "a model in .h5 or .keras, a SavedModel folder, a checkpoint with --builder, or a .tflite file"


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A model file as it looks from outside.

    `path` is the file or folder; of a checkpoint its prefix. `kind` is hdf5, zip, directory, checkpoint, weights or
    tflite, in words `what`. `formats` are the ids that are measured, `loader` the one whose loader makes the reference,
    `name` what the file is called in the store, whose ending decides what a loader takes it for. `keras` and
    `tensorflow` are the versions that the file names, or empty.
    """

    path: Path
    kind: str
    what: str
    formats: tuple[str, ...]
    loader: str
    name: str
    keras: str = ""
    tensorflow: str = ""
    needs_builder: bool = False

    @property
    def said(self) -> str:
        """What the file says of who wrote it, in words."""
        if self.tensorflow:
            return f"written by TensorFlow {self.tensorflow}"
        if self.keras:
            return f"written by Keras {self.keras}"
        return "that does not say what wrote it"

    @property
    def shown(self) -> str:
        """Its name for messages: a checkpoint's prefix alone says little."""
        return f"{self.path.parent.name}/{self.path.name}" if self.kind == "checkpoint" else self.path.name

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it consists of."""
        if self.kind == "checkpoint":
            return tuple(sorted(self.path.parent.glob(f"{_escaped(self.path.name)}.*")))
        if self.path.is_dir():
            return tuple(sorted(path for path in self.path.rglob("*") if path.is_file()))
        return (self.path,)


def read_model(path: Path) -> ModelFile:
    """What lies at `path`. Raises UsageError where it is no model, or a damaged one."""
    path = path.absolute()
    if path.suffix == ".index" and path.is_file():
        return _checkpoint(path.with_suffix(""))
    if path.is_dir():
        return _folder(path)
    if path.is_file():
        return _file(path)
    if path.with_name(f"{path.name}.index").is_file():
        return _checkpoint(path)
    raise UsageError(f"there is no {path}", expected=_ACCEPTED)


def _file(path: Path) -> ModelFile:
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            head = stream.read(8)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if not size:
        raise UsageError(f"{path} is empty", expected=_ACCEPTED)
    if head == SIGNATURE:
        return _hdf5(path)
    if head[:4] == b"PK\x03\x04":
        return _zip(path)
    if head[4:8] == b"TFL3":
        _named(path, "a TFLite model", ".tflite")
        return ModelFile(
            path=path,
            kind="tflite",
            what="a TFLite model",
            formats=("tflite",),
            loader="tflite",
            name="m.tflite",
        )
    if path.name in ("saved_model.pb", "keras_metadata.pb"):
        raise UsageError(f"{path} is a part of a SavedModel", fix=f"name its folder: {path.parent}")
    if ".data-" in path.name:
        raise UsageError(
            f"{path} is a part of a checkpoint", fix=f"name its prefix: {path.name.partition('.data-')[0]}"
        )
    raise UsageError(
        f"{path} is no model: it begins with {head!r}, which is neither HDF5 nor zip nor TFLite", expected=_ACCEPTED
    )


def _hdf5(path: Path) -> ModelFile:
    try:
        head = read_head(path)
    except Hdf5Error as error:
        raise UsageError(f"{path} is a damaged HDF5 file: {error}", fix="save or download the model again") from error
    keras = _version(head.keras_version)
    if "model_config" in head.attributes:
        _named(path, "an HDF5 model", ".h5", ".hdf5", ".keras")
        # Before Keras 2.13 ".keras" was another ending of HDF5; loaders go by the ending.
        of_keras = path.suffix == ".keras"
        return ModelFile(
            path=path,
            kind="hdf5",
            what="an HDF5 model named .keras, as before TensorFlow 2.13" if of_keras else "an HDF5 model",
            formats=("keras",) if of_keras else ("h5",),
            loader="keras" if of_keras else "h5",
            name=f"m{path.suffix}",
            keras=keras,
        )
    _named(path, "a file of weights in HDF5", ".h5", ".hdf5")
    layout = "weights-h5" if path.name.endswith(".weights.h5") else "weights-h5-legacy"
    return ModelFile(
        path=path,
        kind="weights",
        what="a file of weights in HDF5, without the model",
        formats=(layout,),
        loader=layout,
        name="m.weights.h5" if layout == "weights-h5" else "w.h5",
        keras=keras,
        needs_builder=True,
    )


def _zip(path: Path) -> ModelFile:
    metadata: dict[str, Any] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            for name in ("config.json", "metadata.json"):
                if name not in names:
                    raise UsageError(
                        f"{path} is a zip file, but no model: it has no {name}",
                        expected="what model.save writes to a name that ends in .keras",
                    )
                if archive.getinfo(name).file_size > MAX_JSON:
                    raise UsageError(f"{path}: its {name} is larger than {MAX_JSON >> 20} MB")
            metadata = json.loads(archive.read("metadata.json"))
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise UsageError(f"{path} is a damaged zip file: {error}", fix="save or download the model again") from error
    _named(path, "a zip archive of Keras", ".keras")
    keras = _version(str(metadata.get("keras_version", ""))) if isinstance(metadata, dict) else ""
    return ModelFile(
        path=path,
        kind="zip",
        what="a .keras archive",
        formats=("keras",),
        loader="keras",
        name="m.keras",
        keras=keras,
    )


def _folder(path: Path) -> ModelFile:
    if (path / "saved_model.pb").is_file():
        return _saved_model(path)
    if (path / "saved_model.pbtxt").is_file():
        raise UsageError(f"{path} is a SavedModel in text form, which check does not read")
    prefixes = sorted(file.with_suffix("") for file in path.glob("*.index"))
    if len(prefixes) == 1:
        return _checkpoint(prefixes[0])
    if prefixes:
        shown = ", ".join(prefix.name for prefix in prefixes[:5])
        raise UsageError(
            f"{path} holds {len(prefixes)} checkpoints: {shown}{', …' if len(prefixes) > 5 else ''}",
            expected="one of them",
            fix=f"name it: {prefixes[-1]}",
        )
    if not any(path.iterdir()):
        raise UsageError(f"{path} is an empty folder", expected=_ACCEPTED)
    raise UsageError(
        f"{path} is no model: it has neither saved_model.pb nor a checkpoint (*.index)", expected=_ACCEPTED
    )


def _saved_model(path: Path) -> ModelFile:
    try:
        data = memoryview((path / "saved_model.pb").read_bytes())
        # SavedModel.meta_graphs (2); of it meta_info_def (1) with tensorflow_version (5).
        graphs = list(inside(data, 2))
        if not graphs:
            raise ProtobufError("it holds no graph")
        versions = [bytes(version) for version in inside(graphs[0], 1, 5)]
        # object_graph_def (7), nodes (1), user_object (4), identifier (1).
        of_keras = any(bytes(name).startswith(b"_tf_keras_") for name in inside(graphs[0], 7, 1, 4, 1))
    except (ProtobufError, OSError) as error:
        raise UsageError(
            f"{path / 'saved_model.pb'} is damaged: {error}", fix="save or download the model again"
        ) from error
    if not (path / "variables").is_dir() and not (path / "fingerprint.pb").is_file():
        raise UsageError(
            f"{path} has no folder variables", expected="a whole SavedModel: saved_model.pb and variables/"
        )
    found = ModelFile(
        path=path,
        kind="directory",
        what="a SavedModel (no Keras in it)",
        formats=("tf-savedmodel-raw",),
        loader="tf-savedmodel-raw",
        name="m",
        tensorflow=_version(versions[0].decode("utf-8", "replace")) if versions else "",
    )
    if not of_keras:
        return found
    return replace(
        found,
        what="a SavedModel of Keras 2",
        formats=("savedmodel", "savedmodel-raw", "savedmodel-tfsm"),
        loader="savedmodel",
    )


def _checkpoint(prefix: Path) -> ModelFile:
    index = prefix.with_name(f"{prefix.name}.index")
    shards = list(prefix.parent.glob(f"{_escaped(prefix.name)}.data-*-of-*"))
    if not shards:
        raise UsageError(f"{prefix} has no data beside its index", expected=f"{prefix.name}.data-00000-of-00001")
    total = int(shards[0].name.rpartition("-of-")[2]) if shards[0].name.rpartition("-of-")[2].isdigit() else 0
    if total != len(shards):
        raise UsageError(f"{prefix} has {len(shards)} of its {total} files of data")
    # The keys of the index are sorted, and stored in full where they begin anew. Keras 2's save_weights makes the model
    # itself the root; Keras 3 has no such thing, and files its variables under the optimizer where there is one.
    keys = index.read_bytes()
    of_checkpoint = b"model/" in keys or b"layer_with_weights-" not in keys
    layout = "checkpoint" if of_checkpoint else "weights-tf"
    return ModelFile(
        path=prefix,
        kind="checkpoint",
        what="a tf.train.Checkpoint" if of_checkpoint else "a checkpoint of save_weights",
        formats=(layout,),
        loader=layout,
        name="c" if of_checkpoint else "w",
        needs_builder=True,
    )


def _named(path: Path, what: str, *endings: str) -> None:
    """Refuses a name that loaders would take for another format."""
    if path.suffix not in endings:
        raise UsageError(
            f"{path} is {what}, but its name does not say so: load_model goes by the ending",
            expected=f"a name that ends in {' or '.join(endings)}",
            fix=f"copy it to {path.stem}{endings[0]} and check that",
        )


def _version(text: str) -> str:
    """The version, or nothing for what is none."""
    return text if re.fullmatch(r"\d+\.\d+(\.\d+)?[A-Za-z0-9.+-]*", text.strip()) else ""


def _escaped(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)
