"""Nox sessions: `nox` alone runs the quick matrix; `nox -l` lists the rest, with what runs in each environment.

The sessions are generated from matrix.yaml by the same code that runs it, in an environment of its own under .nox: made
on the first start, silently used until pyproject.toml changes. Nox itself needs none of our dependencies. TFMATRIX_SET
chooses the set that save, load, table and matrix work on.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, TypedDict

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2025.2.9"  # the first with `requires` and dependency groups
nox.options.sessions = ["matrix"]
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"

ROOT = Path(__file__).resolve().parent
SET = os.environ.get("TFMATRIX_SET", "quick")
HOME = ROOT / ".nox" / "tfmatrix"
PYTHON = HOME / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
GROUPS = nox.project.load_toml(ROOT / "pyproject.toml")

# Nox 2026 runs sessions at once (`nox -j 2`) where they say that they may; older ones do not know the word.
AT_ONCE: dict[str, Any] = (
    {"allow_parallel": True} if "allow_parallel" in inspect.signature(nox.session).parameters else {}
)


class Row(TypedDict):
    """An environment of the set, as `tfmatrix env list` has it."""

    environment: str
    keras: str
    python: str


def provide_python() -> None:
    """Makes the environment that tfmatrix runs in, where pyproject.toml has changed since the last time."""
    project = (ROOT / "pyproject.toml").read_bytes()
    digest = hashlib.sha256(project + str(ROOT).encode()).hexdigest()
    stamp = HOME / "installed"
    if stamp.is_file() and stamp.read_text() == digest and PYTHON.exists():
        return
    print(f"nox > installing tfmatrix into {HOME.relative_to(ROOT)} (once)", file=sys.stderr)
    here = sys.executable if sys.version_info >= (3, 11) else ""
    wanted = [here] if here else ["3.14", "3.13", "3.12", "3.11"]
    uv = shutil.which("uv")
    pip = [uv, "pip", "install", f"--python={PYTHON}"] if uv else [str(PYTHON), "-m", "pip", "install"]
    commands = [
        # virtualenv comes with nox.
        [sys.executable, "-m", "virtualenv", "--quiet", *(f"--python={each}" for each in wanted), str(HOME)],
        [*pip, "--quiet", "--editable", str(ROOT)],
    ]
    for command in commands:
        if (code := subprocess.run(command, check=False).returncode) != 0:
            raise SystemExit(f"nox > tfmatrix could not be installed: exit code {code} of {' '.join(command)}")
    stamp.write_text(digest)


def read_environments() -> list[Row]:
    """The environments of the set; matrix.yaml and the locks are read again only when one of them has changed."""
    files = [ROOT / "matrix.yaml", *sorted((ROOT / "locks").iterdir())]
    state = [SET, *((file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files)]
    cache = HOME / "environments.json"
    key = hashlib.sha256(json.dumps(state).encode()).hexdigest()
    if cache.is_file() and (known := json.loads(cache.read_text()))["key"] == key:
        return list(known["environments"])
    command = [str(PYTHON), "-m", "tfmatrix", "env", "list", "--brief", "--json", "--set", SET, "-C", str(ROOT)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise SystemExit(done.returncode)
    rows: list[Row] = json.loads(done.stdout)
    aside = cache.with_suffix(f".{os.getpid()}")
    aside.write_text(json.dumps({"key": key, "environments": rows}))
    aside.replace(cache)
    return rows


provide_python()
ENVIRONMENTS = read_environments()


def tfmatrix(session: nox.Session, *arguments: str, success_codes: tuple[int, ...] = (0,)) -> None:
    """Runs a tfmatrix command. Its documented exit code becomes nox's own; nox itself only knows 0 and 1."""
    run_python(session, "-m", "tfmatrix", *arguments, *session.posargs, success_codes=success_codes)


def run_python(session: nox.Session, *arguments: str, success_codes: tuple[int, ...] = (0,)) -> None:
    """Runs the Python that has tfmatrix."""
    try:
        session.run(
            str(PYTHON),
            *arguments,
            success_codes=success_codes,
            external=True,
            stderr=None,
            # Ctrl-C: the run needs a moment to remove its containers.
            interrupt_timeout=60,
            terminate_timeout=30,
        )
    except CommandFailed as failure:
        if failure.return_code not in (None, 1):
            raise SystemExit(failure.return_code) from failure
        raise


def install(session: nox.Session, *groups: str) -> None:
    """Installs the project and dependency groups into the session's environment."""
    session.install("-e", ".", *nox.project.dependency_groups(GROUPS, *groups))


@nox.session(python=False)
def matrix(session: nox.Session) -> None:
    """Run the matrix: save, load, judge, and print the table (default: the quick set)."""
    tfmatrix(session, "run", "--set", SET)


def add_steps(row: Row) -> None:
    """The sessions save(ID) and load(ID) of one environment.

    Functions of their own instead of `nox.parametrize`: a `nox.param` that two sessions share keeps the last name it
    was given, and parametrized sessions have one description for all.
    """
    name = row["environment"]
    what = f"Python {row['python']}" if row["python"] else "its own image"
    if row["keras"]:
        what = f"Keras {row['keras']}, {what}"

    def save(session: nox.Session) -> None:
        # What could not be saved is told by the loads and the table, which nox would not run after a failed session.
        tfmatrix(session, "run", "--set", SET, "--phase", "save", "--writer", name, success_codes=(0, 1))

    def load(session: nox.Session) -> None:
        tfmatrix(session, "run", "--set", SET, "--phase", "load", "--reader", name)

    save.__doc__ = f"{what}: save every scenario."
    load.__doc__ = f"{what}: load every artifact."
    nox.session(python=False, name=f"save({name})", **AT_ONCE)(save)
    nox.session(python=False, name=f"load({name})", requires=SAVES, **AT_ONCE)(load)


SAVES = [f"save({each['environment']})" for each in ENVIRONMENTS]
LOADS = [f"load({each['environment']})" for each in ENVIRONMENTS]
for each in ENVIRONMENTS:
    add_steps(each)


@nox.session(name="save", python=False, requires=SAVES)
def save_all(session: nox.Session) -> None:
    """Save every scenario in every environment: all of the above."""


@nox.session(name="load", python=False, requires=LOADS)
def load_all(session: nox.Session) -> None:
    """Load every artifact in every environment, after the saves."""


@nox.session(python=False)
def table(session: nox.Session) -> None:
    """Print the table of what save and load sessions have left in the store; measures nothing."""
    tfmatrix(session, "run", "--set", SET, "--phase", "table")


@nox.session(python=False)
def nightly(session: nox.Session) -> None:
    """Renew the nightly pins, run everything, publish, compare with the night before: exit code 1 for news only."""
    tfmatrix(session, "nightly")


@nox.session(python=False)
def upgrade(session: nox.Session) -> None:
    """May TensorFlow be upgraded? `nox -s upgrade -- --from 2.12.1 --to 2.16.2`."""
    tfmatrix(session, "upgrade")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; arguments after -- go to pytest."""
    install(session, "test", "web")
    session.run("pytest", *session.posargs)


@nox.session
def trust(session: nox.Session) -> None:
    """Attack the boundary with every hostile scenario, damage what is stored, and count (`nox -s trust`)."""
    install(session, "test")
    session.run(
        "pytest",
        "-s",
        "-q",
        "tests/hostile",
        "tests/faults",
        "tests/unit/executors/test_intake.py",
        "tests/unit/store/test_content.py",
        *session.posargs,
        env={"TFMATRIX_TEST_HOSTILE": "1"},
    )


@nox.session
def fuzz(session: nox.Session) -> None:
    """Feed all readers with a million inputs that are nearly right (`nox -s fuzz -- pins --seconds 600`: one)."""
    install(session, "test", "fuzz")
    path = os.pathsep.join(str(ROOT / folder) for folder in ("tests/builders", "tests/fuzz"))
    arguments = session.posargs or ["--total", "1000000"]
    session.run("python", "tests/fuzz/fuzz.py", *arguments, env={"PYTHONPATH": path})


@nox.session
def audit(session: nox.Session) -> None:
    """Look up whether what the host installs has published holes (pip-audit; asks the index)."""
    install(session, "audit")
    folder = Path(session.create_tmp())
    wanted, told = folder / "requirements.txt", folder / "audit.json"
    told.unlink(missing_ok=True)
    wanted.write_text(str(session.run("python", "-m", "pip", "freeze", "--exclude-editable", silent=True)))
    # Strict: what could not be looked up is no pass.
    options = ["--strict", "--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    command = ["pip-audit", *options, "--output", str(told), "--requirement", str(wanted)]
    said = str(session.run(*command, success_codes=[0, 1], silent=True))
    if not told.exists():
        session.error(f"the index's advisories could not be read: {said.strip().splitlines()[-1]}")
    found = json.loads(told.read_text())["dependencies"]
    holes = [f"{each['name']} {each['version']}: {hole['id']}" for each in found for hole in each["vulns"]]
    if holes:
        session.error("\n".join(holes))
    session.log(f"{len(found)} packages, none with a published hole")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting, the direction of imports, and the workflows."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")
    # Workflows: their schema, then what is unsafe in them (pins, permissions, injection). actionlint is ci.yml's own
    # step: its package fetches the program from GitHub when it is installed.
    workflows = [str(path) for path in sorted(Path(".github/workflows").glob("*.yml"))]
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-actions", "action.yml")
    session.run("zizmor", "--offline", "--no-progress", "action.yml", *workflows)


@nox.session
def typecheck(session: nox.Session) -> None:
    """Check types, strictly."""
    install(session, "typecheck", "test")
    session.run("mypy")


@nox.session(python=False)
def publish(session: nox.Session) -> None:
    """Build the site of the newest run, ready for a static host, under results/site."""
    tfmatrix(session, "publish", "-o", "results/site")


@nox.session(python=False)
def bench(session: nox.Session) -> None:
    """Compare with the naive way: an image per version, a container per save and per load."""
    run_python(session, "benchmarks/against_naive.py", *session.posargs)


@nox.session(python=False)
def claims(session: nox.Session) -> None:
    """Write docs/claims.md from the newest run."""
    run_python(session, "docs/generate.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation under .nox/site, a warning being an error; `nox -s docs -- --serve` shows it.

    `-- --deploy 1.2` commits it as that version, and as the latest, on the local branch gh-pages, beside the others.
    """
    install(session, "docs")
    if session.posargs[:1] == ["--deploy"]:
        session.run("mike", "deploy", "--update-aliases", session.posargs[1], "latest")
        session.run("mike", "set-default", "latest")
        return
    if "--serve" in session.posargs:
        session.run("mkdocs", "serve", *(each for each in session.posargs if each != "--serve"))
        return
    session.run("python", "docs/outputs.py", "--check")
    session.run("mkdocs", "build", "--strict", "--quiet", *session.posargs)
