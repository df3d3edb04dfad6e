"""What a job costs beside its calls: `python benchmarks/overhead.py [--environment 2.21.0] [--executor venv]`.

Prints, in milliseconds of processor time (P) and of wall time (W) each:
- the empty job in a real worker: a child that is forked, finds that its format is not there, and replies;
- the copy that a load makes of its artifact, beside a hard link and a reflink of it;
- one stored outcome with its observation, from the worker's folder to the store, and how often that calls fsync;
- the JSON of a reply, written and read;
- the arrays of an observation, written as they are and compressed.

Artifacts and observations are synthetic, as large as those of the small models of a night; `--results FOLDER` takes
those of a store. The disk and the machine decide a lot: compare figures of one run.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "runner"), str(ROOT / "tests" / "builders")]

import numpy as np  # noqa: E402  (the checkout must be on the path first)
from observation_builder import trained  # noqa: E402
from tfmatrix.executors.base import Mounts  # noqa: E402
from tfmatrix.executors.choose import open_executor  # noqa: E402
from tfmatrix.executors.intake import Quota, take_over  # noqa: E402
from tfmatrix.project.project import Project  # noqa: E402
from tfmatrix.store.content import Store  # noqa: E402
from tfmatrix.worker import protocol  # noqa: E402
from tfmatrix.worker.folders import remove_tree  # noqa: E402

JOBS = 200
FICLONE = 0x40049409
"""linux/fs.h: makes a file share the blocks of another."""

ARTIFACT_BYTES = 200_000
WARNING = {"phase": "load", "channel": "python", "category": "UserWarning", "message": "m" * 200, "count": 1}
REPLY: dict[str, Any] = {
    "status": "ok",
    "phase": None,
    "reason": None,
    "error": None,
    "artifact": False,
    "observation": True,
    "warnings": [WARNING] * 6,
    "seconds": {"import": 0.01, "load": 0.2, "observe": 0.1, "resume": 0.4},
}


def show(name: str, times: int, processor: float, wall: float, note: str = "") -> None:
    """Prints one figure."""
    print(f"{name:<34}{1000 * processor / times:9.3f} P {1000 * wall / times:9.3f} W  {note}".rstrip())


def timed(name: str, things: Iterable[Any], call: Callable[[Any], Any], note: str = "") -> None:
    """Calls for each of the things, and prints what one takes."""
    each = list(things)
    processor, wall = time.process_time(), time.perf_counter()
    for thing in each:
        call(thing)
    show(name, len(each), time.process_time() - processor, time.perf_counter() - wall, note)


def empty_jobs(options: argparse.Namespace, folder: Path) -> None:
    """Jobs that have nothing to do: saves in a format that no environment has."""
    project = Project(root=ROOT)
    environment = next(each for each in project.config.environments if each.id == options.environment)
    executor, _ = open_executor(
        *(project, [environment], project.config.defaults),
        asked=options.executor,
        say=lambda _: None,
        run="overhead",
    )
    for name in ("store", "work"):
        (folder / name).mkdir()
    mounts = Mounts(scenarios=project.scenario_folder, store=folder / "store", work=folder / "work")
    try:
        begun = time.perf_counter()
        worker = executor.start(executor.prepare(environment), mounts)
        print(f"{'start of a worker':<34}{'':>11} {1000 * (time.perf_counter() - begun):9.0f} W")
        saver = {**project.formats["savedmodel"].to_job(), "requires": {"tensorflow>=99": "it is empty"}}
        job = {"kind": "save", "format": saver, "scenario": "none.py", "seed": 0, "steps": 3}
        limits = {"timeout": 120, "memory": 4 << 30, "disk": 1 << 30}

        def run(number: int) -> None:
            work = worker.work / f"request-{number}"
            worker.send({"kind": "jobs", "jobs": [job], "folder": worker.to_worker(work), **limits})
            event: dict[str, Any] = {}
            while event.get("event") != "ended":
                event = worker.receive(60)
                assert event["event"] != "result" or event["result"]["status"] == "unsupported", event
            remove_tree(str(work))

        run(0)
        processes = [int(path.name) for path in Path("/proc").glob("[0-9]*") if _belongs(path, str(folder))]
        before, wall = sum(map(_seconds, processes)), time.perf_counter()
        for number in range(1, options.jobs + 1):
            run(number)
        processor = sum(map(_seconds, processes)) - before
        show("empty job", options.jobs, processor, time.perf_counter() - wall, "worker and its children")
        worker.close()
    finally:
        executor.sweep()


def _belongs(process: Path, place: str) -> bool:
    """Whether a process was started for a folder: its command line or its environment names it."""
    with contextlib.suppress(OSError):
        return any(place.encode() in (process / name).read_bytes() for name in ("cmdline", "environ"))
    return False


def _seconds(process: int) -> float:
    """Processor time of a process and of its children that ended."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def copies(artifacts: list[Path], folder: Path) -> None:
    """A folder for each artifact, filled in three ways."""

    def reflink(source: str, target: str) -> None:
        with open(source, "rb") as origin, open(target, "wb") as copy:  # noqa: PTH123
            fcntl.ioctl(copy, FICLONE, origin.fileno())

    bytes_each = sum(path.stat().st_size for each in artifacts for path in each.rglob("*") if path.is_file())
    note = f"{bytes_each / len(artifacts) / 1000:.0f} KB each"
    ways: dict[str, Callable[..., Any]] = {"copy": shutil.copyfile, "hard link": os.link, "reflink": reflink}
    for name, function in ways.items():
        into = folder / name
        into.mkdir()

        def fill(each: Path, function: Callable[..., Any] = function, into: Path = into) -> None:
            shutil.copytree(each, into / str(len(list(into.iterdir()))), copy_function=function)

        try:
            timed(f"artifact by {name}", artifacts, fill, note)
        except (OSError, shutil.Error):
            print(f"artifact by {name:<22}  this file system has none")


def outcomes(folder: Path) -> None:
    """Observations as workers leave them, taken over into a store."""
    store = Store(folder / "taken")
    jobs = []
    for number in range(JOBS):
        draft = trained()
        draft.outputs[""] = draft.outputs[""] + np.float32(number)
        (path := folder / f"job-{number}" / "observation").mkdir(parents=True)
        draft.write(path)
        jobs.append(path.parent)
    calls = 0
    fsync = os.fsync

    def counted(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        fsync(descriptor)

    def take(job: Path) -> None:
        outcome = take_over(REPLY, job, store=store, quota=Quota(), phase="load")
        assert outcome.status == "ok", outcome
        store.write_outcome(f"{random.Random(job.name).getrandbits(256):064x}", outcome.to_json())

    with mock.patch("os.fsync", counted):
        timed("outcome into the store", jobs, take)
    print(f"{'fsyncs for each':<34}{calls / len(jobs):9.1f}")


def replies() -> None:
    """A reply of a load with six warnings."""
    event = {"schema": 1, "id": 1, "event": "result", "job": 0, "result": REPLY}
    line = protocol.encode(event)
    timed("JSON of a reply, written", range(JOBS), lambda _: protocol.encode(event), f"{len(line)} bytes")
    timed("JSON of a reply, read", range(JOBS), lambda _: protocol.decode(line))


def arrays(folder: Path) -> None:
    """The arrays of a trained model of a few hundred weights."""
    _, values = trained().document()
    for name, save in (("as they are", np.savez), ("compressed", np.savez_compressed)):
        path = folder / f"{name}.npz"
        timed(f"arrays written {name}", range(JOBS), lambda _, path=path, save=save: save(path, **values))
        print(f"{'':<34}{path.stat().st_size / 1000:9.1f} KB, {len(values)} arrays")


def artifacts_of(results: Path | None, folder: Path) -> Iterator[Path]:
    """Some artifacts of a store, or made up."""
    if results is not None:
        found = (path for path in sorted((results / "store" / "folders").glob("??/*")))
        kept = [path for path in found if not (path / protocol.DOCUMENT).exists()]
        yield from random.Random(0).sample(kept, min(JOBS, len(kept)))
        return
    for number in range(JOBS):
        (path := folder / "artifacts" / str(number)).mkdir(parents=True)
        (path / "model.h5").write_bytes(random.Random(number).randbytes(ARTIFACT_BYTES))
        yield path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", default="2.21.0")
    parser.add_argument("--executor", default="venv", choices=("docker", "venv"))
    parser.add_argument("--jobs", type=int, default=JOBS, help="empty jobs")
    parser.add_argument("--results", type=Path)
    options = parser.parse_args()
    # Where the results lie: copies and links between file systems are another thing.
    place = options.results or ROOT
    with tempfile.TemporaryDirectory(dir=place.parent, prefix="tfmatrix-bench-") as name:
        folder = Path(name)
        replies()
        arrays(folder)
        outcomes(folder)
        copies(list(artifacts_of(options.results, folder)), folder)
        empty_jobs(options, folder)


if __name__ == "__main__":
    main()
