"""The formats: what the host reads of them to plan, and round trips in real environments."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tfmatrix.project.formats import own_formats
from tfmatrix.worker.declared import artifact_kind, version

KERAS_2 = {"tensorflow": "2.15.1", "keras": "2.15.0"}
KERAS_2_10 = {"tensorflow": "2.10.1", "keras": "2.10.0"}
KERAS_3 = {"tensorflow": "2.16.2", "keras": "3.4.1"}
LEGACY_KERAS = {"tensorflow": "2.16.2", "keras": "2.16.0"}


def test_what_a_writer_lacks():
    def refused(env: dict[str, str]) -> set[str]:
        return {name for name, each in own_formats().items() if each.unsupported(env)}

    of_savedmodel = {"savedmodel", "savedmodel-raw", "savedmodel-tfsm", "savedmodel-signature"}
    keras_2_only = {*of_savedmodel, "weights-h5-legacy", "weights-tf"}
    assert refused(KERAS_3) == keras_2_only
    assert refused(KERAS_2) == set()
    assert refused(LEGACY_KERAS) == set()
    assert refused(KERAS_2_10) == {"export"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2.16.0rc1", (2, 16, 0)), ("3.4.1", (3, 4, 1)), ("2.9", (2, 9)), ("nightly", (9999,)), ("3.0.0.dev1", (3, 0, 0))],
)
def test_versions_are_compared_by_their_numbers(text: str, expected: tuple[int, ...]):
    assert version(text) == expected


def test_artifact_kind_looks_inside(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "m.keras").write_bytes(b"\x89HDF\r\n\x1a\n and more")
    with zipfile.ZipFile(tmp_path / "m.h5", "w") as archive:
        archive.writestr("config.json", "{}")
    (tmp_path / "m.tflite").write_bytes(b"\x1c\x00\x00\x00TFL3....")
    (tmp_path / "empty").write_bytes(b"")
    kinds = {path.name: artifact_kind(str(path)) for path in tmp_path.iterdir()}
    assert kinds == {
        "folder": "directory",
        "m.keras": "hdf5",
        "m.h5": "zip",
        "m.tflite": "tflite",
        "empty": "unknown",
    }


def test_the_host_imports_formats_without_tensorflow():
    code = (
        "import sys; from tfmatrix.project.formats import own_formats; own_formats(); "
        "sys.exit('tensorflow' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def keras_generation(probed: dict[str, Any]) -> tuple[int, ...]:
    return version(probed["versions"]["keras"])


@pytest.mark.real
def test_keras_suffix_was_hdf5_before_it_was_a_zip(probed: dict[str, Any], experiment: Any):
    kind = experiment("round_trips")["dense/keras"]["kind"]
    assert kind == ("hdf5" if keras_generation(probed) < (2, 13) else "zip")


@pytest.mark.real
def test_what_is_not_unsupported_is_written(experiment: Any):
    for cell, found in experiment("round_trips").items():
        # Before Keras 2.11 a layer without get_config cannot be saved this way: a finding, not a format that lacks.
        if not cell.startswith("custom_layer_"):
            assert "save" not in found, (cell, found)


@pytest.mark.real
@pytest.mark.parametrize("name", ["dense", "dropout", "functional_two_outputs"])
def test_saved_models_keep_outputs_and_weights(name: str, experiment: Any):
    trips = experiment("round_trips")
    for form in ("keras", "savedmodel", "tf-savedmodel-raw"):
        found = trips[f"{name}/{form}"]
        if "unsupported" in found:
            continue
        writer, reader = found["writer"], found["reader"]
        assert list(writer["outputs"]) == list(reader["outputs"])
        for path in writer["outputs"]:
            # A saved function runs as a graph, whose fused kernels may round differently.
            assert flat(reader["outputs"][path]) == pytest.approx(flat(writer["outputs"][path]), rel=1e-5, abs=1e-6)
        assert sorted(flat(values(reader))) == sorted(flat(values(writer)))


@pytest.mark.real
def test_weights_and_checkpoints_load_into_a_rebuilt_model(experiment: Any):
    found = experiment("rebuilt")
    for form, cell in found.items():
        if "unsupported" in cell:
            continue
        assert cell["reader"]["outputs"] == cell["writer"]["outputs"], form
        assert values(cell["reader"]) == values(cell["writer"]), form
    checkpoint = found["checkpoint"]
    assert checkpoint["kind"] == "directory"
    assert checkpoint["reader"]["optimizer"] == checkpoint["writer"]["optimizer"]
    assert checkpoint["reader"]["resume"]["losses"] == checkpoint["writer"]["resume"]["losses"]


@pytest.mark.real
def test_a_module_without_keras_keeps_its_variables_and_signature(experiment: Any):
    found = experiment("round_trips")["tf_module/tf-savedmodel-raw"]
    writer, reader = found["writer"], found["reader"]
    assert reader["outputs"] == writer["outputs"]
    assert [entry["path"] for entry in writer["weights"]] == ["offsets/0", "offsets/1", "scale"]
    assert reader["weights"] == writer["weights"]
    signature = reader["signatures"]["serving_default"]
    assert signature["inputs"] == {"x": {"dtype": "float32", "shape": [None, 3]}}
    assert list(signature["results"].values()) == list(writer["outputs"].values())


@pytest.mark.real
@pytest.mark.parametrize("name", ["functional_two_inputs", "functional_two_outputs", "tf_module"])
def test_a_tflite_file_takes_any_batch_and_its_outputs_are_the_models(name: str, experiment: Any):
    for identity in ("tflite", "tflite-dynamic"):
        found = experiment("tflite")[f"{name}/{identity}"]
        writer, reading = found["writer"], found["writer"]["reading"]
        assert found["kind"] == "tflite"
        assert (reading["error"], reading["exact"]) == (None, identity == "tflite")
        assert list(reading["outputs"]) == list(writer["outputs"])
        for path in writer["outputs"]:
            assert flat(reading["outputs"][path]) == pytest.approx(flat(writer["outputs"][path]), rel=1e-5, abs=1e-5)
        assert all((dtype, shape[0]) == ("float32", None) for _, dtype, shape in found["specs"])
        assert len(found["specs"]) == (2 if name == "functional_two_inputs" else 1)


@pytest.mark.real
def test_keras_2_finds_the_optimizer_of_a_savedmodel_by_load_weights(probed: dict[str, Any], experiment: Any):
    found = experiment("loaded_weights")
    if keras_generation(probed) >= (3,):
        assert found is None
        return
    assert found["plain"]["optimizer"]["iterations"] == 0
    assert found["helped"]["optimizer"] == found["writer"]["optimizer"]
    assert found["helped"]["resume"]["losses"] == pytest.approx(found["writer"]["resume"]["losses"], rel=1e-5)


def values(observation: dict[str, Any]) -> list[Any]:
    return [entry["array"] for entry in observation["weights"]]


def flat(value: Any) -> list[float]:
    return [number for item in value for number in flat(item)] if isinstance(value, list) else [value]
