"""A set again and again, with kills: `python benchmarks/soak.py [--rounds 50] [--executor docker] [--set quick]`.

In each round some of what the store holds is forgotten, a run begins, is mostly killed at some time (SIGKILL, SIGTERM
or SIGHUP), and is then run to its end. Its table must be that of the first run. Prints what a run needed in the first
and the last rounds (memory, descriptors), what lay about after each (containers, work folders), and how large the store
became; exit code 1 where a table differs or anything is left or grows.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
KILLS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)
GROWTH = 1.05
"""How much more the last rounds may need than the first."""


@dataclass(frozen=True, kw_only=True)
class Needed:
    """Of one whole run: its table, the peak of its memory in MB, and the most descriptors that were seen."""

    table: dict[str, Any]
    memory: float
    descriptors: int


def command(options: argparse.Namespace, project: Path) -> list[str]:
    chosen = [f"--scenario={each}" for each in options.scenario]
    chosen += [f"--{key}={each}" for key in ("writer", "reader") for each in options.environment]
    common = ["--set", options.set, "--executor", options.executor, "--no-remedies", "--json", "--quiet"]
    return [sys.executable, "-m", "tfmatrix", "run", *common, *chosen, "-C", str(project)]


def run(arguments: list[str], folder: Path) -> Needed:
    """Runs to the end."""
    most = 0
    with (folder / "answer.json").open("w") as answer:
        process = subprocess.Popen(arguments, stdout=answer)
        status = usage = None
        while not status or not status[0]:
            with contextlib.suppress(OSError):  # it has just ended
                most = max(most, sum(1 for _ in Path(f"/proc/{process.pid}/fd").iterdir()))
            time.sleep(0.05)
            *status, usage = os.wait4(process.pid, os.WNOHANG)
    code = os.waitstatus_to_exitcode(status[1])
    if code not in (0, 1, 4):
        raise SystemExit(f"a run ended with {code}")
    cells = json.loads((folder / "answer.json").read_text())["cells"]
    for each in cells:
        if each["status"] == "infra-error":
            print(f"{each['cell']}: {each['error']['message']}", file=sys.stderr)
    table = {each["cell"]: (each["status"], tuple(each["failed_checks"])) for each in cells}
    return Needed(table=table, memory=usage.ru_maxrss / 1024, descriptors=most)


def forget(project: Path, some: random.Random, count: int) -> None:
    """Drops outcomes and the folders that no other one names, so that a round has something to measure, and what the
    store grows by is what kills left in it.
    """
    store = project / "results" / "store"
    texts = {path: path.read_text("utf-8") for path in sorted((store / "outcomes").rglob("*.json"))}
    dropped = some.sample(list(texts), min(count, len(texts)))
    kept = "".join(text for path, text in texts.items() if path not in dropped)
    for folder in sorted((store / "folders").glob("??/*")):
        if folder.name not in kept and any(folder.name in texts[path] for path in dropped):
            shutil.rmtree(folder)
    for path in dropped:
        path.unlink()


def left(project: Path) -> list[str]:
    """Work folders and half-copied ones, and containers that see the store."""
    store = project / "results" / "store"
    found = [str(path) for pattern in ("work/*", "folders/.incoming-*") for path in store.glob(pattern)]
    if shutil.which("docker"):
        listed = subprocess.run(
            ["docker", "ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.Mounts}}"],
            capture_output=True,
            text=True,
            check=False,
        )
        found += [line for line in listed.stdout.splitlines() if str(store) in line]
    return found


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--executor", default="docker", choices=("docker", "venv"))
    parser.add_argument("--set", default="quick")
    parser.add_argument("--scenario", nargs="+", default=["*"])
    parser.add_argument("--environment", nargs="+", default=["*"])
    parser.add_argument("--forget", type=int, default=3, help="outcomes to measure again in each round")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    some = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="tfmatrix-soak-") as name:
        project = Path(name) / "project"
        project.mkdir()
        for each in ("matrix.yaml", "known_failures.yaml", "locks", "scenarios"):
            (project / each).symlink_to(ROOT / each)
        arguments = command(options, project)
        start = time.monotonic()
        first = run(arguments, Path(name))
        usual = time.monotonic() - start
        rounds: list[tuple[Needed, list[str], int]] = []
        kills = 0
        for number in range(options.rounds):
            forget(project, some, options.forget)
            if some.random() < 0.8:
                begun = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                try:
                    begun.wait(some.uniform(0.2, max(1.0, usual)))
                except subprocess.TimeoutExpired:
                    begun.send_signal(some.choice(KILLS))
                    kills += 1
                begun.wait()
            again = time.monotonic()
            rounds.append((run(arguments, Path(name)), left(project), size(project / "results" / "store")))
            # A kill belongs into what a round needs, not into what the first run needed.
            usual = time.monotonic() - again
            needed, found, stored = rounds[-1]
            equal = "equal" if needed.table == first.table else "DIFFERS"
            # Told as it goes: a soak that is ended early has still measured what it did.
            seconds = time.monotonic() - start
            print(f"round {number + 1}: {equal}, {kills} kills, {needed.memory:.0f} MB,", end=" ", file=sys.stderr)
            print(f"{needed.descriptors} descriptors, {len(found)} left,", end=" ", file=sys.stderr)
            print(f"store {stored / 1e6:.1f} MB, {seconds:.0f} s", file=sys.stderr, flush=True)
    third = max(1, len(rounds) // 3)
    early, late = rounds[:third], rounds[-third:]
    figures = {
        "rounds": len(rounds),
        "cells": len(first.table),
        "kills": kills,
        "equal_tables": sum(needed.table == first.table for needed, _, _ in rounds),
        "left_behind": sum(len(found) for _, found, _ in rounds),
        **{
            f"{what}_{when}": round(sum(of(each) for each in part) / len(part), 1)
            for what, of in (
                ("memory_mb", lambda each: each[0].memory),
                ("descriptors", lambda each: each[0].descriptors),
                ("store_mb", lambda each: each[2] / 1e6),
            )
            for when, part in (("early", early), ("late", late))
        },
    }
    print("\n".join(f"{key:<20}{value}" for key, value in figures.items()))
    grows = [key for key in ("memory_mb", "descriptors") if figures[f"{key}_late"] > GROWTH * figures[f"{key}_early"]]
    if figures["store_mb_late"] > GROWTH * figures["store_mb_early"]:
        grows.append("store_mb")
    for each in grows:
        print(f"grows: {each}", file=sys.stderr)
    return int(bool(grows) or figures["left_behind"] > 0 or figures["equal_tables"] < len(rounds))


if __name__ == "__main__":
    raise SystemExit(main())
