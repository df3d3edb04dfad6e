"""`tfmatrix doctor`: what a run needs, and what of it this machine has. Looks only; nothing is downloaded or built.

Every question has a short time limit of its own, and a question that fails in a way nobody thought of is an answer
too: it never ends the report.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import platform
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ExitCode, TfmatrixError
from tfmatrix.core.version import __version__
from tfmatrix.engine.host import BYTES_PER_SLOT, cpus, describe_host, memory_bytes, slots
from tfmatrix.envs.interpreters import look_for_interpreter
from tfmatrix.envs.lock import read_lock
from tfmatrix.envs.provision import MARKER, default_cache_root
from tfmatrix.envs.uv import Uv, find_uv
from tfmatrix.executors.engine import Engine, EngineUnavailableError, cause, connect
from tfmatrix.executors.images import BaseUnavailableError, ImageSettings, host_identity, userland_tar
from tfmatrix.project.config import Defaults
from tfmatrix.project.network import make_uv
from tfmatrix.project.project import Project

PROBE_SECONDS = 15.0
"""For one question. The engine has 5 of its own, the registry and the index 10 at most."""

INDEX_SECONDS = 10
BYTES_PER_ENVIRONMENT = 1.5 * 10**9
"""What one environment takes with its downloads; measured: 0.8 to 1.3 GB, most of it shared with the download cache."""

ROOM_FOR_RESULTS = 10**9
DEFAULT_PYTHON = "3.11"
BUILT = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
"""A clock that shows an earlier time is wrong: this file is younger."""

SCHEMA = 1


class State(StrEnum):
    """How it is with one thing. `missing` is not always bad: a run may do without."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"
    WRONG = "wrong"


SIGNS = {State.OK: "✓", State.NOTE: "!", State.MISSING: "–", State.WRONG: "✗"}
_STYLES = {State.OK: "green", State.NOTE: "yellow", State.MISSING: "yellow", State.WRONG: "bold red"}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at: what is there, and what to do where that is not well."""

    name: str
    state: State
    found: str
    fix: str = ""


@dataclass(frozen=True, kw_only=True)
class Examined:
    """All findings. `executor` is what a run would take: "docker", "venv", or nothing where none can work."""

    findings: tuple[Finding, ...]
    executor: str
    reason: str

    @property
    def exit_code(self) -> ExitCode:
        """OK where a run can work in some executor, else INFRASTRUCTURE."""
        return ExitCode.OK if self.executor else ExitCode.INFRASTRUCTURE

    def state(self, name: str) -> State:
        """The state of a finding."""
        return next(each.state for each in self.findings if each.name == name)


@dataclass(kw_only=True)
class _Machine:
    """What the questions share. The folder need not be a project.

    `unasked`: offline because the user of `doctor` said so; a run may have the index all the same.
    """

    root: Path
    offline: bool
    unasked: bool = False
    cache: Path = field(default_factory=default_cache_root)
    environments: tuple[Environment, ...] = ()
    defaults: Defaults = field(default_factory=Defaults)
    engine: Engine | None = None

    def uv(self) -> Uv:
        return make_uv(offline=self.offline, timeout=INDEX_SECONDS, cache=self.cache)

    def pythons(self) -> list[str]:
        """The versions that the environments want."""
        return sorted({each.python for each in self.environments if each.python}, key=_version) or [DEFAULT_PYTHON]


def examine(root: Path, *, offline: bool = False, seconds: float = PROBE_SECONDS) -> Examined:
    """Asks everything, each within `seconds`; independent questions at the same time. Raises nothing."""
    machine = _Machine(root=root, offline=offline)
    first = _ask([("project", _project)], machine, seconds)
    machine.offline = offline or machine.defaults.network.offline
    machine.unasked = offline and not machine.defaults.network.offline
    questions: list[tuple[str, Callable[[_Machine], Finding]]] = [
        ("engine", _engine),
        ("uv", _uv),
        ("index", _index),
        ("pythons", _pythons),
        ("environments", _environments),
        ("cpu", _cpu),
        ("memory", _memory),
        ("disk", _disk),
        ("cache", _cache),
        ("results", _results),
        ("clock", _clock),
    ]
    found = _ask(questions, machine, seconds)
    base = _ask([("base image", _base)], machine, seconds)
    findings = (*first, found[0], *base, *found[1:])
    executor, reason = _executor(findings, machine.defaults.executor)
    return Examined(findings=findings, executor=executor, reason=reason)


def _ask(
    questions: Sequence[tuple[str, Callable[[_Machine], Finding]]], machine: _Machine, seconds: float
) -> list[Finding]:
    """The answers, in the order of the questions. A question that is not answered in time is left alone."""
    answers: dict[str, Finding] = {}

    def ask(name: str, question: Callable[[_Machine], Finding]) -> None:
        try:
            answers[name] = question(machine)
        except TfmatrixError as error:
            answers[name] = Finding(name=name, state=State.WRONG, found=_first_line(error.what), fix=error.fix)
        except Exception as error:  # noqa: BLE001  (whatever it is, the other answers are wanted)
            answers[name] = Finding(name=name, state=State.WRONG, found=f"{type(error).__name__}: {_first_line(error)}")

    # Daemons: one that hangs must not keep the process.
    threads = [threading.Thread(target=ask, args=question, daemon=True) for question in questions]
    for thread in threads:
        thread.start()
    deadline = datetime.datetime.now(datetime.UTC).timestamp() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - datetime.datetime.now(datetime.UTC).timestamp()))
    return [
        answers.get(name) or Finding(name=name, state=State.WRONG, found=f"no answer within {seconds:.0f} s")
        for name, _ in questions
    ]


# The questions


def _project(machine: _Machine) -> Finding:
    project = Project(root=machine.root)
    if not project.matrix_file.exists():
        return Finding(
            name="project", state=State.NOTE, found=f"no matrix.yaml in {machine.root}", fix="make one: tfmatrix init"
        )
    machine.environments = project.config.environments
    machine.defaults = project.config.defaults
    count, scenarios = len(machine.environments), len(project.scenarios)
    return Finding(name="project", state=State.OK, found=f"{count} environments, {scenarios} scenarios")


def _engine(machine: _Machine) -> Finding:
    try:
        machine.engine = connect()
    except EngineUnavailableError as error:
        return Finding(
            name="engine", state=State.MISSING, found=error.what, fix="start Docker; without it runs are local (venv)"
        )
    engine = machine.engine
    how = f"Docker {engine.version}, {engine.os_type}/{engine.architecture}{', rootless' if engine.rootless else ''}"
    return Finding(name="engine", state=State.OK, found=how)


def _base(machine: _Machine) -> Finding:
    """What containers can be made of: a local image, one of the registry, or the host's userland."""
    name = "base image"
    if machine.engine is None:
        return Finding(name=name, state=State.MISSING, found="not asked: there is no engine")
    engine, docker = machine.engine, machine.defaults.docker
    reference = ImageSettings(template=docker.image).template.format(python=machine.pythons()[-1])
    if docker.host_userland != "always":
        try:
            engine.quick_client(5).inspect_image(reference)  # type: ignore[no-untyped-call]
        except Exception:  # noqa: BLE001, S110  (not there: the registry may have it)
            pass
        else:
            return Finding(name=name, state=State.OK, found=f"{reference}, local")
        why = "offline"
        if not machine.offline and docker.pull != "never":
            try:
                engine.quick_client(10).inspect_distribution(reference)  # type: ignore[no-untyped-call]
            except Exception as error:  # noqa: BLE001  (every SDK error says the same here)
                why = f"the registry does not answer ({_short(cause(error).rpartition(': ')[2])})"
            else:
                return Finding(name=name, state=State.OK, found=f"{reference}, in the registry")
    else:
        why = "matrix.yaml asks for it"
    serves = sys.platform.startswith("linux") and engine.architecture in (platform.machine(), "")
    if serves and docker.host_userland != "never":
        try:
            userland_tar(Path("/"))
        except (OSError, BaseUnavailableError) as error:
            return Finding(name=name, state=State.WRONG, found=f"the host's userland cannot be read: {_short(error)}")
        return Finding(name=name, state=State.OK, found=f"the host's userland ({host_identity()['system']}): {why}")
    return Finding(
        name=name, state=State.MISSING, found=f"no {reference}: {why}", fix=f"docker pull {reference}, or use venv"
    )


def _uv(_machine: _Machine) -> Finding:
    done = _run([str(find_uv()), "--version"])
    if done.returncode:
        return Finding(name="uv", state=State.WRONG, found=_first_line(done.stderr), fix="reinstall the package uv")
    return Finding(name="uv", state=State.OK, found=done.stdout.strip())


def _index(machine: _Machine) -> Finding:
    """Whether the index that uv is configured with answers: asked past uv's cache, for the package of the day."""
    if machine.offline:
        state = State.NOTE if machine.unasked else State.MISSING
        return Finding(name="index", state=state, found="not asked: offline")
    uv = machine.uv()
    command = ["pip", "compile", "--no-cache", "--quiet", "--no-header", "--no-deps", "--python-version", "3.11"]
    try:
        done = _run(
            [str(uv.executable), *command, "--no-python-downloads", "-"],
            stdin="tensorflow\n",
            env={**uv.variables(), "UV_HTTP_RETRIES": "0"},
            seconds=INDEX_SECONDS + 2,
        )
    except subprocess.TimeoutExpired:
        return _silent_index(f"no answer within {INDEX_SECONDS} s")
    if done.returncode:
        return _silent_index(_first_line(done.stderr.replace("error: ", "").replace("× ", "")))
    newest = next((line for line in done.stdout.splitlines() if line.startswith("tensorflow==")), "").strip()
    return Finding(name="index", state=State.OK, found=f"answers; the newest is {newest.replace('==', ' ')}")


def _silent_index(why: str) -> Finding:
    return Finding(
        name="index",
        state=State.MISSING,
        found=why,
        fix="check the network, HTTPS_PROXY, SSL_CERT_FILE and UV_DEFAULT_INDEX or PIP_INDEX_URL",
    )


def _pythons(machine: _Machine) -> Finding:
    """The interpreters; those that are missing uv can fetch, where the network is allowed."""
    uv = machine.uv()
    wanted = machine.pythons()
    here = {version: look_for_interpreter(version, uv) for version in wanted}
    missing = [version for version, found in here.items() if found is None]
    said = ", ".join(found.version for found in here.values() if found is not None) or "none"
    if not missing:
        return Finding(name="pythons", state=State.OK, found=said)
    return Finding(
        name="pythons",
        state=State.NOTE if not machine.offline else State.MISSING,
        found=f"{said}; not here: {', '.join(missing)}",
        fix=f"uv fetches them on first use, or now: uv python install {' '.join(missing)}",
    )


def _environments(machine: _Machine) -> Finding:
    """Locks, and which of them are installed already."""
    name = "environments"
    installed = _installed(machine)
    if not machine.environments:
        return Finding(name=name, state=State.NOTE, found=f"{len(installed)} installed, none asked for")
    locks = Project(root=machine.root).locks
    made = [read_lock(locks, each) for each in machine.environments if not each.image]
    locked = [lock for lock in made if lock is not None]
    ready = sum(lock.digest in installed for lock in locked)
    said = f"{len(locked)} of {len(made)} locked, {ready} installed"
    if len(locked) < len(made):
        return Finding(
            name=name, state=State.NOTE, found=said, fix="a run locks them on first use, or now: tfmatrix lock"
        )
    if ready < len(made):
        return Finding(name=name, state=State.NOTE, found=said, fix="a run installs them, or now: tfmatrix env build")
    return Finding(name=name, state=State.OK, found=said)


def _installed(machine: _Machine) -> set[str]:
    """The digests of the locks that are installed. Their sizes are not wanted: those are a million files to look at."""
    found = set()
    for path in (machine.cache / "envs").glob(f"*/{MARKER}"):
        with contextlib.suppress(OSError, ValueError):
            found.add(str(json.loads(path.read_text(encoding="utf-8")).get("lock")))
    return found


def _cpu(_machine: _Machine) -> Finding:
    host = describe_host()
    flags = host["cpu_flags"]
    found = f"{host['machine']}, {cpus()} CPUs"
    if host["machine"] not in ("x86_64", "AMD64", "i686"):
        return Finding(name="cpu", state=State.OK, found=found)
    if not flags:
        return Finding(name="cpu", state=State.NOTE, found=f"{found}; its flags cannot be read here")
    if "avx" not in flags:
        return Finding(
            name="cpu",
            state=State.WRONG,
            found=f"{found}, without AVX: TensorFlow ends with an illegal instruction",
            fix="use another machine, or let the virtual machine pass the host's CPU on",
        )
    best = [flag.upper() for flag in ("avx", "avx2", "fma", "avx512f") if flag in flags]
    return Finding(name="cpu", state=State.OK, found=f"{found}, {' '.join(best)}")


def _memory(machine: _Machine) -> Finding:
    jobs = slots(machine.defaults)
    total = memory_bytes()
    if total is None:
        return Finding(name="memory", state=State.NOTE, found="the system does not say how much it has")
    found = f"{_gb(total)} GB; {jobs} {'job' if jobs == 1 else 'jobs'} at once"
    if total < BYTES_PER_SLOT * jobs:
        return Finding(
            name="memory",
            state=State.NOTE,
            found=f"{found}, each may need {_gb(BYTES_PER_SLOT)} GB",
            fix="fewer jobs: --jobs 1, and defaults.memory in matrix.yaml",
        )
    return Finding(name="memory", state=State.OK, found=found)


def _disk(machine: _Machine) -> Finding:
    """Room for the environments that are not there yet."""
    folder = _existing(machine.cache)
    free = shutil.disk_usage(folder).free
    missing = max(1, len(machine.environments) - len(_installed(machine)))
    wanted = missing * BYTES_PER_ENVIRONMENT + ROOM_FOR_RESULTS
    found = f"{_gb(free)} GB free where the cache is"
    if free < BYTES_PER_ENVIRONMENT:
        return Finding(
            name="disk",
            state=State.WRONG,
            found=f"{found}: too little for one environment",
            fix="tfmatrix env prune, or let TFMATRIX_CACHE name a folder on a larger disk",
        )
    if free < wanted:
        return Finding(
            name="disk",
            state=State.NOTE,
            found=f"{found}; {missing} environments may want {_gb(wanted)} GB",
            fix="a smaller set, or let TFMATRIX_CACHE name a folder on a larger disk",
        )
    return Finding(name="disk", state=State.OK, found=found)


def _cache(machine: _Machine) -> Finding:
    """Whether the cache can be written, and environments can share files with the downloads by hard links."""
    root = machine.cache
    folders = [folder for folder in (root / "uv", root / "envs") if folder.exists()] or [_existing(root)]
    name = _probe_name()
    probes = [folder / name for folder in folders]
    source, target = probes[0], probes[-1].with_suffix(".link")
    try:
        source.write_bytes(b"")
        try:
            os.link(source, target)
        except OSError as error:
            return Finding(
                name="cache",
                state=State.NOTE,
                found=f"{root}: no hard links ({error.strerror}): every environment is a full copy",
                fix="keep uv/ and envs/ on one file system that has hard links (TFMATRIX_CACHE)",
            )
    except OSError as error:
        return Finding(
            name="cache",
            state=State.WRONG,
            found=f"{root} cannot be written: {error.strerror}",
            fix="let TFMATRIX_CACHE name a folder that you may write",
        )
    finally:
        for path in (source, target):
            path.unlink(missing_ok=True)
    return Finding(name="cache", state=State.OK, found=f"{root}, with hard links")


def _results(machine: _Machine) -> Finding:
    """Whether results can be written beside matrix.yaml."""
    folder = _existing(machine.root / "results")
    probe = folder / _probe_name()
    try:
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        return Finding(
            name="results",
            state=State.WRONG,
            found=f"{folder} cannot be written: {error.strerror}",
            fix="mind the folder's permissions and the disk's free room",
        )
    free = shutil.disk_usage(folder).free
    if free < ROOM_FOR_RESULTS:
        return Finding(name="results", state=State.NOTE, found=f"{_gb(free)} GB free in {folder}", fix="free some room")
    return Finding(name="results", state=State.OK, found=str(machine.root / "results"))


def _clock(_machine: _Machine) -> Finding:
    """A wrong clock breaks certificates, and with them every download."""
    now = datetime.datetime.now(datetime.UTC)
    found = f"{now:%Y-%m-%d %H:%M} UTC"
    if now < BUILT:
        return Finding(
            name="clock", state=State.WRONG, found=f"{found}: before this tfmatrix was made", fix="set the clock"
        )
    return Finding(name="clock", state=State.OK, found=found)


# What follows


def _executor(findings: Sequence[Finding], setting: str) -> tuple[str, str]:
    """What a run would use, and why; "" where it cannot work."""
    state = {each.name: each.state for each in findings}
    wrong = [name for name in ("project", "uv", "cpu", "disk", "cache", "results") if state[name] is State.WRONG]
    if wrong:
        return "", f"a run cannot work: {', '.join(wrong)}"
    lacking = state["environments"] is not State.OK
    if lacking and state["index"] not in (State.OK, State.NOTE):
        return "", "a run cannot work: not every environment is locked and installed, and no index answers"
    condition = ", if the index provides what is not installed: it was not asked" if lacking else ""
    condition = condition if state["index"] is State.NOTE else ""
    docker = state["engine"] is State.OK and state["base image"] is State.OK
    venv = state["pythons"] is State.OK or (state["pythons"] is State.NOTE and state["index"] is State.OK)
    if docker and setting != "venv":
        return "docker", f"runs work in containers{condition}"
    if setting == "docker":
        return "", "matrix.yaml asks for docker: no engine, or nothing to make containers of"
    if venv:
        return "venv", f"runs work in local environments (executor venv){condition}"
    return "", "a run cannot work: neither an engine nor the interpreters"


def to_json(examined: Examined) -> dict[str, Any]:
    """For programs."""
    return {
        "schema": SCHEMA,
        "tfmatrix": __version__,
        "ok": examined.exit_code is ExitCode.OK,
        "executor": examined.executor or None,
        "reason": examined.reason,
        "findings": [
            {"name": each.name, "state": each.state.value, "found": each.found, "fix": each.fix}
            for each in examined.findings
        ],
    }


def report(examined: Examined, stream: TextIO | None = None) -> None:
    """Prints the findings within 80 columns; no colour where the stream is no terminal or NO_COLOR is set."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    stream = stream or sys.stdout
    console = Console(file=stream, highlight=False, width=_width(stream), legacy_windows=False)
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), expand=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for each in examined.findings:
        found = Text(_printable(each.found))
        if each.fix and each.state is not State.OK:
            found.append(f"\n→ {_printable(each.fix)}", style="italic")
        sign = Text(f"{SIGNS[each.state]} {each.state.value}", style=_STYLES[each.state])
        table.add_row(sign, Text(each.name, style="bold"), found)
    verdict = Text(f"\n{'✓' if examined.executor else '✗'} {examined.reason}")
    verdict.stylize("bold green" if examined.executor else "bold red")
    with console.capture() as captured:
        console.print(table)
        console.print(verdict)
    text = "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def _width(stream: TextIO) -> int:
    return min(80, shutil.get_terminal_size((80, 24)).columns) if stream.isatty() else 80


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


# Small things


def _run(
    command: Sequence[str], *, stdin: str = "", env: dict[str, str] | None = None, seconds: float = 10.0
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        input=stdin,
        env={**os.environ, **(env or {})},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=seconds,
        check=False,
    )


def _probe_name() -> str:
    # Questions are asked at the same time, perhaps of one folder.
    return f".tfmatrix-doctor-{secrets.token_hex(6)}"


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    return next(each for each in (folder, *folder.parents) if each.is_dir())


def _version(python: str) -> tuple[int, ...]:
    return tuple(int(part) for part in python.split(".") if part.isdigit())


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f}"


def _first_line(error: object) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "failed without a word")


def _short(error: object) -> str:
    line = _first_line(error)
    return line if len(line) <= 100 else f"{line[:49]}…{line[-50:]}"
