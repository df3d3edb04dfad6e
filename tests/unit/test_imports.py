"""Each rule on imports, planted broken in a copy of the package: import-linter fails for each, and for no other."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from itertools import permutations

import pytest
from repository import ROOT

LAYERS = (
    ("cli",),
    ("api",),
    ("commands",),
    ("engine", "reports"),
    ("executors", "analysis"),
    ("project",),
    ("checks",),
    ("envs", "store"),
    ("worker", "core"),
)
"""The rooms from the top: each may import what stands below it; those of one layer are independent of each other."""

LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
TELLING, MEASURING = ("analysis", "reports"), ("engine", "executors", "checks", "store")
FORBIDDEN = sorted(
    {(room, other) for room, other in permutations(LEVEL, 2) if LEVEL[other] <= LEVEL[room]}
    | {(room, other) for room in TELLING for other in ("engine", "executors", "envs", "project")}
    | {(room, other) for room in MEASURING for other in (*TELLING, "commands")}
    | {("commands.publish", "commands.doctor"), ("commands.upgrade", "commands.bisect")}
)
ALLOWED = [("cli", "reports"), ("commands", "engine"), ("reports", "store"), ("engine", "checks"), ("checks", "core")]

DRIVER = """
import json, sys
from pathlib import Path
from importlinter.cli import lint_imports

root, plants = Path(sys.argv[1]), json.load(sys.stdin)
def lint():
    return lint_imports(config_filename=str(root / "pyproject.toml"), cache_dir=str(root / "cache"), no_logo=True)
codes = [lint()]
for room, other in plants:
    folder = root / "tfmatrix" / room.replace(".", "/")
    # Deep inside: a rule holds for a room with everything in it.
    file = folder / "planted.py" if folder.is_dir() else folder.with_suffix(".py")
    before = file.read_text() if file.exists() else None
    file.write_text((before or "") + f"\\n\\ndef late() -> None:\\n    import tfmatrix.{other}\\n")
    codes.append(lint())
    file.unlink() if before is None else file.write_text(before)
Path(sys.argv[2]).write_text(json.dumps(codes))
"""


@pytest.fixture(scope="module")
def codes(tmp_path_factory):
    """Exit codes of import-linter: of the clean copy, then of each plant by itself, of FORBIDDEN and of ALLOWED."""
    root = tmp_path_factory.mktemp("package")
    shutil.copytree(ROOT / "runner/tfmatrix", root / "tfmatrix", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    subprocess.run(
        [sys.executable, "-c", DRIVER, str(root), str(root / "codes")],
        input=json.dumps([*FORBIDDEN, *ALLOWED]),
        cwd=root,
        env={"PYTHONPATH": str(root)},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads((root / "codes").read_text())


def test_the_package_keeps_the_rules(codes):
    assert codes[0] == 0
    assert codes[-len(ALLOWED) :] == [0] * len(ALLOWED)


@pytest.mark.parametrize(("room", "other"), FORBIDDEN)
def test_a_forbidden_import_fails(codes, room, other):
    assert codes[1 + FORBIDDEN.index((room, other))] == 1


def test_every_room_has_its_place():
    package = ROOT / "runner/tfmatrix"
    rooms = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__", "__main__"} == set(LEVEL)
