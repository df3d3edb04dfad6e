"""What a night costs: runs a set with `tfmatrix run` and prints cells by status, time, memory and disk.

    python benchmarks/night.py [--set nightly] [--project DIR] [-- further options of `tfmatrix run`]

Memory is that of the whole machine above what was in use before the start (1 - MemAvailable, sampled twice a second):
the workers run in containers, whose memory belongs to no process of ours. Leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "runner"))

from tfmatrix.store.budget import bytes_of  # noqa: E402  (the checkout must be on the path first)
from tfmatrix.store.runs import read_run  # noqa: E402

SAMPLE_SECONDS = 0.5


def bytes_in_use() -> int:
    """Memory of the machine that is not available to new processes."""
    fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    total, available = (int(fields[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    return total - available


def run_and_watch(command: list[str]) -> tuple[int, float, int]:
    """Runs a command; returns its exit code, its seconds, and the most memory in use above that before the start."""
    before = most = bytes_in_use()
    ended = threading.Event()

    def watch() -> None:
        nonlocal most
        while not ended.wait(SAMPLE_SECONDS):
            most = max(most, bytes_in_use())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.monotonic()
    try:
        code = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
    finally:
        ended.set()
        watcher.join()
    return code, time.monotonic() - start, most - before


def main() -> int:
    """Prints the figures; returns the exit code of the run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", default="nightly")
    parser.add_argument("--project", type=Path, default=ROOT)
    parser.add_argument("options", nargs="*", help="options of `tfmatrix run`, after --")
    arguments = parser.parse_args()

    project = arguments.project.resolve()
    command = [sys.executable, "-m", "runner", "run", "-C", str(project), "--set", arguments.set, *arguments.options]
    code, seconds, memory = run_and_watch(command)
    run = read_run(project / "results")
    inferred = sum(record.inferred is not None for record in run.records)
    measured = sum(not record.cached and record.inferred is None for record in run.records)
    figures = {
        "run": run.id,
        "executor": run.header["executor"]["name"],
        "slots": run.header["slots"],
        "environments": len(run.header["environments"]),
        "scenarios": len(run.header["scenarios"]),
        "formats": len(run.header["formats"]),
        "cells": len(run.records),
        **{f"cells_{status}": count for status, count in run.header["counts"].items()},
        "measured_now": measured,
        "inferred": inferred,
        "seconds": round(seconds),
        "measured_per_hour": round(3600 * measured / seconds),
        "known_per_hour": round(3600 * (measured + inferred) / seconds),
        "peak_memory_mb": round(memory / 1e6),
        "store_mb": round(bytes_of(project / "results" / "store") / 1e6),
        "records_mb": round(bytes_of(run.folder) / 1e6, 1),
        "exit_code": code,
    }
    print(json.dumps(figures, indent=1))
    return code


if __name__ == "__main__":
    raise SystemExit(main())
