"""`tfmatrix reproduce`: a folder with all that an upstream bug report on one cell needs, and nothing of ours in it."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from tfmatrix.commands.reproduce.commands import Installation, installations, run_script
from tfmatrix.commands.reproduce.scripts import Scripts, commented, make_scripts, render
from tfmatrix.commands.reproduce.side import Side, side_of
from tfmatrix.commands.reproduce.words import Story, story
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import UsageError
from tfmatrix.core.globs import did_you_mean_glob
from tfmatrix.core.ids import CellId
from tfmatrix.core.packages import DECIDING, KERAS, TENSORFLOW
from tfmatrix.core.records import CellRecord
from tfmatrix.core.scenario import Scenario
from tfmatrix.core.status import Status
from tfmatrix.core.text import one_line, to_markdown, with_code
from tfmatrix.project.scenario import read_scenario
from tfmatrix.store.runs import Run
from tfmatrix.worker.declared import Format
from tfmatrix.worker.retraining import is_trained

_NOTHING = {Status.UNSUPPORTED, Status.INFRA_ERROR, Status.SKIPPED}
_PACKAGES = (*(name for name in DECIDING if name not in (*TENSORFLOW, *KERAS)), "ml-dtypes")
"""Packages that a bug report names beside TensorFlow, Keras and Python."""


def reproduce(
    run: Run,
    cell: CellId,
    *,
    scenarios: Path,
    locks: Path,
    output: Path,
    environments: Iterable[Environment] = (),
    formats: Mapping[str, Format],
) -> Path:
    """Writes the folder `output` for a cell of the run, at once or not at all, and returns it.

    `scenarios` and `locks` are the project's folders, `environments` those of its matrix.yaml, `formats` all that it
    knows. Raises UsageError where the run has no such cell, where there is nothing to reproduce, and where the folder
    is not empty; ConfigError where the scenario's file is wrong or gone.
    """
    record = _record(run, cell)
    if cell.scenario in (run.header.get("files") or {}):
        raise UsageError(
            f"{cell.scenario} came as a file, without the code that made it: there is nothing to write a script from",
            fix=f"report the file itself; what was found: tfmatrix explain {cell} --run {run.folder}",
        )
    _refuse_to_overwrite(output)
    chosen = formats.get(cell.format)
    if chosen is None:
        raise UsageError(
            f"the project has no format {cell.format}, which the run {run.id} was made with",
            expected=f"its file in {scenarios.parent / 'formats'}, or the package that brings it",
        )
    if is_trained(chosen.checks):
        raise UsageError(
            f"{cell} went through no file: two scripts that save and load one would not show what differs",
            fix=f"what differs, and in which layer first: tfmatrix explain {cell} --run {run.folder}",
        )
    path = scenarios / f"{cell.scenario}.py"
    scenario = read_scenario(path)
    entries = tuple(environments)
    writer = side_of(run, cell.writer, locks=locks, environments=entries)
    reader = side_of(run, cell.reader, locks=locks, environments=entries)
    settings = run.header.get("settings") or {}
    scripts = make_scripts(record, scenario, path.read_text(encoding="utf-8"), chosen, settings=settings)
    told = story(
        record,
        save=scripts.save_call,
        load=scripts.load_call,
        writer=writer,
        reader=reader,
        uses_keras=scenario.uses_keras,
    )
    _write(output, _files(record, scenario, scripts, told, writer, reader))
    return output


def _record(run: Run, cell: CellId) -> CellRecord:
    """The cell's record, if there is something to reproduce."""
    record = next((each for each in run.records if each.cell == str(cell)), None)
    if record is None:
        parts = ("scenario", "format", "writer", "reader")
        names = [sorted({getattr(each, part) for each in run.records}) for part in parts]
        raise UsageError(
            f"the run {run.id} has no cell {cell}",
            expected="a cell of the run: scenario/format/writer/reader",
            fix=did_you_mean_glob(str(cell), names) or f"run it: tfmatrix run --only {cell}",
        )
    if record.status in _NOTHING:
        why = one_line((record.error or {}).get("message") or "", 200)
        raise UsageError(
            f"there is nothing to reproduce: {cell} is {record.status.value}{f': {why}' if why else ''}",
            expected="a cell that was saved and loaded, or failed in that",
            fix="" if record.status is Status.UNSUPPORTED else f"run it again: tfmatrix run --only {cell}",
        )
    return record


def _refuse_to_overwrite(output: Path) -> None:
    if not output.exists() and not output.is_symlink():
        return
    if not output.is_dir() or any(output.iterdir()):
        what = "is not empty" if output.is_dir() else "is not a folder"
        raise UsageError(f"{output} {what}", expected="a folder that is empty or not there", fix="name another one")


def _files(
    record: CellRecord, scenario: Scenario, scripts: Scripts, told: Story, writer: Side, reader: Side
) -> dict[str, str]:
    """Names and contents."""
    needs = installations(writer, reader)
    head = commented(
        [
            told.title,
            "",
            f"save.py: {writer.label}",
            f"load.py: {reader.label}",
            f"Expected: {told.expected}",
            f"Actual: {one_line(told.actual, 300)}",
            f"Found by tfmatrix: {record.cell}.",
        ]
    )
    runs = (run_script("save.py", writer, needs), run_script("load.py", reader, needs))
    shell = {"environments": list(needs.values()), "runs": runs}
    return {
        "save.py": f"{head}\n{scripts.save}",
        "load.py": f"{head}\n{scripts.load}",
        "requirements-save.txt": writer.requirements,
        "requirements-load.txt": reader.requirements,
        "README.md": _readme(record, scenario, scripts, told, (writer, reader), needs),
        "run.sh": render("run.sh.j2", shell),
    }


def _readme(
    record: CellRecord,
    scenario: Scenario,
    scripts: Scripts,
    told: Story,
    sides: tuple[Side, Side],
    needs: Mapping[str, Installation],
) -> str:
    writer, reader = sides
    fences = re.findall(r"`{3,}", told.traceback)
    context = {
        "title": to_markdown(with_code(told.title, 2000)),
        "about": to_markdown(with_code(_about(scenario, scripts, writer, reader), 2000)),
        "expected": to_markdown(with_code(told.expected, 2000)),
        "actual": to_markdown(with_code(told.actual, 2000)),
        "details": [(check, to_markdown(with_code(sentence, 2000), in_table=True)) for check, sentence in told.details],
        "notes": [to_markdown(with_code(note, 2000)) for note in _notes(record)],
        "traceback": told.traceback,
        "fence": "`" * max([3, *(len(fence) + 1 for fence in fences)]),
        "versions": _versions(writer, reader),
        "with_uv": _by_hand(sides, needs, {name: each.with_uv for name, each in needs.items()}),
        "with_venv": _by_hand(sides, needs, {name: each.with_venv for name, each in needs.items()}),
    }
    return render("README.md.j2", context)


def _about(scenario: Scenario, scripts: Scripts, writer: Side, reader: Side) -> str:
    """What the model is, and how it was saved and loaded."""
    save, load = scripts.save_call.replace("\n", "; "), scripts.load_call.replace("\n", "; ").removeprefix("model = ")
    title = scenario.title if scenario.title.endswith((".", "?", "!")) else f"{scenario.title}."
    return f"{title} Saved with {writer.label} by `{save}`, loaded with {reader.label} by `{load}`."


def _notes(record: CellRecord) -> list[str]:
    """What else the record knows: where a difference comes from, what helps, whether it always happens."""
    notes = []
    sentence = (record.attribution or {}).get("sentence")
    if sentence:
        notes.append(f"Where it comes from: {str(sentence).rstrip('.')}.")
    if record.remedy:
        detail = next(
            (str(each.get("detail") or "") for each in record.remedies if each.get("name") == record.remedy), ""
        )
        notes.append(f"What helps: {record.remedy}" + (f" ({detail})." if detail else "."))
    if record.flaky:
        notes.append("It does not happen every time: two tries disagreed.")
    return notes


def _versions(writer: Side, reader: Side) -> list[tuple[str, str, str]]:
    rows = [
        ("TensorFlow", writer.versions.tensorflow, reader.versions.tensorflow),
        ("Keras", writer.versions.keras, reader.versions.keras),
        ("Python", writer.python, reader.python),
        *((name, writer.packages.get(name, ""), reader.packages.get(name, "")) for name in _PACKAGES),
        *(
            (name, writer.variables.get(name, ""), reader.variables.get(name, ""))
            for name in _variables(writer, reader)
        ),
        ("image", writer.image, reader.image),
    ]
    return [
        (
            to_markdown(with_code(name, 2000), in_table=True),
            to_markdown(with_code(before or "–", 2000), in_table=True),
            to_markdown(with_code(after or "–", 2000), in_table=True),
        )
        for name, before, after in rows
        if before or after
    ]


def _variables(writer: Side, reader: Side) -> list[str]:
    return sorted({*writer.variables, *reader.variables})


def _by_hand(sides: tuple[Side, Side], needs: Mapping[str, Installation], create: Mapping[str, list[str]]) -> str:
    """The commands for both sides; what is created already is not created again."""
    writer, reader = sides
    parts = [*create.get(writer.environment, []), run_script("save.py", writer, needs)]
    if reader.environment != writer.environment:
        parts += ["", *create.get(reader.environment, [])]
    return "\n".join([*parts, run_script("load.py", reader, needs)])


def _write(output: Path, files: Mapping[str, str]) -> None:
    """All files into a folder beside the target, which then takes its name."""
    output = output.resolve()
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=output.parent, prefix=f".{output.name}."))
    try:
        for name, text in files.items():
            (temporary / name).write_text(text, encoding="utf-8", newline="\n")
        (temporary / "run.sh").chmod(0o755)
        temporary.chmod(0o755)
        if output.is_dir():
            # Only an empty one goes; where somebody was faster with writing into it, this raises.
            output.rmdir()
        temporary.rename(output)
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}", fix="name another folder") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
