"""What a command does not import: most of a start is imports, and one at the top of a module is in everybody's way."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import zlib
from datetime import UTC, datetime
from pathlib import Path

import golden_hdf5
import pytest
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.store.runs import RunWriter

HEAVY = frozenset(
    {"docker", "jinja2", "numpy", "pandas", "pydantic", "pygal", "pypi_simple", "requests", "ruamel", "tabulate"}
)
# Newer releases of typer read an option that is neither a flag nor a text nor a path with pydantic.
TYPED = frozenset({"pydantic"})
YAML = TYPED | {"ruamel"}
# Causes and warnings are counted in arrays.
COUNTS = TYPED | {"numpy"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a scenario and two runs of one cell that fails in the second."""
    root = tmp_path_factory.mktemp("project")
    (root / "matrix.yaml").write_text('schema: 1\nenvironments: [{tensorflow: "2.15.1"}, {tensorflow: "2.21.0"}]\n')
    (root / "requirements.txt").write_text("tensorflow==2.15.1\n")
    (root / "model.h5").write_bytes(zlib.decompress(base64.b64decode(golden_hdf5.OLD_H5PY)))
    (root / "scenarios").mkdir()
    (root / "scenarios" / "dense.py").write_text(
        '"""A dense layer."""\nimport tensorflow as tf\n'
        "def build_model(): return tf.keras.Sequential()\ndef inputs(rng): return rng.rand(2)\n"
    )
    for day, (run, status) in enumerate({"one": Status.PASS, "two": Status.TIMEOUT}.items(), 1):
        header = {
            "started": f"2026-01-0{day}T00:00:00+00:00",
            "environments": {"a": {}, "b": {}},
            "scenarios": {},
            "formats": [],
            "executor": {"name": "fake", "reason": ""},
            "known_failures": [],
            "set": None,
            "tfmatrix": "0",
        }
        cell = {"cell": "dense/h5/a/b", "scenario": "dense", "format": "h5", "writer": "a", "reader": "b"}
        with RunWriter(root / "results", run, header) as writer:
            writer.add(CellRecord(run=run, status=status, **cell))
            writer.finish(datetime(2026, 1, day, tzinfo=UTC))
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b.example"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "requirements.txt"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "pins"], check=True)
    return root


@pytest.mark.parametrize(
    ("arguments", "code", "allowed"),
    [
        (["--help"], 0, frozenset()),
        (["--version"], 0, frozenset()),
        (["plan", "--help"], 0, frozenset()),
        (["bisect", "--help"], 0, frozenset()),
        (["nonsense"], 2, frozenset()),
        (["plan", "--nonsense"], 2, frozenset()),
        (["plan", "-C", "/nonexistent"], 2, YAML),
        (["plan", "--set", "nonsense"], 2, YAML),
        (["explain", "nonsense/**"], 3, COUNTS),
        (["plan"], 0, YAML),
        (["inspect", "model.h5"], 0, frozenset()),
        (["inspect", "nonsense.h5"], 2, frozenset()),
        (["diff"], 1, COUNTS),
        (["explain", "dense/h5/a/b"], 0, COUNTS),
        (["warnings"], 0, COUNTS | {"tabulate"}),
        (["report", "--format", "json"], 0, TYPED),
        (["report", "--format", "csv"], 0, TYPED | {"pandas", "numpy"}),
        (["upgrade", "--from-git", "HEAD"], 0, YAML),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_imports_only_what_it_uses(project: Path, arguments: list[str], code: int, allowed: frozenset[str]):
    """Asked in an interpreter of its own: this one has imported everything by now."""
    program = (
        "import json, sys\nfrom tfmatrix.cli import run_command\ncode = run_command(json.loads(sys.argv[1]))\n"
        "print('\\n' + json.dumps([code, sorted({name.partition('.')[0] for name in sys.modules})]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(arguments)], cwd=project, capture_output=True, text=True, check=True
    )
    ended, imported = json.loads(done.stdout.splitlines()[-1])
    assert (ended, sorted(HEAVY & set(imported) - allowed)) == (code, []), done.stderr


def test_nothing_of_ours_is_imported_before_the_command_is_known():
    """The command line alone: options, errors, enumerations."""
    program = (
        "import sys, tfmatrix.cli; tfmatrix.cli.load_commands(sys.argv[1:])\n"
        "print(*(name for name in sys.modules if name.startswith('tfmatrix.')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    rooms = {name.split(".")[1] for name in done.stdout.split()}
    assert rooms <= {"cli", "core", "engine", "reports"}
    assert "tfmatrix.reports.render" not in done.stdout
    assert "tfmatrix.engine.run" not in done.stdout
    # One that the command line names is alone.
    done = subprocess.run([sys.executable, "-c", program, "upgrade"], capture_output=True, text=True, check=True)
    ours = set(done.stdout.split())
    assert {name for name in ours if name.startswith("tfmatrix.cli.")} == {
        "tfmatrix.cli.app", "tfmatrix.cli.completion", "tfmatrix.cli.options", "tfmatrix.cli.upgrade",
    }  # fmt: skip
    assert "tfmatrix.core.ids" not in ours
