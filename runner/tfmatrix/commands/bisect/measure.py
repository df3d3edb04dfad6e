"""Measures versions: an environment each, one run for all that are asked for at once. The store is reused."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tfmatrix.analysis.causes import find_causes
from tfmatrix.analysis.records import delta, is_measured, warnings_of
from tfmatrix.commands.bisect.search import Point, Reading
from tfmatrix.core.choices import MovingSide
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ConfigError, InfrastructureError, UsageError
from tfmatrix.core.globs import CELL_SEGMENTS, compile_glob, match_glob
from tfmatrix.core.records import CellRecord
from tfmatrix.core.selection import Selector
from tfmatrix.core.status import Status
from tfmatrix.core.text import number, one_line
from tfmatrix.envs.lock import ensure_lock
from tfmatrix.envs.uv import Uv
from tfmatrix.project.project import Project
from tfmatrix.store.runs import Run

_MAGIC = re.compile(r"[*?\[\]{}]")
_FILE = re.compile(r'File "(?:[^"]*/site-packages/)?([^"]+)", line (\d+)')


@dataclass(frozen=True, kw_only=True)
class Target:
    """Cells to bisect: globs on scenario and format, which side moves, and the environment of the side that stays."""

    scenario: str
    format: str
    side: MovingSide
    fixed: str = ""

    def cell_glob(self, environment: str) -> str:
        """The cells of one moving environment."""
        writer = self.fixed if self.side is MovingSide.READER else environment
        reader = self.fixed if self.side is MovingSide.WRITER else environment
        return f"{self.scenario}/{self.format}/{writer}/{reader}"


def parse_target(glob: str, side: MovingSide | None, ends: Sequence[str]) -> Target:
    """A cell glob as what to bisect. `ends` are the versions of both ends.

    A glob that names the writer moves the reader, one that names the reader alone moves the writer, one that names
    neither moves both: the files of a version, read by itself. A side that is asked for and whose other side is not
    named takes the first end (`--good`). Raises UsageError for what is no cell glob.
    """
    try:
        compile_glob(glob, segments=CELL_SEGMENTS)
    except ValueError as error:
        raise UsageError(str(error), expected="scenario/format/writer/reader, the last two may be missing") from error
    parts = [part for part in glob.split("/") if part != "**"]
    if "**" in glob.split("/")[:-1]:
        raise UsageError(
            f'"{glob}": ** stands at the end of what is bisected', expected="scenario/format/writer/reader"
        )
    scenario, fmt, writer, reader = [*parts, *["*"] * (4 - len(parts))][:4]
    writer_is_named, reader_is_named = not _MAGIC.search(writer), not _MAGIC.search(reader)
    if side is None:
        side = MovingSide.READER if writer_is_named else MovingSide.WRITER if reader_is_named else MovingSide.BOTH
    match side:
        case MovingSide.READER:
            fixed = writer if writer_is_named else ends[0]
        case MovingSide.WRITER:
            fixed = reader if reader_is_named else ends[0]
        case MovingSide.BOTH:
            fixed = ""
    return Target(scenario=scenario, format=fmt, side=side, fixed=fixed)


RunCells = Callable[[Project, Selector], Run]
"""Measures what a selector takes of a project: `run_project` with its options filled in."""


@dataclass(kw_only=True)
class Laboratory:
    """Measures environments against a target. Every environment of an id is the same for the laboratory's life."""

    project: Project
    target: Target
    fixed: Environment | None
    run_cells: RunCells
    uv: Uv
    say: Callable[[str], None] = lambda _text: None
    runs: list[str] = field(default_factory=list)

    def points(self, environments: Mapping[str, Environment]) -> dict[str, Point]:
        """A point for each version: name → environment. Those without a lock cost nothing but the question."""
        start = time.monotonic()
        everything = [*environments.values(), *([self.fixed] if self.fixed else [])]
        project = self.project.with_environments(list({each.id: each for each in everything}.values()))
        points, ready = {}, {}
        for version, environment in environments.items():
            try:
                ensure_lock(project.locks, environment, self.uv)
            except (ConfigError, InfrastructureError) as error:
                points[version] = Point(version=version, skipped=_why(error))
                self.say(f"{version} is passed over: {points[version].skipped}")
            else:
                ready[version] = environment
        if ready:
            run = self._run(project, ready)
            seconds = (time.monotonic() - start) / len(ready)
            points |= {version: self._point(run, version, each, seconds) for version, each in ready.items()}
        return points

    def resolves(self, environments: Sequence[Environment]) -> bool:
        """Whether packages fit each of them."""
        project = self.project.with_environments(list(environments))
        try:
            for environment in environments:
                ensure_lock(project.locks, environment, self.uv)
        except ConfigError:
            return False
        return True

    def _run(self, project: Project, ready: Mapping[str, Environment]) -> Run:
        used = [*ready.values(), *([self.fixed] if self.fixed and self.target.side is not MovingSide.BOTH else [])]
        narrowed = project.with_environments(list({each.id: each for each in used}.values()))
        only = [self.target.cell_glob(environment.id) for environment in ready.values()]
        run = self.run_cells(narrowed, Selector.from_options(only=only))
        self.runs.append(run.id)
        return run

    def _point(self, run: Run, version: str, environment: Environment, seconds: float) -> Point:
        described: Mapping[str, Any] = (run.header.get("environments") or {}).get(environment.id) or {}
        if described.get("unavailable"):
            return Point(version=version, skipped=one_line(described["unavailable"], 200), seconds=seconds)
        glob = self.target.cell_glob(environment.id)
        titles: dict[str, list[str]] = {}
        for cause in find_causes(run):
            for cell in cause.cells:
                titles.setdefault(cell, []).append(cause.title)
        cells = {
            f"{record.scenario}/{record.format}": self._reading(record, titles.get(record.cell, []))
            for record in run.records
            if match_glob(glob, record.cell, segments=CELL_SEGMENTS)
        }
        if cells and all(not each.measured and each.status == Status.INFRA_ERROR for each in cells.values()):
            said = next(record.error for record in run.records if record.status is Status.INFRA_ERROR)
            return Point(version=version, skipped=one_line((said or {}).get("message") or "lost", 200), seconds=seconds)
        return Point(version=version, cells=cells, described=described, seconds=seconds)

    def _reading(self, record: CellRecord, titles: Sequence[str]) -> Reading:
        difference = delta(record)
        sides = {MovingSide.READER: ("load",), MovingSide.WRITER: ("save",), MovingSide.BOTH: ("save", "load")}[
            self.target.side
        ]
        return Reading(
            status=record.status.value,
            causes=tuple(sorted(titles)),
            figure="" if difference is None else number(difference),
            warnings=frozenset(
                str(each.get("text") or each.get("message")) for side in sides for each in warnings_of(record, side)
            ),
            raised_in=raised_in(str((record.error or {}).get("traceback") or "")),
            cached=record.cached,
            # What a version cannot write is a fact about it, and may be the change that is looked for.
            measured=is_measured(record) or record.status is Status.UNSUPPORTED,
        )


def raised_in(traceback: str) -> str:
    """`keras/src/saving/saving_api.py:206`: the innermost line of Keras, else of any package, else nothing."""
    found = [(path, line) for path, line in _FILE.findall(traceback) if not path.startswith("/")]
    of_keras = [each for each in found if each[0].startswith(("keras/", "tf_keras/"))]
    path, line = (of_keras or found or [("", "")])[-1]
    return f"{path}:{line}" if path else ""


def _why(error: Exception) -> str:
    """Why an environment cannot be had, in one line: of uv's explanation the decisive part."""
    text = " ".join(str(error).split())
    because = re.search(r"(Because .*?)(?: expected: | to fix: |$)", text)
    return one_line(because[1] if because else text, 240)
