"""Every session of the noxfile, run by nox itself in a small copy of the checkout.

With the newest nox every day. With the oldest that the noxfile allows, which does not change:
`python -m nox -s tests -- --slow tests/integration/test_nox.py` runs both.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from repository import ROOT
from tfmatrix.store.runs import list_runs, read_run

pytestmark = pytest.mark.real

MATRIX = """\
schema: 1
environments:
  - {tensorflow: "2.15.1", python: "3.11"}
  - {tensorflow: "2.21.0", python: "3.11"}
formats: [keras, h5]
sets:
  quick: {}
  nightly: {scenarios: [optimizer_state]}
defaults: {executor: venv}
"""
BY_CI = {"tests", "lint", "typecheck", "docs"}
"""Run through nox by .ci/run, before and around these tests."""

BY_HAND = {"trust", "fuzz", "audit"}
"""Too long for every day: what they run, in small, are tests of their own. `audit` needs an index that has advisories:
the workflow has a job for it."""


def oldest_nox() -> str:
    module = ast.parse((ROOT / "noxfile.py").read_text())
    wanted = next(ast.literal_eval(each.value) for each in module.body if "needs_version" in ast.unparse(each))
    assert wanted.startswith(">=")
    return wanted.removeprefix(">=")


class Checkout:
    """A clone as a new user has it, but for a small matrix; and a nox of some version to run in it."""

    def __init__(self, root: Path, requirement: str) -> None:
        self.root = root / "checkout"
        self.nox = root / "nox" / ("Scripts/nox.exe" if os.name == "nt" else "bin/nox")
        uv = [sys.executable, "-m", "uv"]
        python = self.nox.parent / ("python.exe" if os.name == "nt" else "python")
        subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, root / "nox"], check=True)
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", python, requirement], check=True)
        for name in (
            "noxfile.py",
            "pyproject.toml",
            "hatch_build.py",
            "README.md",
            "CHANGELOG.md",
            "LICENSE",
            "runner",
            "docs",
            "benchmarks",
        ):
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, self.root / name, ignore=shutil.ignore_patterns("__pycache__", "*.png"))
            else:
                self.root.mkdir(exist_ok=True)
                shutil.copy(source, self.root)
        for folder, names in (
            ("locks", ("2.15.1.txt", "2.21.0.txt")),
            ("scenarios", ("optimizer_state.py", "README.md")),
        ):
            (self.root / folder).mkdir()
            for name in names:
                shutil.copy(ROOT / folder / name, self.root / folder)
        (self.root / "matrix.yaml").write_text(MATRIX)

    def run(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("NOX", "VIRTUAL_ENV"))}
        done = subprocess.run(
            [self.nox, *arguments], cwd=self.root, env=environ, capture_output=True, text=True, timeout=900, check=False
        )
        assert done.returncode in codes, done.stdout + done.stderr
        return done

    def runs(self) -> int:
        return len(list_runs(self.root / "results"))


@pytest.fixture(scope="module", params=["newest", pytest.param("oldest", marks=pytest.mark.slow)])
def checkout(request, tmp_path_factory):
    requirement = "nox" if request.param == "newest" else f"nox=={oldest_nox()}"
    return Checkout(tmp_path_factory.mktemp(request.param), requirement)


def sessions_of(checkout: Checkout) -> dict[str, str]:
    """The sessions as `nox -l` shows them, with their descriptions."""
    return dict(re.findall(r"^[*-] (\S+) -> (.+)$", checkout.run("-l").stdout, re.MULTILINE))


def test_the_list_says_what_runs_where_and_a_second_start_is_silent(checkout):
    found = sessions_of(checkout)
    assert found["save(2.15.1)"] == "Keras 2.15.0, Python 3.11: save every scenario."
    assert found["load(2.21.0)"] == "Keras 3.13.2, Python 3.11: load every artifact."
    again = checkout.run("-l")
    assert again.stderr == ""
    assert "Requirement" not in again.stdout
    # What the list was made of has changed: it is made anew.
    try:
        (checkout.root / "matrix.yaml").write_text(MATRIX.replace('  - {tensorflow: "2.21.0", python: "3.11"}\n', ""))
        assert "save(2.21.0)" not in sessions_of(checkout)
    finally:
        (checkout.root / "matrix.yaml").write_text(MATRIX)


def test_a_mistake_in_the_matrix_is_one_clear_error(checkout):
    try:
        (checkout.root / "matrix.yaml").write_text(MATRIX + "bogus: 1\n")
        done = checkout.run("-l", codes=(2,))
    finally:
        (checkout.root / "matrix.yaml").write_text(MATRIX)
    assert "bogus" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_load_brings_the_saves_it_reads(checkout):
    done = checkout.run("-s", "load(2.21.0)", codes=(0, 1))
    order = re.findall(r"Running session (\S+)", done.stdout + done.stderr)
    assert order == ["save(2.15.1)", "save(2.21.0)", "load(2.21.0)"]
    assert checkout.runs() == 3


def test_a_save_succeeds_whatever_the_loads_came_to(checkout):
    checkout.run("-s", "load(2.21.0)", codes=(0, 1))
    checkout.run("-s", "save(2.15.1)")


def test_all_loads_at_once_and_the_table(checkout):
    parallel = ("-j", "2") if "--parallel" in checkout.run("--help").stdout else ()
    done = checkout.run(*parallel, "-s", "load", codes=(0, 1))
    for name in ("save(2.15.1)", "save(2.21.0)", "load(2.15.1)", "load(2.21.0)"):
        assert name in done.stdout + done.stderr
    before = checkout.runs()
    table = checkout.run("-s", "table", codes=(0, 1))
    assert checkout.runs() == before + 1
    run = read_run(checkout.root / "results")
    assert len(run.records) == 8  # 1 scenario, 2 formats, 2 writers, 2 readers
    assert all(record.cached for record in run.records if record.status.value in ("pass", "drift", "load-error"))
    assert "optimizer_state" in table.stdout


def test_matrix_is_what_nox_alone_runs(checkout):
    assert "optimizer_state" in checkout.run(codes=(0, 1)).stdout
    assert len(read_run(checkout.root / "results").records) == 8


def test_a_night(checkout):
    checkout.run("-s", "nightly", "--", "-o", "results/night", codes=(0, 1))
    assert (checkout.root / "results/night/index.html").is_file()
    assert read_run(checkout.root / "results").header["set"] == "nightly"


def test_publish(checkout):
    checkout.run("-s", "matrix", codes=(0, 1))
    checkout.run("-s", "publish")
    assert (checkout.root / "results/site/index.html").is_file()


def test_claims(checkout):
    page = checkout.root / "docs" / "claims.md"
    page.unlink(missing_ok=True)
    checkout.run("-s", "matrix", codes=(0, 1))
    checkout.run("-s", "claims")
    assert "optimizer_state" in page.read_text()


def test_upgrade(checkout):
    sides = ("--from", "2.15.1", "--to", "2.21.0")
    done = checkout.run("-s", "upgrade", "--", *sides, "--no-alternative", "--format=keras", "--json", codes=(0, 1))
    answer = json.loads(done.stdout[done.stdout.index("{") :])
    assert answer["verdict"] in ("SAFE", "SAFE WITH CHANGES", "UNSAFE")


def test_bench(checkout):
    small = ("--executor", "venv", "--scenario", "optimizer_state", "--format", "keras", "--environment", "2.21.0")
    assert "times_faster" in checkout.run("-s", "bench", "--", *small).stdout


def test_every_other_session_is_run_by_ci(checkout):
    tested = set(re.findall(r'"-s", "([a-z]+)', Path(__file__).read_text()))
    assert {name.partition("(")[0] for name in sessions_of(checkout)} == tested | BY_CI | BY_HAND
    assert all(re.search(rf"nox -s .*\b{name}\b", (ROOT / ".ci/run").read_text()) for name in BY_CI)
