"""Environments that matrix.yaml does not have: they lie apart from the matrix's own runs, and share the store."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from repository import ROOT
from tfmatrix.core.environment import Environment
from tfmatrix.envs.lock import lock_path, read_lock
from tfmatrix.project.project import Project


@pytest.fixture
def project(tmp_path):
    for name in ("scenarios", "locks"):
        (tmp_path / name).mkdir()
    shutil.copyfile(ROOT / "scenarios" / "dense.py", tmp_path / "scenarios" / "dense.py")
    (tmp_path / "matrix.yaml").write_text('schema: 1\nenvironments: [{tensorflow: "2.15.1"}]\ndefaults: {seed: 7}\n')
    return Project(root=tmp_path)


def test_environments_from_outside_matrix_yaml_lie_apart_and_share_the_store(project):
    other = project.with_environments([Environment(id="new", tensorflow="2.21.0", python="3.11")])

    assert [environment.id for environment in other.config.environments] == ["new"]
    assert other.config.defaults == project.config.defaults
    assert other.store == project.store == project.root / "results" / "store"
    assert other.results != project.results
    assert other.locks.is_dir()
    assert other.locks != project.locks


def test_a_lock_of_the_project_serves_an_environment_from_outside_where_it_fits(project):
    shutil.copyfile(ROOT / "locks" / "2.15.1.txt", lock_path(project.locks, "2.15.1"))
    fits = Environment(id="2.15.1", tensorflow="2.15.1", python="3.11")
    other = project.with_environments([fits])
    found = read_lock(other.locks, fits)
    assert found is not None
    assert found.tensorflow == "2.15.1"

    elsewhere = project.with_environments([replace(fits, python="3.10")])
    assert read_lock(elsewhere.locks, replace(fits, python="3.10")) is None, "made anew, not an error"


def test_environments_from_outside_need_no_matrix_yaml(tmp_path):
    bare = Project(root=tmp_path).with_environments([Environment(id="2.15.1", tensorflow="2.15.1", python="3.11")])
    assert bare.config.selection().environments == bare.environments
