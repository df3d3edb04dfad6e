"""`tfmatrix lock`: selectors and locks over an index and a resolver that change from day to day."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tfmatrix.core.errors import ConfigError, InfrastructureError, UsageError
from tfmatrix.envs.lock import Lock, lock_path
from tfmatrix.envs.uv import Uv
from tfmatrix.project import locking
from tfmatrix.project.config import load_config
from tfmatrix.project.config.selected import SELECTED_FILE
from tfmatrix.project.locking import Locking, raise_stale
from tfmatrix.project.project import Project

TODAY = datetime.date(2026, 11, 22)
MATRIX = """\
schema: 1
environments:
  - {tensorflow: "2.15.1"}
  - {tensorflow: "2.16.2", as_of: today}
  - {tensorflow: "2.x"}
  - {tensorflow: rc}
  - {tensorflow: nightly}
"""


@dataclass
class World:
    """What the index answers to selectors, and the packages of each environment, today."""

    selectors: dict[str, list[str]] = field(default_factory=dict)
    packages: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    down: bool = False


@pytest.fixture
def world(monkeypatch):
    world = World(selectors={"2.x": ["2.14.1", "2.15.1"], "rc": ["2.16.0rc0"]})

    def resolve(text, index, *, package="tensorflow"):
        if world.down:
            raise InfrastructureError("the package index cannot be asked")
        world.asked.append(text)
        return world.selectors[text]

    def lock(folder, environment, content):
        packages = {"tensorflow-cpu": environment.tensorflow, **content}
        text = json.dumps({"as_of": environment.as_of, "packages": packages})
        return Lock(
            environment_id=environment.id,
            path=lock_path(folder, environment.id),
            digest=text,
            python=environment.python,
            packages=packages,
            tensorflow=packages["tensorflow-cpu"],
            keras=packages.get("keras", ""),
            distribution="tensorflow-cpu",
            platform="linux-x86_64",
            exclude_newer="",
        )

    def make(folder, environment, uv, *, progress=None):
        made = lock(folder, environment, world.packages.get(environment.id, {}))
        folder.mkdir(parents=True, exist_ok=True)
        made.path.write_text(made.digest)
        if "tfmatrix-lock-" not in str(folder):
            world.made.append(environment.id)
        return made

    def read(folder, environment):
        path = lock_path(folder, environment.id)
        if not path.exists():
            return None
        written = json.loads(path.read_text())
        if written["as_of"] != environment.as_of:
            raise ConfigError("this lock was made for another entry", file=path, fix="tfmatrix lock ID")
        found = lock(folder, environment, {})
        object.__setattr__(found, "packages", written["packages"])
        object.__setattr__(found, "digest", path.read_text())
        return found

    monkeypatch.setattr(locking, "resolve_selector", resolve)
    monkeypatch.setattr(locking, "make_lock", make)
    monkeypatch.setattr(locking, "read_lock", read)
    return world


@pytest.fixture
def project(tmp_path):
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    (tmp_path / "scenarios").mkdir()
    scenario = '"""A model."""\n\ndef build_model():\n    return None\n\n\ndef inputs(rng):\n    return None\n'
    (tmp_path / "scenarios" / "dense.py").write_text(scenario)
    return tmp_path


def work(folder: Path, *ids: str, upgrade: bool = False) -> Locking:
    return Locking(project=Project(root=folder), uv=Uv(cache=folder / "uv"), ids=ids, upgrade=upgrade, say=str)


def environments(folder: Path) -> list[str]:
    return [each.id for each in load_config(folder / "matrix.yaml").environments]


def test_the_first_time_everything_is_resolved_and_locked_and_then_nothing(world, project):
    news = work(project).write(TODAY)

    assert news[:2] == ["2.x: 2.14.1, 2.15.1", "rc: 2.16.0rc0"]
    assert news[2] == "2.15.1: locked: TensorFlow 2.15.1, 1 packages"
    assert world.made == environments(project) == ["2.15.1", "2.16.2@today", "2.14.1", "2.16.0rc0", "nightly"]
    assert json.loads((project / SELECTED_FILE).read_text())["selected"][0] == {
        "selector": "2.x",
        "package": "tensorflow",
        "date": "2026-11-22",
        "versions": ["2.14.1", "2.15.1"],
    }
    world.down = True
    before = (project / SELECTED_FILE).read_text()
    assert work(project).write(TODAY + datetime.timedelta(days=1)) == []
    assert (project / SELECTED_FILE).read_text() == before
    assert work(project).check() == []
    assert len(world.made) == 5


def test_an_upgrade_renews_what_moves_and_says_what_is_new(world, project):
    world.packages["nightly"] = {
        "tensorflow-cpu": "2.18.0.dev1",
        "keras-nightly": "3.1.dev1",
        "numpy": "1.26.4",
        "old": "1",
    }
    work(project).write(TODAY)
    world.made.clear()
    world.packages["nightly"] = {
        "tensorflow-cpu": "2.18.0.dev2",
        "keras-nightly": "3.1.dev2",
        "numpy": "1.26.4",
        "new": "2",
    }
    world.selectors = {"2.x": ["2.14.1", "2.15.2", "2.16.0"], "rc": []}
    stale = work(project, upgrade=True).check()
    assert environments(project)[-1] == "nightly"
    assert world.made == []

    news = work(project, upgrade=True).write(TODAY)

    assert news == [
        "2.x: new patch 2.15.2 (was 2.15.1), new minor 2.16.0",
        "rc: 2.16.0rc0 is gone",
        "2.16.2@today: nothing new",
        "2.15.2: locked: TensorFlow 2.15.2, 1 packages",
        "2.16.0: locked: TensorFlow 2.16.0, 1 packages",
        "nightly: tensorflow-cpu 2.18.0.dev1 -> 2.18.0.dev2, keras-nightly 3.1.dev1 -> 3.1.dev2,"
        " new none -> 2, old 1 -> none",
    ]
    assert [line for line in news if line in stale] == [news[0], news[1], news[-1]]
    assert "2.15.1" not in world.made
    # The exact entry stays, whatever the selector chooses now.
    assert environments(project) == ["2.15.1", "2.16.2@today", "2.14.1", "2.15.2", "2.16.0", "nightly"]
    assert work(project).check() == ["2.16.0rc0.txt: no environment has this lock any more: remove it"]


def test_an_upgrade_of_some_leaves_the_others(world, project):
    work(project).write(TODAY)
    world.made.clear()
    world.asked.clear()
    world.selectors["2.x"] = ["2.14.1", "2.15.1", "2.17.0"]

    assert work(project, "nightly", upgrade=True).write(TODAY) == ["nightly: nothing new"]
    assert (world.made, world.asked) == (["nightly"], [])
    before = (project / SELECTED_FILE).read_text()
    # The day is that of the choice: a renewal that finds nothing new changes no file.
    assert work(project, "rc", upgrade=True).write(TODAY + datetime.timedelta(days=1)) == []
    assert (project / SELECTED_FILE).read_text() == before
    world.asked.clear()
    news = work(project, "2.x", upgrade=True).write(TODAY)
    assert news == ["2.x: new minor 2.17.0", "2.17.0: locked: TensorFlow 2.17.0, 1 packages"]
    assert world.asked == ["2.x"]


def test_named_environments_are_locked_anew_even_where_their_lock_does_not_fit(world, project):
    work(project).write(TODAY)
    (project / "matrix.yaml").write_text(
        MATRIX.replace('{tensorflow: "2.15.1"}', '{tensorflow: "2.15.1", as_of: 2024-08-01, id: "2.15.1"}')
    )
    assert work(project).check() == ["2.15.1: " + f"{project}/locks/2.15.1.txt: this lock was made for another entry"]
    with pytest.raises(ConfigError, match="another entry"):
        work(project).write(TODAY)

    assert work(project, "2.15.1").write(TODAY) == ["2.15.1: locked: TensorFlow 2.15.1, 1 packages"]
    assert work(project).check() == []


def test_what_is_not_locked_or_resolved_is_stale(world, project):
    assert work(project).check() == [
        'line 5: the selector "2.x" is not resolved',
        'line 6: the selector "rc" is not resolved',
    ]
    work(project).write(TODAY)
    (project / "locks" / "nightly.txt").unlink()
    stale = work(project).check()
    assert stale == ["nightly: has no lock"]
    with pytest.raises(UsageError, match="nightly: has no lock") as caught:
        raise_stale(stale, upgrade=False)
    assert "tfmatrix lock" in caught.value.fix
    raise_stale([], upgrade=False)


def test_an_unknown_id_is_an_error_with_a_hint(world, project):
    work(project).write(TODAY)
    with pytest.raises(UsageError) as caught:
        work(project, "nightyl").write(TODAY)
    assert caught.value.fix == 'did you mean "nightly"?'


def test_an_index_that_cannot_be_asked_changes_nothing(world, project):
    work(project).write(TODAY)
    before = (project / SELECTED_FILE).read_text()
    world.down = True
    world.made.clear()
    with pytest.raises(InfrastructureError):
        work(project, upgrade=True).write(TODAY)
    assert ((project / SELECTED_FILE).read_text(), world.made) == (before, [])
