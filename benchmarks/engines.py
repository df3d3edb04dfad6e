"""Units on an engine beside a local run: `python benchmarks/engines.py [--workers 1 2 4] [-- options of tfmatrix run]`.

Measures a set once on this machine without an engine, and then with Dask and each number of worker processes, each into
an empty store; environments are provided before. Prints as JSON lines: cells, seconds, cells per minute, the share of
the local run's rate, batches, seconds of a batch that no job took, and how many records differ from the local run's but
for times, ids of runs and saves, and addresses in memory. Exit code 1 where any differs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "runner"))

from tfmatrix.store.runs import Run, read_run  # noqa: E402  (the checkout must be on the path first)

TIMES = frozenset({"run", "seconds", "phases", "cached"})
"""Keys of a record, at any depth, that say when and by whom it was measured."""

ADDRESS = re.compile(r"0x[0-9a-f]{6,}|(?<='shared_object_id': )[0-9]+")
"""Of an object in memory, in the text of an error: Python's, and what Keras writes into a configuration."""

THREAD_MEMORY = "4GiB"


def without_times(value: Any) -> Any:
    """A record without what may differ between two runs of the same."""
    if isinstance(value, dict):
        return {key: without_times(inner) for key, inner in value.items() if key not in TIMES}
    if isinstance(value, list):
        return [without_times(inner) for inner in value]
    return ADDRESS.sub("0x", value) if isinstance(value, str) else value


def records(run: Run) -> dict[str, Any]:
    """By cell."""
    found = {record.cell: without_times(record.to_json()) for record in run.records}
    for record in found.values():
        if record["artifact"]:
            # An archive holds the time of its save, and no two saves write Keras 3's SavedModel alike: the digest, and
            # the key of what reads it, are an id of this save; so is a byte more or less.
            record["artifact"]["digest"] = record["artifact"]["bytes"] = record["key"] = None
    return found


@contextlib.contextmanager
def cluster(folder: Path, workers: int) -> Iterator[str]:
    """A scheduler and as many worker processes of one thread; gives the scheduler's address."""
    told = folder / f"scheduler-{workers}.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    begun = [subprocess.Popen([*dask, "--port", "0", "--no-dashboard", "--scheduler-file", str(told)], **quiet)]
    try:
        while not told.exists():
            time.sleep(0.1)
        time.sleep(0.5)
        address = json.loads(told.read_text())["address"]
        for _ in range(workers):
            worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
            kept = ["--memory-limit", THREAD_MEMORY, "--local-directory", str(folder)]
            begun.append(subprocess.Popen([*worker, *kept], **quiet))
        yield address
    finally:
        for process in reversed(begun):
            process.terminate()
        for process in begun:
            process.wait()


def measured(folder: Path, name: str, options: list[str]) -> tuple[Run, float]:
    """Runs into an empty store; returns the run and its seconds."""
    project = folder / name
    project.mkdir()
    for each in ("matrix.yaml", "known_failures.yaml", "locks", "scenarios"):
        (project / each).symlink_to(ROOT / each)
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tfmatrix", "run", "--quiet", "-C", str(project), *options],
        env={**os.environ, "PYTHONPATH": str(ROOT / "runner")},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"{name}: the run ended with {done.returncode}")
    return read_run(project / "results"), time.monotonic() - start


def own_seconds(run: Run) -> float:
    """What saves and loads took in their children; a save counts once for the cells that read it."""
    saves = {
        (record.scenario, record.format, record.writer): float((record.save or {}).get("seconds") or 0.0)
        for record in run.records
    }
    return sum(saves.values()) + sum(float((record.load or {}).get("seconds") or 0.0) for record in run.records)


def differing(run: Run, local: Run) -> dict[str, list[str]]:
    """The cells whose records are not those of the local run, with the keys that differ."""
    mine, theirs = records(run), records(local)
    found = {}
    for cell in sorted(mine.keys() | theirs.keys()):
        one, other = mine.get(cell, {}), theirs.get(cell, {})
        keys = sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))
        if keys:
            found[cell] = keys
    return found


def figures(name: str, run: Run, seconds: float, local_seconds: float, count: int) -> dict[str, Any]:
    """A line of the answer; `count` records differ."""
    engine = run.header.get("engine") or {}
    batches = int(engine.get("batches") or 0)
    own = own_seconds(run)
    return {
        "engine": name,
        "workers": engine.get("workers") or run.header["slots"],
        "cells": len(run.records),
        "seconds": round(seconds, 1),
        "cells_per_minute": round(60 * len(run.records) / seconds, 1),
        "rate_of_local": round(local_seconds / seconds, 2),
        "batches": batches,
        "own_seconds": round(own, 1),
        "overhead_per_batch": round((float(engine["seconds"]) - own) / batches, 2) if batches else None,
        "differing": count,
    }


def main() -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", default="quick")
    parser.add_argument("--executor", default="venv", choices=("docker", "venv"))
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("options", nargs="*", help="options of `tfmatrix run`, after --")
    asked = parser.parse_args()
    common = ["--set", asked.set, "--executor", asked.executor, *asked.options]
    every = 0
    with tempfile.TemporaryDirectory(prefix="tfmatrix-engines-") as name:
        folder = Path(name)
        local, local_seconds = measured(folder, "local", common)
        print(json.dumps(figures("none", local, local_seconds, local_seconds, 0)), flush=True)
        for workers in asked.workers:
            with cluster(folder, workers) as address:
                sent = ["--engine", "dask", "--scheduler", address, "--store", f"file://{folder}/store-{workers}"]
                run, seconds = measured(folder, f"dask-{workers}", [*common, *sent])
            found = differing(run, local)
            every += len(found)
            print(json.dumps(figures("dask", run, seconds, local_seconds, len(found))), flush=True)
            for cell, keys in found.items():
                print(f"differs: {cell}: {', '.join(keys)}", file=sys.stderr)
    return 1 if every else 0


if __name__ == "__main__":
    raise SystemExit(main())
