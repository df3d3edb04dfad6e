"""Writes docs/claims.md (what was measured about the claims that started the project) and docs/overview.svg from a run.

python docs/generate.py [RUN]        # default: latest; `nox -s claims` does the same
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "runner"))

from tfmatrix.core.records import CellRecord  # noqa: E402  (the checkout must be on the path first)
from tfmatrix.core.status import Status  # noqa: E402  (the checkout must be on the path first)
from tfmatrix.core.text import one_line, to_markdown  # noqa: E402
from tfmatrix.reports.claims import evidence, short_error  # noqa: E402
from tfmatrix.reports.render import render  # noqa: E402
from tfmatrix.store.content import write_atomically  # noqa: E402
from tfmatrix.store.runs import Run, read_run  # noqa: E402

HIDDEN = ("DeprecationWarning", "PendingDeprecationWarning", "ImportWarning", "ResourceWarning", "INFO")
"""Categories that Python or TensorFlow do not show a user by default."""

PICTURE_COLUMNS = 110

FORMATS = ("h5", "keras", "savedmodel", "tf-savedmodel")


Claim = tuple[str, str, Callable[[CellRecord], bool | None]]


def loses_the_weight(record: CellRecord) -> bool:
    """Whether loading raised, or a weight did not come back."""
    return record.status is Status.LOAD_ERROR or "weights" in record.failed_checks


def loses_the_optimizer(record: CellRecord) -> bool | None:
    """Whether the optimizer's state did not come back; None where the model does not load."""
    return "optimizer" in record.failed_checks if record.status in (Status.PASS, Status.DRIFT) else None


def loses_it_silently(record: CellRecord) -> bool | None:
    """Whether that happened without a warning on loading."""
    lost = loses_the_optimizer(record)
    return lost and not visible(record.load, "load")


CLAIMS: Mapping[str, Sequence[Claim]] = {
    "custom_layer_raw_variable": [
        ("saving to h5 raises no warning", "h5", lambda record: not visible(record.save, "save")),
        ("loading from h5 fails or loses the weight", "h5", loses_the_weight),
    ],
    "optimizer_state": [
        (f"`{name}` loads, and {what}", name, predicate)
        for name in FORMATS[:3]
        for what, predicate in (
            ("the optimizer's state is lost", loses_the_optimizer),
            ("that without a warning", loses_it_silently),
        )
    ],
    "custom_layer_add_weight": [
        (
            "tf.saved_model.save, then load_model: the layer loads properly",
            "tf-savedmodel",
            lambda record: record.status is Status.PASS,
        )
    ],
}
"""What each article scenario claims, in parts that a version either bears out or does not."""


def answers(scenario: str, own: Sequence[CellRecord]) -> str:
    """The parts of a claim, with the versions that bear them out when they load what they saved themselves."""
    rows = []
    for part, format_id, holds in CLAIMS.get(scenario, ()):
        asked = [record for record in own if record.format == format_id and record.status is not Status.UNSUPPORTED]
        found = {record.writer: holds(record) for record in asked}
        columns = [[name for name, held in found.items() if held is wanted] for wanted in (True, False, None)]
        rows.append([part, *(", ".join(names) or "–" for names in columns)])
    return table(["claim", "holds in", "does not hold in", "does not load in"], rows)


def main() -> int:
    """Writes the file; exit code 1 where the run lacks the scenarios."""
    run = read_run(ROOT / "results", sys.argv[1] if len(sys.argv) > 1 else "latest")
    sections = [section(run, name) for name in run.header["scenarios"] if is_article(run, name)]
    if not sections:
        print("this run has no scenario with the tag `article`", file=sys.stderr)
        return 1
    write_atomically(ROOT / "docs" / "claims.md", "\n\n".join([introduction(run), *sections]) + "\n")
    write_atomically(ROOT / "docs" / "overview.svg", picture(run))
    return 0


def picture(run: Run) -> str:
    """The overview as a terminal shows it, as an SVG without fonts or anything else from elsewhere."""
    lines = render(run, detail=False, width=PICTURE_COLUMNS, colour=True).splitlines()
    plain = [Text.from_ansi(line) for line in lines]
    start = next(number for number, line in enumerate(plain) if line.plain == "Overview")
    end = next(number for number, line in enumerate(plain) if line.plain == "Environments")
    console = Console(record=True, width=PICTURE_COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ python -m nox", style="bold"))
    for line in plain[start + 2 : end]:
        console.print(line)
    svg = console.export_svg(title=f"tfmatrix: {len(run.records)} cells", unique_id="overview")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


def is_article(run: Run, name: str) -> bool:
    """Whether the scenario is one of the article's."""
    return "article" in run.header["scenarios"][name]["tags"]


def introduction(run: Run) -> str:
    """What the page is, and on what it was measured."""
    rows = [
        [
            name,
            *(packages(described).get(each, "") for each in ("keras", "numpy", "h5py")),
            str(described.get("python", "")),
        ]
        for name, described in run.header["environments"].items()
        if name in {record.writer for record in run.records}
    ]
    return "\n\n".join(
        [
            "# The claims, measured",
            "tfmatrix began with an article on the warnings that TensorFlow 2 does and does not give when Keras models "
            "are saved. Each of its claims is a scenario; this page says what was measured, version by version. It is "
            "made by "
            f"`python -m nox -s docs` from the run `{run.id}` (executor {run.header['executor']['name']}).",
            table(["environment", "Keras", "numpy", "h5py", "Python"], rows),
            "*Warnings* are those a user sees: Python hides DeprecationWarnings of libraries, and TensorFlow its INFO "
            "lines. *Training goes on* compares the losses of the next three steps with the writer's own, and with a "
            "fresh optimizer's.",
        ]
    )


def packages(described: Mapping[str, Any]) -> Mapping[str, str]:
    """The package versions of an environment."""
    found: Mapping[str, str] = described.get("packages", {})
    return found


def section(run: Run, scenario: str) -> str:
    """The claim of one scenario, and a table per format of what its own environments measured."""
    described = run.header["scenarios"][scenario]
    records = [record for record in run.records if record.scenario == scenario]
    parts = [f"## `{scenario}`", *[f"> {line}".rstrip() for line in described["description"].splitlines()]]
    text = [parts[0], "\n".join(parts[1:])]
    order = list(run.header["environments"])
    own = sorted(
        (record for record in records if record.writer == record.reader and record.format in FORMATS),
        key=lambda record: (FORMATS.index(record.format), order.index(record.writer)),
    )
    text.append(answers(scenario, own))
    text.append("Saved and loaded in the same version:")
    headings = [
        "format",
        "version",
        "warnings on saving",
        "loading",
        "warnings on loading",
        "optimizer",
        "training goes on",
    ]
    text.append(table(headings, [row(record) for record in own]))
    text.append("Loaded in another version:")
    for format_id in FORMATS:
        others = [record for record in records if record.format == format_id and record.writer != record.reader]
        if others:
            text.append(f"- `{format_id}`: {summary(others)}")
    return "\n\n".join(text)


def row(record: CellRecord) -> list[str]:
    """One environment's own measurement."""
    loading = record.status.value
    if record.status in (Status.LOAD_ERROR, Status.SAVE_ERROR) and record.error:
        loading += f": {short_error(record.error)}"
    elif record.failed_checks:
        loading += f": {', '.join(record.failed_checks)}"
    return [
        record.format,
        record.writer,
        said(record.save, "save"),
        to_markdown((one_line(loading, 110),), in_table=True) + (f" → {record.remedy}" if record.remedy else ""),
        said(record.load, "load"),
        optimizer(record.checks.get("optimizer", {})),
        resumed(record.checks.get("resume", {})),
    ]


def visible(side: Mapping[str, Any], phase: str) -> list[Mapping[str, Any]]:
    """The warnings of a phase that a user sees."""
    return [each for each in side.get("warnings", ()) if each["phase"] == phase and each["category"] not in HIDDEN]


def said(side: Mapping[str, Any], phase: str) -> str:
    """The warnings that a user sees in a phase."""
    seen = visible(side, phase)
    if not side or side.get("status") == "unsupported":
        return "–"
    if not seen:
        return "none"
    return to_markdown(
        (one_line("; ".join(f"{each['category']}: {each['message']}" for each in seen), 90),), in_table=True
    )


def optimizer(check: Mapping[str, Any]) -> str:
    """What became of the optimizer's state."""
    if "iterations_before" not in check:
        return "–"
    kept = f"{check['identical']} of {check['slots']} slots kept"
    return f"iterations {check['iterations_before']} → {check['iterations_after']}, {kept}"


def resumed(check: Mapping[str, Any]) -> str:
    """The loss after the further steps: loaded, writer, fresh optimizer."""
    if check.get("status") == "error":
        return to_markdown((one_line(check["detail"][0], 90),), in_table=True)
    if not check.get("losses") or not check.get("fresh_losses"):
        return "–"
    loaded, writer, fresh = (float(check[name][-1]) for name in ("losses", "writer_losses", "fresh_losses"))
    word = "no: from scratch" if check["restarted"] else ("yes" if check["status"] == "pass" else "no")
    return f"{word} ({loaded:.7g}, writer {writer:.7g}, fresh {fresh:.7g})"


def summary(records: Sequence[CellRecord]) -> str:
    """How pairs of different versions ended, with one piece of evidence for each kind."""
    kinds: dict[str, list[CellRecord]] = {}
    for record in records:
        kinds.setdefault(f"{record.status.value} {' '.join(record.failed_checks)}".strip(), []).append(record)
    sentences = []
    for kind, members in kinds.items():
        pairs = ", ".join(f"{each.writer} → {each.reader}" for each in members)
        reason = "" if members[0].status is Status.PASS else f" ({to_markdown(evidence(members[0]))})"
        sentences.append(f"**{kind}** {pairs}{reason}")
    return "; ".join(sentences)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    raise SystemExit(main())
