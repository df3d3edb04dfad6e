"""A comparison as text for a terminal, as Markdown for a notification, and as JSON."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from tfmatrix.analysis.diff.changes import KINDS, headline
from tfmatrix.analysis.diff.compared import Diff, Group, to_json
from tfmatrix.analysis.diff.source import Source
from tfmatrix.core.answer_formats import DiffFormat
from tfmatrix.core.status import WORST_FIRST, Status
from tfmatrix.core.text import Code, number, one_line, to_markdown, with_code
from tfmatrix.store.runs import strict_json

WIDTH = 80
LISTED = 5
"""Cells that a group names."""

TOP = 5
"""Groups that a notification names."""

SITE = "{SITE}"
"""Stands in a notification for the address of the published site, where none was given."""


def render(found: Diff, fmt: DiffFormat, *, width: int = WIDTH, colour: bool = False, site: str = "") -> str:
    """The comparison, ending with a newline. `site` is the address of the published site, for links."""
    match fmt:
        case DiffFormat.TEXT:
            return _to_terminal(_lines(found), width=min(width, WIDTH), colour=colour)
        case DiffFormat.MD:
            return "\n".join(_markdown(found, site.rstrip("/") or SITE)) + "\n"
        case DiffFormat.JSON:
            return strict_json(to_json(found), indent=1) + "\n"


_Line = tuple[int, str, str]
"""Columns of indent, style, text."""


def _lines(found: Diff) -> Iterator[_Line]:
    yield 0, "", f"before  {_run(found.before)}"
    yield 0, "", f"after   {_run(found.after)}"
    yield 0, "", ""
    yield 0, "bold red" if found.changes.alarming else "bold", _summary(found)
    for kind, title in KINDS.items():
        groups = [group for group in found.groups if group.kind == kind]
        if groups:
            yield 0, "", ""
            yield 0, "bold", f"{title.upper()}: {len(found.changes.by_kind()[kind])}"
            for group in groups:
                yield from _group_lines(group)
    if found.warnings:
        yield 0, "", ""
        yield 0, "bold", "WARNINGS"
        for warning in found.warnings:
            entry = warning.entry
            sign = "new" if warning.is_new else "gone"
            yield 2, "", f"{sign:<5}{entry.id} {entry.side}, {_cells(len(warning.cells))}: {one_line(entry.text, 160)}"
            yield 7, "dim", warning.cells[0]
    if found.around:
        yield 0, "", ""
        yield 0, "bold", "ALSO DIFFERENT"
        for difference in found.around:
            names = f"{_names(difference.names)}: " if difference.names else ""
            yield 2, "", f"{names}{difference.text}"
    for note in found.notes:
        yield 0, "", ""
        yield 0, "yellow", note


def _group_lines(group: Group) -> Iterator[_Line]:
    style = "red" if group.kind in ("worse", "grown") and group.unknown else ""
    yield 2, style, _group_title(group)
    for change in group.changes[:LISTED]:
        figures = [each.difference for each in (change.before, change.after) if each and each.difference is not None]
        shown = f"  {' → '.join(map(number, figures))}" if group.kind == "grown" else ""
        known = "  known" if change.after and change.after.known else ""
        yield 6, "dim", f"{one_line(change.cell, 300)}{shown}{known}"
    if len(group.changes) > LISTED:
        yield 6, "dim", f"and {len(group.changes) - LISTED} more"
    for reason in _reasons(group):
        yield 4, "", reason


def _reasons(group: Group) -> Iterator[str]:
    if group.kind in ("added", "removed"):
        return
    if group.judged_anew:
        yield "the very same measurement, judged anew: tolerances or checks are others"
    elif group.meanwhile:
        yield f"meanwhile: {'; '.join(group.meanwhile[:3])}"
    elif group.kind in ("worse", "better", "other", "grown"):
        yield "nothing else is recorded as different for all of these"


def _group_title(group: Group) -> str:
    change = f"{group.before} → {group.after}" if group.before and group.after else group.before or group.after
    if group.before == group.after:
        change = group.after
    said = one_line(group.title, 300).replace("`", "")
    return f"{_sign(group)} {change}, {_cells(len(group.changes))}" + (f": {said}" if said else "")


def _sign(group: Group) -> str:
    return Status(group.after or group.before).symbol


def _summary(found: Diff) -> str:
    alarming = len(found.changes.alarming)
    worse = len(found.changes.worse) + len(found.changes.grown)
    known = f" ({worse - alarming} of the worse are known)" if worse > alarming else ""
    return f"{headline(found.changes)}{known}; {found.changes.unchanged} unchanged"


def _run(source: Source) -> str:
    past = source.past
    counts = ", ".join(
        f"{status.value} {past.counts[status.value]}" for status in WORST_FIRST if past.counts.get(status.value)
    )
    when = (past.finished or past.started)[:16].replace("T", " ")
    return one_line(f"{past.id}  {when}  {counts}", 300)


def _names(names: tuple[str, ...]) -> str:
    return " ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


def _to_terminal(lines: Iterable[_Line], *, width: int, colour: bool) -> str:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    stream = io.StringIO()
    console = Console(
        file=stream,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        legacy_windows=False,
        _environ={},
    )
    for indent, style, text in lines:
        if not text:
            console.print()
            continue
        console.print(
            Padding(Text(text, style=style, overflow="fold"), (0, 0, 0, indent), expand=False), highlight=False
        )
    return "\n".join(line.rstrip() for line in stream.getvalue().split("\n"))


def _markdown(found: Diff, site: str) -> Iterator[str]:
    changes = found.changes
    sign = "✗" if changes.alarming else "✓"
    yield f"**{sign} tfmatrix: {_summary(found)}**"
    yield ""
    shown = [group for group in found.groups if group.kind in ("worse", "grown", "other", "measured_no_more", "better")]
    for group in shown[:TOP]:
        yield f"- {to_markdown(KINDS[group.kind])}: {_group_markdown(group)}"
    if len(shown) > TOP:
        yield f"- and {len(shown) - TOP} more groups"
    new = [each for each in found.warnings if each.is_new]
    gone = len(found.warnings) - len(new)
    if found.warnings:
        said = to_markdown((Code(one_line(new[0].entry.text, 100)),)) if new else ""
        yield f"- warnings: {len(new)} new, {gone} gone" + (f"; {said}" if said else "")
    if found.around:
        parts = [f"{_names(each.names)}: {each.text}" if each.names else each.text for each in found.around[:4]]
        more = f" and {len(found.around) - 4} more" if len(found.around) > 4 else ""
        yield f"- also different: {to_markdown(one_line('; '.join(parts), 400))}{more}"
    for note in found.notes:
        yield f"- {to_markdown(note)}"
    if len(found.groups) or found.warnings or found.around or found.notes:
        yield ""
    query = f"a={quote(changes.before, safe='')}&b={quote(changes.after, safe='')}"
    yield (
        f"{to_markdown((Code(changes.before),))} → {to_markdown((Code(changes.after),))} · "
        f"[all changes]({site}/diff.html?{query}) · [causes]({site}/causes.html)"
    )


def _group_markdown(group: Group) -> str:
    change = f"{group.before} → {group.after}" if group.before != group.after else group.after
    title = to_markdown(with_code(one_line(group.title, 160))) if group.title else ""
    known = "" if group.unknown or group.kind == "better" else ", known"
    example = to_markdown((Code(group.changes[0].cell),))
    why = f"; {to_markdown(one_line(group.meanwhile[0], 120))}" if group.meanwhile else ""
    return f"{change}, {_cells(len(group.changes))}{known}" + (f": {title}" if title else "") + f" ({example}{why})"
