"""The same cells twice, side by side: as tfmatrix runs them, and naively, with a fresh worker per save and per load.

    python benchmarks/against_naive.py [--executor docker|venv] [--scenario NAME …] [--environment ID …]

Both ways run the same jobs with the same number of slots, without the store, in one process and one after the other;
what is compared is a ratio. The verdicts must agree cell by cell: otherwise the faster way measures something else.
`own time` is the time that the jobs themselves took in their children, from the import of the scenario to the end of
the observation; what lies above it is the price of containers, of importing TensorFlow, and of tfmatrix.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "runner"))

from tfmatrix.core.selection import Selector  # noqa: E402
from tfmatrix.engine.run import RunOptions, run_project  # noqa: E402  (the checkout must be on the path first)
from tfmatrix.project.project import Project  # noqa: E402
from tfmatrix.store.runs import Run  # noqa: E402


def measure(options: argparse.Namespace, *, isolated: bool) -> tuple[Run, float]:
    """One run into an empty store; returns it and its wall time in seconds, without providing environments."""
    selector = Selector(
        scenario=tuple(options.scenario),
        format=tuple(options.format),
        writer=tuple(options.environment),
        reader=tuple(options.environment),
    )
    with tempfile.TemporaryDirectory(prefix="tfmatrix-bench-") as folder:
        for name in ("matrix.yaml", "locks", "scenarios"):
            (Path(folder) / name).symlink_to(ROOT / name)
        start = time.monotonic()
        run, _ = run_project(
            Project(root=Path(folder)),
            selector=selector,
            options=RunOptions(executor=options.executor, isolated=isolated, remedies=False, quiet=True),
        )
        seconds = time.monotonic() - start
    return run, seconds


def main() -> int:
    """Prints the comparison; exits with 1 where the verdicts differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executor", default="auto", choices=("auto", "docker", "venv"))
    parser.add_argument("--scenario", nargs="+", default=["optimizer_state", "custom_layer_add_weight", "dense"])
    parser.add_argument("--format", nargs="+", default=["h5", "keras", "tf-savedmodel"])
    parser.add_argument("--environment", nargs="+", default=["2.15.1", "2.21.0"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    print("environments are provided first, untimed", file=sys.stderr)
    warm = argparse.Namespace(**{**vars(options), "scenario": options.scenario[:1], "format": options.format[:1]})
    measure(warm, isolated=False)
    ours, our_seconds = measure(options, isolated=False)
    naive, naive_seconds = measure(options, isolated=True)

    cells = len(ours.records)
    saves = {(record.scenario, record.format, record.writer): record.save["seconds"] for record in ours.records}
    own = sum(saves.values()) + sum(record.load.get("seconds", 0.0) for record in ours.records)
    slots = ours.header["slots"]
    figures = {
        "executor": ours.header["executor"]["name"],
        "cells": cells,
        "saves": len(saves),
        "slots": slots,
        "tfmatrix_seconds": round(our_seconds, 1),
        "naive_seconds": round(naive_seconds, 1),
        "times_faster": round(naive_seconds / our_seconds, 1),
        "cells_per_minute": round(60 * cells / our_seconds, 1),
        "naive_cells_per_minute": round(60 * cells / naive_seconds, 1),
        "over_own_time": round(our_seconds * slots / own, 2),
        "naive_over_own_time": round(naive_seconds * slots / own, 2),
    }
    print(json.dumps(figures, indent=1) if options.json else "\n".join(f"{k:<24}{v}" for k, v in figures.items()))

    verdicts = [{r.cell: (r.status, r.failed_checks) for r in run.records} for run in (ours, naive)]
    differing = [cell for cell in verdicts[0] if verdicts[0][cell] != verdicts[1][cell]]
    for cell in differing:
        print(f"differs: {cell}: {verdicts[0][cell]} and naively {verdicts[1][cell]}", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    raise SystemExit(main())
