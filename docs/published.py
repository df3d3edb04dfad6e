"""Publishes runs in the repository: archives under results/published/, their index, and the table in README.md.

python docs/published.py RUN NAME    # archives a run (an id, latest, or a folder) as results/published/NAME
python docs/published.py             # writes the index and the README's table anew from what is there
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "runner"))

from marks import replace_between  # noqa: E402  (the checkout must be on the path first)
from tfmatrix.core.records import CellRecord  # noqa: E402
from tfmatrix.reports.export.archive import write as write_archive  # noqa: E402
from tfmatrix.store.content import write_atomically  # noqa: E402
from tfmatrix.store.runs import Run, read_run, read_run_folder  # noqa: E402

PUBLISHED = ROOT / "results" / "published"
BEGIN, END = "<!-- published tables: written by docs/published.py -->", "<!-- end of published tables -->"


FOLDERS_OF_THE_MACHINE = re.compile(r"(?<![\w.])/[\w./+@-]*?/(?=lib/python\d+\.\d+/)")
"""What stands before `lib/python3.11/site-packages/…` in tracebacks."""


def archive(run: Run, name: str) -> None:
    """The run's records and its table, under a name that stays when a newer run takes its place.

    Where the machine keeps its environments is nobody's concern, and left out of every text.
    """
    folder = PUBLISHED / name
    published = replace(run, header=without_folders(run.header), records=tuple(map(without_folders_in, run.records)))
    write_archive(published, PUBLISHED, folder)


def without_folders(value: Any) -> Any:
    """A JSON value whose texts do not name folders of the machine."""
    return json.loads(FOLDERS_OF_THE_MACHINE.sub("", json.dumps(value)))


def without_folders_in(record: CellRecord) -> CellRecord:
    """The same of a record."""
    return CellRecord.from_json(without_folders(record.to_json()))


def published() -> list[tuple[str, Run]]:
    """What lies under results/published, by name."""
    return [(path.parent.name, read_run_folder(path.parent)) for path in sorted(PUBLISHED.glob("*/run.json"))]


def index(runs: Sequence[tuple[str, Run]], prefix: str) -> str:
    """A Markdown table of published runs; links begin with `prefix`."""
    lines = [
        "| table | measured | environments | scenarios | cells | by status |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, run in runs:
        environments = list(run.header["environments"])
        versions = f"{len(environments)}: {environments[0]} … {environments[-1]}"
        counts = ", ".join(f"{status} {count}" for status, count in run.header["counts"].items())
        day = str(run.header["finished"])[:10]
        lines.append(
            f"| [{name}]({prefix}{name}/README.md) | {day} | {versions} | {len(run.header['scenarios'])} "
            f"| {len(run.records)} | {counts} |"
        )
    return "\n".join(lines)


def environments(runs: Sequence[tuple[str, Run]]) -> str:
    """Every environment of the published runs, with what decides most in it."""
    rows: dict[str, str] = {}
    for _, run in runs:
        for name, described in run.header["environments"].items():
            packages = described.get("packages", {})
            versions = [str(described.get(each, "")) for each in ("tensorflow", "keras", "python")]
            versions += [packages.get(each, "") for each in ("numpy", "h5py", "protobuf")]
            rows[name] = f"| {name} | {' | '.join(versions)} |"
    head = ["| environment | TensorFlow | Keras | Python | numpy | h5py | protobuf |", "| --- " * 7 + "|"]
    return "\n".join([*head, *rows.values()])


def main(arguments: Sequence[str]) -> int:
    """Archives what is asked for, then writes the index and the README."""
    if len(arguments) not in (0, 2):
        print(__doc__, file=sys.stderr)
        return 2
    if arguments:
        archive(read_run(ROOT / "results", arguments[0]), arguments[1])
    runs = published()
    if not runs:
        print(f"no published run in {PUBLISHED}", file=sys.stderr)
        return 1
    text = [
        "# Published tables",
        "Each folder holds the tables of a run (README.md, tables.md), run.json, and every record, compressed: "
        "`tfmatrix report results/published/NAME --format csv` and `tfmatrix.load_run` read them.",
        index(runs, ""),
        "## Environments",
        environments(runs),
    ]
    write_atomically(PUBLISHED / "README.md", "\n\n".join(text) + "\n")
    replace_between(ROOT / "README.md", BEGIN, END, index(runs, "results/published/"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
