"""The one glob grammar of the project: for --only, known failures, pairs, and names in matrix.yaml.

A pattern is matched against an id of a fixed number of segments, joined by `/`: four for a cell
(`scenario/format/writer/reader`), two for a pair (`WRITER/READER`), one for a name.

| pattern   | stands for |
| --------- | --- |
| `*`       | any characters within one segment, also none |
| `?`       | one character within one segment |
| `[ab]`    | one of the characters; `[!ab]`: one that is none of them; ranges as in `[0-9]` |
| `{h5,ke*}`| one of the alternatives, each a pattern; not nested, without `/` |
| `**`      | any number of whole segments, also none; stands alone between two `/` |

A pattern covers the whole id. One with fewer segments than the id, and without `**`, is a prefix:
`optimizer_state` is `optimizer_state/**`, and `*/h5` is `*/h5/**`. `**/2.15.1` is every cell with that
reader. Upper and lower case differ.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from tfmatrix.core.hints import closest

CELL_SEGMENTS: Final = 4
PAIR_SEGMENTS: Final = 2
NAME_SEGMENTS: Final = 1

TAG_PREFIX: Final = "tag:"

MAX_LENGTH: Final = 20_000
"""Characters of a pattern; one that names each of 121 scenarios has 2,000."""

MAX_ALTERNATIVES: Final = 1000
"""What the braces of one segment stand for."""

_MAGIC = re.compile(r"[*?\[\]{}]")


@dataclass(frozen=True, kw_only=True)
class Glob:
    """A pattern for ids of a fixed number of segments.

    `shapes` are the ways in which its `**` can stand for whole segments: an expression for each segment of the id, None
    for any segment. wcmatch makes the expressions, of atomic groups: each takes as long as its segment is long.
    """

    pattern: str
    shapes: tuple[tuple[re.Pattern[str] | None, ...], ...]

    def matches(self, text: str) -> bool:
        """Whether it covers the id `text`."""
        parts = text.split("/")
        return any(
            len(shape) == len(parts)
            and all(each is None or each.fullmatch(part) for each, part in zip(shape, parts, strict=True))
            for shape in self.shapes
        )

    def may_begin(self, name: str) -> bool:
        """Whether it covers an id whose first segment is `name`."""
        return any(shape[0] is None or shape[0].fullmatch(name) for shape in self.shapes)


class GlobSet:
    """Patterns of which one must match. Raises ValueError, with the pattern and the reason, on a bad one.

    Plain ids are looked up, and of the others only those are tried that fit an id's first segment, so that a thousand
    ids out of a file cost as little as one.
    """

    def __init__(self, patterns: Iterable[str], *, segments: int) -> None:
        self.patterns = tuple(patterns)
        self._globs = {pattern: compile_glob(pattern, segments=segments) for pattern in self.patterns}
        self._plain = frozenset(p for p in self.patterns if not _MAGIC.search(p) and p.count("/") == segments - 1)
        self._rest = tuple(glob for pattern, glob in self._globs.items() if pattern not in self._plain)
        self._by_first: dict[str, tuple[Glob, ...]] = {}
        # Ids come in their order: what fits all but the last segment is asked once for each of their neighbours. One
        # tuple, so that threads read either a whole one or another.
        self._beneath: tuple[str, tuple[re.Pattern[str] | None, ...]] | None = None

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def matches(self, text: str) -> bool:
        """Whether one of the patterns covers the id `text`; never for an empty set."""
        head, _, last = text.rpartition("/")
        beneath = self._beneath
        if beneath is None or beneath[0] != head:
            beneath = self._beneath = (head, tuple(self._last_segments(head)))
        return any(each is None or each.fullmatch(last) for each in beneath[1]) or text in self._plain

    def may_begin(self, name: str) -> bool:
        """Whether one of the patterns may cover an id whose first segment is `name`."""
        return bool(self._candidates(name)) or any(plain.startswith(f"{name}/") for plain in self._plain)

    def _last_segments(self, head: str) -> Iterator[re.Pattern[str] | None]:
        """What the last segment must be, of each way in which a pattern covers those before it; None for anything."""
        parts = head.split("/") if head else []
        for glob in self._candidates(head) if head else self._rest:
            for shape in glob.shapes:
                if len(shape) == len(parts) + 1 and all(
                    each is None or each.fullmatch(part) for each, part in zip(shape[:-1], parts, strict=True)
                ):
                    yield shape[-1]

    def unmatched(self, texts: Iterable[str]) -> tuple[str, ...]:
        """The patterns, in their order, that cover none of `texts`."""
        waiting = set(self.patterns)
        for text in texts:
            if not waiting:
                break
            waiting.discard(text)
            waiting.difference_update(
                [glob.pattern for glob in self._candidates(text) if glob.pattern in waiting and glob.matches(text)]
            )
        return tuple(pattern for pattern in self.patterns if pattern in waiting)

    def _candidates(self, text: str) -> tuple[Glob, ...]:
        first = text.partition("/")[0]
        if first not in self._by_first:
            self._by_first[first] = tuple(glob for glob in self._rest if glob.may_begin(first))
        return self._by_first[first]


@lru_cache(maxsize=4096)
def compile_glob(pattern: str, *, segments: int) -> Glob:
    """The pattern, ready to match; ValueError names what is wrong with it."""
    if len(pattern) > MAX_LENGTH:
        raise ValueError(f'bad pattern "{pattern[:40]}…": {len(pattern)} characters, where {MAX_LENGTH} are the most')
    parts = pattern.split("/")
    if not pattern or "" in parts:
        raise ValueError(f'bad pattern "{pattern}": an empty segment')
    if "**" not in parts:
        if len(parts) > segments:
            raise ValueError(f'bad pattern "{pattern}": {len(parts)} segments, where an id has {segments}')
        if len(parts) < segments:
            parts.append("**")
    expressions = [part if part == "**" else _segment(part, pattern) for part in parts]
    return Glob(pattern=pattern, shapes=tuple(_shapes(expressions, segments)))


def match_glob(pattern: str, text: str, *, segments: int) -> bool:
    """Whether the pattern covers the id `text`."""
    return compile_glob(pattern, segments=segments).matches(text)


def match_scenario(pattern: str, name: str, tags: Iterable[str]) -> bool:
    """Whether a scenario is meant by `pattern`: a glob on its name, or `tag:` and a glob on its tags."""
    if pattern.startswith(TAG_PREFIX):
        tag = pattern.removeprefix(TAG_PREFIX)
        return any(match_glob(tag, each, segments=NAME_SEGMENTS) for each in tags)
    return match_glob(pattern, name, segments=NAME_SEGMENTS)


def did_you_mean_glob(pattern: str, names: Sequence[Collection[str]]) -> str:
    """`did you mean "…"?` for a pattern that matches nothing, or nothing where no name is near.

    `names` holds what there is, segment by segment. Segments before a `**` are counted from the front, those
    behind it from the back; only plain ones are corrected.
    """
    parts = pattern.split("/")
    corrected = list(parts)
    front = parts.index("**") if "**" in parts else len(parts)
    for index, part in enumerate(parts):
        position = index if index < front else len(names) - len(parts) + index
        if not _MAGIC.search(part) and 0 <= position < len(names) and part not in names[position]:
            corrected[index] = closest(part, names[position]) or part
    return f'did you mean "{"/".join(corrected)}"?' if corrected != parts else ""


def _shapes(
    expressions: Sequence[re.Pattern[str] | str | None], segments: int
) -> set[tuple[re.Pattern[str] | None, ...]]:
    """Every way in which the expressions cover that many segments; "**" stands for any number of any segments."""
    found: set[tuple[re.Pattern[str] | None, ...]] = {()}
    for index, each in enumerate(expressions):
        rest = sum(later != "**" for later in expressions[index + 1 :])
        if isinstance(each, str):
            found = {(*shape, *[None] * more) for shape in found for more in range(segments - rest - len(shape) + 1)}
        else:
            found = {(*shape, each) for shape in found}
    return {shape for shape in found if len(shape) == segments}


def _segment(part: str, pattern: str) -> re.Pattern[str] | None:
    """The expression of one segment; None for one that covers every segment."""
    if part == "*":
        return None
    if "**" in part:
        raise ValueError(f'bad pattern "{pattern}": "**" stands alone between two "/"')
    return _compiled(tuple(each for each in _without_braces(part, pattern) if each))  # no id has an empty segment


@lru_cache(maxsize=4096)
def _compiled(alternatives: tuple[str, ...]) -> re.Pattern[str]:
    """The expression of some globs of wcmatch. A thousand patterns of a file have the same few hundred segments."""
    # Here, since what prints a help or an error needs no glob.
    from wcmatch import glob

    flags = glob.FORCEUNIX | glob.DOTMATCH | glob.CASE
    found = glob.translate(alternatives, flags=flags, limit=MAX_ALTERNATIVES)[0] if alternatives else ["(?!)"]
    return re.compile("|".join(found))


def _without_braces(part: str, pattern: str) -> list[str]:
    """A segment as globs of wcmatch, one for each alternative of its braces."""
    done = [""]
    choices: list[str] | None = None  # those of the braces that are open
    position = 0
    while position < len(part):
        character = piece = part[position]
        position += 1
        if character == "[":
            end = part.find("]", position + 1)
            if end < 0:
                raise ValueError(f'bad pattern "{pattern}": "[" without "]"')
            piece = _character_class(part[position:end], pattern)
            position = end + 1
        elif character == "\\":
            piece = "\\\\"  # no escape in our grammar
        elif character == "{":
            if choices is not None:
                raise ValueError(f'bad pattern "{pattern}": braces within braces')
            choices, piece = [""], ""
        elif character == "," and choices is not None:
            choices.append("")
            piece = ""
        elif character == "}":
            if choices is None:
                raise ValueError(f'bad pattern "{pattern}": "}}" without "{{"')
            if len(done) * len(choices) > MAX_ALTERNATIVES:
                raise ValueError(
                    f'bad pattern "{pattern[:80]}": more than {MAX_ALTERNATIVES} alternatives in one segment'
                )
            done, choices, piece = [begun + choice for begun in done for choice in choices], None, ""
        if choices is None:
            done = [begun + piece for begun in done]
        else:
            choices[-1] += piece
    if choices is not None:
        raise ValueError(f'bad pattern "{pattern}": "{{" without "}}" in the same segment')
    return done


def _character_class(body: str, pattern: str) -> str:
    """`[...]` as wcmatch has it, which negates by `^` too."""
    negated = body.startswith("!")
    escaped = re.sub(r"[\\^\[\]&~|]", lambda found: "\\" + found.group(), body[negated:])
    try:
        re.compile(f"[{'^' if negated else ''}{escaped}]")
    except re.error as error:
        raise ValueError(f'bad pattern "{pattern}": "[{body}]" is no set of characters: {error.msg}') from None
    return f"[{'!' if negated else ''}{escaped}]"
