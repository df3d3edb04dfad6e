"""What a model file is and says, and what is said of a file that is none."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import json
import os
import tarfile
import zipfile
import zlib
from pathlib import Path

import golden_hdf5
import golden_tflite
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from saved_models import saved_model
from tfmatrix.core.errors import UsageError
from tfmatrix.project.modelfiles.modelfile import read_model
from tfmatrix.project.modelfiles.protobuf import ProtobufError, inside
from tfmatrix.project.modelfiles.tflite import FlatbufferError, about


def hdf5(name: str) -> bytes:
    return zlib.decompress(base64.b64decode(getattr(golden_hdf5, name)))


def archive(path: Path, **files: str) -> Path:
    with zipfile.ZipFile(path, "w") as target:
        for name, text in files.items():
            target.writestr(f"{name}.json", text)
        target.writestr("model.weights.h5", "")
    return path


@pytest.mark.parametrize("name", ["OLD_H5PY", "NEW_H5PY", "LATEST_LAYOUT"])
def test_hdf5_says_which_keras_wrote_it(tmp_path, name):
    path = tmp_path / "m.h5"
    path.write_bytes(hdf5(name))
    model = read_model(path)
    assert (model.kind, model.formats, model.name, model.keras) == ("hdf5", ("h5",), "m.h5", "2.10.0")
    assert model.said == "written by Keras 2.10.0"


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_message(data):
    with contextlib.suppress(ProtobufError):  # whatever else it raises fails the test
        list(inside(memoryview(data), 2, 1, 5))


def test_hdf5_named_keras_is_the_format_keras_of_its_days(tmp_path):
    path = tmp_path / "m.keras"
    path.write_bytes(hdf5("NEW_H5PY"))
    model = read_model(path)
    assert (model.formats, model.name) == (("keras",), "m.keras")


def test_weights_alone_want_a_builder(tmp_path):
    for name, layout in (("m.weights.h5", "weights-h5"), ("w.h5", "weights-h5-legacy")):
        (tmp_path / name).write_bytes(hdf5("WEIGHTS_ONLY"))
        model = read_model(tmp_path / name)
        assert (model.formats, model.needs_builder) == ((layout,), True)


def test_archive_of_keras(tmp_path):
    path = archive(tmp_path / "m.keras", config="{}", metadata='{"keras_version": "3.4.1"}')
    model = read_model(path)
    assert (model.formats, model.keras, model.tensorflow) == (("keras",), "3.4.1", "")


def test_saved_model_says_which_tensorflow_and_whether_keras(tmp_path):
    model = read_model(saved_model(tmp_path / "a", "2.10.1", keras=True))
    assert (model.tensorflow, model.formats[0], model.loader) == ("2.10.1", "savedmodel", "savedmodel")
    model = read_model(saved_model(tmp_path / "b", "2.16.2", keras=False))
    assert (model.tensorflow, model.formats) == ("2.16.2", ("tf-savedmodel-raw",))


def test_checkpoints_by_folder_prefix_or_index(tmp_path):
    (tmp_path / "ckpt-1.index").write_bytes(b"\0_CHECKPOINTABLE_OBJECT_GRAPH\0model/layer_with_weights-0/kernel")
    (tmp_path / "ckpt-1.data-00000-of-00001").write_bytes(b"x")
    for name in ("", "ckpt-1", "ckpt-1.index"):
        model = read_model(tmp_path / name)
        assert (model.formats, model.path.name, model.needs_builder) == (("checkpoint",), "ckpt-1", True)
        assert [path.name for path in model.files] == ["ckpt-1.data-00000-of-00001", "ckpt-1.index"]
    (tmp_path / "ckpt-1.index").write_bytes(b"\0_CHECKPOINTABLE_OBJECT_GRAPH\0layer_with_weights-0/kernel")
    assert read_model(tmp_path).formats == ("weights-tf",)
    (tmp_path / "ckpt-1.data-00000-of-00001").rename(tmp_path / "ckpt-1.data-00000-of-00002")
    with pytest.raises(UsageError, match="1 of its 2 files"):
        read_model(tmp_path)


@pytest.mark.parametrize("where", ["FOLDER", "FOLDER/.index"])
def test_a_checkpoint_of_the_old_saver_whose_prefix_ends_with_a_slash(tmp_path, where):
    folder = tmp_path / "FOLDER"
    folder.mkdir()
    (folder / ".index").write_bytes(b"\0dense/kernel")
    for name in (".data-00000-of-00001", ".meta", "checkpoint"):
        (folder / name).write_bytes(b"x")
    model = read_model(tmp_path / where)
    assert (model.path, model.prefix, model.shown, model.needs_builder) == (folder, "", "FOLDER/", True)
    assert [path.name for path in model.files] == [".data-00000-of-00001", ".index", ".meta"]
    assert f'tf.train.load_checkpoint("{folder}/") reads them' in model.what


def test_tflite_names_its_converter_and_the_least_runtime(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(base64.b64decode(golden_tflite.DENSE_2_15_1))
    model = read_model(path)
    assert (model.formats, model.tensorflow, model.runtime) == (("tflite",), "2.15.1", "1.5.0")
    assert model.said == "converted by TensorFlow 2.15.1, and needs TensorFlow 1.5.0 or newer"
    # The interpreter goes by no ending.
    path.rename(tmp_path / "quantized")
    assert read_model(tmp_path / "quantized").name == "m"


@settings(max_examples=300)
@given(st.data())
def test_damaged_tflite_is_an_error_or_reads_as_something(tmp_path_factory, data):
    content = bytearray(base64.b64decode(golden_tflite.DENSE_2_15_1))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "m.tflite"
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
    with contextlib.suppress(FlatbufferError):  # whatever else it raises fails the test
        about(path)


def refusal(path: Path) -> UsageError:
    with pytest.raises(UsageError) as found:
        read_model(path)
    return found.value


def test_what_is_no_model(tmp_path):
    assert "there is no" in str(refusal(tmp_path / "absent.h5"))
    (tmp_path / "empty.h5").touch()
    assert "is empty" in str(refusal(tmp_path / "empty.h5"))
    (tmp_path / "folder").mkdir()
    assert "is an empty folder" in str(refusal(tmp_path / "folder"))
    (tmp_path / "folder" / "notes.txt").touch()
    assert "neither saved_model.pb nor a checkpoint" in str(refusal(tmp_path / "folder"))
    (tmp_path / "garbage.h5").write_bytes(b"hello world")
    assert "neither HDF5 nor zip nor TFLite" in str(refusal(tmp_path / "garbage.h5"))
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as target:
        target.writestr("readme.md", "")
    assert "it has no config.json" in str(refusal(tmp_path / "other.keras"))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x80\x04\x95\n\x00\x00\x00\x00", "a pickle of Python's"),
        (b"\x08\x01\x12\x20", "the graph of a SavedModel under another name"),
        (b"\x08\x08\x12\x07pytorch", "a model of ONNX"),
        (b"\n;\n\x01x\x12\x0bPlaceholder", "a frozen graph of TensorFlow 1"),
        (b"\n\xbb\x02\n\x07input/x\x12\x05Const", "a frozen graph of TensorFlow 1"),
        (b"\x93NUMPY\x01\x00v\x00{'descr'", "an array of numpy"),
        (b"<!DOCTYPE html><html>404</html>", "a web page"),
        (b'{"module": "keras", "class_name": "Sequential"}', "a configuration without weights"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
    ],
)
def test_what_people_take_for_a_model_is_told_for_what_it_is(tmp_path, content, what):
    (tmp_path / "m.h5").write_bytes(content)
    found = refusal(tmp_path / "m.h5")
    assert what in found.what
    assert found.fix


def test_parts_that_are_missing_are_named(tmp_path):
    path = archive(tmp_path / "m.keras", metadata="{}")
    assert refusal(path).what.endswith("is a .keras archive without config.json")
    with zipfile.ZipFile(path, "w") as target:
        target.writestr("config.json", "{}")
    assert refusal(path).what.endswith("without metadata.json and model.weights.h5")
    folder = saved_model(tmp_path / "s", "2.10.1", keras=True)
    (folder / "variables" / "variables.index").touch()
    (folder / "saved_model.pb").unlink()
    assert refusal(folder).what.endswith("is a SavedModel without its saved_model.pb")


def test_truncated_files(tmp_path):
    path = tmp_path / "m.h5"
    path.write_bytes(hdf5("NEW_H5PY")[:1000])
    assert "truncated: it ought to have" in str(refusal(path))
    path = archive(tmp_path / "m.keras", config="{}", metadata="{}")
    path.write_bytes(path.read_bytes()[:60])
    assert "begins as a zip archive, and its end is missing" in str(refusal(path))
    folder = saved_model(tmp_path / "s", "2.10.1", keras=True)
    content = (folder / "saved_model.pb").read_bytes()
    (folder / "saved_model.pb").write_bytes(content[:-3])
    assert "a field ends beyond the file" in str(refusal(folder))


@pytest.mark.parametrize("name", ["m.hdf", "m.bin", "m"])
def test_hdf5_is_measured_under_its_own_name_and_told_what_that_means(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(hdf5("NEW_H5PY"))
    model = read_model(path)
    assert (model.formats, model.name) == (("h5",), name)
    assert "Keras 3 reads an HDF5 model by the ending .h5 or .hdf5 only" in model.remark
    assert model.remark.endswith(f"cp {path} {tmp_path / 'm.h5'} && tfmatrix check {tmp_path / 'm.h5'}")
    path.rename(tmp_path / "m.hdf5")
    assert not read_model(tmp_path / "m.hdf5").remark


def test_a_zip_archive_of_keras_under_another_name(tmp_path):
    found = refusal(archive(tmp_path / "z.h5", config="{}", metadata="{}"))
    assert "is a .keras archive" in found.what
    copy = tmp_path / "z.keras"
    assert found.fix == f"cp {tmp_path / 'z.h5'} {copy} && tfmatrix check {copy}"


def test_classes_of_its_own_are_seen_in_the_head(tmp_path):
    config = json.dumps(
        {"class_name": "Functional", "layers": [{"class_name": "Dense", "registered_name": "My>Scale"}]}
    )
    path = archive(tmp_path / "m.keras", config=config, metadata="{}")
    assert read_model(path).own_classes == ("My>Scale",)


def test_a_part_of_a_model_is_told_from_the_model(tmp_path):
    folder = saved_model(tmp_path / "s", "2.10.1", keras=True)
    assert refusal(folder / "saved_model.pb").fix == f"name its folder: {folder}"


def test_a_folder_of_several_models_lists_each(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "a.h5").write_bytes(hdf5("NEW_H5PY"))
    (tmp_path / "notes.txt").write_text("no model")
    assert read_model(tmp_path).path == tmp_path / "deep" / "er" / "a.h5"
    saved_model(tmp_path / "b", "2.10.1", keras=True)
    (tmp_path / "ckpt.index").write_bytes(b"\0dense/kernel")
    found = refusal(tmp_path)
    assert found.what.splitlines()[0] == f"{tmp_path} holds 3 models:"
    assert [line.strip() for line in found.what.splitlines()[1:]] == ["b", "ckpt.index", "deep/er/a.h5"]
    assert f"tfmatrix check {tmp_path} --all" in found.fix


def archived(path: Path, names: list[str]) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as target:
        for name in names:
            target.addfile(tarfile.TarInfo(name), io.BytesIO())
    return path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_in_a_folder_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    assert "no model in it" in refusal(tmp_path).what


@pytest.mark.parametrize("name", ["m.tar.gz", "m.tgz", "m.tar"])
def test_a_tar_archive_names_the_models_in_it_and_the_commands_that_go_on(tmp_path, name):
    found = refusal(archived(tmp_path / name, ["x/saved_model.pb", "x/variables/variables.index"]))
    assert found.what.endswith("is a tar archive of a model: x")
    assert found.fix == f"mkdir m-unpacked && tar xf {tmp_path / name} -C m-unpacked && tfmatrix check m-unpacked/x"
    found = refusal(archived(tmp_path / name, ["a.h5", "sub/b.keras"]))
    assert found.what.endswith("is a tar archive of 2 models: a.h5, sub/b.keras")
    assert found.fix.endswith("&& tfmatrix check m-unpacked --all")


def test_a_zip_of_a_model_names_it(tmp_path):
    path = tmp_path / "m.zip"
    with zipfile.ZipFile(path, "w") as target:
        target.writestr("saved/saved_model.pb", "x")
    found = refusal(path)
    assert found.what.endswith("is a zip archive of a model: saved")
    assert found.fix == f"unzip {path} -d m-unpacked && tfmatrix check m-unpacked/saved"


@pytest.mark.parametrize(
    ("name", "command"),
    [("m.h5.gz", "gzip -dc {0}/m.h5.gz > {0}/m.h5"), ("m.h5", "gzip -dc {0}/m.h5 > {0}/unpacked-m.h5")],
)
def test_a_compressed_model(tmp_path, name, command):
    (tmp_path / name).write_bytes(gzip.compress(hdf5("NEW_H5PY")))
    found = refusal(tmp_path / name)
    assert "is an HDF5 file, compressed by gzip" in found.what
    assert found.fix.startswith(command.format(tmp_path))
    (tmp_path / name).write_bytes(gzip.compress(b"hello"))
    assert "what it holds is no model" in refusal(tmp_path / name).what
    (tmp_path / name).write_bytes(gzip.compress(hdf5("NEW_H5PY"))[:5])
    assert "damaged gzip file" in refusal(tmp_path / name).what


@pytest.mark.parametrize(
    ("there", "missing"), [("variables.index", "data"), ("variables.data-00000-of-00001", "index")]
)
def test_half_of_the_values_of_a_saved_model_is_told(tmp_path, there, missing):
    folder = saved_model(tmp_path / "half", "2.15.1", keras=True)
    (folder / "variables" / there).write_bytes(b"")
    with pytest.raises(UsageError, match=rf"variables\.{missing} is missing"):
        read_model(folder)


@pytest.mark.parametrize("begin", [b"\x08", b"\x08\x07", b"\n", b"\n\x80", b"\x80", b"<", b"{"])
def test_a_file_of_a_byte_or_two_is_one_error(tmp_path: Path, begin: bytes) -> None:
    path = tmp_path / "m.h5"
    path.write_bytes(begin)
    with pytest.raises(UsageError):
        read_model(path)
