"""What a model file is, and what it says of who wrote it. Looks, and deserializes nothing.

Only heads and headers are read: attributes of an HDF5 file's root, two small JSON files of a .keras archive, the meta
information of a SavedModel. Everything else of the file is read by workers only.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tfmatrix.core.errors import UsageError
from tfmatrix.project.formats import own_formats
from tfmatrix.project.modelfiles.hdf5 import SIGNATURE, Hdf5Error, Hdf5Head, read_head
from tfmatrix.project.modelfiles.protobuf import ProtobufError, inside
from tfmatrix.worker.declared import Format

MAX_JSON = 64 * 1024 * 1024

_ACCEPTED = "a model in .h5 or .keras, a SavedModel folder, a checkpoint with --builder, or a .tflite file"


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A model file as it looks from outside.

    `path` is the file or folder; of a checkpoint its prefix. `kind` is hdf5, zip, directory, checkpoint, weights or
    tflite, in words `what`; `layout` is what formats call it in FILES. `formats` are the ids that are measured,
    `loader` the one whose loader makes the reference, `name` what the file is called in the store, whose ending decides
    what a loader takes it for. `keras` and `tensorflow` are the versions that the file names, or empty. `head` is
    that of an HDF5 file.
    """

    path: Path
    kind: str
    what: str
    layout: str
    formats: tuple[str, ...] = ()
    loader: str = ""
    name: str = ""
    keras: str = ""
    tensorflow: str = ""
    needs_builder: bool = False
    head: Hdf5Head | None = field(default=None, repr=False)

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


def read_model(path: Path, formats: Mapping[str, Format] | None = None) -> ModelFile:
    """What lies at `path`, and which of the `formats` (else ours) read it.

    Raises UsageError where it is no model, a damaged one, or one with a name that its loaders take for another format.
    """
    found = _read(path.absolute())
    endings: dict[str, str] = {}
    table = own_formats() if formats is None else formats
    for name, each in table.items():
        fitting = [ending for ending in each.files.get(found.layout, ()) if found.path.name.endswith(ending)]
        if fitting:
            endings[name] = max(fitting, key=len)
    if not endings:
        wanted = dict.fromkeys(ending for each in table.values() for ending in each.files.get(found.layout, ()))
        raise UsageError(
            f"{found.path} is {found.what}, but its name does not say so: load_model goes by the ending",
            expected=f"a name that ends in {' or '.join(wanted)}",
            fix=f"copy it to {found.path.stem}{next(iter(wanted))} and check that",
        )
    # ".weights.h5" says more than ".h5".
    longest = max(map(len, endings.values()))
    taken = tuple(name for name, ending in endings.items() if len(ending) == longest)
    # The name that the format gives it; a file keeps its ending, by which loaders go.
    name = table[taken[0]].artifact
    if found.path.is_file() and not name.endswith(found.path.suffix):
        name = Path(name).stem + found.path.suffix
    return replace(found, formats=taken, loader=taken[0], name=name)


def _read(path: Path) -> ModelFile:
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
        return ModelFile(path=path, kind="tflite", what="a TFLite model", layout="tflite")
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
        # Before Keras 2.13 ".keras" was another ending of HDF5; loaders go by the ending.
        named = " named .keras, as before TensorFlow 2.13" if path.suffix == ".keras" else ""
        return ModelFile(path=path, kind="hdf5", what=f"an HDF5 model{named}", layout="hdf5", keras=keras, head=head)
    return ModelFile(
        path=path,
        kind="weights",
        what="a file of weights in HDF5, without the model",
        layout="weights",
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
    keras = _version(str(metadata.get("keras_version", ""))) if isinstance(metadata, dict) else ""
    return ModelFile(path=path, kind="zip", what="a .keras archive", layout="zip", keras=keras)


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
    return ModelFile(
        path=path,
        kind="directory",
        what="a SavedModel of Keras 2" if of_keras else "a SavedModel (no Keras in it)",
        layout="keras-savedmodel" if of_keras else "savedmodel",
        tensorflow=_version(versions[0].decode("utf-8", "replace")) if versions else "",
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
    return ModelFile(
        path=prefix,
        kind="checkpoint",
        what="a tf.train.Checkpoint" if of_checkpoint else "a checkpoint of save_weights",
        layout="checkpoint" if of_checkpoint else "weights-checkpoint",
        needs_builder=True,
    )


def _version(text: str) -> str:
    """The version, or nothing for what is none."""
    return text if re.fullmatch(r"\d+\.\d+(\.\d+)?[A-Za-z0-9.+-]*", text.strip()) else ""


def _escaped(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)
