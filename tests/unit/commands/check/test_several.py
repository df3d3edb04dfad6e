"""Everything that is missing in one answer, and folders of several models."""

from __future__ import annotations

import base64
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import golden_hdf5
import pytest
from saved_models import saved_model
from tfmatrix.commands.check import result as checking
from tfmatrix.commands.check.report import refused
from tfmatrix.commands.check.result import Refused, check_file, check_folder, exit_code_of
from tfmatrix.core.errors import ExitCode, InfrastructureError, UsageError
from tfmatrix.engine.run import RunOptions
from tfmatrix.project.project import Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(checking, "package_index", lambda *_, **__: None)
    return Project(root=tmp_path / "project")


def missing(project: Project, model: Path, **options: Any) -> UsageError:
    with pytest.raises(UsageError) as found:
        check_file(project, model, ["2.15.1"], options=RunOptions(quiet=True), **options)
    return found.value


def checkpoint(folder: Path) -> Path:
    folder.mkdir()
    (folder / ".index").write_bytes(b"\0dense/kernel")
    (folder / ".data-00000-of-00001").write_bytes(b"x")
    return folder


def test_a_checkpoint_is_asked_for_writer_and_builder_at_once(project: Project, tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "ckpt")
    found = missing(project, path)
    assert found.fix == f"such as: tfmatrix check {path} --saved-with 2.10.1 --builder model.py:build_model"
    assert "--saved-with VERSION" in found.expected
    assert "--builder FILE.py:FUNCTION" in found.expected


def test_an_archive_with_classes_of_its_own_is_asked_for_them_too(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as target:
        target.writestr("config.json", json.dumps({"class_name": "My>Scale", "registered_name": "My>Scale"}))
        target.writestr("metadata.json", json.dumps({"keras_version": "3.4.1"}))
        target.writestr("model.weights.h5", b"")
    found = missing(project, path)
    assert "m.keras has classes of its own: My>Scale" in found.what
    assert found.fix.endswith("--saved-with 2.16.2 --custom-objects layers.py")


def test_a_matrix_without_scenarios_is_enough(project: Project, tmp_path: Path) -> None:
    project.root.mkdir()
    project.matrix_file.write_text('schema: 1\nenvironments: [{tensorflow: "2.15.1", python: "3.11"}]\n')
    found = missing(project, checkpoint(tmp_path / "ckpt"), saved_with="2.15.1")
    assert found.fix == "such as --builder model.py:build_model"


def test_every_model_of_a_folder_is_checked_and_none_stops_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(zlib.decompress(base64.b64decode(golden_hdf5.NEW_H5PY)))
    saved_model(tmp_path / "b", "2.10.1", keras=True)
    seen = []

    def one(path: Path) -> Any:
        seen.append(path.name)
        raise (UsageError("no writer") if path.name == "a.h5" else InfrastructureError("no wheel"))

    results = list(check_folder(tmp_path, one))
    assert seen == ["a.h5", "b"]
    assert all(isinstance(each, Refused) for each in results)
    assert exit_code_of(results) is ExitCode.INFRASTRUCTURE
    assert exit_code_of(results[:1]) is ExitCode.USAGE
    assert "not checked  no writer" in refused(results[0])  # type: ignore[arg-type]


def test_a_folder_without_models(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder with models in it"):
        list(check_folder(tmp_path, lambda path: pytest.fail(str(path))))
