"""`write_site`: a run, and the runs before it, as a folder of pages that opens from a disk and from any static host."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from tfmatrix.analysis.diff.changes import Changes, Outcomes, Past, compare, remembered
from tfmatrix.analysis.upgrades import every_upgrade
from tfmatrix.core.errors import ExitCode, UsageError
from tfmatrix.reports.site.data import MAX_FILE, answers, cells, evidence, index, pairs, script, search, table
from tfmatrix.reports.site.files import every_file
from tfmatrix.reports.site.grid import Grid
from tfmatrix.reports.site.health import Problem, problems
from tfmatrix.reports.site.names import slugs
from tfmatrix.reports.site.pages import Site
from tfmatrix.store.runs import Run, without_collector

MARKER = ".tfmatrix-site"
"""Its presence says that a folder is a site, and may be written anew."""

MAX_PAST = 30
"""Earlier runs that the history shows; those before are counted in no plot."""

MAX_PAST_CELLS = 300_000
"""Cells of earlier runs that the history remembers, newest runs first; the run before is always among them."""

MAX_PAST_EVIDENCE = 20_000
"""Cells of earlier runs, newest runs first, whose evidence is kept: the rest of them have a status and no page."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """What was written. `problems` are those of the newest run."""

    folder: Path
    files: int
    problems: tuple[Problem, ...]

    @property
    def exit_code(self) -> ExitCode:
        """What publishing ends with: a table with gaps is published, and is not called whole."""
        return ExitCode.INFRASTRUCTURE if self.problems else ExitCode.OK


def write_site(run: Run, output: Path, earlier: Iterable[Run] = (), *, also_wrong: Sequence[Problem] = ()) -> Built:
    """Writes the site of a run; `earlier` are runs before it, newest first, read one by one. Same runs, same bytes.

    `also_wrong` are problems that the run itself does not show. Raises UsageError where `output` holds anything that
    is not a site.
    """
    _make_empty(output)
    with without_collector():
        writer = _Writer(output)
        runs = _write_past(writer, run, earlier)
        grid = Grid.of(run)
        runs.append(_write_run(writer, grid, with_evidence=True))
        found = (*also_wrong, *problems(grid))
        upgrades = every_upgrade(grid.pairs, grid.environments)
        news = _news(runs)
        dates = {each.id: each.finished or each.started for each in runs}
        listed = [
            {"run": each.id, "folder": folder_of(each.id), "started": each.started, "set": each.set_name}
            for each in reversed(runs)
        ]
        writer.write("data/runs.js", script("runs", listed))
        site = Site(grid, upgrades, found, runs, news, folder_of(run.id))
        for name, content in site.pages():
            writer.write(name, content)
        writer.write("data/upgrades.js", script("upgrades", answers(grid, upgrades)))
        writer.write("data/search.js", script("search", search(grid, site.catalogue)))
        for name, content in every_file(grid, upgrades, found, news, dates, site.badges):
            writer.write(name, content)
        writer.copy_static()
    return Built(folder=output, files=writer.files, problems=found)


def folder_of(run_id: str) -> str:
    """The name of a run in the site's data folder."""
    return slugs([run_id])[run_id]


def _write_past(writer: _Writer, run: Run, earlier: Iterable[Run]) -> list[Past]:
    """The data of earlier runs, and what later pages say of them, oldest first."""
    past: list[Past] = []
    cells = 0
    for each in earlier:
        cells += len(each.records)
        if past and (len(past) == MAX_PAST or cells > MAX_PAST_CELLS):
            break
        if each.id != run.id:
            past.insert(0, _write_run(writer, Grid.of(each), with_evidence=cells <= MAX_PAST_EVIDENCE))
    return past


def _write_run(writer: _Writer, grid: Grid, *, with_evidence: bool) -> Past:
    folder = folder_of(grid.run.id)
    files: dict[tuple[str, str], list[int]] = {}
    if with_evidence:
        for name, content in evidence(grid, folder, files):
            writer.write(f"data/{folder}/{name}", content)
        for name, packages in pairs(grid):
            writer.write(f"data/{folder}/{name}.js", script(f"{folder}/{name}", packages))
    found = index(grid, files if with_evidence else None)
    writer.write(f"data/{folder}/index.js", script(f"{folder}/index", found))
    writer.write(f"data/{folder}/cells.js", script(f"{folder}/cells", cells(grid)))
    return remembered(grid.run, grid.causes, grid.squares)


def _news(runs: Sequence[Past]) -> list[Changes]:
    """Each run against the last one before it that is comparable, newest first."""
    news = []
    for place, run in enumerate(runs):
        before = next((each for each in reversed(runs[:place]) if _is_comparable(each, run)), None)
        if before:
            news.append(compare(before, run))
    return list(reversed(news))


def _is_comparable(before: Past, after: Past) -> bool:
    """Whether it is complete, of the same set, and has half of the cells: a run of a few cells is no night."""
    if not before.complete or before.set_name != after.set_name:
        return False
    shared = Outcomes.of(after.outcomes).shared_with(Outcomes.of(before.outcomes))
    return 2 * shared >= len(after.outcomes)


class _Writer:
    """Writes files of one folder, and refuses one that would be too large for a static host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = 0
        self._made: set[Path] = set()

    def write(self, name: str, content: str) -> None:
        data = content.encode("utf-8", "backslashreplace")
        if len(data) > MAX_FILE:
            raise AssertionError(f"{name} has {len(data)} bytes, more than {MAX_FILE}")
        path = self.folder / name
        if path.parent not in self._made:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(path.parent)
        path.write_bytes(data)
        self.files += 1

    def copy_static(self) -> None:
        self.write("static/status.js", table())
        for resource in sorted(
            resources.files("tfmatrix.reports.site").joinpath("static").iterdir(), key=lambda each: each.name
        ):
            self.write(f"static/{resource.name}", resource.read_text("utf-8"))


def _make_empty(folder: Path) -> None:
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / MARKER).is_file()):
        raise UsageError(
            f"{folder} is not empty, and was not written by tfmatrix",
            expected="a new folder, an empty one, or that of an earlier site",
            fix="name another folder with -o",
        )
    if folder.is_dir():
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    # First, so that a folder left half written by a kill can be written again; static hosts leave it out.
    (folder / MARKER).write_text("", encoding="utf-8")
    # GitHub Pages would leave out what begins with an underscore.
    (folder / ".nojekyll").write_text("", encoding="utf-8")
