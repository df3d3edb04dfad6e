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
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Final

from tfmatrix.core.hints import closest

CELL_SEGMENTS: Final = 4
PAIR_SEGMENTS: Final = 2
NAME_SEGMENTS: Final = 1

TAG_PREFIX: Final = "tag:"

_MAGIC = re.compile(r"[*?\[\]{}]")


class GlobSet:
    """Patterns of which one must match. Raises ValueError, with the pattern and the reason, on a bad one.

    Plain ids are looked up and patterns are joined to one expression, so that a thousand ids out of a file
    cost as little as one.
    """

    def __init__(self, patterns: Iterable[str], *, segments: int) -> None:
        self.patterns = tuple(patterns)
        plain = [p for p in self.patterns if not _MAGIC.search(p) and p.count("/") == segments - 1]
        self._expressions = {pattern: compile_glob(pattern, segments=segments) for pattern in self.patterns}
        self._plain = frozenset(plain)
        rest = [self._expressions[p].pattern for p in self.patterns if p not in self._plain]
        self._joined = re.compile("|".join(f"(?:{expression})" for expression in rest)) if rest else None

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def matches(self, text: str) -> bool:
        """Whether one of the patterns covers the id `text`; never for an empty set."""
        return text in self._plain or (self._joined is not None and self._joined.fullmatch("/" + text) is not None)

    def unmatched(self, texts: Iterable[str]) -> tuple[str, ...]:
        """The patterns, in their order, that cover none of `texts`."""
        plain = set(self._plain)
        waiting = {pattern: self._expressions[pattern] for pattern in self.patterns if pattern not in plain}
        for text in texts:
            if not plain and not waiting:
                break
            plain.discard(text)
            for pattern in [each for each, expression in waiting.items() if expression.fullmatch("/" + text)]:
                del waiting[pattern]
        return tuple(pattern for pattern in self.patterns if pattern in plain or pattern in waiting)


@lru_cache(maxsize=4096)
def compile_glob(pattern: str, *, segments: int) -> re.Pattern[str]:
    """The expression whose fullmatch on `"/" + id` decides; ValueError names what is wrong with the pattern.

    Each segment is written with the "/" before it, so that `**` may stand for nothing.
    """
    parts = pattern.split("/")
    if not pattern or "" in parts:
        raise ValueError(f'bad pattern "{pattern}": an empty segment')
    if "**" not in parts:
        if len(parts) > segments:
            raise ValueError(f'bad pattern "{pattern}": {len(parts)} segments, where an id has {segments}')
        if len(parts) < segments:
            parts.append("**")
    return re.compile("".join("(?:/[^/]+)*" if part == "**" else "/" + _segment(part, pattern) for part in parts))


def match_glob(pattern: str, text: str, *, segments: int) -> bool:
    """Whether the pattern covers the id `text`."""
    return compile_glob(pattern, segments=segments).fullmatch("/" + text) is not None


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


def _segment(part: str, pattern: str) -> str:
    """One segment as an expression."""
    if "**" in part:
        raise ValueError(f'bad pattern "{pattern}": "**" stands alone between two "/"')
    out: list[str] = []
    position = 0
    in_braces = False
    while position < len(part):
        character = part[position]
        position += 1
        match character:
            case "*":
                out.append("[^/]*")
            case "?":
                out.append("[^/]")
            case "[":
                end = part.find("]", position + 1)
                if end < 0:
                    raise ValueError(f'bad pattern "{pattern}": "[" without "]"')
                out.append(_character_class(part[position:end], pattern))
                position = end + 1
            case "{":
                if in_braces:
                    raise ValueError(f'bad pattern "{pattern}": braces within braces')
                in_braces = True
                out.append("(?:")
            case "," if in_braces:
                out.append("|")
            case "}":
                if not in_braces:
                    raise ValueError(f'bad pattern "{pattern}": "}}" without "{{"')
                in_braces = False
                out.append(")")
            case _:
                out.append(re.escape(character))
    if in_braces:
        raise ValueError(f'bad pattern "{pattern}": "{{" without "}}" in the same segment')
    return "".join(out)


def _character_class(body: str, pattern: str) -> str:
    """`[...]` of a glob as one of an expression."""
    negated = body.startswith("!")
    escaped = re.sub(r"[\\^\[\]&~|]", lambda found: "\\" + found.group(), body[negated:])
    expression = f"(?!/)[{'^' if negated else ''}{escaped}]"
    try:
        re.compile(expression)
    except re.error as error:
        raise ValueError(f'bad pattern "{pattern}": "[{body}]" is no set of characters: {error.msg}') from None
    return expression
