"""Whether the format `code` is silent where nothing that trains has changed, each time from an empty store.

    python benchmarks/false_alarms.py [--parts diagonal python neighbours] [--scenario GLOB ...] [--repeats 3]

`diagonal`: a release against itself, `--repeats` times. `python`: one TensorFlow on several Pythons, both ways.
`neighbours`: two releases of TensorFlow with one Keras, both ways. Prints a table as Markdown, and on stderr what every
red cell says; exit code 1 where one is red, 4 where one could not be measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

Cells = Sequence[Mapping[str, Any]]

SMALL = (
    "tag:article",
    "conv_batchnorm",
    "dropout",
    "lstm",
    "multi_head_attention",
    "mixed_precision",
    "metrics_stateful",
)
ALL = ("*", "!tag:large", "!tag:executes")

RED = ("drift", "load-error", "save-error", "crash", "timeout")


@dataclass(frozen=True, kw_only=True)
class Part:
    """Environments by id and how matrix.yaml declares each, and the pairs of them."""

    environments: Mapping[str, str]
    pairs: Sequence[str]


def _pythons(tensorflow: str, pythons: Iterable[str]) -> dict[str, str]:
    return {
        f"{tensorflow}+py{each}": f'tensorflow: "{tensorflow}", python: "{each}", id: "{tensorflow}+py{each}"'
        for each in pythons
    }


def _releases(*releases: str) -> dict[str, str]:
    found = {}
    for name in releases:
        tensorflow, _, today = name.partition("@")
        found[name] = f'tensorflow: "{tensorflow}", python: "3.11"' + (", as_of: today" if today else "")
    return found


PARTS = {
    "diagonal": Part(
        environments=_releases("2.15.1", "2.16.2", "2.21.0"),
        pairs=("2.15.1/2.15.1", "2.16.2/2.16.2", "2.21.0/2.21.0"),
    ),
    # Their locks differ in what wheels there are, and in nothing that computes.
    "python": Part(
        environments={**_releases("2.21.0"), **_pythons("2.21.0", ("3.10", "3.12", "3.13"))},
        pairs=("2.21.0/2.21.0+py*", "2.21.0+py*/2.21.0"),
    ),
    # Keras 3.11.3 of the releases' own days, and 3.15.1 as pip installs it.
    "neighbours": Part(
        environments=_releases("2.19.1", "2.20.0", "2.20.0@today", "2.21.0@today"),
        pairs=("2.19.1/2.20.0", "2.20.0/2.19.1", "2.20.0@today/2.21.0@today", "2.21.0@today/2.20.0@today"),
    ),
}


def measured(part: Part, scenarios: Sequence[str], executor: str) -> Cells:
    """The records of one run into an empty store."""
    with tempfile.TemporaryDirectory(prefix="tfmatrix-bench-") as name:
        folder = Path(name)
        (folder / "scenarios").symlink_to(ROOT / "scenarios")
        (folder / "locks").mkdir()
        for environment in part.environments:
            lock = ROOT / "locks" / f"{environment}.txt"
            if lock.exists():
                (folder / "locks" / lock.name).write_bytes(lock.read_bytes())
        lines = ["schema: 1", "environments:"]
        lines += [f"  - {{{declared}}}" for declared in part.environments.values()]
        lines += ["formats: [code]", f"pairs: {json.dumps(list(part.pairs))}", f"scenarios: {json.dumps(scenarios)}"]
        (folder / "matrix.yaml").write_text("\n".join(lines) + "\n")
        common = ["--executor", executor, "--jobs", "1", "--no-remedies", "--yes", "--json"]
        done = subprocess.run(
            [sys.executable, "-m", "tfmatrix", "run", "-C", name, *common], stdout=subprocess.PIPE, check=False
        )
        if done.returncode not in (0, 1, 4):
            raise SystemExit(done.returncode)
        cells: Cells = json.loads(done.stdout)["cells"]
        return cells


def row(name: str, cells: Cells) -> str:
    """One row of the table: what became of the cells between two environments."""
    trained = [each for each in cells if (each["checks"].get("learning") or {}).get("status") == "pass"]
    count = {status: sum(each["status"] == status for each in cells) for status in ("pass", "unsupported")}
    red = sum(each["status"] in RED for each in cells)
    lost = len(cells) - red - sum(count.values())
    return f"| {name} | {len(cells)} | {count['pass']} | {len(trained)} | {red} | {count['unsupported']} | {lost} |"


def tell(cell: Mapping[str, Any]) -> None:
    """Says on stderr what a red cell found."""
    print(f"{cell['status']}: {cell['cell']} {cell['error'] or ''}", file=sys.stderr)
    for check in cell["failed_checks"]:
        for said in cell["checks"].get(check, {}).get("detail", ()):
            print(f"    {check}: {said}", file=sys.stderr)


def main() -> int:
    """Prints a row for each pair and repetition."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--scenario", nargs="+", default=list(SMALL), help="globs; `all` for every one")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--executor", default="venv", choices=("docker", "venv"))
    options = parser.parse_args()
    scenarios = list(ALL) if options.scenario == ["all"] else options.scenario
    print("| from/to | cells | pass | of these trained | red | unsupported | not measured |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    code = 0
    for name in options.parts:
        repeats = options.repeats if name == "diagonal" else 1
        for number in range(repeats):
            cells = measured(PARTS[name], scenarios, options.executor)
            pairs = sorted({(each["writer"], each["reader"]) for each in cells})
            for writer, reader in pairs:
                own = [each for each in cells if (each["writer"], each["reader"]) == (writer, reader)]
                turn = f", run {number + 1}" if repeats > 1 else ""
                print(row(f"{writer} → {reader}{turn}", own), flush=True)
            for each in cells:
                if each["status"] in RED:
                    tell(each)
                    code = 1
                elif each["status"] not in ("pass", "unsupported"):
                    tell(each)
                    code = code or 4
    return code


if __name__ == "__main__":
    raise SystemExit(main())
