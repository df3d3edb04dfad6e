"""What a place of its own costs every job: `python benchmarks/isolation.py [--jobs 300] [--users 50000:10000]`.

Times a child that only begins and ends, with and without all that the worker's server does for a job: folders, user,
limits, refused system calls, the search for what it left, the hand-over of its files. Prints milliseconds of processor
time as JSON: wall time on a busy machine would tell of its neighbours.
`--users` needs root, as the server of a container is.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "runner" / "tfmatrix" / "worker"))

import confine
import folders

FILES = 6
"""That a job leaves: an artifact and an observation."""


def child(enter: Callable[[], None], folder: Path) -> None:
    pid = os.fork()
    if pid == 0:
        enter()
        for number in range(FILES):
            (folder / str(number)).write_bytes(b"x" * 1000)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0, "the child failed"


def processor_seconds() -> float:
    """Of this process and its ended children."""
    return sum(os.times()[:4])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--users", help="FIRST:COUNT, as for the server")
    options = parser.parse_args()
    first = int(options.users.split(":")[0]) if options.users else None
    confine.protect_server()
    plain = isolated = 0.0
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        top.chmod(0o711)
        for number in range(options.jobs):
            folder = top / f"plain-{number}"
            start = processor_seconds()
            folder.mkdir()
            child(lambda: None, folder)
            plain += processor_seconds() - start

            jail = confine.Jail(str(top / f"jail-{number}"), None if first is None else first + number, 1 << 30)
            start = processor_seconds()
            jail.make()
            child(jail.enter, Path(jail.root))
            confine.end_descendants()
            folders.usage(jail.root, 1 << 30, 50_000, 64)
            for each in (jail.home, jail.tmp):
                folders.remove_tree(each)
            if first is not None:
                folders.hand_over(jail.root, os.getuid(), os.getgid())
            isolated += processor_seconds() - start
    found = {"plain_ms": 1000 * plain / options.jobs, "isolated_ms": 1000 * isolated / options.jobs}
    print(json.dumps({name: round(value, 3) for name, value in found.items()} | {"jobs": options.jobs}))
    print(f"price per job: {found['isolated_ms'] - found['plain_ms']:.2f} ms", file=sys.stderr)


if __name__ == "__main__":
    main()
