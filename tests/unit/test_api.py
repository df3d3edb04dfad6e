"""The functions for programs, over fake workers: they return, print nothing, and do what the command line does."""

from __future__ import annotations

import base64
import inspect
import json
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import golden_hdf5
import numpy as np
import pytest
import tfmatrix
from fakes import FakeExecutor, ok_job
from repository import ROOT
from tfmatrix import api
from tfmatrix.api import ExitCode, Project, Status
from tfmatrix.cli import run_command

OLD, NEW = "2.15.1", "2.21.0"
SCENARIO = '''\
"""A dense layer."""
import tensorflow as tf

FORMATS = ("h5", "keras")


def build_model(): ...
def inputs(rng): ...
'''


def observe(folder: Path, value: float) -> None:
    """The smallest observation that can be compared."""
    target = folder / "observation"
    target.mkdir(parents=True)
    np.savez(target / "arrays.npz", a0=np.full((2, 2), value, dtype="float32"))
    empty = dict.fromkeys(("weights", "optimizer", "config", "compile", "resume", "signatures", "control"))
    outputs = {"": {"array": "a0", "dtype": "float32", "shape": [2, 2]}}
    given = {"described": [{"name": "x", "dtype": "float32", "shape": [8, 3], "values": "uniform in [0, 1)"}]}
    document = {"schema": 1, "kind": "keras", "model_class": "Sequential", "outputs": outputs, **empty, "notes": {}}
    document["given"] = {**given, "note": "", "network": "none"}
    (target / "observation.json").write_text(json.dumps(document))


@pytest.fixture
def lost(monkeypatch) -> set[tuple[str, str]]:
    """The workers are functions; what stands in this set, (format, reader), comes back with other outputs."""
    lost: set[tuple[str, str]] = set()

    def job(environment: str, job: dict[str, Any]) -> dict[str, Any]:
        folder = Path(job["folder"])
        if job["kind"] in ("dismantle", "rebuild"):
            error = {"type": "ValueError", "message": "no model of these functions can be made anew", "traceback": ""}
            return {**ok_job(environment, job), "status": "error", "phase": "load", "error": error}
        if job["kind"] == "save":
            (folder / "artifact").mkdir(parents=True)
            name = job["format"]["artifact"]
            (folder / "artifact" / name).write_bytes(b"\x89HDF\r\n\x1a\n" + name.encode() + environment.encode())
        is_lost = job["kind"] == "load" and (job["format"]["id"], environment) in lost
        observe(folder, 2.0 if is_lost else 1.0)
        return {**ok_job(environment, job), "artifact": job["kind"] == "save", "observation": True}

    monkeypatch.setattr("tfmatrix.executors.choose.open_executor", lambda *_, **__: (FakeExecutor(job=job), "fake"))
    return lost


@pytest.fixture
def project(tmp_path, monkeypatch) -> Project:
    """A project with two locked environments and one scenario."""
    monkeypatch.chdir(tmp_path)
    for folder in ("locks", "scenarios"):
        (tmp_path / folder).mkdir()
    entries = [f'  - {{tensorflow: "{version}", python: "3.11"}}\n' for version in (OLD, NEW)]
    (tmp_path / "matrix.yaml").write_text("schema: 1\nenvironments:\n" + "".join(entries))
    for version in (OLD, NEW):
        shutil.copy(ROOT / "locks" / f"{version}.txt", tmp_path / "locks")
    (tmp_path / "scenarios" / "dense.py").write_text(SCENARIO)
    return Project(root=tmp_path)


@pytest.fixture
def silent(capfd):
    """Whatever the test did, nothing was printed."""
    yield
    assert capfd.readouterr() == ("", "")


def test_run(project, lost, silent):
    finished = api.run(project)
    assert finished.exit_code is ExitCode.OK
    assert {record.cell: record.status for record in finished.run.records} == {
        f"dense/{name}/{writer}/{reader}": Status.PASS
        for name in ("h5", "keras")
        for writer in (OLD, NEW)
        for reader in (OLD, NEW)
    }
    frame = api.load_run(finished.run.folder)
    assert list(frame["cell"]) == [record.cell for record in finished.run.records]


def test_run_selects_and_an_incompatibility_is_a_result(project, lost, silent):
    lost.add(("h5", NEW))
    finished = api.run(project, writer=[OLD], reader=[NEW])
    assert {record.cell: record.status for record in finished.run.records} == {
        f"dense/h5/{OLD}/{NEW}": Status.DRIFT,
        f"dense/keras/{OLD}/{NEW}": Status.PASS,
    }
    assert finished.exit_code is ExitCode.INCOMPATIBLE


def test_progress_comes_line_by_line(project, lost, silent):
    lines: list[str] = []
    api.run(project, only=["dense/h5/*/*"], progress=lines.append)
    assert any(line.startswith("cells 4/4: pass 4") for line in lines)
    assert all(line and not line.endswith("\n") for line in lines)


def test_upgrade(project, lost, silent):
    answer = api.upgrade(project, before=OLD, after=NEW, offline=True)
    assert (answer.upgrade.verdict.value, answer.exit_code) == ("SAFE", ExitCode.OK)
    lost.add(("h5", NEW))
    shutil.rmtree(project.store)
    answer = api.upgrade(project, before=OLD, after=NEW, saved_as=["h5"], alternative=False, offline=True)
    assert answer.upgrade.verdict.value != "SAFE"
    assert answer.exit_code is ExitCode.INCOMPATIBLE


def test_check(project, lost, silent):
    model = project.root / "model.h5"
    model.write_bytes(zlib.decompress(base64.b64decode(golden_hdf5.NEW_H5PY)))
    result = api.check(project, model, readers=[NEW], saved_with=OLD, offline=True)
    assert (result.exit_code, result.unknown) == (ExitCode.OK, "")
    assert [record.reader for record in result.others] == [NEW]


def test_errors_are_raised(project, silent):
    with pytest.raises(api.NothingSelectedError):
        api.run(project, only=["nothing/*/*/*"])
    with pytest.raises(api.UsageError, match="same environment"):
        api.upgrade(project, before=OLD, after=OLD, offline=True)
    with pytest.raises(api.UsageError, match="names nobody"):
        api.check(project, project.root / "model.h5", readers=[])


def test_what_is_a_text_is_taken_as_what_it_stands_for(project, silent, tmp_path):
    """A program in a hurry: a folder as text, one glob instead of a list, a file by its name."""
    loose = Project(root=str(project.root))
    with pytest.raises(api.NothingSelectedError):
        api.run(loose, only="nothing/*/*/*")
    with pytest.raises(api.TfmatrixError, match=r"gone\.h5"):
        api.check(loose, "gone.h5")
    (tmp_path / "a-file").write_text("")
    with pytest.raises(api.TfmatrixError, match="is not the folder of a run"):
        api.load_run(str(tmp_path / "a-file"))


def test_the_command_line_comes_to_the_same(project, lost, capsys):
    lost.add(("h5", NEW))
    code = run_command(["run", "--json", "--quiet"])
    cells = {record["cell"]: record["status"] for record in json.loads(capsys.readouterr().out)["cells"]}
    finished = api.run(project)
    assert code == finished.exit_code
    assert cells == {record.cell: record.status.value for record in finished.run.records}
    assert all(record.cached for record in finished.run.records)


def test_every_function_and_class_is_documented():
    for name in set(api.__all__) - {"Progress"}:
        assert inspect.getdoc(getattr(api, name)), name


def test_a_package_called_runner_beside_the_program_changes_nothing(tmp_path):
    """The import package was once called so."""
    (tmp_path / "runner").mkdir()
    (tmp_path / "runner" / "__init__.py").write_text("raise ImportError('somebody else')\n")
    code = "import sys, tfmatrix.api, tfmatrix.cli; print(tfmatrix.__version__); sys.exit('runner' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "runner")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, tfmatrix.__version__), done.stderr
