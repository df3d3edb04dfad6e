"""What engines have in common that take batches as an array: numbered tasks of one job, looked at now and then."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Protocol

from tfmatrix.core.errors import InfrastructureError
from tfmatrix.engine.engines.base import End, Sent
from tfmatrix.store.remote import Remote

_TRIES = 5


class Queue(Protocol):
    """A queue that knows arrays."""

    def start(self, batch: str, number: int, count: int) -> str:
        """Begins `count` units, in a numbered round; `{index}` in `batch` is for the unit. Returns the job."""

    def look(self, job: str) -> tuple[Collection[int], Mapping[int, str]]:
        """The tasks of a job that came to their end, and why others did not. Those that wait or run are in neither."""

    def stop(self, job: str) -> None:
        """Ends a job with all of its tasks. Idempotent."""


class ArrayEngine:
    """Rounds of batches on a queue."""

    in_rounds = True

    def __init__(
        self,
        queue: Queue,
        *,
        name: str,
        remote: Remote,
        run: str,
        workers: int,
        longest: float,
        poll: float,
        most: int | None = None,
    ) -> None:
        """`poll` is how many seconds lie between two looks: each costs the queue something. `most` is how many tasks a
        job may have: what does not fit is joined.
        """
        self.name = name
        self.longest = longest
        self._queue = queue
        self._remote = remote
        self._run = run
        self._workers = workers
        self._poll = poll
        self._most = most
        self._rounds = 0
        self._job = ""
        self._open: dict[int, list[str]] = {}
        self._looked = 0.0

    def workers(self) -> int:
        """See Engine."""
        return self._workers

    def submit(self, batches: Sequence[Sent]) -> None:
        """See Engine."""
        self._rounds += 1
        array = f"arrays/{self._run}/{self._rounds}"
        entries = joined([batch.name for batch in batches], self._most or len(batches))
        for index, names in enumerate(entries):
            self._remote.write_json(f"{array}/{index}.json", {"batches": names})
        self._job = self._queue.start(f"{array}/{{index}}.json", self._rounds, len(entries))
        self._open = dict(enumerate(entries))

    def ends(self, timeout: float) -> list[End]:
        """See Engine."""
        pause = self._looked + self._poll - time.monotonic()
        time.sleep(max(0.0, min(pause, timeout)))
        if not self._open or pause > timeout:
            return []
        self._looked = time.monotonic()
        done, failed = self._queue.look(self._job)
        over = {**failed, **dict.fromkeys(done, "")}
        ends = [End(name=name, failure=why) for index, why in over.items() for name in self._open.pop(index, ())]
        if not self._open:
            self._queue.stop(self._job)
        return ends

    def cancel(self) -> None:
        """See Engine."""
        if self._open:
            self._queue.stop(self._job)
        self._open.clear()

    def close(self) -> None:
        """See Engine."""


def joined(names: Sequence[str], most: int) -> list[list[str]]:
    """Names in at most `most` groups of neighbours: those of one environment stand together."""
    count = min(len(names), most)
    bounds = [len(names) * number // count for number in range(count + 1)] if count else [0]
    return [list(names[first:last]) for first, last in pairwise(bounds)]


def run_command(command: Sequence[str]) -> str:
    """What a command says. A queue's daemons are away for a moment now and then: tried again.

    Raises InfrastructureError.
    """
    for number in range(_TRIES):
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode == 0:
            return done.stdout
        time.sleep(2.0**number / 4)
    raise InfrastructureError(f"{shlex.join(command)} failed: {done.stderr.strip() or done.returncode}")
