"""Finds the Python interpreters of this host, or has uv fetch one."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from tfmatrix.core.errors import InfrastructureError
from tfmatrix.envs.home import home_folder
from tfmatrix.envs.uv import Uv

_PROBE = """
import json, sys, sysconfig
print(json.dumps({
    "version": "%d.%d.%d" % sys.version_info[:3],
    "implementation": sys.implementation.name,
    "executable": sys.executable,
    "prefix": sys.prefix,
    "base_prefix": sys.base_prefix,
    "platform": sysconfig.get_platform(),
    "abi": sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag,
}))
"""

_PROBE_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A CPython of this host that is no virtual environment; found and run once.

    `path` has no links in it. `prefix` is the folder it is installed in (a container needs it mounted).
    `platform` and `abi` are what compiled packages depend on: "linux-x86_64", "cpython-311-x86_64-linux-gnu".
    """

    path: Path
    version: str
    prefix: Path
    implementation: str
    platform: str
    abi: str

    @property
    def identity(self) -> str:
        """What an environment made with it depends on: it links to the path and holds files for the ABI."""
        return f"{self.implementation} {self.version} {self.abi} {self.platform} {self.path}"


def find_interpreter(version: str, uv: Uv, *, progress: Callable[[str], None] | None = None) -> Interpreter:
    """The interpreter for Python "X.Y": on this host, or else fetched by uv where the network is allowed.

    Raises InfrastructureError, which says where it was looked for.
    """
    found = look_for_interpreter(version, uv)
    if found is not None:
        return found
    fetched = "uv was not asked to fetch one: offline"
    if not uv.network.offline:
        if progress is not None:
            progress(f"fetching Python {version}")
        result = uv.run(["python", "install", version])
        look_for_interpreter.cache_clear()
        found = look_for_interpreter(version, uv)
        if found is not None:
            return found
        fetched = f"uv could not fetch one:\n{result.explanation}"
    raise InfrastructureError(
        f"There is no Python {version} on this machine. Looked at uv's own, on PATH, and in {_pyenv_root()}; {fetched}",
        expected=f"CPython {version} that runs",
        fix=f"install Python {version} (uv python install, pyenv install, or the system's packages), "
        "use the docker executor with a Python image, or give the environment another `python`",
    )


@functools.cache
def look_for_interpreter(version: str, uv: Uv) -> Interpreter | None:
    """The interpreter for Python "X.Y" if this host has one: uv's choice, else PATH, else the newest of pyenv.

    Nothing is fetched. The answer is kept for the life of the process.
    """
    for candidate in _candidates(version, uv):
        interpreter = _probe(candidate, version)
        if interpreter is not None:
            return interpreter
    return None


def _candidates(version: str, uv: Uv) -> Iterator[Path]:
    # Fails, rather than looks further, where the first python of that version on PATH is a pyenv shim that is not
    # switched on: hence the two other sources.
    found = uv.run(["python", "find", "--no-python-downloads", "--no-project", version])
    if found.succeeded:
        yield Path(found.stdout.strip())
    name = f"python{version}.exe" if os.name == "nt" else f"python{version}"
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if folder and (Path(folder) / name).exists():
            yield Path(folder) / name
    patches = [
        path for path in (_pyenv_root() / "versions").glob(f"{version}.*") if path.name[len(version) + 1 :].isdigit()
    ]
    for folder_of_patch in sorted(patches, key=lambda path: Version(path.name), reverse=True):
        yield folder_of_patch / "bin" / name


def _pyenv_root() -> Path:
    return Path(os.environ.get("PYENV_ROOT") or (home_folder() or Path("~")) / ".pyenv")


def _probe(path: Path, version: str) -> Interpreter | None:
    """The interpreter at `path`, or that of the virtual environment at `path`; None where it is not a fit one."""
    facts = _run_probe(path)
    if facts is not None and facts["prefix"] != facts["base_prefix"]:
        # An environment may vanish, or lend its packages: only the interpreter under it is used.
        path = _executable(Path(facts["base_prefix"]), version)
        facts = _run_probe(path)
    if facts is None or facts["implementation"] != "cpython" or facts["prefix"] != facts["base_prefix"]:
        return None
    if not facts["version"].startswith(f"{version}."):
        return None
    return Interpreter(
        # What it says of itself, not where it was found: /usr/local/bin/python3 may be a shim, a script.
        path=Path(facts["executable"]).resolve(),
        version=facts["version"],
        prefix=Path(facts["prefix"]).resolve(),
        implementation=facts["implementation"],
        platform=facts["platform"],
        abi=facts["abi"],
    )


def _executable(prefix: Path, version: str) -> Path:
    return prefix / "python.exe" if os.name == "nt" else prefix / "bin" / f"python{version}"


def _run_probe(path: Path) -> dict[str, str] | None:
    """What the interpreter says of itself; None where it cannot be run: it is then none."""
    try:
        process = subprocess.run(
            [str(path), "-I", "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
        facts: dict[str, str] = json.loads(process.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
    return facts
