"""Items of lists: a map has thousands of pages with hundreds of them, of which each part is made once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from tfmatrix.analysis.causes import Cause
from tfmatrix.core.records import CellRecord, Result
from tfmatrix.core.status import Status
from tfmatrix.core.text import one_line, with_code
from tfmatrix.reports import html
from tfmatrix.reports.claims import evidence
from tfmatrix.reports.site.grid import cell_name
from tfmatrix.reports.site.names import shown

if TYPE_CHECKING:
    from tfmatrix.reports.site.pages import Links


def status(value: Status) -> Markup:
    """A status with its sign."""
    return Markup('<span class="status s-{0}"><span aria-hidden="true">{1}</span> {0}</span>').format(
        value.value, value.sign
    )


class Items:
    """The items of one run."""

    def __init__(self) -> None:
        self._statuses = {value: status(value) for value in Status}
        self._evidence: dict[Result, Markup] = {}
        self._heads: dict[tuple[str, str], Markup] = {}
        self._advice: dict[str, Markup] = {}

    def cells(self, records: Iterable[CellRecord], links: Links) -> Markup:
        """Cells, each with its status and why it has that."""
        return Markup("".join(self._cell(record, links) for record in records))

    def _cell(self, record: CellRecord, links: Links) -> str:
        why = self._evidence.get(record.result)
        if why is None:
            why = html.inline(evidence(record))
            if record.remedy:
                why += Markup(" · passes with <code>{}</code>").format(shown(record.remedy))
            self._evidence[record.result] = why
        # Every part is escaped, or made above; Markup.format() would take a third of the time of all pages.
        link = f'<a href="{escape(links.cell(record))}"><code>{escape(cell_name(record))}</code></a>'
        return f'<li>{self._statuses[record.status]} {link} <span class="quiet">{why}</span></li>\n'

    def head(self, cause: Cause, links: Links) -> Markup:
        """The title of a cause, and the status that a paragraph on it begins with."""
        key = (cause.id, links.root)
        if key not in self._heads:
            self._heads[key] = Markup('<h3><a href="{}">{}</a></h3>\n<p>{} ').format(
                links.cause(cause), html.inline(with_code(cause.title)), self._statuses[cause.status]
            )
        return self._heads[key]

    def advice(self, cause: Cause) -> Markup:
        """What helps against a cause, in a sentence."""
        if cause.id not in self._advice:
            best = cause.remedy
            detail = f": {one_line(best.detail, 200)}" if best and best.detail else ""
            self._advice[cause.id] = (
                Markup("Remedy: <code>{}</code> helps {}{}.").format(shown(best.name), best.cells, detail)
                if best
                else Markup("No remedy that was tried helps.")
            )
        return self._advice[cause.id]
