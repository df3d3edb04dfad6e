"""What --from, --to and --from-git mean, with real git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tfmatrix.commands.upgrade.sides import Wanted, find_sides
from tfmatrix.core.errors import ConfigError, InfrastructureError, UsageError
from tfmatrix.envs.releases import Index
from tfmatrix.project.project import Project

OFFLINE = Index(offline=True)
MATRIX = """\
schema: 1
environments:
  - {tensorflow: "2.15.1", python: "3.10"}
  - {tensorflow: "2.16.2", keras: "3.3.3", as_of: today, id: "mine"}
"""


@pytest.fixture(autouse=True)
def no_pull_request(monkeypatch):
    monkeypatch.delenv("GITHUB_BASE_REF", raising=False)


def sides(root: Path, before="", after="", git="", **options):
    wanted = Wanted(before=before, after=after, git=git, variables=options.pop("variables", {}), **options)
    return find_sides(Project(root=root), wanted, OFFLINE)


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch) -> Path:
    """A project in a subfolder: requirements.txt pins 2.15.1 on main, 2.16.2 in the working tree."""
    folder = tmp_path / "repository" / "service"
    folder.mkdir(parents=True)
    (folder / "requirements.txt").write_text("-r more.txt\ntensorflow==2.15.1\n")
    (folder / "more.txt").write_text("numpy==1.26.4\n")
    (folder / ".python-version").write_text("3.10.4\n")
    git(folder.parent, "init", "-b", "main")
    git(folder.parent, "add", ".")
    git(folder.parent, "commit", "-m", "old")
    (folder / "requirements.txt").write_text("-r more.txt\ntensorflow==2.16.2\n")
    (folder / "more.txt").write_text("numpy==1.26.3\n")
    (folder / ".python-version").write_text("3.11\n")
    monkeypatch.chdir(folder)
    return folder


def test_versions_without_a_project(tmp_path):
    before, after = sides(tmp_path, "2.8.4", "2.15.1")
    assert (before.environment.id, before.environment.python, before.environment.as_of) == ("2.8.4", "3.10", "release")
    assert (after.environment.id, after.environment.python) == ("2.15.1", "3.11")


def test_ids_of_matrix_yaml_are_its_environments(tmp_path):
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    before, after = sides(tmp_path, "2.15.1", "mine")
    assert before.environment.python == "3.10"
    assert after.environment.keras == "3.3.3"
    assert after.source == "mine of matrix.yaml"
    changed, _ = sides(tmp_path, "2.15.1", "mine", python="3.9", variables={"A": "1"})
    assert (changed.environment.python, changed.environment.env) == ("3.9", {"A": "1"})
    assert changed.environment.id != "2.15.1"


def test_the_old_file_is_that_of_the_commit_with_all_it_includes(repository):
    before, after = sides(repository, after="requirements.txt", git="main")
    assert (before.environment.tensorflow, before.environment.with_packages) == ("2.15.1", ("numpy==1.26.4",))
    assert before.environment.python == "3.10"
    assert before.source == "requirements.txt in main"
    assert (after.environment.tensorflow, after.environment.with_packages) == ("2.16.2", ("numpy==1.26.3",))
    assert after.environment.python == "3.11"
    assert str(after.file) == "requirements.txt"


def test_the_one_file_that_pins_it_is_found(repository, monkeypatch):
    assert sides(repository, git="HEAD")[1].environment.tensorflow == "2.16.2"
    before, after = sides(repository, after="2.18.1", git="main")
    assert (before.environment.tensorflow, after.environment.id) == ("2.15.1", "2.18.1")
    # A pull request on GitHub needs no argument at all.
    git(repository, "update-ref", "refs/remotes/origin/main", "main")
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    assert sides(repository)[0].source == "requirements.txt in origin/main"


def test_of_several_files_none_is_guessed(repository):
    (repository / "requirements-gpu.txt").write_text("tensorflow==2.16.2\n")
    with pytest.raises(UsageError, match=r"requirements-gpu\.txt.*requirements\.txt") as caught:
        sides(repository, git="main")
    assert "--to requirements-gpu.txt" in str(caught.value)
    (repository / "requirements-gpu.txt").unlink()
    # A lock says more than the ranges of the file that it was made of.
    (repository / "pyproject.toml").write_text('[project]\ndependencies = ["tensorflow>=2.15"]\n')
    with pytest.raises(UsageError, match="several files"):
        sides(repository, git="main")
    (repository / "requirements.txt").unlink()
    (repository / "uv.lock").write_text('[[package]]\nname = "tensorflow"\nversion = "2.16.2"\n')
    with pytest.raises(ConfigError, match=r"uv\.lock: there is no such file there \(in main\)"):
        sides(repository, git="main")


def test_what_is_wrong_in_the_old_file_is_said_of_the_commit(repository):
    (repository / "requirements.txt").write_text("tensorflow>=2\n")
    git(repository, "commit", "-am", "loose")
    (repository / "requirements.txt").write_text("tensorflow==2.16.2\n")
    with pytest.raises(ConfigError, match=r"requirements\.txt:1: TensorFlow is not pinned .* \(in main\)"):
        sides(repository, git="main")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"after": "2.15.1"}, "which version is it now"),
        ({"before": "2.15.1"}, "which version is it to be"),
        ({"before": "2.15.1", "git": "main"}, "give one of the two"),
        ({"git": "mian"}, 'did you mean "main"'),
        ({"git": "nothing-like-it"}, "fetch-depth"),
        ({"git": "--output=/tmp/x"}, "git knows no commit"),
    ],
)
def test_sides_that_are_not_named(repository, options, words):
    with pytest.raises(UsageError) as caught:
        sides(repository, **options)
    assert words in str(caught.value)


def test_outside_of_git(tmp_path):
    (tmp_path / "requirements.txt").write_text("tensorflow==2.15.1\n")
    with pytest.raises(UsageError, match="is in no git repository"):
        sides(tmp_path, git="main")


def test_no_file_pins_it(tmp_path):
    with pytest.raises(UsageError, match=r"no file in .* pins TensorFlow"):
        sides(tmp_path, git="main")


def test_a_selector_that_means_several_names_them(tmp_path, monkeypatch):
    monkeypatch.setattr("tfmatrix.envs.releases.resolve_selector", lambda text, index: ["2.15.1", "2.16.2"])
    with pytest.raises(UsageError, match=r"means 2 versions: 2\.15\.1, 2\.16\.2"):
        sides(tmp_path, "2.x", "2.16.2")


def test_without_an_index_only_exact_versions_are_known(tmp_path):
    with pytest.raises(InfrastructureError):
        sides(tmp_path, "2.15", "2.16.2")
