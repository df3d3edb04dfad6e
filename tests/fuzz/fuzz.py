"""Feeds readers with inputs that are nearly right, for a while: `python tests/fuzz/fuzz.py [TARGET …] --seconds 60`.

A fault is what is not the reader's one clear error, and what takes more than two seconds of processor time. Each is
told once, by the place where it is raised, and its input is kept.

Half of a target's time goes to mutations of what it accepts, half to inputs that coverage guides (atheris, where it is
installed). Then the fastest third of the targets is tried on, until there were `--total` inputs in all. With `--tally`
the inputs of runs before count, too: a million need not be one run.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from random import Random

from mutations import mutated
from targets import TARGETS, Read
from tfmatrix.core.errors import TfmatrixError

SECONDS = 2.0
"""Of processor time for one input: the machine's other work does not count."""


WARM = 8
WARM_SECONDS = 10.0
"""Reads of a seed before time counts: a reader may take turns between that many commands. Not longer than that."""


class TooSlowError(Exception):
    """An input took more than SECONDS."""


@dataclass
class Tally:
    """What became of the inputs of one target; `faults` maps a place to its first input and what was raised."""

    target: str
    accepted: int = 0
    refused: int = 0
    failed: int = 0
    slowest: float = 0.0
    faults: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    @property
    def tried(self) -> int:
        return self.accepted + self.refused + self.failed

    def add(self, other: Tally) -> None:
        """Counts what another tally of the target has counted, too."""
        self.accepted += other.accepted
        self.refused += other.refused
        self.failed += other.failed
        self.slowest = max(self.slowest, other.slowest)
        self.faults = {**other.faults, **self.faults}

    def __str__(self) -> str:
        return (
            f"{self.target}: {self.tried} inputs, {self.accepted} accepted, {self.refused} refused, "
            f"{len(self.faults)} faults, the slowest {self.slowest:.2f} s"
        )


def try_input(read: Read, data: bytes, tally: Tally) -> None:
    """Reads one input and counts what it comes to."""
    started = time.process_time()
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, 2 * SECONDS)
        try:
            read(data)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        accepted = True
    except TfmatrixError:
        accepted = False
    except TooSlowError:
        accepted = False
    except Exception as error:  # noqa: BLE001  (whatever it is: it is what is looked for)
        tally.failed += 1
        tally.faults.setdefault(_place(error), (data, "".join(traceback.format_exception(error))[-3000:]))
        return
    seconds = time.process_time() - started
    tally.slowest = max(tally.slowest, seconds)
    if seconds > SECONDS:
        tally.failed += 1
        tally.faults.setdefault(f"{seconds:.1f} s", (data, "too slow"))
    elif accepted:
        tally.accepted += 1
    else:
        tally.refused += 1


def warm_up(read: Read, seeds: list[bytes]) -> None:
    """Reads seeds, not timed: what is imported on first use is no input's fault."""
    deadline = time.monotonic() + WARM_SECONDS
    for seed in [seed for seed in seeds for _ in range(WARM)]:
        if time.monotonic() < deadline:
            try_input(read, seed, Tally("seeds"))


def stop_slow_inputs() -> None:
    """Lets an input end that takes far too much processor time."""
    signal.signal(signal.SIGVTALRM, _slow)


def inputs(seeds: list[bytes], random: Random) -> Iterator[bytes]:
    """The seeds, then mutations of them without end."""
    yield from seeds
    while True:
        yield mutated(random.choice(seeds), random)


def fuzz(name: str, random: Random, *, seconds: float = 1e9, count: int = 10**9) -> Tally:
    """Tries a target until its time is over, or so many inputs were tried."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    stop_slow_inputs()
    tally = Tally(name)
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "seeds").mkdir()
        (Path(folder) / "work").mkdir()
        seeds = list(target.seeds(Path(folder) / "seeds"))
        read = target.make(Path(folder) / "work")
        warm_up(read, seeds)
        deadline = time.monotonic() + seconds
        for tried, data in enumerate(inputs(seeds, random)):
            if time.monotonic() > deadline or tried >= count:
                break
            try_input(read, data, tally)
    return tally


def guided(name: str, *, seconds: float, seed: int) -> Tally:
    """Tries a target with inputs that coverage guides, in a process of its own (see guided.py)."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "tally.json"
        command = [sys.executable, str(Path(__file__).with_name("guided.py")), name, str(seconds), str(seed), str(told)]
        # What it leaves behind, it leaves in this folder.
        done = subprocess.run(command, capture_output=True, env={**os.environ, "TMPDIR": folder}, check=False)
        tally = Tally(name)
        if not told.exists():
            said = done.stderr.decode(errors="replace")[-3000:]
            tally.failed, tally.faults = 1, {f"the process ended with {done.returncode}": (b"", said)}
            return tally
        found = json.loads(told.read_text())
        faults = {place: (base64.b64decode(data), said) for place, (data, said) in found.pop("faults").items()}
        tally.add(Tally(**found, faults=faults))
        return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], help="default: all")
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--inputs", type=int, default=10**9, help="for each target at most")
    parser.add_argument("--total", type=int, default=0, help="in all at least")
    parser.add_argument("--tally", type=Path, help="a file that counts what runs with it have tried")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("results/fuzz"), help="where inputs of faults are kept")
    options = parser.parse_args()
    names = options.targets or list(TARGETS)
    is_guided = find_spec("atheris") is not None
    if not is_guided:
        print("fuzz: atheris is not installed: no inputs that coverage guides", flush=True)
    share = options.seconds / (1 + is_guided)
    before = _read(options.tally)
    seed = options.seed + sum(tally.tried for tally in before)  # other inputs than those
    tallies: dict[str, Tally] = {}
    rates: dict[str, float] = {}
    for name in names:
        started = time.monotonic()
        tally = fuzz(name, Random(f"{seed} {name}"), seconds=share, count=options.inputs)
        if is_guided:
            tally.add(guided(name, seconds=share, seed=seed))
        _tell(tally, options.keep)
        tallies[name] = tally
        # After each: a run that is ended early has tried what it tried.
        _write(options.tally, [*before, *tallies.values()])
        rates[name] = tally.tried / (time.monotonic() - started)
    fastest = sorted(names, key=rates.__getitem__)[-max(1, len(names) // 3) :]
    turn = 0
    while sum(tally.tried for tally in (*before, *tallies.values())) < options.total:
        turn += 1
        for name in fastest:
            tallies[name].add(fuzz(name, Random(f"{seed} {name} {turn}"), seconds=options.seconds))
            _write(options.tally, [*before, *tallies.values()])
    if turn:
        for name in fastest:
            _tell(tallies[name], options.keep)
    print(_sum(list(tallies.values())))
    if options.tally:
        whole = _write(options.tally, [*before, *tallies.values()])
        print(*whole, _sum(whole).replace("fuzz:", f"fuzz: {options.tally}:"), sep="\n")
    return int(any(tally.faults for tally in tallies.values()))


def _tell(tally: Tally, keep: Path) -> None:
    """Prints what a target came to, and keeps the inputs of its faults."""
    print(tally, flush=True)
    for place, (data, said) in tally.faults.items():
        path = keep / f"{tally.target}-{hashlib.sha256(data).hexdigest()[:12]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        print(f"  {place}: {path}\n{said}", flush=True)


def _read(path: Path | None) -> list[Tally]:
    """The tallies of the runs before: one for each target, with the places of its faults."""
    if path is None or not path.exists():
        return []
    return [
        Tally(**{**each, "faults": dict.fromkeys(each["faults"], (b"", ""))}) for each in json.loads(path.read_text())
    ]


def _write(path: Path | None, tallies: list[Tally]) -> list[Tally]:
    """Joins the tallies of each target, and keeps them where there is a file for it."""
    joined: dict[str, Tally] = {}
    for tally in tallies:
        joined.setdefault(tally.target, Tally(tally.target)).add(tally)
    if path is not None:
        path.write_text(json.dumps([{**vars(tally), "faults": sorted(tally.faults)} for tally in joined.values()]))
    return list(joined.values())


def _sum(tallies: list[Tally]) -> str:
    counts: Mapping[str, int] = {
        "inputs": sum(tally.tried for tally in tallies),
        "faults": sum(len(tally.faults) for tally in tallies),
    }
    return f"fuzz: {counts['inputs']} inputs of {len(tallies)} targets, {counts['faults']} faults"


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/tfmatrix/" in frame.filename] or frames
    return f"{type(error).__name__} at {Path(ours[-1].filename).name}:{ours[-1].lineno}" + (
        f" {str(error)[-120:]}" if isinstance(error, AssertionError) else ""
    )


def _slow(number: int, frame: object) -> None:
    raise TooSlowError


if __name__ == "__main__":
    raise SystemExit(main())
