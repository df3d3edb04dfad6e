"""Inputs that coverage guides: `python tests/fuzz/guided.py TARGET SECONDS SEED FILE` tries one target with atheris.

A process of its own, which writes what the inputs came to into FILE as JSON: atheris instruments our modules as they
are imported, and does not return.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from random import Random

import atheris  # type: ignore[import-not-found,unused-ignore]

with atheris.instrument_imports(include=["tfmatrix"], enable_loader_override=False):
    import fuzz
    from mutations import mutated
    from targets import TARGETS

MAX_BYTES = 1 << 20
"""Of an input."""


def main(name: str, seconds: float, seed: int, told: Path) -> None:
    """Tries the target for so long, then writes the tally and ends the process."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    fuzz.stop_slow_inputs()
    tally, random = fuzz.Tally(name), Random(f"{seed} {name}")
    folder = Path(tempfile.mkdtemp())
    for each in ("seeds", "work", "corpus"):
        (folder / each).mkdir()
    seeds = list(TARGETS[name].seeds(folder / "seeds"))
    for number, data in enumerate(seeds):
        (folder / "corpus" / str(number)).write_bytes(data)
    read = TARGETS[name].make(folder / "work")
    fuzz.warm_up(read, seeds)
    deadline = time.monotonic() + seconds

    def mutate(data: bytes, most: int, _seed: int) -> bytes:
        changed = mutated(data, random) if random.random() < 0.5 else atheris.Mutate(data, most)
        return bytes(changed[:most])

    def one(data: bytes) -> None:
        if time.monotonic() > deadline:
            faults = {place: (base64.b64encode(data).decode(), said) for place, (data, said) in tally.faults.items()}
            told.write_text(json.dumps({**vars(tally), "faults": faults}))
            os._exit(0)
        fuzz.try_input(read, data, tally)

    # libFuzzer's own clock would end the process at an input that only the machine makes slow.
    options = [f"-seed={seed + 1}", f"-max_len={MAX_BYTES}", "-timeout=600", "-rss_limit_mb=0", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *options, str(folder / "corpus")], one, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
