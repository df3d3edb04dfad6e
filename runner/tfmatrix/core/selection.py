"""What the command line selects of a matrix: `--only`, `--writer`, `--reader`, `--scenario`, `--format`.

Every option takes globs, several times; the grammar is that of `tfmatrix.core.globs`. A cell is selected that every
option given agrees to, and an option agrees where one of its globs matches.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Protocol

from tfmatrix.core.errors import NothingSelectedError, UsageError
from tfmatrix.core.files import read_bounded
from tfmatrix.core.globs import (
    CELL_SEGMENTS,
    NAME_SEGMENTS,
    TAG_PREFIX,
    GlobSet,
    compile_glob,
    did_you_mean_glob,
    match_scenario,
)
from tfmatrix.core.hints import did_you_mean
from tfmatrix.core.scenario import Subject


@dataclass(frozen=True, kw_only=True)
class Unmatched:
    """A glob of an option that matches nothing there is; `hint` is `did you mean "…"?` or empty."""

    option: str
    pattern: str
    hint: str = ""

    def __str__(self) -> str:
        return f'{self.option} "{self.pattern}" matches nothing' + (f"; {self.hint}" if self.hint else "")


@dataclass(frozen=True, kw_only=True)
class Selector:
    """The options, each a tuple of globs; an empty one selects everything.

    `only` matches cell ids, `writer` and `reader` ids of environments, `format` ids of formats, `scenario` names of
    scenarios, or tags as `tag:GLOB`.
    """

    only: tuple[str, ...] = ()
    writer: tuple[str, ...] = ()
    reader: tuple[str, ...] = ()
    scenario: tuple[str, ...] = ()
    format: tuple[str, ...] = ()

    @classmethod
    def from_options(
        cls,
        *,
        only: Iterable[str] = (),
        writer: Iterable[str] = (),
        reader: Iterable[str] = (),
        scenario: Iterable[str] = (),
        format: Iterable[str] = (),
    ) -> Selector:
        """The selector for what stands on the command line; raises UsageError for a glob that is none.

        One text is one glob. `@FILE` in `only` stands for the globs in that file: one a line, `#` begins a comment. A
        file that cannot be read is a UsageError; one without a glob selects nothing, which is a NothingSelectedError.
        """
        only, writer, reader, scenario, format = (
            [given] if isinstance(given, str) else given for given in (only, writer, reader, scenario, format)
        )
        expanded = [glob for text in only for glob in (_read_globs(Path(text[1:])) if text[:1] == "@" else [text])]
        selector = cls(
            only=tuple(expanded),
            writer=tuple(writer),
            reader=tuple(reader),
            scenario=tuple(scenario),
            format=tuple(format),
        )
        for option in fields(cls):
            for glob in getattr(selector, option.name):
                segments = CELL_SEGMENTS if option.name == "only" else NAME_SEGMENTS
                plain = glob.removeprefix(TAG_PREFIX) if option.name == "scenario" else glob
                try:
                    compile_glob(plain, segments=segments)
                except ValueError as error:
                    raise UsageError(f"--{option.name}: {error}", expected="a glob: * ? [ab] {a,b} **") from error
        return selector

    def __str__(self) -> str:
        """The options as one would type them; the first few of many."""
        shown = [f"--{option.name} '{glob}'" for option in fields(self) for glob in getattr(self, option.name)]
        return " ".join(shown[:5]) + (f" … ({len(shown)} globs)" if len(shown) > 5 else "")

    def __bool__(self) -> bool:
        return any(getattr(self, option.name) for option in fields(self))

    def takes_cell(self, cell: str) -> bool:
        """Whether `--only` agrees to the id of a cell."""
        return not self.only or self._only.matches(cell)

    def takes_writer(self, environment: str) -> bool:
        """Whether `--writer` agrees to the id of an environment."""
        return not self.writer or GlobSet(self.writer, segments=NAME_SEGMENTS).matches(environment)

    def takes_reader(self, environment: str) -> bool:
        """Whether `--reader` agrees to the id of an environment."""
        return not self.reader or GlobSet(self.reader, segments=NAME_SEGMENTS).matches(environment)

    def takes_format(self, format: str) -> bool:
        """Whether `--format` agrees to the id of a format."""
        return not self.format or GlobSet(self.format, segments=NAME_SEGMENTS).matches(format)

    def takes_scenario(self, scenario: Subject) -> bool:
        """Whether `--scenario` agrees to a scenario, by its name or one of its tags."""
        return not self.scenario or any(match_scenario(glob, scenario.name, scenario.tags) for glob in self.scenario)

    @cached_property
    def _only(self) -> GlobSet:
        return GlobSet(self.only, segments=CELL_SEGMENTS)


class Selectable(Protocol):
    """What could be selected: the ids of environments and formats, and of cells, one after the other."""

    @property
    def writers(self) -> Sequence[str]:
        """Ids of environments."""

    @property
    def readers(self) -> Sequence[str]:
        """Ids of environments."""

    @property
    def formats(self) -> Sequence[str]:
        """Ids of formats."""

    def cells(self) -> Iterable[str]:
        """Ids of cells."""


def unmatched(selector: Selector, there: Selectable, scenarios: Sequence[Subject]) -> tuple[Unmatched, ...]:
    """The globs that match none of what could have been selected, in the order of the options.

    `there` is what there is before the selector; `scenarios` the ones that the cells are of.
    """
    if not selector:
        return ()
    writers, readers, formats = there.writers, there.readers, there.formats
    names = [scenario.name for scenario in scenarios]
    found = [
        *_unmatched("--only", selector.only, there.cells(), [names, formats, writers, readers]),
        *_unmatched("--writer", selector.writer, writers, [writers]),
        *_unmatched("--reader", selector.reader, readers, [readers]),
    ]
    tags = {TAG_PREFIX + tag for scenario in scenarios for tag in scenario.tags}
    for glob in selector.scenario:
        if not any(match_scenario(glob, scenario.name, scenario.tags) for scenario in scenarios):
            found.append(Unmatched(option="--scenario", pattern=glob, hint=did_you_mean(glob, [*names, *sorted(tags)])))
    return (*found, *_unmatched("--format", selector.format, formats, [formats]))


def _unmatched(
    option: str, patterns: Sequence[str], texts: Iterable[str], names: Sequence[Collection[str]]
) -> list[Unmatched]:
    globs = GlobSet(patterns, segments=len(names))
    return [
        Unmatched(option=option, pattern=pattern, hint=did_you_mean_glob(pattern, names))
        for pattern in globs.unmatched(texts)
    ]


def _read_globs(path: Path) -> list[str]:
    """The globs of a file: one a line, without comments and empty lines."""
    try:
        text = read_bounded(path, plain=False).decode("utf-8-sig")
    except OSError as error:
        raise UsageError(
            f"--only @{path}: cannot be read: {error.strerror}", expected="a file with one glob on cell ids a line"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--only @{path}: is not text in UTF-8", expected="one glob on cell ids a line") from error
    except ValueError as error:
        raise UsageError(f"--only @{path}: is no name of a file: {error}") from error
    globs = [glob for line in text.splitlines() if (glob := line.partition("#")[0].strip())]
    if not globs:
        raise NothingSelectedError(f"--only @{path}: the file holds no glob", expected="one glob on cell ids a line")
    return globs
