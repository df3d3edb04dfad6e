"""A format that is not ours, in real environments: a project's own, and one that an installed package brings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from real_project import ROOT, RealProject

pytestmark = pytest.mark.real
OLD, NEW = "2.15.1", "2.21.0"

FORMAT = '''\
"""`numpy.savez` of the weights, read into a model that is built from its code."""

ID = "weights-npz"
ARTIFACT = "m.npz"
MODELS = "keras"
SAVE = "np.savez(PATH, *model.get_weights())"

LOAD = """\\
model = build()
with np.load(PATH) as found:
    model.set_weights([found[name] for name in found.files])
"""
LOADER = "numpy.load"
LOADS = "keras"
CHECKS = ("load", "outputs", "weights")
'''


def measured(project: RealProject, executor: str, **environ: str) -> None:
    done = project.tfmatrix("run", "--json", "--executor", executor, "--format", "weights-npz", **environ)
    assert done.code == 0, done.stderr
    cells = done.cells()
    assert {cell: record["status"] for cell, record in cells.items()} == {
        f"dense/weights-npz/{writer}/{reader}": "pass" for writer in (OLD, NEW) for reader in (OLD, NEW)
    }
    record = cells[f"dense/weights-npz/{OLD}/{NEW}"]
    assert record["checks"]["weights"]["status"] == "pass"
    assert record["checks"]["optimizer"]["status"] == "not-applicable"
    assert not record["promised"]


@pytest.mark.docker
def test_one_of_the_project_in_containers(engine, real_project):
    project = real_project([OLD, NEW], ["dense"])
    (project.root / "formats").mkdir()
    (project.root / "formats" / "weights_npz.py").write_text(FORMAT)
    measured(project, "docker")
    # It is in the keys: another call is measured anew, a comment is not.
    file = project.root / "formats" / "weights_npz.py"
    file.write_text(f"# a comment\n{FORMAT}")
    assert "0 of 2 saves, 0 of 4 loads" in project.tfmatrix("plan", "--format", "weights-npz").stdout
    file.write_text(FORMAT.replace("np.savez(", "np.savez_compressed("))
    assert "2 of 2 saves, 4 of 4 loads" in project.tfmatrix("plan", "--format", "weights-npz").stdout


def test_one_of_an_installed_package(real_project, tmp_path: Path):
    site = tmp_path / "site"
    (site / "npz_weights").mkdir(parents=True)
    (site / "npz_weights" / "__init__.py").write_text("raise ImportError('nothing imports it')\n")
    (site / "npz_weights" / "weights_npz.py").write_text(FORMAT)
    metadata = site / "npz_weights-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: npz-weights\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[tfmatrix.formats]\nnpz = npz_weights.weights_npz\n")
    path = os.pathsep.join((str(site), str(ROOT / "runner")))
    measured(real_project([OLD, NEW], ["dense"]), "venv", PYTHONPATH=path)
