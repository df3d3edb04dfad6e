"""Progress of a run, on stderr: bars on a terminal, plain lines everywhere else. stdout stays free for data.

Every method may be called from any thread. A text is written whole, by one call, so that lines never interleave.
rich is imported when bars are wanted, not before: importing this module costs nothing.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import WORST_FIRST, Status
from tfmatrix.core.text import printable

if TYPE_CHECKING:
    import rich.progress

CELLS_PER_LINE = 50
SECONDS_PER_LINE = 10.0


class Progress(Protocol):
    """What a run tells while it goes on. Leaving it as a context restores the terminal, whatever happened."""

    def print_preamble(self, lines: Iterable[str]) -> None:
        """The resolved options and where the caches lie, before anything starts."""

    def environments(self, total: int) -> None:
        """How many environments are to be provided."""

    def environment_started(self, environment: str) -> None:
        """An environment is being provided."""

    def environment_ready(self, environment: str, seconds: float, how: str) -> None:
        """It is there; `how` says from where ("cached", "built"), or nothing."""

    def saves(self, count: int) -> None:
        """How many more saves are to come, those from the store included."""

    def saved(self, ok: bool, cached: bool) -> None:
        """A save is done; `ok`: there is an artifact; `cached`: it came from the store."""

    def loads(self, total: int) -> None:
        """How many cells are to come, those from the store and those that need no load included."""

    def loaded(self, record: CellRecord) -> None:
        """A cell has its verdict."""

    def batches(self, *, done: int, total: int, workers: int, seconds: float) -> None:
        """How many batches are done that units on other machines do, and the seconds left for those that are known."""

    def message(self, text: str) -> None:
        """Something worth a line, or several."""

    def warning(self, text: str) -> None:
        """The same, and shown even where everything else is quiet."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


def make_progress(
    stream: TextIO | None = None, *, quiet: bool = False, say: Callable[[str], None] | None = None
) -> Progress:
    """Bars where the stream (default: stderr) is a terminal, else lines; with `quiet` nothing but warnings.

    `say` gets the lines instead of the stream, each without its end, perhaps from several threads.
    """
    if say is not None:
        return LineProgress(_Said(say), quiet=quiet)
    stream = sys.stderr if stream is None else stream
    if quiet or not stream.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
        return LineProgress(stream, quiet=quiet)
    return BarProgress(stream)


class _Said:
    """A stream that hands each text on to a function."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def write(self, text: str) -> None:
        self._say(text.removesuffix("\n"))

    def flush(self) -> None:
        """Nothing is kept."""


class LineProgress:
    """Plain lines for logs: one per environment, and a summary every 50 cells, every 10 s, and at the end.

    The lines have neither prefix nor time, so that they can be searched: `environment 2.15.1 ready in 6.2 s
    (built)`, `saves 12/12: …`, `cells 50/192: …`.
    """

    def __init__(
        self, stream: TextIO | _Said, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._quiet = quiet
        self._clock = clock
        self._lock = threading.RLock()
        self._saves = _Saves()
        self._cells = _Cells()
        self._last_line = clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            if error is not None and self._cells.done < self._cells.total:
                self._tell(self._cells.line())
            self._stream.flush()

    def print_preamble(self, lines: Iterable[str]) -> None:
        """One line each."""
        self._tell("\n".join(lines))

    def environments(self, total: int) -> None:
        """Told by the lines of each environment."""

    def environment_started(self, environment: str) -> None:
        """Told when it is ready."""

    def environment_ready(self, environment: str, seconds: float, how: str) -> None:
        """`environment 2.15.1 ready in 6.2 s (built)`."""
        self._tell(_environment_line(environment, seconds, how))

    def saves(self, count: int) -> None:
        """Counts on."""
        with self._lock:
            self._saves.total += count

    def saved(self, ok: bool, cached: bool) -> None:
        """`saves 12/12: 10 ok, 2 without an artifact, 4 from the store`, now and then."""
        with self._lock:
            self._saves.add(ok=ok, cached=cached)
            if self._is_due(self._saves.done, self._saves.total):
                self._tell(self._saves.line())

    def loads(self, total: int) -> None:
        """Starts the count."""
        with self._lock:
            self._cells.total = total

    def loaded(self, record: CellRecord) -> None:
        """`cells 50/192: drift 3, load-error 12, pass 35 (2 new, 20 from the store)`, now and then."""
        with self._lock:
            self._cells.add(record)
            if self._is_due(self._cells.done, self._cells.total):
                self._tell(self._cells.line())

    def batches(self, *, done: int, total: int, workers: int, seconds: float) -> None:
        """`batches 3/12 on 4 workers, about 5 minutes left`, now and then."""
        with self._lock:
            if done == total or self._clock() - self._last_line >= SECONDS_PER_LINE:
                self._last_line = self._clock()
                self._tell(f"batches {done}/{total} {_left(workers, seconds)}")

    def message(self, text: str) -> None:
        """As it is, but for unprintable characters."""
        self._tell(text)

    def warning(self, text: str) -> None:
        """`warning: …`."""
        self._tell(f"warning: {text}", always=True)

    def _is_due(self, done: int, total: int) -> bool:
        is_due = done == total or done % CELLS_PER_LINE == 0 or self._clock() - self._last_line >= SECONDS_PER_LINE
        if is_due:
            self._last_line = self._clock()
        return is_due

    def _tell(self, text: str, *, always: bool = False) -> None:
        if self._quiet and not always:
            return
        with self._lock:
            self._stream.write(printable(text) + "\n")
            self._stream.flush()


class BarProgress:
    """Bars for environments, saves and cells with the time left, messages above them. Honours NO_COLOR."""

    def __init__(self, stream: TextIO) -> None:
        import rich.console
        import rich.progress

        self._lock = threading.RLock()
        self._saves = _Saves()
        self._cells = _Cells()
        self._building: list[str] = []
        console = rich.console.Console(file=stream, no_color=bool(os.environ.get("NO_COLOR")), highlight=False)
        self._bars = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}", markup=False),
            rich.progress.BarColumn(bar_width=20),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TimeRemainingColumn(),
            rich.progress.TextColumn("{task.fields[note]}", markup=False),
            console=console,
            # Whatever is printed on stdout is data and must not be drawn into the bars' stream.
            redirect_stdout=False,
        )
        self._tasks: dict[str, rich.progress.TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bars.stop()

    def print_preamble(self, lines: Iterable[str]) -> None:
        """Above the bars."""
        self.message("\n".join(lines))

    def environments(self, total: int) -> None:
        """Shows the bar."""
        with self._lock:
            self._bars.update(self._bar("environments"), total=total)

    def environment_started(self, environment: str) -> None:
        """Named behind the bar."""
        with self._lock:
            self._building.append(environment)
            self._bars.update(self._bar("environments"), note=self._building_note())

    def environment_ready(self, environment: str, seconds: float, how: str) -> None:
        """Advances the bar, and leaves a line."""
        with self._lock:
            if environment in self._building:
                self._building.remove(environment)
            self._bars.update(self._bar("environments"), advance=1, note=self._building_note())
            self.message(_environment_line(environment, seconds, how))

    def saves(self, count: int) -> None:
        """Shows the bar."""
        with self._lock:
            # What is still named there could not be provided.
            self._building.clear()
            if "environments" in self._tasks:
                self._bars.update(self._bar("environments"), note="")
            self._saves.total += count
            self._bars.update(self._bar("saves"), total=self._saves.total)

    def saved(self, ok: bool, cached: bool) -> None:
        """Advances the bar."""
        with self._lock:
            self._saves.add(ok=ok, cached=cached)
            self._bars.update(self._bar("saves"), completed=self._saves.done, note=self._saves.note())

    def loads(self, total: int) -> None:
        """Shows the bar."""
        with self._lock:
            self._cells.total = total
            self._bars.update(self._bar("cells"), total=total)

    def loaded(self, record: CellRecord) -> None:
        """Advances the bar."""
        with self._lock:
            self._cells.add(record)
            self._bars.update(self._bar("cells"), completed=self._cells.done, note=self._cells.failures())

    def batches(self, *, done: int, total: int, workers: int, seconds: float) -> None:
        """Advances the bar."""
        with self._lock:
            self._bars.update(self._bar("batches"), completed=done, total=total, note=_left(workers, seconds))

    def message(self, text: str) -> None:
        """Above the bars."""
        self._print(text, "")

    def warning(self, text: str) -> None:
        """Above the bars, `warning: …`."""
        self._print(f"warning: {text}", "yellow")

    def _print(self, text: str, style: str) -> None:
        from rich.text import Text

        with self._lock:
            self._bars.console.print(Text(printable(text), style=style), soft_wrap=True)

    def _bar(self, name: str) -> rich.progress.TaskID:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=None, note="")
        return self._tasks[name]

    def _building_note(self) -> str:
        return printable(", ".join(self._building))


class _Saves:
    """Counts of saves."""

    def __init__(self) -> None:
        self.total = 0
        self.done = 0
        self._failed = 0
        self._cached = 0

    def add(self, *, ok: bool, cached: bool) -> None:
        self.done += 1
        self._failed += not ok
        self._cached += cached

    def note(self) -> str:
        parts = [f"{self.done - self._failed} ok"]
        if self._failed:
            parts.append(f"{self._failed} without an artifact")
        if self._cached:
            parts.append(f"{self._cached} from the store")
        return ", ".join(parts)

    def line(self) -> str:
        return f"saves {self.done}/{self.total}: {self.note()}"


class _Cells:
    """Counts of cells by status."""

    def __init__(self) -> None:
        self.total = 0
        self.done = 0
        self._statuses: Counter[Status] = Counter()
        self._new = 0
        self._cached = 0

    def add(self, record: CellRecord) -> None:
        self.done += 1
        self._statuses[record.status] += 1
        self._new += record.is_news
        self._cached += record.cached

    def failures(self) -> str:
        """Short, because bars leave little room."""
        failed = sum(count for status, count in self._statuses.items() if status.is_incompatibility)
        lost = self._statuses[Status.INFRA_ERROR]
        parts = [f"{failed} failed ({self._new} new)"] if failed else []
        if lost:
            parts.append(f"{lost} not measured")
        return ", ".join(parts)

    def note(self) -> str:
        statuses = [f"{status.value} {self._statuses[status]}" for status in WORST_FIRST if self._statuses[status]]
        extra = [f"{self._new} new"] if self._new else []
        if self._cached:
            extra.append(f"{self._cached} from the store")
        return ", ".join(statuses) + (f" ({', '.join(extra)})" if extra else "")

    def line(self) -> str:
        return f"cells {self.done}/{self.total}: {self.note()}"


def _environment_line(environment: str, seconds: float, how: str) -> str:
    return f"environment {environment} ready in {seconds:.1f} s" + (f" ({how})" if how else "")


def _left(workers: int, seconds: float) -> str:
    from tfmatrix.engine.estimate import duration  # here: it knows plans and runs, which progress does not

    return f"on {workers} workers, about {duration(seconds)} left"
