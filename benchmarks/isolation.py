"""What a place of its own costs every job: `python benchmarks/isolation.py [--jobs 300] [--users 50000:10000]`.

Times a child that only begins and ends, with and without all that the worker's server does for a job: folders, user,
limits, refused system calls, the search for what it left, the hand-over of its files. Prints milliseconds of processor
time as JSON: wall time on a busy machine would tell of its neighbours.
`--users` needs root, as the server of a container is.

`--whole ROUNDS` runs a small matrix as often with isolation and without, in turns, into empty stores, and prints jobs
per second and how far wall time lies above the jobs' own, the best round of each. Without: the same code, but for a
copy of confine.py that does nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "runner" / "tfmatrix" / "worker"))

import confine  # noqa: E402
import folders  # noqa: E402

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


OPEN = """

def _enter(self):
    os.environ.update(self.variables())
    tempfile.tempdir = None


Jail.enter = _enter
protect_server = lambda: None
may_change_user = lambda uid: False
end_descendants = lambda: True
"""
"""What makes of confine.py one that confines nothing."""


def measured(tree: Path, options: argparse.Namespace) -> dict[str, float]:
    """One run of a copy of the code into an empty store: jobs a second, and wall time over the jobs' own."""
    with tempfile.TemporaryDirectory(prefix="tfmatrix-bench-") as folder:
        for name in ("matrix.yaml", "locks", "scenarios"):
            (Path(folder) / name).symlink_to(ROOT / name)
        chosen = [f"--{key}={each}" for key in ("writer", "reader") for each in options.environment]
        chosen += [f"--scenario={each}" for each in options.scenario] + [f"--format={each}" for each in options.format]
        common = ["--executor", options.executor, "--jobs", "1", "--no-remedies", "--json", "--quiet", "-C", folder]
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "tfmatrix", "run", *chosen, *common],
            env={**os.environ, "PYTHONPATH": str(tree)},
            stdout=subprocess.PIPE,
            check=False,
        )
        seconds = time.monotonic() - start
        cells = json.loads(done.stdout)["cells"]
    saves = {(each["scenario"], each["format"], each["writer"]): each["save"]["seconds"] for each in cells}
    own = sum(saves.values()) + sum(each["load"].get("seconds", 0.0) for each in cells)
    return {"jobs_per_second": (len(saves) + len(cells)) / seconds, "over_own_time": seconds / own}


def compare(options: argparse.Namespace) -> None:
    """Prints the best of some rounds with isolation and without."""
    with tempfile.TemporaryDirectory(prefix="tfmatrix-bench-") as folder:
        shutil.copytree(ROOT / "runner", Path(folder) / "runner", ignore=shutil.ignore_patterns("__pycache__"))
        with (Path(folder) / "runner" / "tfmatrix" / "worker" / "confine.py").open("a") as stream:
            stream.write(OPEN)
        trees = {"isolated": ROOT / "runner", "open": Path(folder) / "runner"}
        rounds = [{name: measured(tree, options) for name, tree in trees.items()} for _ in range(options.whole)]
    best = {
        name: {
            "jobs_per_second": round(max(each[name]["jobs_per_second"] for each in rounds), 2),
            "over_own_time": round(min(each[name]["over_own_time"] for each in rounds), 2),
        }
        for name in trees
    }
    print(json.dumps({"rounds": options.whole, **best}, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--users", help="FIRST:COUNT, as for the server")
    parser.add_argument("--whole", type=int, default=0, metavar="ROUNDS")
    parser.add_argument("--executor", default="docker", choices=("docker", "venv"))
    parser.add_argument("--scenario", nargs="+", default=["optimizer_state", "custom_layer_add_weight", "dense"])
    parser.add_argument("--format", nargs="+", default=["h5", "keras"])
    parser.add_argument("--environment", nargs="+", default=["2.15.1"])
    options = parser.parse_args()
    if options.whole:
        compare(options)
        return
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
