from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from observation_builder import trained
from tfmatrix.checks.observation import Array, Observation
from tfmatrix.core.errors import StoreError


def test_round_trip_through_a_folder(tmp_path: Path) -> None:
    draft = trained()
    observation = Observation.read(draft.write(tmp_path))
    assert observation.kind == "keras"
    assert observation.section("optimizer")["iterations"] == 3
    kernel = observation.array(observation.section("weights")[0]["array"])
    assert kernel.dtype == "float32"
    assert np.array_equal(kernel.values, draft.weight("dense/kernel").values)


def test_arrays_are_read_only_when_asked_for(tmp_path: Path) -> None:
    folder = trained().write(tmp_path)
    (folder / "arrays.npz").unlink()
    observation = Observation.read(folder)
    assert observation.section("compile")["optimizer"] == "Adam"
    with pytest.raises(StoreError, match=r"arrays\.npz"):
        observation.array(observation.section("weights")[0]["array"])


def test_bfloat16_is_widened_exactly() -> None:
    # 1.0, -2.0, the smallest denormal, the largest finite number, infinity, NaN.
    bits = np.array([0x3F80, 0xC000, 0x0001, 0x7F7F, 0x7F80, 0x7FC0], "uint16")
    array = Array(dtype="bfloat16", stored=bits)
    assert array.values.dtype == np.float32
    assert array.values[:5].tolist() == [1.0, -2.0, 2.0**-133, (2 - 2.0**-7) * 2.0**127, np.inf]
    assert np.isnan(array.values[5])
    assert array.is_float


def test_bfloat16_is_recognised_in_a_file(tmp_path: Path) -> None:
    draft = trained()
    draft.weights[0].values, draft.weights[0].dtype = np.full((4, 8), 0x3F80, "uint16"), "bfloat16"
    observation = Observation.read(draft.write(tmp_path))
    array = observation.array(observation.section("weights")[0]["array"])
    assert (array.dtype, array.constant()) == ("bfloat16", 1.0)


def test_types_that_numpy_lacks_are_compared_bit_for_bit(tmp_path: Path) -> None:
    draft = trained()
    draft.weights[0].values, draft.weights[0].dtype = np.full((4, 8), 0x38, "uint8"), "float8_e4m3fn"
    observation = Observation.read(draft.write(tmp_path))
    array = observation.array(observation.section("weights")[0]["array"])
    assert (array.dtype, array.is_float) == ("float8_e4m3fn", False)
    assert array.same_bits(array)


def test_strings_are_bytes_with_their_trailing_zeros(tmp_path: Path) -> None:
    draft = trained()
    draft.outputs = {"": np.array([[b"a\0", b"\xff"]], dtype=object)}
    observation = Observation.read(draft.write(tmp_path))
    array = observation.array(observation.section("outputs")[""])
    assert array.stored.tolist() == [[b"a\0", b"\xff"]]
    assert array.shape == (1, 2)


def test_newer_schema_asks_to_upgrade(tmp_path: Path) -> None:
    folder = trained().write(tmp_path)
    document = json.loads((folder / "observation.json").read_text())
    (folder / "observation.json").write_text(json.dumps({**document, "schema": 2}))
    with pytest.raises(StoreError, match="schema 2") as caught:
        Observation.read(folder)
    assert "upgrade" in caught.value.fix


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"kind": "keras"}',
        '{"schema": 1, "kind": "other"}',
        '{"schema": 1, "kind": "keras", "weights": {}}',
        '{"schema": 1, "kind": "keras", "outputs": []}',
    ],
)
def test_damaged_document_is_a_store_error(tmp_path: Path, text: str) -> None:
    folder = trained().write(tmp_path)
    (folder / "observation.json").write_text(text)
    with pytest.raises(StoreError):
        Observation.read(folder)


def test_missing_folder_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        Observation.read(tmp_path / "none")


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "pickled"])
def test_damaged_arrays_are_a_store_error(tmp_path: Path, damage: str) -> None:
    folder = trained().write(tmp_path)
    path = folder / "arrays.npz"
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "pickled":
        np.savez(path, a0=np.array([{}], dtype=object))
    else:
        # In the middle of the first array's numbers: only the checksum of the archive tells.
        content[200] ^= 0xFF
        path.write_bytes(content)
    observation = Observation.read(folder)
    with pytest.raises(StoreError):
        observation.array(observation.section("weights")[0]["array"])


@pytest.mark.parametrize(
    "change",
    [{"array": "a99"}, {"shape": [8, 4]}, {"dtype": "float64"}, {"shape": None}, {"strings": ["!"], "shape": [1]}],
)
def test_reference_that_does_not_fit_is_a_store_error(change: dict[str, object]) -> None:
    observation = trained().build()
    reference = {**observation.section("weights")[0]["array"], **change}
    with pytest.raises(StoreError):
        observation.array(reference)


def test_section_whose_observation_raised_is_absent_with_its_error() -> None:
    draft = trained()
    draft.outputs = {"error": {"type": "ValueError", "message": "no"}}
    draft.weights = {"error": {"type": "ValueError", "message": "no"}}
    observation = draft.build()
    assert observation.section("outputs") is None
    assert observation.error("weights") == {"type": "ValueError", "message": "no"}
    assert observation.error("config") is None


def test_same_bits_tells_zeros_and_nans_apart() -> None:
    def array(*values: float) -> Array:
        return Array(dtype="float32", stored=np.array(values, "float32"))

    assert array(np.nan, 1).same_bits(array(np.nan, 1))
    assert not array(0.0).same_bits(array(-0.0))
    assert not array(1.0).same_bits(Array(dtype="float64", stored=np.array([1.0])))
    assert not array(1.0).same_bits(array(1.0, 1.0))
