"""Feeds readers with inputs that are nearly right, for a while: `python tests/fuzz/fuzz.py [TARGET …] --seconds 60`.

A fault is what is not the reader's one clear error, and what takes more than two seconds of processor time. Each is
told once, by the place where it is raised, and its input is kept.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from mutations import mutated
from targets import TARGETS, Read
from tfmatrix.core.errors import TfmatrixError

SECONDS = 2.0
"""Of processor time for one input: the machine's other work does not count."""


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


def inputs(seeds: list[bytes], random: Random) -> Iterator[bytes]:
    """The seeds, then mutations of them without end."""
    yield from seeds
    while True:
        yield mutated(random.choice(seeds), random)


def fuzz(name: str, random: Random, *, seconds: float = 1e9, count: int = 10**9) -> Tally:
    """Tries a target until its time is over, or so many inputs were tried."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGVTALRM, _slow)
    tally = Tally(name)
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "seeds").mkdir()
        (Path(folder) / "work").mkdir()
        seeds = list(target.seeds(Path(folder) / "seeds"))
        read = target.make(Path(folder) / "work")
        deadline = time.monotonic() + seconds
        for tried, data in enumerate(inputs(seeds, random)):
            if time.monotonic() > deadline or tried >= count:
                break
            try_input(read, data, tally)
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], help="default: all")
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--inputs", type=int, default=10**9, help="for each target at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("results/fuzz"), help="where inputs of faults are kept")
    options = parser.parse_args()
    tallies = []
    for name in options.targets or TARGETS:
        tally = fuzz(name, Random(f"{options.seed} {name}"), seconds=options.seconds, count=options.inputs)
        print(tally, flush=True)
        tallies.append(tally)
        for place, (data, said) in tally.faults.items():
            path = options.keep / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            print(f"  {place}: {path}\n{said}", flush=True)
    print(_sum(tallies))
    return int(any(tally.faults for tally in tallies))


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
