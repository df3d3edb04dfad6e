"""What `tfmatrix migrate` makes of every shipped scenario: saved by one version, migrated to another, in one table.

    python benchmarks/migration.py measure 2.15.1 h5 2.21.0             # WRITER FORMAT TARGET [SCENARIO…]
    python benchmarks/migration.py measure 2.15.1 h5 2.21.0 --own-code  # those alone that have code of their own
    python benchmarks/migration.py table                        # writes the tables into docs/migrate.md

Models without code of their own are migrated by one command. Those whose scenario defines classes or functions take
one each, with `--custom-objects` and that file, as their user would. Every file is measured by the commands themselves;
what the store or the folder of results has is not measured again, so that a run that was ended goes on where it
stopped. Results are added to docs/migrations.json.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "runner"))

from tfmatrix.core.text import one_line, to_markdown  # noqa: E402  (the checkout must be on the path first)
from tfmatrix.envs.provision import EnvironmentCache, default_cache_root  # noqa: E402
from tfmatrix.envs.uv import Uv  # noqa: E402
from tfmatrix.executors.supply import EnvironmentSupply  # noqa: E402
from tfmatrix.project.project import Project  # noqa: E402
from tfmatrix.store.content import write_atomically  # noqa: E402

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
    process = subprocess.run(command, stdout=subprocess.PIPE, check=False, cwd=ROOT)
    if not process.stdout:
        raise subprocess.CalledProcessError(process.returncode, command)
    return json.loads(process.stdout)


def has_code(scenario: str) -> bool:
    """Whether a scenario's model has code of its own: classes, functions that Keras is given, lambdas."""
    text = (ROOT / "scenarios" / f"{scenario}.py").read_text(encoding="utf-8")
    nodes = list(ast.walk(ast.parse(text)))
    given = any(isinstance(each, ast.FunctionDef) and each.name == "custom_objects" for each in nodes)
    named = {each.attr for each in nodes if isinstance(each, ast.Attribute)}
    own = any(isinstance(each, ast.ClassDef) for each in nodes)
    return own or given or bool(named & {"Lambda", "register_keras_serializable"})


SAVE = """
import importlib.util, os, sys
import numpy as np
import tensorflow as tf

folder, suffix, files = sys.argv[1], sys.argv[2], sys.argv[3:]
for file in files:
    name = os.path.splitext(os.path.basename(file))[0]
    place = os.path.join(folder, name + suffix)
    if os.path.exists(place) or os.path.exists(place + ".none"):
        continue
    try:
        tf.keras.backend.clear_session()
        (getattr(tf.keras.utils, "set_random_seed", None) or tf.random.set_seed)(7)
        spec = importlib.util.spec_from_file_location(name, file)
        scenario = importlib.util.module_from_spec(spec)
        sys.modules[name] = scenario
        spec.loader.exec_module(scenario)
        model = scenario.build_model()
        if not isinstance(model, tf.keras.Model):
            raise TypeError("no Keras model")
        model(tf.nest.map_structure(tf.convert_to_tensor, scenario.inputs(np.random.RandomState(7))))
        if hasattr(scenario, "training_data"):
            x, y = scenario.training_data(np.random.RandomState(7))
            model.fit(x, y, epochs=3, shuffle=False, verbose=0)
        model.save(os.path.join(folder, "next" + suffix))
        os.rename(os.path.join(folder, "next" + suffix), place)
        print("saved", name, flush=True)
    except Exception as error:
        text = "%s: %s" % (type(error).__name__, error)
        open(place + ".none", "w").write(text)
        print("not saved", name, text.splitlines()[0][:200], flush=True)
"""
"""Builds, trains three steps and saves, as users do; with nothing of tfmatrix. What is there is not saved again."""


def python_of(version: str) -> Path:
    """The interpreter of an environment of matrix.yaml, provided where it is not yet."""
    cache = EnvironmentCache(root=default_cache_root())
    supply = EnvironmentSupply(locks=ROOT / "locks", cache=cache, uv=Uv(cache=cache.downloads), say=print)
    environment = next(each for each in Project(root=ROOT).config.environments if each.id == version)
    return Path(supply.on_host(supply.lock(environment)).python)


def save(writer: str, format_id: str, scenarios: Sequence[str], folder: Path) -> list[Path]:
    """The files that the writer saves, in a folder: one a scenario, of its name; scenarios without one are left out."""
    folder.mkdir(parents=True, exist_ok=True)
    names = scenarios or sorted(path.stem for path in (ROOT / "scenarios").glob("[!_]*.py"))
    files = [str(ROOT / "scenarios" / f"{name}.py") for name in names]
    environ = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    # The process may die in a scenario (it ends in C++): the others are saved by the next.
    for _ in names:
        command = [python_of(writer), "-c", SAVE, str(folder), SUFFIX[format_id], *files]
        if subprocess.run(command, check=False, env=environ).returncode == 0:
            break
        done = {path.name.removesuffix(".none").removesuffix(SUFFIX[format_id]) for path in folder.iterdir()}
        died = next(name for name in names if name not in done)
        (folder / f"{died}{SUFFIX[format_id]}.none").write_text("its process died")
    return [path for name in names if (path := folder / f"{name}{SUFFIX[format_id]}").exists()]


def measure(writer: str, format_id: str, target: str, scenarios: Sequence[str], *, own_code: bool) -> None:
    """Saves, migrates, and adds what came of it to the results."""
    place = ROOT / "results" / "migration" / writer / format_id
    files = [file for file in save(writer, format_id, scenarios, place / "files") if has_code(file.stem) == own_code]
    key = f"{writer}/{format_id}/{target}"
    if not own_code:
        add(key, migrate(files, writer, target, place / target))
        return
    for file in files:
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
        kept = {part: each[part] for part in ("result", "way", "lost", "reason", "readable")}
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
    head = (
        "saved by, as",
        "for",
        "files",
        "not read by their writer",
        "without own code",
        "proven",
        "of these by tf-keras",
    )
    yield "| " + " | ".join((*head, "for inference", "refused", "with own code", "proven")) + " |"
    yield "| --- | --- |" + " ---: |" * 9
    for key, files in sorted(results.items(), key=lambda item: order(item[0])):
        writer, format_id, target = key.split("/")
        read = [each for each in files.values() if each["readable"]]
        plain = [each for each in read if not each["code"]]
        own = [each for each in read if each["code"]]
        found = Counter(each["result"] for each in plain)
        legacy = sum(each["result"] == "proven" and each["way"] == "tf-keras" for each in plain)
        share = f"{found['proven']} ({found['proven'] / len(plain):.0%})" if plain else "0"
        row = [f"{writer}, {format_id}", target, len(files), len(files) - len(read), len(plain), share, legacy]
        row += [found["proven for inference"], found["refused"] + found["not measured"]]
        row += [len(own), sum(each["result"] == "proven" for each in own)]
        yield "| " + " | ".join(str(each) for each in row) + " |"
    yield ""
    yield "What is not proven whole, and why:"
    yield ""
    yield from reasons(results, lambda each: each["result"] != "proven")
    yield ""
    yield "What is proven by tf-keras only, and why not without:"
    yield ""
    yield from reasons(results, lambda each: each["result"] == "proven" and each["way"] == "tf-keras")


def reasons(results: Results, wanted: Callable[[Mapping[str, Any]], bool]) -> Iterator[str]:
    """A row for each scenario, result and reason, with the migrations that came to it."""
    yield "| scenario | from | result | why |"
    yield "| --- | --- | --- | --- |"
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for key, files in sorted(results.items(), key=lambda item: order(item[0])):
        for name, each in sorted(files.items()):
            if wanted(each):
                why = to_markdown(one_line(each["reason"], 220), in_table=True)
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
    measuring.add_argument("--own-code", action="store_true", help="the scenarios that have code of their own")
    commands.add_parser("table", help="write the tables into docs/migrate.md")
    options = parser.parse_args()
    if options.command == "measure":
        measure(options.writer, options.format, options.target, options.scenario, own_code=options.own_code)
    else:
        table()


if __name__ == "__main__":
    main()
