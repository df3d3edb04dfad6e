"""What a model file is, and what it says of who wrote it. Looks, and deserializes nothing.

Only heads and headers are read: attributes of an HDF5 file's root, two small JSON files of a .keras archive, the meta
information of a SavedModel. Everything else of the file is read by workers only.
"""

from __future__ import annotations

import os
import re
import shlex
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tfmatrix.core.data import parse_json
from tfmatrix.core.errors import UsageError
from tfmatrix.project.formats import own_formats
from tfmatrix.project.modelfiles import archives, foreign, heads, tflite
from tfmatrix.project.modelfiles.hdf5 import Hdf5Error, Hdf5Head, read_head
from tfmatrix.project.modelfiles.protobuf import ProtobufError, inside
from tfmatrix.worker.declared import Format

MAX_JSON = 64 * 1024 * 1024

MAX_DEPTH, MAX_FILES = 4, 10_000
"""How deep, and among how many files, a folder is searched for models."""

MAX_SHOWN = 10

_OBJECT_GRAPH = b"_CHECKPOINTABLE_OBJECT_GRAPH"
"""The key of an object-based checkpoint's graph; TensorFlow 1's Saver writes none."""

_ACCEPTED = "a model in .h5 or .keras, a SavedModel folder, a checkpoint with --builder, or a .tflite file"


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A model file as it looks from outside.

    `path` is the file or folder; of a checkpoint its prefix, or the folder itself where the prefix ends with a slash.
    `kind` is hdf5, zip, directory, checkpoint, weights or tflite, in words `what`; `layout` is what formats call it in
    FILES. `formats` are the ids that are measured, `loader` the one whose loader makes the reference, `name` what the
    file is called in the store: its own ending, which decides what a loader takes it for. `keras` and `tensorflow` are
    the versions that the file names, `runtime` the least TensorFlow whose TFLite reads it, or empty. `remark` is what a
    person should know of its name, `own_classes` the names of classes in it that are not Keras's, as far as its head
    tells. `head` is that of an HDF5 file.
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
    runtime: str = ""
    needs_builder: bool = False
    head: Hdf5Head | None = field(default=None, repr=False)
    remark: str = ""
    own_classes: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """What the file says of who wrote it, in words."""
        least = f", and needs TensorFlow {self.runtime} or newer" if self.runtime else ""
        if self.tensorflow:
            return f"{'converted' if self.kind == 'tflite' else 'written'} by TensorFlow {self.tensorflow}{least}"
        if self.keras:
            return f"written by Keras {self.keras}"
        return f"that does not say what wrote it{least}"

    @property
    def shown(self) -> str:
        """Its name for messages: a checkpoint's prefix alone says little."""
        if self.kind != "checkpoint":
            return self.path.name
        return f"{self.path.name}/" if self.path.is_dir() else f"{self.path.parent.name}/{self.path.name}"

    @property
    def prefix(self) -> str:
        """What the names of a checkpoint's files begin with: nothing where its prefix is `FOLDER/`."""
        return "" if self.path.is_dir() else self.path.name

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it consists of."""
        if self.kind == "checkpoint":
            folder = self.path if self.path.is_dir() else self.path.parent
            return tuple(sorted(folder.glob(f"{_escaped(self.prefix)}.*")))
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
            fix=_copy_command(found.path, next(iter(wanted))),
        )
    # ".weights.h5" says more than ".h5".
    longest = max(map(len, endings.values()))
    taken = tuple(name for name, ending in endings.items() if len(ending) == longest)
    # The name that the format gives it; a file keeps its ending, by which loaders go.
    name = table[taken[0]].artifact
    if found.path.is_file() and not (found.path.suffix and name.endswith(found.path.suffix)):
        name = Path(name).stem + found.path.suffix
    return replace(found, formats=taken, loader=taken[0], name=name)


def _read(path: Path) -> ModelFile:
    if path.name.endswith(".index") and path.is_file():
        return _checkpoint(path)
    if path.is_dir():
        return _folder(path)
    if path.is_file():
        return _file(path)
    if path.with_name(f"{path.name}.index").is_file():
        return _checkpoint(path.with_name(f"{path.name}.index"))
    raise UsageError(f"there is no {path}", expected=_ACCEPTED)


def _file(path: Path) -> ModelFile:
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            begin = stream.read(foreign.LENGTH)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if not size:
        raise UsageError(f"{path} is empty", expected=_ACCEPTED)
    head = begin[: heads.LENGTH]
    match heads.ending_of(head):
        case ".h5":
            return _hdf5(path)
        case ".keras":
            return _zip(path)
        case ".tflite":
            return _tflite(path)
    if archives.is_archive(path, head):
        raise archives.refusal(path, head)
    if path.name in ("saved_model.pb", "keras_metadata.pb"):
        raise UsageError(f"{path} is a part of a SavedModel", fix=f"name its folder: {path.parent}")
    if ".data-" in path.name:
        raise UsageError(
            f"{path} is a part of a checkpoint", fix=f"name its prefix: {path.name.partition('.data-')[0]}"
        )
    other = foreign.told(begin)
    if other is not None:
        raise UsageError(f"{path} {other.what}", expected=_ACCEPTED, fix=other.fix)
    raise UsageError(
        f"{path} is no model: it begins with {head!r}, which is neither HDF5 nor zip nor TFLite", expected=_ACCEPTED
    )


def _tflite(path: Path) -> ModelFile:
    try:
        about = tflite.about(path)
    except tflite.FlatbufferError as error:
        raise UsageError(
            f"{path} is a damaged TFLite model: {error}", fix="convert or download the model again"
        ) from error
    return ModelFile(
        path=path,
        kind="tflite",
        what="a TFLite model",
        layout="tflite",
        tensorflow=_version(about.converter),
        runtime=_version(about.runtime),
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
        return ModelFile(
            path=path,
            kind="hdf5",
            what=f"an HDF5 model{named}",
            layout="hdf5",
            keras=keras,
            head=head,
            remark=_remark_on_ending(path, "Keras 3 reads an HDF5 model", ".h5", ".hdf5", ".keras"),
        )
    return ModelFile(
        path=path,
        kind="weights",
        what="a file of weights in HDF5 (without the model)",
        layout="weights",
        keras=keras,
        head=head,
        needs_builder=True,
        remark=_remark_on_ending(path, "load_weights reads HDF5", ".h5", ".hdf5", ".keras"),
    )


def _zip(path: Path) -> ModelFile:
    metadata: dict[str, Any] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            of_keras = ("config.json", "metadata.json")
            if not any(name in names for name in of_keras):
                raise archives.refusal_of_zip(path, names)
            _ask_for_its_parts(path, names)
            for name in of_keras:
                if archive.getinfo(name).file_size > MAX_JSON:
                    raise UsageError(f"{path}: its {name} is larger than {MAX_JSON >> 20} MB")
            metadata = parse_json(archive.read("metadata.json"))
            config = archive.read("config.json")
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        if not zipfile.is_zipfile(path):
            raise UsageError(
                f"{path} begins as a zip archive, and its end is missing", fix="save or download the model again"
            ) from error
        raise UsageError(f"{path} is a damaged zip file: {error}", fix="save or download the model again") from error
    keras = _version(str(metadata.get("keras_version", ""))) if isinstance(metadata, dict) else ""
    return ModelFile(
        path=path, kind="zip", what="a .keras archive", layout="zip", keras=keras, own_classes=_own_classes(config)
    )


def _ask_for_its_parts(path: Path, names: Sequence[str]) -> None:
    """Raises UsageError where a .keras archive lacks a part without which nobody loads it."""
    lacking = [name for name in ("config.json", "metadata.json") if name not in names]
    if not any("weights" in name for name in names):
        lacking.append("model.weights.h5")
    if lacking:
        raise UsageError(
            f"{path} is a .keras archive without {' and '.join(lacking)}",
            expected="config.json, metadata.json and model.weights.h5, as model.save wrote them",
            fix="save or download the model again",
        )


def _folder(path: Path) -> ModelFile:
    if (path / "saved_model.pb").is_file():
        return _saved_model(path)
    if (path / "variables" / "variables.index").is_file():
        raise UsageError(
            f"{path} is a SavedModel without its saved_model.pb",
            expected="a whole SavedModel: saved_model.pb and variables/",
            fix=f"copy the whole folder; its values alone are a checkpoint: {path / 'variables' / 'variables'}",
        )
    if (path / "saved_model.pbtxt").is_file():
        raise UsageError(f"{path} is a SavedModel in text form, which check does not read")
    found = models_in(path)
    if len(found) == 1:
        return _read(found[0])
    if found:
        listed = "".join(f"\n    {each.relative_to(path)}" for each in found[:MAX_SHOWN])
        more = f"\n    … and {len(found) - MAX_SHOWN} more" if len(found) > MAX_SHOWN else ""
        raise UsageError(
            f"{path} holds {len(found)} models:{listed}{more}",
            expected="one of them, or --all",
            fix=f"tfmatrix check {shlex.quote(str(found[0]))}, or all of them: "
            f"tfmatrix check {shlex.quote(str(path))} --all",
        )
    if not any(path.iterdir()):
        raise UsageError(f"{path} is an empty folder", expected=_ACCEPTED)
    raise UsageError(
        f"{path} is no model: it has neither saved_model.pb nor a checkpoint (*.index), and no model in it",
        expected=_ACCEPTED,
    )


def models_in(folder: Path) -> tuple[Path, ...]:
    """The models in a folder, in order: SavedModels, files by their first bytes, and the indices of checkpoints.

    A folder that is a SavedModel is one model. Nothing is read but heads; links are not followed.
    """
    found: list[Path] = []
    seen = 0
    for place, folders, files in os.walk(folder):
        here = Path(place)
        if "saved_model.pb" in files:
            found.append(here)
            folders.clear()
            continue
        folders[:] = sorted(folders) if len(here.relative_to(folder).parts) < MAX_DEPTH else []
        for name in sorted(files):
            seen += 1
            if seen > MAX_FILES:
                raise UsageError(f"{folder} holds more than {MAX_FILES} files", expected="a folder of models")
            if name.endswith(".index") or _is_model(here / name):
                found.append(here / name)
    return tuple(sorted(found))


def _is_model(path: Path) -> bool:
    if not path.is_file():  # a pipe has no end
        return False
    try:
        with path.open("rb") as stream:
            ending = heads.ending_of(stream.read(heads.LENGTH))
    except OSError:
        return False
    return ending in (".h5", ".tflite") or (ending == ".keras" and path.suffix == ".keras")


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
    # TensorFlow 1 leaves the folder empty where there is no variable.
    halves = [any((path / "variables").glob(name)) for name in ("variables.index", "variables.data-*")]
    if any(halves) and not all(halves):
        raise UsageError(
            f"{path / 'variables'} is incomplete: variables.{'data' if halves[0] else 'index'} is missing",
            expected="variables.index and variables.data-*, as the writer left them",
            fix="copy or download the model again",
        )
    return ModelFile(
        path=path,
        kind="directory",
        what="a SavedModel of Keras 2" if of_keras else "a SavedModel (no Keras in it)",
        layout="keras-savedmodel" if of_keras else "savedmodel",
        tensorflow=_version(versions[0].decode("utf-8", "replace")) if versions else "",
    )


def _checkpoint(index: Path) -> ModelFile:
    prefix = index.name.removesuffix(".index")
    # `Saver.save(session, "FOLDER/")` leaves FOLDER/.index: the prefix is the folder with its slash.
    path = index.with_name(prefix) if prefix else index.parent
    shown = path if prefix else f"{path}/"
    shards = list(index.parent.glob(f"{_escaped(prefix)}.data-*-of-*"))
    if not shards:
        raise UsageError(f"{shown} has no data beside its index", expected=f"{prefix}.data-00000-of-00001")
    total = int(shards[0].name.rpartition("-of-")[2]) if shards[0].name.rpartition("-of-")[2].isdigit() else 0
    if total != len(shards):
        raise UsageError(f"{shown} has {len(shards)} of its {total} files of data")
    # The keys of the index are sorted, and stored in full where they begin anew. Keras 2's save_weights makes the model
    # itself the root; Keras 3 has no such thing, and files its variables under the optimizer where there is one.
    keys = index.read_bytes()
    by_name = _OBJECT_GRAPH not in keys
    of_checkpoint = by_name or b"model/" in keys or b"layer_with_weights-" not in keys
    what = "a tf.train.Checkpoint" if of_checkpoint else "a checkpoint of save_weights"
    if by_name:
        what = f'a checkpoint of TensorFlow 1\'s Saver (values by name: tf.train.load_checkpoint("{shown}") reads them)'
    return ModelFile(
        path=path,
        kind="checkpoint",
        what=what,
        layout="checkpoint" if of_checkpoint else "weights-checkpoint",
        needs_builder=True,
    )


def _remark_on_ending(path: Path, who: str, *endings: str) -> str:
    """What a name comes to that not every loader takes for what the file is; empty where it ends as it should."""
    if path.suffix in endings:
        return ""
    ending = f"ends in {path.suffix}" if path.suffix else "has no ending"
    return (
        f"it {ending}, and is measured under that name; {who} by the ending {' or '.join(endings[:2])} only. "
        f"To check it as such: {_copy_command(path, endings[0])}"
    )


def _copy_command(path: Path, ending: str) -> str:
    copy = shlex.quote(str(path.with_name(f"{path.stem}{ending}")))
    return f"cp {shlex.quote(str(path))} {copy} && tfmatrix check {copy}"


def _own_classes(config: bytes) -> tuple[str, ...]:
    """Classes that are registered under a package's name ("Custom>Scale"): a loader has to be given them."""
    found = re.findall(rb'"(?:class_name|registered_name)": ?"([^"<>]+>[^"<>]+)"', config)
    return tuple(dict.fromkeys(name.decode("utf-8", "replace") for name in found if not name.startswith(b"keras")))


def _version(text: str) -> str:
    """The version, or nothing for what is none."""
    return text if re.fullmatch(r"\d+\.\d+(\.\d+)?[A-Za-z0-9.+-]*", text.strip()) else ""


def _escaped(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)
