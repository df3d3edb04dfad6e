"""`tfmatrix new-scenario`: a file that is a scenario, never written over another one."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from saved_models import saved_model
from tfmatrix.cli import run_command
from tfmatrix.core.choices import ScenarioKind
from tfmatrix.core.errors import ConfigError, ExitCode, UsageError
from tfmatrix.project.formats import own_formats
from tfmatrix.project.new_scenario import write_new_scenario, write_scenario_of_file
from tfmatrix.project.scenario import read_scenario, read_scenarios


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    scenarios = tmp_path / "scenarios"
    scenarios.mkdir()
    return scenarios


@pytest.mark.parametrize("kind", ScenarioKind)
def test_what_is_written_is_a_scenario(folder: Path, kind: ScenarioKind) -> None:
    file = write_new_scenario(folder, "tanh_dense", kind)
    assert file == folder / "tanh_dense.py"
    scenario = read_scenario(file, formats=own_formats())
    assert scenario.title == "Tanh dense: say here, in one line, what this scenario is about."
    assert scenario.uses_keras == (kind != ScenarioKind.MODULE)
    assert scenario.has_training == (kind != ScenarioKind.MODULE)
    assert scenario.tags == ("mine",)


def test_the_kinds_differ_in_what_they_need_to_be_loaded(folder: Path) -> None:
    names = {kind: write_new_scenario(folder, kind.value, kind).stem for kind in ScenarioKind}
    functions = {each.name: each.functions for each in read_scenarios(folder)}
    assert "custom_objects" in functions[names[ScenarioKind.SUBCLASSED]]
    assert "custom_objects" not in functions[names[ScenarioKind.FUNCTIONAL]]
    assert functions[names[ScenarioKind.MODULE]] == ("build_model", "inputs")


@pytest.mark.parametrize("taken", ["dense", "Dense"])
def test_nothing_is_overwritten(folder: Path, taken: str) -> None:
    existing = folder / f"{taken}.py"
    existing.write_text("# mine\n")
    with pytest.raises(UsageError) as caught:
        write_new_scenario(folder, "dense", ScenarioKind.FUNCTIONAL)
    assert f"{existing} exists already" in str(caught.value)
    assert existing.read_text() == "# mine\n"
    assert list(folder.iterdir()) == [existing]


@pytest.mark.parametrize("name", ["", "_dense", ".dense", "../dense", "a/b", "two words", "déjà"])
def test_a_name_that_no_scenario_can_have(folder: Path, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        write_new_scenario(folder, name, ScenarioKind.FUNCTIONAL)
    assert "cannot be the name of a scenario" in str(caught.value)
    assert not list(folder.parent.rglob("*.py"))


def test_a_file_name_instead_of_a_name(folder: Path) -> None:
    with pytest.raises(UsageError) as caught:
        write_new_scenario(folder, "dense.py", ScenarioKind.FUNCTIONAL)
    assert caught.value.fix == 'say "dense"'


def test_a_folder_that_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        write_new_scenario(tmp_path / "scenarios", "dense", ScenarioKind.FUNCTIONAL)
    assert "there is no such folder" in str(caught.value)
    assert not (tmp_path / "scenarios").exists()


def test_a_name_that_the_file_system_refuses(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        write_new_scenario(folder, "x" * 300, ScenarioKind.FUNCTIONAL)
    assert "cannot be written" in str(caught.value)


def test_the_command_prints_the_file_and_what_to_do_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder.parent)
    assert run_command(["new-scenario", "two_towers", "--kind", "subclassed"]) == ExitCode.OK
    printed = capsys.readouterr()
    assert Path(printed.out.strip()) == folder / "two_towers.py"
    assert "tfmatrix run --scenario two_towers" in printed.err
    assert run_command(["new-scenario", "two_towers"]) == ExitCode.USAGE
    assert "exists already" in capsys.readouterr().err


def keras_file(path: Path) -> Path:
    """A .keras archive of a model with one layer of somebody's own."""
    layer = {"module": "app.layers", "class_name": "Ranking", "registered_name": "app>Ranking", "config": {}}
    config = {"module": "keras", "class_name": "Sequential", "config": {"layers": [layer]}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.4.1"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", b"")
    return path


def test_one_of_a_file_of_keras_loads_a_copy_of_it(folder: Path, tmp_path: Path) -> None:
    file = write_scenario_of_file(folder, "two-towers", keras_file(tmp_path / "x.keras"))
    scenario = read_scenario(file, formats=own_formats())
    assert scenario.uses_keras
    assert scenario.functions == ("build_model", "inputs", "custom_objects")
    assert list(scenario.sources) == ["_two_towers/__init__.py", "_two_towers/model.keras"]
    assert "Ranking" in file.read_text()
    assert (folder / "_two_towers/model.keras").read_bytes() == (tmp_path / "x.keras").read_bytes()


def test_one_of_a_saved_model_is_called_by_its_signature(folder: Path, tmp_path: Path) -> None:
    file = write_scenario_of_file(folder, "served", saved_model(tmp_path / "model", "2.15.1", keras=True))
    scenario = read_scenario(file, formats=own_formats())
    assert not scenario.uses_keras
    assert scenario.functions == ("build_model", "inputs")
    assert "_served/model/saved_model.pb" in scenario.sources


def test_the_command_takes_what_lies_there_for_a_saved_model(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "matrix.yaml").write_text('schema: 1\nenvironments: [{tensorflow: "2.15.1"}]\n')
    model = keras_file(tmp_path / "x.keras")
    assert run_command(["new-scenario", "mine", "--from", str(model), "-C", str(tmp_path)]) == ExitCode.OK
    assert "only with files that you trust" in capsys.readouterr().err
    (tmp_path / "notes.txt").write_text("no model")
    with pytest.raises(UsageError, match="is no model"):
        write_scenario_of_file(folder, "other", tmp_path / "notes.txt")
    assert not (folder / "other.py").exists()
