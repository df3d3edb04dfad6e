"""What `tfmatrix migrate` makes of every shipped scenario: saved by one version, migrated to another, in one table.

    python benchmarks/migration.py measure 2.15.1 h5 2.21.0     # WRITER FORMAT TARGET [SCENARIO…]
    python benchmarks/migration.py table                        # writes the tables into docs/migrate.md

Models whose scenario defines classes or functions of its own are migrated with `--custom-objects` and that file, as
their user would. Every file is measured by the commands themselves; what the store or the folder of results has is not
measured again, so that a run that was ended goes on where it stopped. Results are added to docs/migrations.json.
"""

from __future__ import annotations

import argparse
import ast
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "runner"))

from tfmatrix.core.text import one_line, to_markdown  # noqa: E402  (the checkout must be on the path first)
from tfmatrix.store.content import Store, write_atomically  # noqa: E402
from tfmatrix.store.runs import read_run  # noqa: E402

RESULTS = ROOT / "docs" / "migrations.json"
PAGE = ROOT / "docs" / "migrate.md"
BEGIN, END = "<!-- tables: python benchmarks/migration.py table -->\n", "<!-- end of tables -->\n"
SUFFIX = {"h5": ".h5", "keras": ".keras", "savedmodel": ""}
LEVELS = ("proven", "proven for inference", "refused", "not measured")

Results = dict[str, dict[str, dict[str, Any]]]
"""WRITER/FORMAT/TARGET to scenario to what came of its file."""


def tfmatrix(*arguments: str) -> Any:
    """What a command says as JSON. Raises CalledProcessError where it says nothing."""
    command = [sys.executable, "-m", "tfmatrix", *arguments, "-C", str(ROOT), "--json"]
    process = subprocess.run(command, stdout=subprocess.PIPE, check=False, cwd=ROOT, env=None)
    if not process.stdout:
        raise subprocess.CalledProcessError(process.returncode, command)
    return json.loads(process.stdout)


def has_code(scenario: str) -> bool:
    """Whether a scenario's model has code of its own: classes, functions that Keras is given, lambdas."""
    tree = ast.parse((ROOT / "scenarios" / f"{scenario}.py").read_text(encoding="utf-8"))
    own = any(isinstance(each, ast.ClassDef) for each in ast.walk(tree))
    given = any(isinstance(each, ast.FunctionDef) and each.name == "custom_objects" for each in tree.body)
    return own or given or any(isinstance(each, ast.Attribute) and each.attr == "Lambda" for each in ast.walk(tree))


def save(writer: str, format_id: str, scenarios: Sequence[str], folder: Path) -> list[Path]:
    """The files that the writer saves, in a folder: one a scenario, of its name; scenarios without one are left out."""
    glob = "{" + ",".join(scenarios) + "}" if scenarios else "*"
    chosen = ["--writer", writer, "--reader", writer, "--format", format_id, "--scenario", glob]
    tfmatrix("run", *chosen, "--no-remedies", "--executor", "venv", "--yes")
    run = read_run(ROOT / "results")
    store = Store(ROOT / "results" / "store")
    files = []
    for record in run.records:
        if record.artifact is None or record.save.get("status") != "ok":
            continue
        made = store.folder(record.artifact["digest"]) / record.artifact["name"]
        place = folder / f"{record.scenario}{SUFFIX[format_id]}"
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            (shutil.copytree if made.is_dir() else shutil.copyfile)(made, place)
        files.append(place)
    return files


def measure(writer: str, format_id: str, target: str, scenarios: Sequence[str]) -> None:
    """Saves, migrates, and adds what came of it to the results."""
    place = ROOT / "results" / "migration" / writer / format_id
    files = save(writer, format_id, scenarios, place / "files")
    plain = [file for file in files if not has_code(file.stem)]
    key = f"{writer}/{format_id}/{target}"
    add(key, migrate(plain, writer, target, place / target))
    for file in files:
        if file not in plain:
            code = ("--custom-objects", str(ROOT / "scenarios" / f"{file.stem}.py"))
            add(key, migrate([file], writer, target, place / target, *code))


def migrate(files: Sequence[Path], writer: str, target: str, output: Path, *more: str) -> Mapping[str, Any]:
    """What one command says of the files."""
    if not files:
        return {"files": []}
    names = [str(each) for each in files]
    given = ["--to", target, "--saved-with", writer, "-o", str(output), "--executor", "venv", "--trust-model"]
    return dict(tfmatrix("migrate", *names, *given, *more))


def add(key: str, found: Mapping[str, Any]) -> None:
    results = read()
    for each in found["files"]:
        name = Path(each["file"]).stem
        kept = {"result": each["result"], "way": each["way"], "lost": each["lost"], "reason": each["reason"]}
        results.setdefault(key, {})[name] = {**kept, "code": has_code(name)}
    text = json.dumps(results, indent=1, sort_keys=True, ensure_ascii=False)
    write_atomically(RESULTS, text + "\n")


def read() -> Results:
    return dict(json.loads(RESULTS.read_text(encoding="utf-8"))) if RESULTS.exists() else {}


def table() -> None:
    """Writes the tables into the page, between its two marks."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    if not rest or (not after and not rest.endswith(END)):
        raise SystemExit(f"{PAGE} has no place for the tables: {BEGIN}{END}")
    write_atomically(PAGE, before + BEGIN + "\n" + "\n".join(lines(read())) + "\n" + END + after)


def lines(results: Results) -> Iterator[str]:
    yield "| saved by, as | for | files | without own code | proven | for inference | refused | with code | proven |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for key, files in sorted(results.items(), key=lambda item: order(item[0])):
        writer, format_id, target = key.split("/")
        plain = Counter(each["result"] for each in files.values() if not each["code"])
        own = Counter(each["result"] for each in files.values() if each["code"])
        total = sum(plain.values())
        share = f"{plain['proven']} ({plain['proven'] / total:.0%})" if total else "0"
        row = [f"{writer}, {format_id}", target, len(files), total, share]
        row += [plain["proven for inference"], plain["refused"] + plain["not measured"]]
        row += [sum(own.values()), own["proven"]]
        yield "| " + " | ".join(str(each) for each in row) + " |"
    yield ""
    yield "What is not proven whole, and why:"
    yield ""
    yield "| scenario | from | result | why |"
    yield "| --- | --- | --- | --- |"
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for key, files in sorted(results.items(), key=lambda item: order(item[0])):
        for name, each in sorted(files.items()):
            if each["result"] != "proven":
                why = to_markdown(one_line(each["reason"], 160))
                grouped.setdefault((name, each["result"], why), []).append(key)
    for (name, result, why), keys in sorted(grouped.items()):
        yield f"| {name} | {', '.join(keys)} | {result} | {why} |"


def order(key: str) -> tuple[Any, ...]:
    writer, format_id, target = key.split("/")
    return [int(part) for part in target.split(".")], [int(part) for part in writer.split(".")], format_id


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure", help="save, migrate, keep what came of it")
    measuring.add_argument("writer")
    measuring.add_argument("format", choices=sorted(SUFFIX))
    measuring.add_argument("target")
    measuring.add_argument("scenario", nargs="*")
    commands.add_parser("table", help="write the tables into docs/migrate.md")
    options = parser.parse_args()
    if options.command == "measure":
        measure(options.writer, options.format, options.target, options.scenario)
    else:
        table()


if __name__ == "__main__":
    main()
