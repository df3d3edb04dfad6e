"""Engine `slurm`: a round of batches is an array job of units.

The script is written, and handed to `sbatch`; `sacct` says what became of each task. Workers have the same tfmatrix,
and reach the store: a folder that the cluster shares, or a bucket.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from tfmatrix.core.errors import InfrastructureError
from tfmatrix.engine.engines._arrays import ArrayEngine, run_command
from tfmatrix.engine.engines.base import Setting, unit_arguments

OPTIONS = {
    "partition": "--partition of sbatch",
    "account": "--account of sbatch",
    "time": "minutes of a task at most (60); batches stay below half of it",
    "memory": "MB of a task (4096)",
    "python": "the interpreter of the workers that has tfmatrix (this one's path)",
    "poll": "seconds between looks at the queue (10)",
}

GONE = (
    "BOOT_FAIL",
    "CANCELLED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
)
"""States of a task that did not come to its end; sacct may add words: `CANCELLED by 1000`."""


class Slurm:
    """Array jobs. `folder` gets the scripts and the logs of the tasks."""

    def __init__(self, url: str, run: str, folder: Path, workers: int, options: Mapping[str, str]) -> None:
        self._url = url
        self._run = run
        self._folder = folder
        self._workers = workers
        self._options = options

    def start(self, batch: str, number: int, count: int) -> str:
        """See Queue."""
        self._folder.mkdir(parents=True, exist_ok=True)
        script = self._folder / f"round-{number}.sbatch"
        script.write_text(self.script(batch, number, count), encoding="utf-8")
        # `12345`, or `12345;cluster`.
        said = run_command(["sbatch", "--parsable", str(script)]).strip()
        found = re.match(r"(\d+)(;|$)", said)
        if found is None:
            raise InfrastructureError(f"sbatch --parsable {script} names no job: {said!r}")
        return found[1]

    def script(self, batch: str, number: int, count: int) -> str:
        """The text of an array job over `count` entries."""
        settings = {
            "job-name": f"tfmatrix-{self._run}",
            "array": f"0-{count - 1}%{self._workers}",
            "ntasks": "1",
            "cpus-per-task": "1",
            "mem": f"{self._options.get('memory', '4096')}M",
            "time": self._options.get("time", "60"),
            "output": str(self._folder / f"round-{number}-%a.log"),
            # A task begins again only where the client says so.
            "no-requeue": "",
            **{name: self._options[name] for name in ("partition", "account") if name in self._options},
        }
        lines = [f"#SBATCH --{name}" + (f"={value}" if value else "") for name, value in settings.items()]
        command = unit_arguments(batch, self._url, python=self._options.get("python"))
        return "\n".join(["#!/bin/bash", *lines, f"exec {shlex.join(command)}", ""])

    def look(self, job: str) -> tuple[list[int], dict[int, str]]:
        """See Queue."""
        fields = ["--format", "JobID,State,ExitCode"]
        said = run_command(["sacct", "--jobs", job, "--allocations", "--noheader", "--parsable2", *fields])
        done, failed = [], {}
        for line in said.splitlines():
            task, state, code = (*line.split("|"), "", "")[:3]
            index = task.partition("_")[2]
            if not index.isdigit():
                continue  # `12345_[3-7%2]` are those that wait
            if state == "COMPLETED":
                done.append(int(index))
            elif state.startswith(GONE):
                failed[int(index)] = f"slurm says of task {task}: {state}, exit code {code}"
        return done, failed

    def stop(self, job: str) -> None:
        """See Queue. One that is over takes it, too."""
        run_command(["scancel", job])


def open_engine(setting: Setting) -> ArrayEngine:
    """See Open. Raises InfrastructureError where there is no slurm."""
    for program in ("sbatch", "sacct", "scancel"):
        if shutil.which(program) is None:
            raise InfrastructureError(f"engine slurm needs {program} on PATH", fix="run it where jobs are submitted")
    setting.number("memory", 4096.0)
    workers = setting.workers or 64
    return ArrayEngine(
        Slurm(setting.remote.url, setting.run, setting.folder, workers, setting.options),
        name="slurm",
        remote=setting.remote,
        run=setting.run,
        workers=workers,
        longest=setting.number("time", 60.0) * 60 / 2,
        poll=setting.number("poll", 10.0),
    )
