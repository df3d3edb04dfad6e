"""What a model file is and says, and what is said of a file that is none."""

from __future__ import annotations

import base64
import contextlib
import zipfile
import zlib
from pathlib import Path

import golden_hdf5
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from saved_models import saved_model
from tfmatrix.core.errors import UsageError
from tfmatrix.project.modelfiles.modelfile import read_model
from tfmatrix.project.modelfiles.protobuf import ProtobufError, inside


def hdf5(name: str) -> bytes:
    return zlib.decompress(base64.b64decode(getattr(golden_hdf5, name)))


def archive(path: Path, **files: str) -> Path:
    with zipfile.ZipFile(path, "w") as target:
        for name, text in files.items():
            target.writestr(f"{name}.json", text)
    return path


@pytest.mark.parametrize("name", ["OLD_H5PY", "NEW_H5PY", "LATEST_LAYOUT"])
def test_hdf5_says_which_keras_wrote_it(tmp_path, name):
    path = tmp_path / "m.h5"
    path.write_bytes(hdf5(name))
    model = read_model(path)
    assert (model.kind, model.formats, model.name, model.keras) == ("hdf5", ("h5",), "m.h5", "2.10.0")
    assert model.said == "written by Keras 2.10.0"


@settings(max_examples=300, deadline=None)
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
    (tmp_path / "ckpt-1.index").write_bytes(b"\0model/layer_with_weights-0/kernel")
    (tmp_path / "ckpt-1.data-00000-of-00001").write_bytes(b"x")
    for name in ("", "ckpt-1", "ckpt-1.index"):
        model = read_model(tmp_path / name)
        assert (model.formats, model.path.name, model.needs_builder) == (("checkpoint",), "ckpt-1", True)
        assert [path.name for path in model.files] == ["ckpt-1.data-00000-of-00001", "ckpt-1.index"]
    (tmp_path / "ckpt-1.index").write_bytes(b"\0layer_with_weights-0/kernel")
    assert read_model(tmp_path).formats == ("weights-tf",)
    (tmp_path / "ckpt-1.data-00000-of-00001").rename(tmp_path / "ckpt-1.data-00000-of-00002")
    with pytest.raises(UsageError, match="1 of its 2 files"):
        read_model(tmp_path)


def test_tflite(tmp_path):
    (tmp_path / "m.tflite").write_bytes(b"\x1c\0\0\0TFL3....")
    assert read_model(tmp_path / "m.tflite").formats == ("tflite",)


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
    assert "it has no config.json" in str(refusal(archive(tmp_path / "other.keras", readme="{}")))


def test_truncated_files(tmp_path):
    path = tmp_path / "m.h5"
    path.write_bytes(hdf5("NEW_H5PY")[:1000])
    assert "truncated: it ought to have" in str(refusal(path))
    path = archive(tmp_path / "m.keras", config="{}", metadata="{}")
    path.write_bytes(path.read_bytes()[:60])
    assert "damaged zip file" in str(refusal(path))
    folder = saved_model(tmp_path / "s", "2.10.1", keras=True)
    content = (folder / "saved_model.pb").read_bytes()
    (folder / "saved_model.pb").write_bytes(content[:-3])
    assert "a field ends beyond the file" in str(refusal(folder))


def test_names_that_loaders_would_take_for_something_else(tmp_path):
    (tmp_path / "m.bin").write_bytes(hdf5("NEW_H5PY"))
    found = refusal(tmp_path / "m.bin")
    assert "load_model goes by the ending" in found.what
    assert found.fix == "copy it to m.h5 and check that"
    path = archive(tmp_path / "z.h5", config="{}", metadata="{}")
    assert "is a .keras archive" in refusal(path).what


def test_a_part_of_a_model_is_told_from_the_model(tmp_path):
    folder = saved_model(tmp_path / "s", "2.10.1", keras=True)
    assert refusal(folder / "saved_model.pb").fix == f"name its folder: {folder}"
