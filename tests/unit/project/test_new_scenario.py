"""`tfmatrix new-scenario`: a file that is a scenario, never written over another one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tfmatrix.cli import run_command
from tfmatrix.core.choices import ScenarioKind
from tfmatrix.core.errors import ConfigError, ExitCode, UsageError
from tfmatrix.project.formats import own_formats
from tfmatrix.project.new_scenario import write_new_scenario
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
