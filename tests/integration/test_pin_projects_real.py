"""Projects of every kind that pins TensorFlow: through `init`, the untouched pull request, and three bumps.

Locks are made by their own tools; the packages are those of an index of this machine, so that nothing large is read.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import tfmatrix
from packaging.markers import Marker
from pin_projects import KINDS, Repository, run_tool
from pypi_simple import PYPI_SIMPLE_ENDPOINT
from tfmatrix.commands.upgrade.sides import Wanted, find_sides
from tfmatrix.envs.pins import read_pins
from tfmatrix.envs.releases import Index
from tfmatrix.project.network import make_uv
from tfmatrix.project.project import Project

# Fourteen kinds with the tools that write them, most of the time in their resolvers: `--slow`.
pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(1800)]

BUMPS = {
    "freeze_of_an_old_python": ("2.8.0", "2.8.4", "2.11.1", "2.12.1"),
}
"""From, harmless, breaking, and what cannot be installed beside the other pins."""

USUAL = ("2.14.1", "2.15.1", "2.16.2", "2.15.1")


@pytest.fixture(autouse=True)
def only_here(monkeypatch, package_index):
    monkeypatch.delenv("GITHUB_BASE_REF", raising=False)
    for module in ("installation", "releases", "lock"):
        monkeypatch.setattr(f"tfmatrix.envs.{module}.host_platform", lambda: "linux-x86_64")


@pytest.mark.parametrize("kind", KINDS)
def test_init_then_the_untouched_and_three_bumps(kind, tmp_path, package_index, monkeypatch):
    first, harmless, breaking, impossible = BUMPS.get(kind, USUAL)
    if kind == "setup_py":
        # What builds it is on the index of the world.
        monkeypatch.setenv("UV_DEFAULT_INDEX", PYPI_SIMPLE_ENDPOINT)
    repository = Repository(tmp_path / "repository", kind, package_index)
    repository.write(first)
    repository.commit("what runs in production")
    folder = repository.folder
    monkeypatch.chdir(folder)

    made = tfmatrix("init")
    assert made.code == 0, made.stdout + made.stderr
    assert f"from: {first}" in made.stdout + made.stderr
    assert f'tensorflow: "{first}"' in (folder / "matrix.yaml").read_text()
    repository.commit("init")
    workflow = (repository.top / ".github/workflows/tfmatrix.yml").read_text()
    assert ("tfmatrix upgrade -C service" in workflow) == (kind == "monorepo")

    repository.git("switch", "-q", "-c", "untouched")
    (folder / "README.md").write_text("more\n")
    repository.commit("more words")
    untouched = tfmatrix("upgrade", "--from-git", "main", "--json")
    assert (untouched.code, json.loads(untouched.stdout)["unchanged"]) == (0, True), untouched.stderr

    for bump in (harmless, breaking):
        repository.git("switch", "-q", "-C", "bump", "main")
        repository.write(bump)
        repository.commit("bump")
        uv = make_uv()
        before, after = find_sides(Project(root=folder), Wanted(git="main"), Index.of(uv), uv)
        assert (before.environment.tensorflow, after.environment.tensorflow) == (first, bump)
        assert before.environment.python == after.environment.python
        assert any(each.startswith("requests==") for each in after.environment.with_packages) != (kind in BUMPS)
        assert after.file is not None
        assert not Path(after.file).is_absolute()

    # A pin that does not go along: tensorflow-text names its TensorFlow.
    repository.git("switch", "-q", "-C", "old-text", "main")
    if kind not in BUMPS:
        repository.write(first, text="2.14.0")
    repository.commit("with text")
    repository.git("switch", "-q", "-C", "impossible")
    repository.edit(first, impossible)
    repository.commit("raised by hand")
    refused = tfmatrix("upgrade", "--from-git", "old-text", "--json")
    assert refused.code == 2, refused.stderr
    answer = json.loads(refused.stdout)
    assert answer["verdict"] == "NOT INSTALLABLE"
    assert answer["not_installable"]["side"] == "to"
    assert 1 <= len(answer["not_installable"]["reason"]) <= 5


FORKS = """\
[tool.poetry]
name = "service"
version = "1.0.0"
description = ""
authors = []
packages = []
[tool.poetry.dependencies]
python = ">=3.10,<3.12"
tensorflow = "2.14.1"
numpy = [{version = "1.23.5", python = "<3.11"}, {version = "1.24.3", python = ">=3.11"}]
models = {path = "models", develop = true}
[tool.poetry.group.dev.dependencies]
absl-py = "*"
[[tool.poetry.source]]
name = "ours"
url = "INDEX"
priority = "primary"
[build-system]
requires = ["poetry-core"]
build-backend = "poetry.core.masonry.api"
"""

MODELS = """\
[project]
name = "models"
version = "1"
dependencies = ["mediapipe"]
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
"""


def test_poetry_exports_a_lock_that_versions_alone_do_not_say(tmp_path, package_index, monkeypatch):
    (tmp_path / "models").mkdir()
    (tmp_path / "models/pyproject.toml").write_text(MODELS)
    (tmp_path / "pyproject.toml").write_text(FORKS.replace("INDEX", package_index))
    run_tool(tmp_path, "--from", "poetry>=2", "poetry", "lock")
    there = set(tmp_path.rglob("*"))
    monkeypatch.setenv("UV_INDEX", PYPI_SIMPLE_ENDPOINT)  # where the tool itself is
    found = read_pins(tmp_path / "poetry.lock", make_uv())
    assert set(tmp_path.rglob("*")) - there == {tmp_path / "cache", *(tmp_path / "cache").rglob("*")}
    pins = {(pin.package, pin.version): pin for pin in found.pins}
    assert {version for name, version in pins if name == "numpy"} == {"1.23.5", "1.24.3"}
    assert Marker(pins["numpy", "1.23.5"].marker).evaluate({"python_version": "3.10", "python_full_version": "3.10.4"})
    # What the folder asks for is installed, too: mediapipe takes no protobuf 4.
    assert ("mediapipe", "0.10.9") in pins
    assert ("protobuf", "3.20.3") in pins
    assert pins["absl-py", "2.1.0"].group == "dev"
    assert f"--extra-index-url {package_index}" in found.options


def test_a_lock_that_poetry_itself_does_not_export_is_resolved_anew_and_said(tmp_path, package_index, monkeypatch):
    (tmp_path / "models").mkdir()
    (tmp_path / "models/pyproject.toml").write_text(MODELS)
    (tmp_path / "pyproject.toml").write_text(FORKS.replace("INDEX", package_index))
    run_tool(tmp_path, "--from", "poetry<2", "poetry", "lock")
    monkeypatch.setenv("UV_INDEX", PYPI_SIMPLE_ENDPOINT)
    found = read_pins(tmp_path / "poetry.lock", make_uv())
    assert any("packages with several versions are resolved anew" in note.what for note in found.notes)
    numpy = [pin.version for pin in found.pins if pin.package == "numpy" and not pin.is_constraint]
    assert numpy == ["1.23.5", "1.24.3"]


def test_pdm_exports_a_lock_that_versions_alone_do_not_say(tmp_path, package_index, monkeypatch):
    (tmp_path / "pyproject.toml").write_text(f"""\
[project]
name = "service"
version = "1"
requires-python = ">=3.10,<3.12"
dependencies = ["tensorflow==2.14.1", "numpy==1.23.5; python_version<'3.11'", "numpy==1.24.3; python_version>='3.11'"]
[dependency-groups]
dev = ["absl-py"]
[tool.pdm]
distribution = false
[[tool.pdm.source]]
name = "pypi"
url = "{package_index}"
verify_ssl = false
""")
    for options in (["--python", "==3.10.*"], ["--python", "==3.11.*", "--append"]):
        run_tool(tmp_path, "pdm", "lock", *options, PDM_CACHE_DIR=str(tmp_path / "pdm-cache"))
    there = set(tmp_path.iterdir())
    monkeypatch.setenv("UV_INDEX", PYPI_SIMPLE_ENDPOINT)
    found = read_pins(tmp_path / "pdm.lock", make_uv())
    assert set(tmp_path.iterdir()) - there == {tmp_path / "cache"}
    pins = {(pin.package, pin.version): pin for pin in found.pins}
    assert {version for name, version in pins if name == "numpy"} == {"1.23.5", "1.24.3"}
    assert Marker(pins["numpy", "1.24.3"].marker).evaluate({"python_version": "3.11", "python_full_version": "3.11.2"})
    assert pins["absl-py", "2.1.0"].group == "dev"
