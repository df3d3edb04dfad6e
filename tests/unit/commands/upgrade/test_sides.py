"""What --from, --to and --from-git mean, with real git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tfmatrix.commands.upgrade.sides import Untouched, Wanted, find_sides
from tfmatrix.core.errors import ConfigError, InfrastructureError, UsageError
from tfmatrix.envs.releases import Index
from tfmatrix.envs.uv import Network, Uv
from tfmatrix.project.init import initialise
from tfmatrix.project.project import Project

MATRIX = """\
schema: 1
environments:
  - {tensorflow: "2.15.1", python: "3.10"}
  - {tensorflow: "2.16.2", keras: "3.3.3", as_of: today, id: "mine"}
"""


@pytest.fixture(autouse=True)
def no_pull_request(monkeypatch, package_index):
    monkeypatch.delenv("GITHUB_BASE_REF", raising=False)
    for module in ("installation", "releases", "lock"):
        monkeypatch.setattr(f"tfmatrix.envs.{module}.host_platform", lambda: "linux-x86_64")


def sides(root: Path, before="", after="", git="", *, offline=False, **options):
    wanted = Wanted(before=before, after=after, git=git, **options)
    uv = Uv(cache=root / ".uv-cache", network=Network(offline=offline))
    return find_sides(Project(root=root), wanted, Index.of(uv), uv)


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
    (folder / ".gitignore").write_text(".uv-cache/\n")
    git(folder.parent, "init", "-b", "main")
    git(folder.parent, "add", ".")
    git(folder.parent, "commit", "-m", "old")
    (folder / "requirements.txt").write_text("-r more.txt\ntensorflow==2.16.2\n")
    (folder / "more.txt").write_text("numpy==1.24.3\n")
    (folder / ".python-version").write_text("3.11\n")
    monkeypatch.chdir(folder)
    return folder


def test_versions_without_a_project(tmp_path):
    before, after = sides(tmp_path, "2.8.0", "2.15.1")
    assert (before.environment.id, before.environment.python, before.environment.as_of) == ("2.8.0", "3.10", "release")
    assert (after.environment.id, after.environment.python) == ("2.15.1+py3.10", "3.10")


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
    assert before.environment.tensorflow == "2.15.1"
    assert "numpy==1.26.4" in before.environment.with_packages
    assert before.environment.python == "3.10"
    assert before.source == "requirements.txt in main"
    assert after.environment.tensorflow == "2.16.2"
    assert "numpy==1.24.3" in after.environment.with_packages
    assert after.environment.python == "3.11"
    assert str(after.file) == "requirements.txt"


def test_the_one_file_that_pins_it_is_found(repository, monkeypatch):
    assert sides(repository, git="HEAD")[1].environment.tensorflow == "2.16.2"
    before, after = sides(repository, after="2.14.1", git="main")
    assert (before.environment.tensorflow, after.environment.id) == ("2.15.1", "2.14.1+py3.10")
    # A pull request on GitHub needs no argument at all.
    git(repository, "update-ref", "refs/remotes/origin/main", "main")
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    assert sides(repository)[0].source == "requirements.txt in origin/main"


def test_a_file_that_is_new_has_no_old_side(repository):
    (repository / "requirements.txt").unlink()
    (repository / "Pipfile").write_text('[packages]\ntensorflow = "==2.16.2"\n')
    with pytest.raises(ConfigError, match=r"Pipfile: there is no such file there \(in main\)"):
        sides(repository, git="main")


def test_what_is_wrong_in_the_old_file_is_said_of_the_commit(repository):
    (repository / "requirements.txt").write_text("numpy\ntensorflow=2\n")
    git(repository, "commit", "-am", "broken")
    (repository / "requirements.txt").write_text("tensorflow==2.16.2\n")
    with pytest.raises(ConfigError, match=r"^requirements\.txt:2: not a requirement: .* \(in main\)"):
        sides(repository, git="main")


def test_untouched_files_are_not_even_read(repository):
    git(repository, "add", ".")
    git(repository, "commit", "-m", "new")
    (repository / "matrix.yaml").write_text('schema: 1\nenvironments: [{tensorflow: "2.15.1"}]\n')
    (repository / "models.py").write_text("changed\n")
    found = sides(repository, git="main", offline=True)
    assert found == Untouched(before="what is installed in main", after="what is installed")
    (repository / "requirements-dev.txt").write_text("<<<<<<<\n")
    git(repository, "add", ".")
    git(repository, "commit", "-m", "broken, and on both sides")
    assert isinstance(sides(repository, git="main", offline=True), Untouched)
    (repository / "more.txt").write_text("numpy==1.26.4\n")
    assert not isinstance(sides(repository, git="main"), Untouched)


def test_what_lies_above_the_project_and_is_named_by_it_counts(repository):
    """A file that many projects include, and the lock of a workspace: a bump there was told to change nothing."""
    shared = repository.parent / "shared"
    shared.mkdir()
    (shared / "base.txt").write_text("tensorflow==2.14.1\n")
    (shared / "other.txt").write_text("tensorflow==2.12.1\n")
    (repository / "requirements.txt").write_text("-r ../shared/base.txt\n")
    git(repository.parent, "add", ".")
    git(repository.parent, "commit", "-m", "shared")
    (shared / "other.txt").write_text("tensorflow==2.11.1\n")
    (repository.parent / "README.md").write_text("more\n")
    assert isinstance(sides(repository, git="main"), Untouched)
    (shared / "base.txt").write_text("tensorflow==2.15.1\n")
    before, after = sides(repository, git="main")
    assert (before.environment.tensorflow, after.environment.tensorflow) == ("2.14.1", "2.15.1")
    before, after = sides(repository, git="main", after="requirements.txt")
    assert (before.environment.tensorflow, after.environment.tensorflow) == ("2.14.1", "2.15.1")
    assert [pin.place for side in (before, after) for pin in side.pins] == ["../shared/base.txt:1"] * 2


def test_the_environment_that_an_image_is_made_of_counts(repository):
    (repository / "requirements.txt").unlink()
    (repository / "ml.yaml").write_text("dependencies: [tensorflow=2.14.1, python=3.11]\n")
    (repository / "Dockerfile").write_text("FROM condaforge/miniforge3\nRUN conda env create -f ml.yaml\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-m", "conda")
    (repository / "service.yaml").write_text("replicas: 2\n")
    (repository / "matrix.yaml").write_text("schema: 1\nenvironments: []\n")
    assert isinstance(sides(repository, git="main"), Untouched)
    (repository / "matrix.yaml").unlink()
    (repository / "ml.yaml").write_text("dependencies: [tensorflow=2.15.1, python=3.11]\n")
    before, after = sides(repository, git="main")
    assert (before.environment.tensorflow, after.environment.tensorflow) == ("2.14.1", "2.15.1")


def test_a_member_of_a_workspace_is_asked_about_itself(tmp_path, package_index, monkeypatch):
    """The lock lies above the member, and holds what other members install, too."""
    top = tmp_path / "repository"
    write = {
        "pyproject.toml": '[tool.uv.workspace]\nmembers = ["packages/*"]\n'
        f'[[tool.uv.index]]\nurl = "{package_index}"\ndefault = true\n',
        "packages/service/pyproject.toml": _member("service", "tensorflow>=2.14"),
        "packages/other/pyproject.toml": _member("other", "mediapipe"),
    }
    for name, text in write.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    (top / ".gitignore").write_text(".uv-cache/\n")
    lock = ["uv", "lock", "-q", "--directory", str(top), "--python", "3.11"]
    subprocess.run([*lock, "--upgrade-package", "tensorflow==2.14.1"], check=True, capture_output=True)
    git(top, "init", "-b", "main")
    git(top, "add", ".")
    git(top, "commit", "-m", "old")
    service = top / "packages" / "service"
    assert isinstance(sides(service, git="main"), Untouched)
    subprocess.run([*lock, "--upgrade-package", "tensorflow==2.15.1"], check=True, capture_output=True)
    before, after = sides(service, git="main")
    assert (before.environment.tensorflow, after.environment.tensorflow) == ("2.14.1", "2.15.1")
    assert not any(each.startswith("mediapipe") for each in after.environment.with_packages)
    uv = Uv(cache=service / ".uv-cache")
    initialise(service, Index.of(uv), uv)
    assert 'tensorflow: "2.15.1"' in (service / "matrix.yaml").read_text()


def _member(name: str, needs: str) -> str:
    return f'[project]\nname = "{name}"\nversion = "1"\nrequires-python = ">=3.10,<3.12"\ndependencies = ["{needs}"]\n'


def test_paths_are_those_of_the_project(repository, monkeypatch):
    """A project in a folder of a larger repository, whose root has pins of its own."""
    (repository.parent / "requirements.txt").write_text("tensorflow==2.12.1\n")
    monkeypatch.chdir(repository.parent)
    before, after = sides(repository, git="main", after="requirements.txt")
    assert (before.environment.tensorflow, after.environment.tensorflow) == ("2.15.1", "2.16.2")
    # What a CI system points at is called as where the command is typed.
    assert after.file == Path("service/requirements.txt")
    # A path that exists only where the command is typed is that.
    (repository.parent / "other.txt").write_text("tensorflow==2.14.1\n")
    assert sides(repository, "2.15.1", "other.txt")[1].environment.tensorflow == "2.14.1"


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
    git(tmp_path, "init", "-b", "main")
    git(tmp_path, "commit", "--allow-empty", "-m", "nothing")
    (tmp_path / "requirements.txt").write_text("numpy\n")
    with pytest.raises(UsageError, match=r"no file in .* names TensorFlow"):
        sides(tmp_path, git="main")


def test_a_selector_that_means_several_names_them(tmp_path, monkeypatch):
    monkeypatch.setattr("tfmatrix.envs.resolve.resolve_selector", lambda text, index: ["2.15.1", "2.16.2"])
    with pytest.raises(UsageError, match=r"means 2 versions: 2\.15\.1, 2\.16\.2"):
        sides(tmp_path, "2.x", "2.16.2")


def test_without_an_index_only_exact_versions_are_known(tmp_path):
    with pytest.raises(InfrastructureError):
        sides(tmp_path, "2.15", "2.16.2", offline=True)
    before, after = sides(tmp_path, "2.15.1", "2.16.2", offline=True)
    assert (before.environment.id, after.environment.id) == ("2.15.1", "2.16.2")
