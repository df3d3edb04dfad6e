"""What an engine is: it takes batches, reports their ends, and ends them when it is told to.

What a batch came to is in the store. An engine never judges: a unit that did not come to its end is a failure of
infrastructure, whatever killed it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tfmatrix.core.errors import UsageError
from tfmatrix.store.remote import Remote

LIMIT = 3600.0
"""Seconds that a batch may take where nobody says another limit: what hangs would be waited for without an end."""

TIME_OPTION = "minutes of a batch at most (60), then it begins again; batches stay below half of it"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A batch for an engine: its name in the store, the environments that it works in, the seconds that it may take."""

    name: str
    environments: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class End:
    """A batch that is over. `failure` says why its unit did not come to its end; empty where it did.

    `is_final`: the engine itself has tried again, as often as makes sense.
    """

    name: str
    failure: str = ""
    is_final: bool = False


class Engine(Protocol):
    """Runs units somewhere. Used by one thread."""

    @property
    def name(self) -> str:
        """As `--engine` has it."""

    @property
    def in_rounds(self) -> bool:
        """Whether batches are handed over all at once, and the next ones when these have ended: arrays of jobs."""

    @property
    def longest(self) -> float:
        """Seconds that a batch may take at most."""

    def workers(self) -> int:
        """How many units it does at once, as far as it is known now; at least 1."""

    def submit(self, batches: Sequence[Sent]) -> None:
        """Takes batches. Raises InfrastructureError where it could never do one of them."""

    def ends(self, timeout: float) -> Sequence[End]:
        """The batches that ended since the last call; waits for one, at most `timeout` seconds.

        Raises InfrastructureError where the engine itself is lost.
        """

    def cancel(self) -> None:
        """Ends everything that waits or runs, with all that it started. Idempotent."""

    def close(self) -> None:
        """Gives back what the engine holds. Nothing runs any more."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What an engine is opened with: the store, the run, the folder for files that it writes, and its options.

    `workers` is how many units at once, where the user says so.
    """

    remote: Remote
    run: str
    folder: Path
    workers: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    say: Callable[[str], None] = lambda _: None

    def number(self, name: str, default: float) -> float:
        """An option that is a number from 0. Raises UsageError."""
        text = self.options.get(name)
        try:
            value = default if text is None else float(text)
            if value >= 0:
                return value
        except ValueError:
            pass
        raise UsageError(f"--engine-option {name}={text}: not a number", expected=f"a number, such as {name}=600")


def time_limit(setting: Setting) -> float:
    """Seconds that a batch may take, by the option `time`. Raises UsageError."""
    return 60 * setting.number("time", LIMIT / 60) or LIMIT


def require_bucket(setting: Setting, engine: str, units: str) -> None:
    """Raises UsageError for a folder as the store of an engine whose `units` ("pods") have files of their own."""
    if setting.remote.url.startswith("file:"):
        raise UsageError(
            f"engine {engine} cannot reach {setting.remote.url}: {units} have files of their own",
            fix="a bucket: --store s3://BUCKET/PATH",
        )


Open = Callable[[Setting], Engine]
"""What a module of an engine defines as `open_engine`, beside OPTIONS: the names of its options and what they mean."""


def unit_arguments(batch: str, url: str, *, python: str | None = None) -> list[str]:
    """The command that does a batch: its place in the store, `batches/NAME.json`, or an entry of an array."""
    return [python or sys.executable, "-m", "tfmatrix", "work", f"{url}/{batch}", "--store", url]
