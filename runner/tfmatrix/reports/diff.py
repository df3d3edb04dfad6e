"""A comparison as text for a terminal, as Markdown for a notification, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from tfmatrix.analysis.diff.changes import KINDS, headline
from tfmatrix.analysis.diff.compared import Diff, Group, WarningChange, to_json
from tfmatrix.analysis.diff.source import Source
from tfmatrix.analysis.diff.surroundings import Difference
from tfmatrix.core.choices import DocumentFormat
from tfmatrix.core.status import WORST_FIRST, Status
from tfmatrix.core.text import Code, Inline, Link, Mark, Strong, cells, number, one_line, with_code
from tfmatrix.reports import markdown, terminal
from tfmatrix.reports.document import Block, Bullets, Facts, Heading, Item, Paragraph
from tfmatrix.store.runs import strict_json

WIDTH = 80
LISTED = 5
"""Cells that a group names."""

TOP = 5
"""Groups that a notification names."""

SITE = "{SITE}"
"""Stands in a notification for the address of the published site, where none was given."""


def render(found: Diff, fmt: DocumentFormat, *, width: int = WIDTH, colour: bool = False, site: str = "") -> str:
    """The comparison, ending with a newline. `site` is the address of the published site, for links."""
    match fmt:
        case DocumentFormat.TEXT:
            return terminal.render(_blocks(found), width=min(width, WIDTH), colour=colour)
        case DocumentFormat.MD:
            return markdown.render(_notification(found, site.rstrip("/") or SITE))
        case DocumentFormat.JSON:
            return strict_json(to_json(found), indent=1) + "\n"


def _blocks(found: Diff) -> Iterator[Block]:
    yield Facts(rows=(("before", _run(found.before)), ("after", _run(found.after))))
    yield Heading(level=1, text=(_summary(found),), alarm=bool(found.changes.alarming))
    for kind, title in KINDS.items():
        groups = tuple(_group(group) for group in found.groups if group.kind == kind)
        if groups:
            yield Heading(level=2, text=(f"{title.capitalize()}: {len(found.changes.by_kind()[kind])}",))
            yield Bullets(items=groups)
    if found.warnings:
        yield Heading(level=2, text=("Warnings",))
        yield Bullets(items=tuple(map(_warning, found.warnings)))
    if found.differences:
        yield Heading(level=2, text=("Also different",))
        yield Bullets.of((_difference(difference),) for difference in found.differences)
    for note in found.notes:
        yield Paragraph(text=(note,))


def _warning(warning: WarningChange) -> Item:
    entry, news = warning.entry, "new" if warning.is_new else "gone"
    text = f"{news} {entry.id} {entry.side}, {cells(len(warning.cells))}: {one_line(entry.text, 160)}"
    return Item(text=(text,), under=((Code(warning.cells[0]),),))


def _group(group: Group) -> Item:
    under: list[Inline] = []
    for change in group.changes[:LISTED]:
        figures = [each.difference for each in (change.before, change.after) if each and each.difference is not None]
        shown = f"  {' → '.join(map(number, figures))}" if group.kind == "grown" else ""
        known = "  known" if change.after and change.after.known else ""
        under.append((Code(one_line(change.cell, 300)), shown + known))
    if len(group.changes) > LISTED:
        under.append((f"and {len(group.changes) - LISTED} more",))
    under += [(reason,) for reason in _reasons(group)]
    status = Status(group.after or group.before)
    title = (": ", *with_code(group.title, 300)) if group.title else ()
    return Item(
        text=(Mark(status.symbol, status), f" {_turn(group)}, {cells(len(group.changes))}", *title), under=tuple(under)
    )


def _reasons(group: Group) -> Iterator[str]:
    if group.kind in ("added", "removed"):
        return
    if group.judged_anew:
        yield "the very same measurement, judged anew: tolerances or checks are others"
    elif group.meanwhile:
        yield f"meanwhile: {'; '.join(group.meanwhile[:3])}"
    elif group.kind in ("worse", "better", "other", "grown"):
        yield "nothing else is recorded as different for all of these"


def _turn(group: Group) -> str:
    """`pass → drift`, or the one status that there is."""
    if group.before and group.after and group.before != group.after:
        return f"{group.before} → {group.after}"
    return group.after or group.before


def _summary(found: Diff) -> str:
    alarming = len(found.changes.alarming)
    worse = len(found.changes.worse) + len(found.changes.grown)
    known = f" ({worse - alarming} of the worse are known)" if worse > alarming else ""
    return f"{headline(found.changes)}{known}; {found.changes.unchanged} unchanged"


def _run(source: Source) -> Inline:
    past = source.past
    counts = ", ".join(
        f"{status.value} {past.counts[status.value]}" for status in WORST_FIRST if past.counts.get(status.value)
    )
    when = (past.finished or past.started)[:16].replace("T", " ")
    return (one_line(f"{past.id}, {when}: {counts}", 300),)


def _difference(difference: Difference) -> str:
    names = " ".join(difference.names[:6]) + (
        f" and {len(difference.names) - 6} more" if len(difference.names) > 6 else ""
    )
    return f"{names}: {difference.text}" if names else difference.text


def _notification(found: Diff, site: str) -> Iterator[Block]:
    """The few lines that somebody is sent."""
    changes = found.changes
    yield Paragraph(text=(Strong(f"{'✗' if changes.alarming else '✓'} tfmatrix: {_summary(found)}"),))
    shown = [group for group in found.groups if group.kind not in ("added", "removed")]
    items: list[Inline] = [_group_in_short(group) for group in shown[:TOP]]
    if len(shown) > TOP:
        items.append((f"and {len(shown) - TOP} more groups",))
    if found.warnings:
        new = [each for each in found.warnings if each.is_new]
        example = ("; ", Code(one_line(new[0].entry.text, 100))) if new else ()
        items.append((f"warnings: {len(new)} new, {len(found.warnings) - len(new)} gone", *example))
    if found.differences:
        more = f" and {len(found.differences) - 4} more" if len(found.differences) > 4 else ""
        items.append((f"also different: {one_line('; '.join(map(_difference, found.differences[:4])), 400)}{more}",))
    items += [(note,) for note in found.notes]
    if items:
        yield Bullets.of(items)
    query = f"a={quote(changes.before, safe='')}&b={quote(changes.after, safe='')}"
    links = (Link(f"{site}/diff.html?{query}", "all changes"), " · ", Link(f"{site}/causes.html", "causes"))
    yield Paragraph(text=(Code(changes.before), " → ", Code(changes.after), " · ", *links))


def _group_in_short(group: Group) -> Inline:
    title = (": ", *with_code(group.title, 160)) if group.title else ()
    known = "" if group.unknown or group.kind == "better" else ", known"
    why = f"; {one_line(group.meanwhile[0], 120)}" if group.meanwhile else ""
    counted = f"{KINDS[group.kind]}: {_turn(group)}, {cells(len(group.changes))}{known}"
    return (counted, *title, " (", Code(group.changes[0].cell), f"{why})")
