"""What it would save to train on from each state once: `python benchmarks/continuations.py RESULTS [RUN]`.

A reader's further training depends on what was loaded and on the reader. Reads the observations of a run's loads in its
store, and counts those whose state (weights, optimizer, configuration, compilation, seeds, bit for bit) is one that the
same reader has trained on from already, in the same scenario; and controls that start from what they started from
before. Prints the seconds that these took, beside all seconds of the run's jobs. Only reads.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "runner"))

from tfmatrix.store.runs import read_run  # noqa: E402  (the checkout must be on the path first)

STATE = ("kind", "model_class", "interface", "seeds", "weights", "optimizer", "config", "compile")
"""Sections of an observation that decide how training goes on."""

WRITTEN = ("weights", "optimizer")
"""What a control takes over from the writer."""


class Store:
    """The files of a store, of which none is touched."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._digests: dict[tuple[str, tuple[str, ...]], str] = {}

    def observation_of(self, key: str) -> str | None:
        """The digest of the observation of an outcome."""
        path = self._root / "outcomes" / key[:2] / f"{key}.json"
        return json.loads(path.read_bytes())["outcome"]["observation"] if path.is_file() else None

    def digest(self, observation: str, sections: tuple[str, ...]) -> str:
        """Of these sections of an observation, with the values of their arrays."""
        found = self._digests.get((observation, sections))
        if found is None:
            folder = self._root / "folders" / observation[:2] / observation
            document = json.loads((folder / "observation.json").read_bytes())
            with np.load(folder / "arrays.npz") as arrays:
                values = {name: document.get(name) for name in sections}
                text = json.dumps(with_values(values, arrays), sort_keys=True)
            found = self._digests[observation, sections] = hashlib.sha256(text.encode()).hexdigest()
        return found


def with_values(value: Any, arrays: Mapping[str, Any]) -> Any:
    """A section with a digest in place of each reference to an array."""
    if isinstance(value, dict):
        if isinstance(value.get("array"), str):
            raw = np.ascontiguousarray(arrays[value["array"]]).tobytes()
            return {**value, "array": hashlib.sha256(raw).hexdigest()}
        return {name: with_values(inner, arrays) for name, inner in value.items()}
    return [with_values(inner, arrays) for inner in value] if isinstance(value, list) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("run", nargs="?", default="latest")
    options = parser.parse_args()
    run = read_run(options.results, options.run)
    store = Store(options.results / "store")

    seconds: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    seen: set[tuple[str, ...]] = set()
    saves = {(each.scenario, each.save.get("key")): each.save for each in run.records}
    seconds["all jobs"] = sum(save.get("seconds", 0.0) for save in saves.values())
    for record in run.records:
        seconds["all jobs"] += record.load.get("seconds", 0.0)
        phases = record.load.get("phases") or {}
        own = store.observation_of(record.key) if record.key else None
        written = record.save.get("observation")
        if own is None or written is None:
            continue
        place = (record.scenario, record.reader)
        for phase, state in (
            ("resume", lambda: store.digest(own, STATE)),  # noqa: B023
            ("control", lambda: store.digest(written, WRITTEN)),  # noqa: B023
        ):
            if phase not in phases:
                continue
            counts[phase] += 1
            seconds[phase] += phases[phase]
            key = (phase, *place, state())
            if key in seen:
                counts[f"{phase} again"] += 1
                seconds[f"{phase} again"] += phases[phase]
            seen.add(key)
    print(f"run              {run.id}, {len(run.records)} cells\nall jobs         {seconds['all jobs']:.0f} s")
    for phase in ("resume", "control"):
        again = f"{phase} again"
        share = seconds[again] / max(seconds["all jobs"], 1e-9)
        print(f"{phase:<16} {counts[phase]} loads, {seconds[phase]:.0f} s")
        print(f"{again:<16} {counts[again]} loads, {seconds[again]:.0f} s: {share:.1%} of all jobs")


if __name__ == "__main__":
    main()
