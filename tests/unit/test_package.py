"""What is published: the wheel and the sdist hold what they should, and say who, what and where from."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import BytesParser
from pathlib import Path

import pytest
import tfmatrix
from repository import ROOT


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of a wheel and an sdist, made of a copy of what git knows."""
    source, output = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in tracked(""):
        if not name.startswith(("results/published/quick/", "tests/", "docs/")) and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    for target in ("sdist", "wheel"):
        command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(output)]
        done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return output


def tracked(folder: str) -> list[str]:
    """What git would commit there."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", folder or "."]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.fixture(scope="module")
def wheel(built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        yield archive


def test_the_wheel_holds_the_whole_package_and_the_scenarios(wheel):
    names = set(wheel.namelist())
    there = [name for name in tracked("runner/tfmatrix") if (ROOT / name).exists()]
    assert {name.removeprefix("runner/") for name in there} - names == set()
    scenarios = [name for name in tracked("scenarios") if name.endswith(".py") and (ROOT / name).exists()]
    assert {f"tfmatrix/shipped_{name}" for name in scenarios} - names == set()
    published = [Path(name) for name in tracked("results/published/nightly")]
    archive = {f"tfmatrix/published/{path.name}" for path in published if path.suffix in (".json", ".gz")}
    assert "tfmatrix/published/run.json" in archive
    assert {"tfmatrix/py.typed", *archive} <= names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert {name.partition("/")[0] for name in names} == {"tfmatrix", f"tfmatrix-{tfmatrix.__version__}.dist-info"}


def test_the_sdist_holds_neither_locks_nor_results(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        tops = {name.split("/")[1] for name in archive.getnames()}
    assert {"runner", "scenarios", "LICENSE", "README.md", "pyproject.toml", "hatch_build.py"} <= tops
    assert tops & {"locks", "results", "tests", "docs", "matrix.yaml"} == set()


def test_the_index_would_take_both(built):
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, sorted(built.iterdir()))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_metadata(wheel):
    name = next(name for name in wheel.namelist() if name.endswith("/METADATA"))
    metadata = BytesParser().parsebytes(wheel.read(name))
    assert metadata["Version"] == tfmatrix.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "Typing :: Typed" in metadata.get_all("Classifier")
    # The copy has no git: nobody knows where it is published, so that nothing leads nowhere.
    assert metadata.get_all("Project-URL") is None
    assert re.findall(r"\]\((?!https?:|#)[^)]*\)", metadata.get_payload()) == []


@pytest.fixture
def hook():
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("https://github.com/me/tfmatrix.git", "https://github.com/me/tfmatrix"),
        ("https://token:secret@github.com/me/tfmatrix", "https://github.com/me/tfmatrix"),
        ("git@gitlab.example.com:group/sub/tfmatrix.git", "https://gitlab.example.com/group/sub/tfmatrix"),
        ("ssh://git@github.com/me/tfmatrix", "https://github.com/me/tfmatrix"),
        ("/somebody/elses/folder", ""),
        ("../tfmatrix", ""),
    ],
)
def test_the_repository_is_that_of_the_remote(hook, tmp_path, remote, expected):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert hook.repository_url(tmp_path) == ""
    subprocess.run(["git", "-C", str(tmp_path), "remote", "add", "origin", remote], check=True)
    assert hook.repository_url(tmp_path) == expected


def test_an_sdist_remembers_its_repository(hook, tmp_path):
    (tmp_path / "PKG-INFO").write_text("Name: x\nProject-URL: Repository, https://forge.example/me/x\n")
    assert hook.repository_url(tmp_path) == "https://forge.example/me/x"


def test_links_and_images_of_the_readme_work_elsewhere(hook):
    text = "![A](docs/a.png) [b](b.md#c) [d](#d) [e](https://e.example)"
    assert hook.portable(text, "https://forge.example/me/x") == (
        "![A](https://forge.example/me/x/raw/main/docs/a.png) [b](https://forge.example/me/x/blob/main/b.md#c) "
        "[d](#d) [e](https://e.example)"
    )
    assert hook.portable(text, "") == " b [d](#d) [e](https://e.example)"
