"""A folder becomes a project: what is found in it, what is written, and that nothing is written over."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest
from repository import ROOT
from ruamel.yaml import YAML
from tfmatrix.core.errors import ConfigError, InfrastructureError, TfmatrixError, UsageError
from tfmatrix.core.selection import Selector
from tfmatrix.core.version import __version__
from tfmatrix.engine.run import plan_project
from tfmatrix.envs.releases import Index
from tfmatrix.envs.uv import Network, Uv
from tfmatrix.project import init
from tfmatrix.project.config import load_config
from tfmatrix.project.init import KNOWN_RELEASES, initialise
from tfmatrix.project.project import Project

OFFLINE = Index(offline=True)
UV = Uv(cache=Path(tempfile.gettempdir()) / "tfmatrix-test-uv", network=Network(offline=True))


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def versions(folder: Path) -> list[str]:
    return [environment.tensorflow for environment in load_config(folder / "matrix.yaml").environments]


def steps_of(root):
    workflow = YAML(typ="safe").load((root / ".github/workflows/tfmatrix.yml").read_text())
    return workflow["jobs"]["upgrade"]["steps"]


def test_an_empty_folder_becomes_a_project_that_can_be_planned(tmp_path):
    created = initialise(tmp_path, OFFLINE, UV)
    assert set(tree(tmp_path)) == {
        "matrix.yaml",
        "scenarios/example.py",
        ".github/workflows/tfmatrix.yml",
        ".gitignore",
    }
    assert {str(path.relative_to(tmp_path)) for path in created.files} == set(tree(tmp_path))
    assert versions(tmp_path) == ["2.15.1", KNOWN_RELEASES[-1]]
    plan = plan_project(Project(root=tmp_path), None, Selector())
    assert {cell.scenario for cell in plan.cells()} == {"example"}
    assert any("the newest that this tfmatrix knows" in note for note in created.notes)
    assert any("no file here names TensorFlow" in note for note in created.notes)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"requirements.txt": "tensorflow==2.12.1\n"}, "2.12.1"),
        ({"requirements.txt": "tensorflow-cpu>=2.12,<2.14\n"}, "2.13.1"),
        ({"pyproject.toml": '[project]\nname = "x"\nversion = "1"\ndependencies = ["tensorflow~=2.9.1"]\n'}, "2.9.3"),
        ({"requirements.txt": "tensorflow\n", "Pipfile.lock": '{"default": {"tensorflow": {"version": "==2.17.1"}}}'},
         "2.17.1"),
        ({"environment.yml": "dependencies: [python=3.10, tensorflow=2.14.0=cpu]\n"}, "2.14.0"),
        ({"Dockerfile": "FROM tensorflow/tensorflow:2.11.0-gpu\n"}, "2.11.0"),
        ({"requirements.txt": "tensorflow==2.13.1; python_version < '3.11'\n"
          "tensorflow==2.15.1; python_version >= '3.11'\n"}, "2.15.1"),
        ({"setup.cfg": "[options]\ninstall_requires = tensorflow==2.13.1\n"}, "2.13.1"),
        ({"pylock.prod.toml": 'lock-version = "1.0"\ncreated-by = "t"\n[[packages]]\nname = "tensorflow"\n'
          'version = "2.15.1"\n'}, "2.15.1"),
        ({"requirements.txt": "numpy==1.26.4\n"}, "2.15.1"),
    ],
)  # fmt: skip
def test_the_version_to_start_from_is_what_the_folder_pins(tmp_path, files, expected):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    initialise(tmp_path, OFFLINE, UV)
    assert versions(tmp_path) == [expected, KNOWN_RELEASES[-1]]


def test_a_keras_that_is_pinned_beside_it_counts_too(tmp_path):
    (tmp_path / "requirements.txt").write_text("tensorflow==2.16.2\nkeras==3.3.3\n")
    initialise(tmp_path, OFFLINE, UV)
    first = load_config(tmp_path / "matrix.yaml").environments[0]
    assert (first.tensorflow, first.keras, first.as_of) == ("2.16.2", "3.3.3", "today")


def test_who_has_the_newest_is_compared_with_the_one_before(tmp_path):
    (tmp_path / "requirements.txt").write_text(f"tensorflow=={KNOWN_RELEASES[-1]}\n")
    created = initialise(tmp_path, OFFLINE, UV)
    assert versions(tmp_path) == list(KNOWN_RELEASES[-2:])
    assert any("is the newest" in note for note in created.notes)


def test_versions_may_be_given(tmp_path):
    initialise(tmp_path, OFFLINE, UV, before="2.9", after="2.16.2")
    assert versions(tmp_path) == ["2.9.3", "2.16.2"]


def test_with_an_index_the_newest_is_its_newest(tmp_path, monkeypatch):
    monkeypatch.setattr(init, "resolve_selector", lambda selector, index: ["2.23.0"] if selector == "latest" else [])
    monkeypatch.setattr(init, "releases", lambda *_arguments, **_options: ())
    created = initialise(tmp_path, Index(), UV)
    assert versions(tmp_path)[-1] == "2.23.0"
    assert "to: 2.23.0, the newest release" in created.notes


def test_an_index_that_fails_is_named(tmp_path, monkeypatch):
    def silent(*_arguments: object) -> None:
        raise InfrastructureError("the index does not answer\nmore")

    monkeypatch.setattr(init, "resolve_selector", silent)
    created = initialise(tmp_path, Index(), UV)
    assert any(note.endswith("knows: the index does not answer") for note in created.notes)


@pytest.mark.parametrize("existing", ["matrix.yaml", "scenarios/example.py", ".github/workflows/tfmatrix.yml"])
def test_nothing_is_written_over_and_nothing_half_written(tmp_path, existing):
    (tmp_path / existing).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / existing).write_text("mine")
    (tmp_path / ".gitignore").write_text("mine too\n")
    before = tree(tmp_path)
    with pytest.raises(UsageError, match="there already") as caught:
        initialise(tmp_path, OFFLINE, UV)
    assert existing in caught.value.what
    assert tree(tmp_path) == before


def test_a_failure_while_writing_takes_back_what_was_written(tmp_path):
    # The folder of the workflows cannot be made: there is a file of that name.
    (tmp_path / ".github").write_text("a file")
    before = tree(tmp_path)
    with pytest.raises(TfmatrixError):
        initialise(tmp_path, OFFLINE, UV)
    assert tree(tmp_path) == before
    assert not (tmp_path / "scenarios").exists()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"requirements.txt": "tensorflow>=2.14,<2.16\n"}, "requirements.txt:1 installs today: it asks for a range"),
        ({"requirements.txt": "tensorflow\n"}, "it asks for any version (tensorflow)"),
        (
            {"requirements.txt": "tensorflow==2.14.1\n", "requirements-gpu.txt": "<<<<\n"},
            "-gpu.txt:1: not a requirement",
        ),
        ({"requirements.txt": "tensorflow-macos==2.9.2; sys_platform == 'darwin'\n"}, "for other machines only"),
        ({"requirements-a.txt": "tensorflow==2.14.1\n", "requirements-b.txt": "tensorflow==2.15.1\n"}, "several files"),
        (
            {"pyproject.toml": '[project]\nname = "x"\n[project.optional-dependencies]\nml = ["tensorflow==2.15.1"]\n'},
            "only in the extra ml (tensorflow==2.15.1); --extra ml: the workflow asks with --extra ml",
        ),
        (
            {"pyproject.toml": '[project]\nname = "x"\n[dependency-groups]\nbench = ["tensorflow==2.15.1"]\n'},
            "the development group bench (tensorflow==2.15.1)",
        ),
    ],
)
def test_what_is_found_is_named_as_it_is(tmp_path, files, words):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    created = initialise(tmp_path, OFFLINE, UV)
    assert words in "\n".join(created.notes)
    assert versions(tmp_path)
    asked, newest = (step["run"] for step in steps_of(tmp_path)[-2:])
    if "--extra ml" in words:
        assert asked == "tfmatrix upgrade --extra=ml"
        assert newest == "tfmatrix upgrade --from-git HEAD --to latest --extra=ml"
    if "several" in words:
        assert asked == "tfmatrix upgrade --to requirements-a.txt"
        assert newest == "tfmatrix upgrade --from requirements-a.txt --to latest"


def test_the_action_gets_what_chooses_the_file(tmp_path):
    for name, version in [("a", "2.14.1"), ("b", "2.15.1")]:
        (tmp_path / f"requirements-{name}.txt").write_text(f"tensorflow=={version}\n")
    initialise(tmp_path, OFFLINE, UV, action="me/tfmatrix@v1")
    assert steps_of(tmp_path)[-1] == {"uses": "me/tfmatrix@v1", "with": {"to": "requirements-a.txt"}}


def test_a_folder_of_other_scenarios_is_not_taken_for_ours(tmp_path):
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "load_test.py").write_text("print('not ours')\n")
    with pytest.raises(ConfigError, match=r"load_test.py"):
        initialise(tmp_path, OFFLINE, UV)
    assert set(tree(tmp_path)) == {"scenarios/load_test.py"}


def test_a_tensorflow_that_cannot_be_run_is_refused(tmp_path):
    (tmp_path / "requirements.txt").write_text("tensorflow==1.15.5\n")
    with pytest.raises(UsageError, match=r"1\.15\.5, which tfmatrix cannot run"):
        initialise(tmp_path, OFFLINE, UV)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "results/\n"),
        ("*.pyc", "*.pyc\nresults/\n"),
        ("results/\n", "results/\n"),
        ("/results\n", "/results\n"),
        ("results/*\n!results/published\n", "results/*\n!results/published\n"),
    ],
)
def test_gitignore_gets_what_it_lacks(tmp_path, text, expected):
    if text is not None:
        (tmp_path / ".gitignore").write_text(text)
    initialise(tmp_path, OFFLINE, UV)
    assert (tmp_path / ".gitignore").read_text() == expected


def test_the_workflow_lies_where_github_looks_and_says_where_the_project_is(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    project = tmp_path / "services" / "model"
    project.mkdir(parents=True)
    initialise(project, OFFLINE, UV)
    steps = steps_of(tmp_path)
    assert steps[-2]["run"] == "tfmatrix upgrade -C services/model"
    assert "services/model/results/store" in steps[2]["with"]["path"].split()
    assert steps[3]["run"].endswith(f" tfmatrix=={__version__}")
    assert not (project / ".github").exists()


def test_the_known_releases_are_those_of_the_projects_own_matrix():
    own = {environment.tensorflow for environment in load_config(ROOT / "matrix.yaml").environments}
    assert set(KNOWN_RELEASES) <= own
