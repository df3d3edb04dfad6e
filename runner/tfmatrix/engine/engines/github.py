"""Engine `github`: a round of batches is a dispatched run of a workflow whose matrix has a job for each.

The workflow stands in the repository (docs/engines.md has it) and does the entry that a job's index names. `gh`
dispatches it, tells what became of its jobs, and cancels it. Jobs reach the store: a bucket, whose credentials are the
repository's secrets.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping

from tfmatrix.core.errors import InfrastructureError
from tfmatrix.engine.engines._arrays import ArrayEngine, run_command
from tfmatrix.engine.engines.base import Setting, require_bucket
from tfmatrix.engine.shards import MOST_JOBS

OPTIONS = {
    "workflow": "file name of the workflow of units (units.yml)",
    "ref": "branch or tag whose workflow and tfmatrix are used (the default branch)",
    "repository": "OWNER/NAME (that of the current folder)",
    "time": "minutes of a job at most (60); batches stay below half of it",
    "poll": "seconds between looks at the run (20)",
}

APPEARS = 120.0
"""Seconds within which a dispatched run is listed; GitHub does not say which run a dispatch became."""


class GitHub:
    """Runs of a workflow. `pause` is how many seconds lie between looks for a run that was dispatched."""

    def __init__(self, url: str, workers: int, options: Mapping[str, str], minutes: float, pause: float = 3.0) -> None:
        self._url = url
        self._workers = workers
        self._options = options
        self._minutes = minutes
        self._pause = pause
        where = options.get("repository")
        self._where = ["--repo", where] if where else []
        self._runs = f"repos/{where or '{owner}/{repo}'}/actions/runs"
        self._workflow = options.get("workflow", "units.yml")

    def start(self, batch: str, number: int, count: int) -> str:  # noqa: ARG002
        """See Queue. What an array is called has its round."""
        inputs = {
            "batch": batch,
            "store": self._url,
            "indexes": json.dumps(list(range(count)), separators=(",", ":")),
            "at-once": str(self._workers),
            "minutes": f"{self._minutes:g}",
        }
        given = [f"--raw-field={name}={value}" for name, value in inputs.items()]
        ref = [f"--ref={self._options['ref']}"] if "ref" in self._options else []
        run_command(["gh", "workflow", "run", self._workflow, *self._where, *ref, *given])
        deadline = time.monotonic() + APPEARS
        while time.monotonic() < deadline:
            # The run's name is its batch's, which holds our run's id and round.
            command = ["gh", "run", "list", "--workflow", self._workflow, *self._where, "--limit", "50"]
            listed = json.loads(run_command([*command, "--json", "databaseId,displayTitle"]))
            for each in listed:
                if batch in str(each["displayTitle"]):
                    return str(each["databaseId"])
            time.sleep(self._pause)
        raise InfrastructureError(
            f"{self._workflow} was dispatched, and no run of it is named after {batch} within {APPEARS:.0f} s",
            fix="the workflow's run-name must have ${{ inputs.batch }}, as that of docs/engines.md",
        )

    def look(self, job: str) -> tuple[list[int], dict[int, str]]:
        """See Queue."""
        # Whether the run is over is asked first: a job that ends between the two questions is found.
        over = self._is_over(job)
        query = '.jobs[] | [.name, .status, .conclusion // "", .html_url] | @tsv'
        said = run_command(["gh", "api", "--paginate", f"{self._runs}/{job}/jobs?per_page=100", "--jq", query])
        done, failed = [], {}
        for line in said.splitlines():
            name, status, conclusion, address = (*line.split("\t"), "", "", "")[:4]
            index = name.rpartition(" ")[2]
            if not index.isdigit() or status != "completed":
                continue
            if conclusion == "success":
                done.append(int(index))
            else:
                failed[int(index)] = f"github says of {name}: {conclusion or status}, {address}".rstrip(", ")
        if over:
            # What never got a job ended with the run, too.
            known = {*done, *failed}
            failed |= {
                index: f"github: run {job} is over without a job for entry {index}"
                for index in range(MOST_JOBS)
                if index not in known
            }
        return done, failed

    def stop(self, job: str) -> None:
        """See Queue. A run that is over cannot be cancelled."""
        if not self._is_over(job):
            run_command(["gh", "run", "cancel", job, *self._where])

    def _is_over(self, job: str) -> bool:
        return run_command(["gh", "api", f"{self._runs}/{job}", "--jq", ".status"]).strip() == "completed"


def open_engine(setting: Setting) -> ArrayEngine:
    """See Open. Raises UsageError for a store that no job of GitHub reaches, InfrastructureError without gh."""
    require_bucket(setting, "github", "jobs")
    minutes = setting.number("time", 60.0)
    poll = setting.number("poll", 20.0)
    if shutil.which("gh") is None:
        raise InfrastructureError("engine github needs gh on PATH", fix="install it, and say `gh auth login`")
    workers = setting.workers or 20
    return ArrayEngine(
        GitHub(setting.remote.url, workers, setting.options, minutes),
        name="github",
        remote=setting.remote,
        run=setting.run,
        workers=workers,
        longest=minutes * 60 / 2,
        poll=poll,
        most=MOST_JOBS,
    )
