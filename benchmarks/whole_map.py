"""What the site of the whole map costs: time, memory, files, and how long a filter takes.

    python benchmarks/whole_map.py CELLS FOLDER [--browser]

Makes a run of so many cells in FOLDER and builds its site with `tfmatrix report --format site`. Environments, scenarios
and formats are those of results/published/nightly, and what a cell says is what a measured cell of that night said. As
with `pairs: adaptive`, writers come in classes and readers in blocks: the ends of a block are measured for one writer
of a class, and the other cells are inferred from them. `--browser` opens the overview in Chromium, too, and times its
filters.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "runner"))

from tfmatrix.core.records import RECORD_FIELDS  # noqa: E402  (the checkout must be on the path first)
from tfmatrix.store.runs import read_run_folder  # noqa: E402

NIGHT = ROOT / "results" / "published" / "nightly"
LIMITS = {
    "minutes": 5.0,
    "GB": 2.0,
    "files": 30_000,
    "bytes of the largest file": 5_000_000,
    "seconds of a filter": 0.3,
}


def main() -> None:
    """Makes, builds, prints."""
    options = argparse.ArgumentParser()
    options.add_argument("cells", type=int)
    options.add_argument("folder", type=Path)
    options.add_argument("--browser", action="store_true")
    given = options.parse_args()
    run, site = given.folder / "run", given.folder / "site"
    counts, inferred = write_run(run, given.cells)
    size = (run / "cells.jsonl").stat().st_size
    print(f"{counts.total():,} cells, {inferred:,} of them inferred; cells.jsonl has {size / 1e9:.2f} GB", flush=True)
    begun = time.monotonic()
    command = [sys.executable, "-m", "tfmatrix", "report", str(run), "--format", "site", "-o", str(site)]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(ROOT / "runner")})
    seconds = time.monotonic() - begun
    sizes = {path: path.stat().st_size for path in site.rglob("*") if path.is_file()}
    largest = max(sizes, key=lambda path: sizes[path])
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"processor time {(used.ru_utime + used.ru_stime) / 60:.2f} minutes: what else runs here costs the rest")
    found = {
        "minutes": seconds / 60,
        # Of the largest process, which is the one that built it.
        "GB": used.ru_maxrss / 1e6,
        "files": len(sizes),
        "bytes of the largest file": sizes[largest],
    }
    if given.browser:
        found["seconds of a filter"] = seconds_of_a_filter(site)
    for what, figure in found.items():
        print(f"{what:<26} {figure:>13,.2f} of {LIMITS[what]:>9,}  {'held' if figure <= LIMITS[what] else 'MISSED'}")
    print(f"largest: {largest.relative_to(site)}; all together {sum(sizes.values()) / 1e6:,.0f} MB")
    first = ["index.html", *(str(path.relative_to(site)) for path in site.glob("data/*/index.js")), "data/upgrades.js"]
    first += [f"static/{path.name}" for path in (site / "static").iterdir()]
    unpacked = sum((site / name).stat().st_size for name in first)
    packed = sum(len(gzip.compress((site / name).read_bytes())) for name in first)
    print(f"first load of the overview: {packed / 1e3:,.0f} KB compressed, {unpacked / 1e6:.2f} MB unpacked")


def write_run(folder: Path, cells: int) -> tuple[Counter[str], int]:
    """A run folder as an adaptive run leaves it; returns its cells by status, and how many are inferred."""
    night = read_run_folder(NIGHT)
    header = dict(night.header)
    told = [record.to_json() for record in night.records]
    environments = list(header["environments"])
    # Scenario by scenario with every format, as a map that grows does.
    squares = sorted(product(header["scenarios"], header["formats"]), key="/".join)[
        : -(-cells // len(environments) ** 2)
    ]
    counts: Counter[str] = Counter()
    inferred = 0
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with (folder / "cells.jsonl").open("w", encoding="ascii") as file:
        for scenario, fmt in squares:
            made = square(header["run"], scenario, fmt, environments, told)
            for record in sorted(made, key=lambda record: str(record["cell"])):
                counts[record["status"]] += 1
                inferred += record["inferred"] is not None
                file.write(json.dumps({name: record[name] for name in RECORD_FIELDS}) + "\n")
    audit = {"cells": inferred // 20, "wrong": 0, "upper_bound": 3 / max(1, inferred // 20), "found": []}
    about = {"measured": counts.total() - inferred, "inferred": inferred, "audit": audit}
    header |= {
        "counts": counts,
        "inference": about,
        "scenarios": {each: header["scenarios"][each] for each, _ in squares},
    }
    (folder / "run.json").write_text(json.dumps(header))
    return counts, inferred


def square(
    run: str, scenario: str, fmt: str, environments: Sequence[str], told: Sequence[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """One scenario and format. Equal squares have equal cells whenever they are made."""
    chance = random.Random(f"{scenario}/{fmt}")
    classes, blocks = (parts(environments, chance) for _ in range(2))
    for writers in classes:
        for readers in blocks:
            kind = chance.choice(told)
            for writer, reader in product(writers, readers):
                is_measured = writer == writers[0] and reader in (readers[0], readers[-1])
                place = {"cell": f"{scenario}/{fmt}/{writer}/{reader}", "scenario": scenario, "format": fmt}
                place |= {"run": run, "writer": writer, "reader": reader, "key": f"{chance.getrandbits(256):064x}"}
                if is_measured:
                    yield kind | place | {"inferred": None}
                    continue
                by = "reader" if writer == writers[0] else "artifact"
                source = f"{scenario}/{fmt}/{writers[0]}/{readers[0]}"
                marks = {name: kind[name] for name in ("schema", "status", "known", "promised", "failed_checks")}
                empty = {"fixed": False, "flaky": False, "checks": {}, "save": {}, "load": {}, "error": None}
                empty |= {"remedies": [], "remedy": None, "attribution": None, "artifact": None, "cached": False}
                yield marks | empty | place | {"key": "", "seconds": 0, "inferred": {"from": source, "by": by}}


def parts(names: Sequence[str], chance: random.Random) -> list[Sequence[str]]:
    """Names in four to nine runs of neighbours."""
    cuts = sorted(chance.sample(range(1, len(names)), chance.randint(3, 8)))
    return [names[begin:end] for begin, end in pairwise([0, *cuts, len(names)])]


def seconds_of_a_filter(site: Path) -> float:
    """The slowest of some filters, each at its best of three: a busy machine says nothing of the page."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as api:
        browser = api.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        begun = time.monotonic()
        page.goto(f"file://{site.resolve()}/index.html")
        page.wait_for_selector("body[data-ready]", timeout=60_000)
        print(f"the overview is ready after {time.monotonic() - begun:.1f} s")
        timed = page.evaluate(
            """() => ["format", "scenario", "tag", "mark", "readers-from"].map((name) => {
                const field = document.querySelector(`#filters [name=${name}]`);
                return [name, Math.min(...[1, 0, 1, 0, 1].map((place) => {
                    field.selectedIndex = place;
                    const begun = performance.now();
                    field.dispatchEvent(new Event("input", { bubbles: true }));
                    document.body.offsetHeight;
                    return place ? performance.now() - begun : Infinity;
                }))];
            })"""
        )
        browser.close()
    print("filters: " + ", ".join(f"{name} {milliseconds:.0f} ms" for name, milliseconds in timed))
    return float(max(milliseconds for _, milliseconds in timed)) / 1000


if __name__ == "__main__":
    main()
