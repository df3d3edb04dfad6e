"""What the whole map costs: its archive, tables, a comparison and its site; and how long a filter takes.

    python benchmarks/whole_map.py CELLS FOLDER [--browser]

Makes an archive of so many cells in FOLDER, and prints what it is to read it, to make its tables, to compare it with
another one like it, and to build its site with `tfmatrix report --format site`: each in a process of its own, with its
processor time and the most memory that it had. Scenarios, formats and 45 environments are those of
results/published/nightly, and what a cell says is what a measured cell of that night said. As with `pairs: adaptive`,
writers come in classes and readers in blocks: the ends of a block are measured for one writer of a class, and the other
cells are inferred from them. `--browser` opens the overview in Chromium, too, and times its filters.
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "runner"))

from tfmatrix.analysis.diff.compared import diff  # noqa: E402  (the checkout must be on the path first)
from tfmatrix.analysis.diff.source import of_run  # noqa: E402
from tfmatrix.core.records import CellRecord  # noqa: E402
from tfmatrix.reports.render import render  # noqa: E402
from tfmatrix.store.runs import Run, archive_run, read_run_folder  # noqa: E402

NIGHT = ROOT / "results" / "published" / "nightly"
ENVIRONMENTS = 45
LIMITS = {
    "MB of the archive": 60,
    "load: seconds": 10,
    "load: GB": 1.5,
    "tables and diff: seconds": 60,
    "tables: GB": 1.5,
    "diff: GB": 1.5,
    "minutes": 5.0,
    "GB": 2.0,
    "files": 30_000,
    "bytes of the largest file": 5_000_000,
    "first load: KB compressed": 300,
    "first load: MB": 2.5,
    "seconds of a filter": 0.3,
}


def load(archive: Path) -> None:
    run = read_run_folder(archive)
    print(
        f"{len(run.records):,} cells, {sum(record.inferred is not None for record in run.records):,} of them inferred"
    )


def tables(archive: Path) -> None:
    run = read_run_folder(archive)
    for kind in ("table", "md"):
        print(f"{kind}: {len(render(run, kind)):,} characters")


def compare(archive: Path) -> None:
    before, after = read_run_folder(archive), read_run_folder(archive)
    print(f"diff: {diff(of_run(before), of_run(replace(after, id='after'))).changes.unchanged:,} cells unchanged")


PARTS: dict[str, Callable[[Path], None]] = {"load": load, "tables": tables, "diff": compare}


def measured(command: Sequence[str]) -> tuple[float, float]:
    """Processor seconds and gigabytes of a command."""
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT / "runner")})
    _, status, used = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)} failed")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6


def main() -> None:
    """Makes, reads, tells, builds, prints."""
    options = argparse.ArgumentParser()
    options.add_argument("cells", type=int)
    options.add_argument("folder", type=Path)
    options.add_argument("--browser", action="store_true")
    options.add_argument("--part", choices=["write", *PARTS], help=argparse.SUPPRESS)
    given = options.parse_args()
    archive, site = given.folder / "run", given.folder / "site"
    if given.part == "write":
        write_run(archive, given.cells)
        return
    if given.part:
        PARTS[given.part](archive)
        return

    def part(name: str) -> tuple[float, float]:
        """Processor seconds and gigabytes of a part, in a process that has nothing else in its memory.

        Nor has this one: Linux counts what a process had before it became another.
        """
        seconds, used = measured([sys.executable, __file__, str(given.cells), str(given.folder), "--part", name])
        print(f"{name}: {seconds:.1f} s of processor time, {used:.2f} GB", flush=True)
        return seconds, used

    part("write")
    size = sum(path.stat().st_size for path in archive.iterdir() if path.name != "run.json")
    found = {"MB of the archive": size / 1e6}
    for name in PARTS:
        seconds, used = part(name)
        found |= {f"{name}: seconds": seconds, f"{name}: GB": used}
    found["tables and diff: seconds"] = found.pop("tables: seconds") + found.pop("diff: seconds")
    begun = time.monotonic()
    seconds, used = measured(
        [sys.executable, "-m", "tfmatrix", "report", str(archive), "--format", "site", "-o", str(site)]
    )
    print(f"site: {seconds:.1f} s of processor time; what else runs here makes the rest of the wall time")
    found |= {"minutes": (time.monotonic() - begun) / 60, "GB": used}
    sizes = {path: path.stat().st_size for path in site.rglob("*") if path.is_file()}
    largest = max(sizes, key=lambda path: sizes[path])
    found |= {"files": len(sizes), "bytes of the largest file": sizes[largest]}
    if given.browser:
        found |= in_a_browser(site)
    for what, figure in found.items():
        print(f"{what:<26} {figure:>13,.2f} of {LIMITS[what]:>9,}  {'held' if figure <= LIMITS[what] else 'MISSED'}")
    print(f"largest: {largest.relative_to(site)}; all together {sum(sizes.values()) / 1e6:,.0f} MB")


def write_run(folder: Path, cells: int) -> None:
    """Makes an archive as that of an adaptive run is."""
    night = read_run_folder(NIGHT)
    header = dict(night.header)
    told = [record for record in night.records if record.inferred is None]
    environments = sorted(list(header["environments"])[:ENVIRONMENTS])
    # Scenario by scenario with every format, as a map that grows does; all in the order of their ids.
    every = sorted(product(header["scenarios"], header["formats"]), key="/".join)
    squares = every[: -(-cells // len(environments) ** 2)]
    records = [record for square in squares for record in cells_of(*square, environments, told)]
    counts = Counter(record.status.value for record in records)
    inferred = sum(record.inferred is not None for record in records)
    audit = {"cells": inferred // 20, "wrong": 0, "upper_bound": 3 / max(1, inferred // 20), "found": []}
    header |= {
        "counts": counts,
        "inference": {"measured": len(records) - inferred, "inferred": inferred, "audit": audit},
        "environments": {name: header["environments"][name] for name in header["environments"] if name in environments},
        "scenarios": {each: header["scenarios"][each] for each in dict.fromkeys(name for name, _ in squares)},
    }
    shutil.rmtree(folder, ignore_errors=True)
    run = Run(id=header["run"], header=header, records=tuple(records), folder=folder)
    archive_run(run, folder)


def cells_of(scenario: str, fmt: str, environments: Sequence[str], told: Sequence[CellRecord]) -> Iterator[CellRecord]:
    """One scenario and format. Equal squares have equal cells whenever they are made."""
    chance = random.Random(f"{scenario}/{fmt}")
    classes, blocks = (parts(environments, chance) for _ in range(2))
    kinds = {(writers[0], readers[0]): chance.choice(told) for writers in classes for readers in blocks}
    shared: dict[tuple[str, str, str], CellRecord] = {}
    for writer in environments:
        first = next(writers[0] for writers in classes if writer in writers)
        for reader in environments:
            readers = next(readers for readers in blocks if reader in readers)
            kind = kinds[first, readers[0]]
            if writer == first and reader in (readers[0], readers[-1]):
                own = replace(kind, key=f"{chance.getrandbits(256):064x}", seconds=round(chance.random(), 3))
                yield CellRecord.at(own.result, scenario, fmt, writer, reader)
                continue
            by = "reader" if writer == first else "artifact"
            source = f"{scenario}/{fmt}/{first}/{readers[0]}"
            if (first, readers[0], by) not in shared:
                shared[first, readers[0], by] = CellRecord(
                    run=kind.run, cell="", scenario=scenario, format=fmt, writer=writer, reader=reader,
                    status=kind.status, known=kind.known, promised=kind.promised, failed_checks=kind.failed_checks,
                    inferred={"from": source, "by": by},
                )  # fmt: skip
            yield CellRecord.at(shared[first, readers[0], by].result, scenario, fmt, writer, reader)


def parts(names: Sequence[str], chance: random.Random) -> list[Sequence[str]]:
    """Names in four to nine runs of neighbours."""
    cuts = sorted(chance.sample(range(1, len(names)), chance.randint(3, 8)))
    return [names[begin:end] for begin, end in pairwise([0, *cuts, len(names)])]


def in_a_browser(site: Path) -> dict[str, float]:
    """What the overview and the page of a cell load before anybody asks for more, and the slowest of some filters."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as api:
        browser = api.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        loaded: list[Path] = []
        page.on("request", lambda asked: loaded.append(Path(unquote(urlsplit(asked.url).path))))

        def opened(address: str) -> tuple[float, float]:
            """Kilobytes compressed, and megabytes unpacked."""
            loaded.clear()
            page.goto(f"file://{site.resolve()}/{address}")
            page.wait_for_selector("body[data-ready]", timeout=60_000)
            contents = [path.read_bytes() for path in set(loaded)]
            return sum(len(gzip.compress(each)) for each in contents) / 1e3, sum(map(len, contents)) / 1e6

        pages = [opened("index.html")]
        begun = time.monotonic()
        page.locator("#cells").scroll_into_view_if_needed()
        page.wait_for_selector("body[data-cells]", timeout=60_000)
        print(f"the overview has all cells {time.monotonic() - begun:.1f} s after it is asked for them")
        timed = seconds_of_filters(page)
        for row in (1, 20):
            page.goto(f"file://{site.resolve()}/index.html#cells")
            link = page.locator(f"#list tbody tr:nth-child({row}) a").first.get_attribute("href")
            pages.append(opened(link))
        browser.close()
    print("filters: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in timed.items()))
    return {
        "first load: KB compressed": max(packed for packed, _ in pages),
        "first load: MB": max(unpacked for _, unpacked in pages),
        "seconds of a filter": max(timed.values()),
    }


def seconds_of_filters(page: Any) -> dict[str, float]:
    """Each at its best of three: a busy machine says nothing of the page."""
    timed: dict[str, float] = page.evaluate(
        """() => Object.fromEntries(["format", "scenario", "tag", "mark", "readers-from"].map((name) => {
            const field = document.querySelector(`#filters [name=${name}]`);
            return [name, Math.min(...[1, 0, 1, 0, 1].map((place) => {
                field.selectedIndex = place;
                const begun = performance.now();
                field.dispatchEvent(new Event("input", { bubbles: true }));
                document.body.offsetHeight;
                return place ? (performance.now() - begun) / 1000 : Infinity;
            }))];
        }))"""
    )
    return timed


if __name__ == "__main__":
    main()
