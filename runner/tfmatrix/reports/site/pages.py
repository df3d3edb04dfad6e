"""The pages. What is computed elsewhere is put into templates here; every text is escaped by the template engine."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from tfmatrix.analysis.causes import Cause, unreviewed
from tfmatrix.analysis.diff.changes import Changes, Past, headline
from tfmatrix.analysis.diff.regressions import Regression, regressions
from tfmatrix.analysis.diff.surroundings import in_words
from tfmatrix.analysis.training import Trained, changed_defaults, is_of_training, trained
from tfmatrix.analysis.upgrades import Upgrade, neighbours
from tfmatrix.analysis.warnings import Advice, Catalogue, answer, catalogue, percent
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import WORST_FIRST, Status
from tfmatrix.core.text import Code, Link, cut, one_line, with_code
from tfmatrix.reports import html
from tfmatrix.reports.claims import Claims
from tfmatrix.reports.document import Table
from tfmatrix.reports.explain import cause_facts
from tfmatrix.reports.site import charts
from tfmatrix.reports.site.data import VERDICT_SIGNS
from tfmatrix.reports.site.declarations import declared
from tfmatrix.reports.site.files import change_line
from tfmatrix.reports.site.grid import MAX_CAUSES, Block, Grid, Tally, cell_name
from tfmatrix.reports.site.health import Problem
from tfmatrix.reports.site.items import Items
from tfmatrix.reports.site.maps import cause_map, counted_map, legend, strips
from tfmatrix.reports.site.names import in_url, printable, shown
from tfmatrix.reports.site.steps import advice, asked_for, family

LISTED = 50
"""Items that a list of a page names; the rest is counted, and stands behind the filters of the overview."""

MAX_CURVES = 12
"""Plots of training that a page shows."""

MAX_FIELDS = 12_000
"""Fields of all maps of one page; beyond that a page would be too large, and says where to look instead."""

NAVIGATION = (
    ("index.html", "Overview"),
    ("upgrade.html", "Upgrade"),
    ("scenarios.html", "Scenarios"),
    ("formats.html", "Formats"),
    ("causes.html", "Causes"),
    ("warnings.html", "Warnings"),
    ("history.html", "History"),
)


@dataclass(frozen=True)
class Site:
    """Everything that the pages are made of. `news` are the changes from run to run, newest first.

    `run_folder` is the name of the run in the site's data folder.
    """

    grid: Grid
    upgrades: Mapping[tuple[str, str], Upgrade]
    problems: Sequence[Problem]
    runs: Sequence[Past]
    news: Sequence[Changes]
    run_folder: str

    def pages(self) -> Iterator[tuple[str, str]]:
        """Name and content of each page."""
        yield self._page("index.html", "overview.html", **self._overview())
        yield self._page("scenarios.html", "scenarios.html", rows=self._rows(self.grid.scenarios, "scenario"))
        yield self._page(
            "formats.html",
            "formats.html",
            rows=self._rows(self.grid.formats, "format"),
            declared=declared(),
            advice=list(advice(self.grid)),
        )
        for scenario in self.grid.scenarios:
            name = f"scenario/{self.grid.scenario_slugs[scenario]}.html"
            yield self._page(name, "scenario.html", **self._scenario(scenario))
        for fmt in self.grid.formats:
            yield self._page(f"format/{self.grid.format_slugs[fmt]}.html", "format.html", **self._format(fmt))
        yield self._page("cell.html", "cell.html")
        yield self._page("causes.html", "causes.html")
        for cause in self.grid.causes[:MAX_CAUSES]:
            yield self._page(f"cause/{cause.id}.html", "cause.html", **self._cause(cause))
        yield self._page("warnings.html", "warnings.html", answer=answer(self.catalogue))
        yield self._page("upgrade.html", "upgrade.html", map=self._verdict_map())
        for (before, after), upgrade in self.upgrades.items():
            name = f"upgrade/{self.grid.pair_slug(before, after)}.html"
            yield self._page(name, "pair.html", **self._pair(upgrade))
        yield from self._trainings()
        yield self._page(
            "history.html",
            "history.html",
            charts=[Markup(chart) for chart in self._charts() if chart],
            runs=list(reversed(self.runs)),
            news={changes.after: changes for changes in self.news},
        )
        yield self._page("regressions.html", "regressions.html", map=cause_map(self.grid.causes[:LISTED], self.grid))
        yield self._page("diff.html", "diff.html", runs=list(reversed(self.runs)))

    def _page(self, name: str, template: str, /, **values: Any) -> tuple[str, str]:
        root = "../" * name.count("/")
        content = self._templates.get_template(template).render(
            page=name, root=root, site=self, grid=self.grid, links=Links(self.grid, root), **values
        )
        return name, content

    @cached_property
    def _templates(self) -> Environment:
        environment = Environment(
            loader=PackageLoader("tfmatrix.reports.site"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_finalize,
        )
        environment.globals |= {
            "navigation": NAVIGATION,
            "shown": shown,
            "cut": cut,
            "figure": "{:,}".format,
            "prose": _prose,
            "one_line": one_line,
            "quoted": lambda text: shlex.quote(shown(text)),
            "inline": html.inline,
            "with_code": lambda text: html.inline(with_code(text)),
            "headline": headline,
            "change_line": change_line,
            "in_words": in_words,
            "cell_name": cell_name,
            "sign": lambda status: Status(status).sign,
            "VERDICT_SIGNS": VERDICT_SIGNS,
            "Advice": Advice,
            "percent": percent,
            "LISTED": LISTED,
        }
        return environment

    @cached_property
    def items(self) -> Items:
        """What lists of cells and causes are made of."""
        return Items()

    @property
    def header(self) -> Mapping[str, Any]:
        """run.json."""
        return self.grid.run.header

    @cached_property
    def latest_news(self) -> Changes | None:
        """What changed since the run before; None where there is none to compare with."""
        return next((changes for changes in self.news if changes.after == self.grid.run.id), None)

    @cached_property
    def regressions(self) -> tuple[Regression, ...]:
        """What became worse over the runs, and whether it still is."""
        return regressions(self.runs, self.news)

    @cached_property
    def dates(self) -> Mapping[str, str]:
        """The day on which each run started."""
        return {run.id: run.started[:10] or run.id for run in self.runs}

    @cached_property
    def catalogue(self) -> Catalogue:
        """The warnings of the run."""
        return catalogue(self.grid.run, self.grid.squares)

    @cached_property
    def steps(self) -> list[tuple[str, str]]:
        """The steps that people ask for."""
        return asked_for(self.grid)

    @property
    def badges(self) -> frozenset[tuple[str, str]]:
        """The steps that have a badge: those that people ask for, and from each environment to the next."""
        return frozenset([*self.steps, *neighbours(self.grid.environments)])

    @cached_property
    def unreviewed(self) -> int:
        """Known failures that were accepted, and that nobody has reviewed."""
        return len(unreviewed(self.grid.run, self.grid.squares))

    @cached_property
    def coverage(self) -> str:
        """How much of the field was measured, inferred, and not asked, in a sentence."""
        grid, tally = self.grid, self.tally
        field = len(grid.scenarios) * len(grid.formats) * len(grid.environments) ** 2
        inferred = self.inferred
        said = f"{tally.measured - inferred:,} cells measured"
        if inferred:
            audit = (self.header.get("inference") or {}).get("audit") or {}
            bound = audit.get("upper_bound")
            sure = f", at most {100 * float(bound):.2g} % of them wrong" if isinstance(bound, float) else ""
            said += f", {inferred:,} inferred{sure}"
        other = tally.total - tally.measured
        said += f", {other:,} without a verdict (unsupported, skipped or not measurable)" if other else ""
        return f"{said}; {field - tally.total:,} of {field:,} not asked."

    @cached_property
    def inferred(self) -> int:
        """Cells that have a status without having been measured."""
        return len(self.grid.squares.where(lambda record: record.inferred is not None))

    @cached_property
    def tags(self) -> list[str]:
        """Every tag, sorted."""
        return sorted({tag for name in self.grid.scenarios for tag in self.grid.tags(name)})

    @cached_property
    def tally(self) -> Tally:
        """The whole run, counted."""
        return self.grid.tally(*self.grid.blocks.values())

    @cached_property
    def statuses(self) -> list[Status]:
        """The statuses that the run has, the worst first."""
        return [status for status in WORST_FIRST if self.tally.counts.get(status)]

    def _overview(self) -> dict[str, Any]:
        links = Links(self.grid, "")
        order = self.grid.environments
        return {
            "map": counted_map(self.grid.tallies, order, links.pair, "Worst status of every writer and reader")
            if len(order) ** 2 <= MAX_FIELDS
            else None,
            "legend": legend(self.tally),
            "families": self._families(),
            "signs": [
                entry
                for entry in self.catalogue.ranked()
                if not entry.is_hidden and self.catalogue.advice(entry) is Advice.HEED
            ][:2],
            "answers": [self.upgrades[step] for step in self.steps],
        }

    def _families(self) -> list[tuple[str, list[int]]]:
        """The groups of the map, and which environments stand in each."""
        groups: dict[str, list[int]] = {}
        for place, name in enumerate(self.grid.environments):
            groups.setdefault(family(self.grid, name), []).append(place)
        return list(groups.items())

    def _rows(self, names: Iterable[str], what: str) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "tally": self.grid.tally(
                    *(self.grid.blocks_of(name) if what == "scenario" else self.grid.blocks_of(fmt=name))
                ),
            }
            for name in names
        ]

    def _scenario(self, scenario: str) -> dict[str, Any]:
        grid, links = self.grid, Links(self.grid, "../")
        blocks = {fmt: block for fmt in grid.formats if (block := grid.block(scenario, fmt))}
        fits = len(blocks) * len(grid.environments) ** 2 <= MAX_FIELDS
        return {
            "name": scenario,
            "readers": tuple(map(shown, grid.environments)),
            "summary": html.inline(self._claims.paragraph(*(block.kinds for block in blocks.values()))),
            "legend": legend(grid.tally(*blocks.values())),
            "formats": [
                {
                    "name": fmt,
                    "sentences": [html.inline(line) for line in self._claims.sentences(scenario, fmt)],
                    "strips": strips(block, self._order, links.cell) if fits else None,
                    "causes": self._causes_of([block]),
                    "tally": grid.tally(block),
                }
                for fmt, block in blocks.items()
            ],
            "charts": [
                Markup(chart)
                for chart in (charts.drift_over_runs(self.runs, scenario), charts.drift_over_versions(grid, scenario))
                if chart
            ],
        }

    @cached_property
    def _order(self) -> tuple[str, ...]:
        return self.grid.environments

    @cached_property
    def _claims(self) -> Claims:
        return Claims(self.grid.squares)

    def _causes_of(self, blocks: Sequence[Block]) -> list[tuple[Cause, int]]:
        """The causes of some cells, each with how many of these it has, the most first."""
        found: Counter[int] = Counter()
        for record, count in self.grid.counted(*blocks):
            found.update(dict.fromkeys(self.grid.places_of(record), count))
        return [(self.grid.causes[place], count) for place, count in found.most_common(LISTED)]

    def _format(self, fmt: str) -> dict[str, Any]:
        grid, links = self.grid, Links(self.grid, "../")
        blocks = {name: block for name in grid.scenarios if (block := grid.block(name, fmt))}
        every = grid.tally(*blocks.values())
        tallies = grid.tallies_of(blocks.values())
        named = {name for pair in tallies for name in pair}
        order = [name for name in self._order if name in named]
        return {
            "name": fmt,
            "info": (grid.run.header.get("format_info") or {}).get(fmt) or {},
            "tally": every,
            "summary": html.inline(self._claims.paragraph(*(block.kinds for block in blocks.values()))),
            "legend": legend(every),
            "map": counted_map(
                tallies,
                order,
                lambda writer, reader: links.filtered(format=fmt, writers=writer, readers=reader),
                f"{shown(fmt)}: worst status of every writer and reader, over all scenarios",
            )
            if len(order) ** 2 <= MAX_FIELDS
            else None,
            "scenarios": [{"name": name, "tally": grid.tally(block)} for name, block in blocks.items()],
            "causes": self._causes_of(grid.blocks_of(fmt=fmt)),
            "declared": declared().get(fmt),
        }

    def _cause(self, cause: Cause) -> dict[str, Any]:
        records = [self.grid.run.records[place] for place in cause.cells.places[:LISTED].tolist()]
        links = Links(self.grid, "../")
        pages = {"formats": links.format, "scenarios": links.scenario}
        facts = cause_facts(cause, lambda kind, name: (Link(pages[kind](name), shown(name), is_page=True),))
        return {
            "cause": cause,
            "records": records,
            "facts": html.render([facts]),
            "upstream": [html.inline((Link(one_line(link.url, 300), shown(link.about)),)) for link in cause.links],
        }

    @cached_property
    def _files_by_format(self) -> Mapping[str, Mapping[tuple[str, str], Tally]]:
        """The cells of each format by pair, but those of code that is trained anew."""
        grid = self.grid
        return {
            fmt: grid.tallies_of(grid.blocks_of(fmt=fmt), lambda record: not is_of_training(record))
            for fmt in grid.formats
        }

    def _pair(self, upgrade: Upgrade) -> dict[str, Any]:
        before, after = self.grid.packages(upgrade.before), self.grid.packages(upgrade.after)
        differing = [
            ((Code(name),), (shown(before.get(name, "–")),), (shown(after.get(name, "–")),))
            for name in dict.fromkeys([*before, *after])
            if before.get(name) != after.get(name)
        ]
        head = ("Package", shown(upgrade.before), shown(upgrade.after))
        return {
            "upgrade": upgrade,
            "back": self.upgrades[upgrade.after, upgrade.before],
            "breaks": self._by_cause(upgrade.breaks),
            "changes": self._by_cause(upgrade.changes),
            "by_format": {
                fmt: tallies[upgrade.before, upgrade.after]
                for fmt, tallies in self._files_by_format.items()
                if (upgrade.before, upgrade.after) in tallies
            },
            "already": self._by_cause(upgrade.already),
            "packages": differing and html.render([Table(head=head, rows=tuple(differing[:200]))]),
            "badge": f"badges/{self.grid.pair_slug(upgrade.before, upgrade.after)}"
            if (upgrade.before, upgrade.after) in self.badges
            else None,
        }

    @cached_property
    def trained(self) -> Mapping[tuple[str, str], Trained]:
        """What training code anew came to, by pair; empty where the run has none of it."""
        return trained(self.grid.records(is_of_training))

    def _trainings(self) -> Iterator[tuple[str, str]]:
        """The pages on training, where the run says anything of it."""
        if self.trained:
            yield self._page("training.html", "trainings.html", trained=list(self.trained.values()))
        for (writer, reader), found in self.trained.items():
            curves = (Markup(chart) for each in found.differing if (chart := charts.courses(each)))
            yield self._page(
                f"training/{self.grid.pair_slug(writer, reader)}.html",
                "training.html",
                trained=found,
                defaults=[each for each in changed_defaults(found.records) if not each.is_aside],
                charts=list(islice(curves, MAX_CURVES)),
                named=lambda scenario, pair: next(
                    cell_name(each) for each in pair.differing if each.scenario == scenario
                ),
            )

    def _by_cause(self, records: Sequence[CellRecord]) -> list[tuple[Cause, list[CellRecord]]]:
        groups: dict[int, list[CellRecord]] = {}
        for record in records:
            for place in self.grid.places_of(record):
                groups.setdefault(place, []).append(record)
        ranked = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
        return [(self.grid.causes[place], group) for place, group in ranked]

    def _verdict_map(self) -> list[tuple[str, list[tuple[Upgrade, str]]]] | None:
        links = Links(self.grid, "")
        if len(self._order) ** 2 > MAX_FIELDS:
            return None
        return [
            (before, [(self.upgrades[before, after], links.pair(before, after)) for after in self._order])
            for before in self._order
        ]

    def _charts(self) -> Iterator[str]:
        yield charts.statuses_over_runs(self.runs)
        yield charts.drift_over_runs(self.runs)
        yield charts.drift_over_versions(self.grid)


@dataclass(frozen=True)
class Links:
    """Addresses of pages, as seen from a page that lies `root` below the first."""

    grid: Grid
    root: str

    def scenario(self, name: str) -> str:
        """The page of a scenario."""
        return f"{self.root}scenario/{in_url(self.grid.scenario_slugs[name])}.html"

    def format(self, name: str) -> str:
        """The page of a format."""
        return f"{self.root}format/{in_url(self.grid.format_slugs[name])}.html"

    def pair(self, writer: str, reader: str) -> str:
        """The page of an upgrade."""
        return f"{self.root}upgrade/{in_url(self.grid.pair_slug(writer, reader))}.html"

    def training(self, writer: str, reader: str) -> str:
        """The page on whether the same code still trains the same."""
        return f"{self.root}training/{in_url(self.grid.pair_slug(writer, reader))}.html"

    def cell(self, record: CellRecord) -> str:
        """The page of a cell."""
        return f"{self.root}cell.html?cell={in_url(cell_name(record))}"

    def named(self, cell: str) -> str:
        """The page of a cell that is known by its id, which may be of an earlier run."""
        return f"{self.root}cell.html?cell={in_url(cell)}"

    def cause(self, cause: Cause) -> str:
        """The page of a cause; beyond those that have one, the list of all."""
        has_page = cause.id in self.grid.cause_ids_with_page
        return f"{self.root}cause/{cause.id}.html" if has_page else f"{self.root}causes.html"

    def filtered(self, **filters: str) -> str:
        """The overview with filters set."""
        values = "&".join(f"{name}={in_url(shown(value))}" for name, value in filters.items())
        return f"{self.root}index.html?{values}#cells"


def _finalize(value: object) -> object:
    """What a template prints: texts without characters that could reorder a line or end a file early."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(value)
    return value


def _prose(text: str) -> Markup:
    """A docstring as paragraphs: code and emphasis as they were meant, lists and code blocks line by line."""
    blocks = []
    for block in cut(text, 6000).strip().split("\n\n"):
        words = _EMPHASIS.sub(_emphasised, str(escape(block.strip("\n"))))
        is_list = any(line.startswith(("- ", "* ", "    ", "|", "```", "1.")) for line in block.splitlines())
        blocks.append(f'<p class="lines">{words}</p>' if is_list else f"<p>{words}</p>")
    return Markup("".join(blocks))


_EMPHASIS = re.compile(r"`([^`\n]+)`|(?<![\w*])\*(?!\s)([^*]+?)\*(?![\w*])")


def _emphasised(match: re.Match[str]) -> str:
    return f"<code>{match[1]}</code>" if match[1] else f"<em>{match[2]}</em>"
