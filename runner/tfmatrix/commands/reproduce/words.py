"""What a record says, in the words of a bug report: a title, what was expected, what happened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tfmatrix.analysis.losses import consequences, is_no_keras_model, losses
from tfmatrix.analysis.reasons import decisive, reason
from tfmatrix.analysis.records import failed_in_save
from tfmatrix.checks.registry import checks
from tfmatrix.commands.reproduce.side import Side
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import CheckStatus, Status
from tfmatrix.core.text import lines, one_line, shortened

_FOLDERS = re.compile(r"(?<![\w./])/(?:[^\s'\"/]+/)+(?=[^\s'\"/])")
_LINE = 500
"""Characters of a line of a traceback: some messages hold the config of a whole model."""

_FRAME = re.compile(r'^  File "(?P<path>[^"]+)"')


@dataclass(frozen=True, kw_only=True)
class Story:
    """One line each: `title`, and the sentences `expected` and `actual`; code stands in backticks.

    `details` are sentences of the failed checks of a drift, with the check's name. `traceback` is empty where nothing
    was raised.
    """

    title: str
    expected: str
    actual: str
    details: tuple[tuple[str, str], ...]
    traceback: str


def story(record: CellRecord, *, save: str, load: str, writer: Side, reader: Side, uses_keras: bool = True) -> Story:
    """The story of a record. `save` and `load` are the scripts' statements that do so."""
    drifted = record.failed_checks if record.status is Status.DRIFT else ()
    return Story(
        title=_title(record, save, _names(writer, reader, uses_keras)),
        expected=_sentence(_expected(record, save, load)),
        actual=_sentence(_actual(record)),
        details=tuple((name, sentence) for name in drifted for sentence in shortened(_detail(record, name))),
        traceback=_traceback(str((record.error or {}).get("traceback") or "")),
    )


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!", "…")) else f"{text}."


def _title(record: CellRecord, save: str, versions: tuple[str, str]) -> str:
    how = f"`{save}`" if "\n" not in save and not save.startswith("_") else f"the format {record.format}"
    before, after = versions
    if failed_in_save(record):
        where = f"{how} in {before}"
    elif record.writer == record.reader:
        where = f"{how}, saved and loaded in {after}"
    else:
        where = f"{how} of {before}, loaded in {after}"
    match record.status:
        case Status.PASS:
            what = "nothing is lost"
        case Status.DRIFT:
            found = ("the loaded model is no Keras model",) if is_no_keras_model(record) else losses(record)
            what = found[0] + (f" (and {len(found) - 1} more)" if len(found) > 1 else "")
        case Status.CRASH | Status.TIMEOUT:
            what = _said(record)
        case _:
            what = reason(record.error or {}).title
    return one_line(f"{what[:1].upper()}{what[1:]}: {where}", 250)


def _names(writer: Side, reader: Side, uses_keras: bool) -> tuple[str, str]:
    """The two sides by that which tells them apart."""
    before, after = writer.versions, reader.versions
    if uses_keras and before.keras and after.keras and before.keras != after.keras:
        return f"Keras {before.keras}", f"Keras {after.keras}"
    return (
        f"TensorFlow {before.tensorflow or writer.environment}",
        f"TensorFlow {after.tensorflow or reader.environment}",
    )


def _expected(record: CellRecord, save: str, load: str) -> str:
    if failed_in_save(record):
        return one_line(f"`{save.splitlines()[-1]}` saves the model", 200)
    looked_at = record.failed_checks or tuple(name for name, check in record.checks.items() if _held(name, check))
    names = [checks()[name].aspect for name in looked_at if _is_compared(name)]
    if not names:
        return one_line(f"`{load.splitlines()[-1].removeprefix('model = ')}` brings the model back", 200)
    return f"the loaded model has the {_listed(names)} of the saved one"


def _actual(record: CellRecord) -> str:
    match record.status:
        case Status.PASS:
            return "as expected: every check held"
        case Status.DRIFT:
            return one_line(f"no exception, but {_difference(record)}", 600)
        case Status.CRASH | Status.TIMEOUT:
            return one_line(_said(record), 300)
        case _:
            return one_line(f"{(record.error or {}).get('type')}: {_said(record)}", 300)


def _difference(record: CellRecord) -> str:
    """What is lost, each loss with its first sentence; then what follows from it."""
    follows = consequences(record)
    first = [
        f"{name}: {next(iter(_detail(record, name)), 'differs')}"
        for name in record.failed_checks
        if name not in follows
    ]
    also = _listed([checks()[name].aspect for name in follows])
    return "; ".join(first) + (f"; {also} differ too" if also else "")


def _held(name: str, check: Mapping[str, Any]) -> bool:
    return _is_compared(name) and check.get("status") == CheckStatus.PASS


def _is_compared(name: str) -> bool:
    """Whether a check looks at what a loaded model has in common with the saved one."""
    return name in checks() and checks()[name].section is not None


def _said(record: CellRecord) -> str:
    """The decisive part of the error's message, without folders of the machine it was raised on."""
    message = _FOLDERS.sub("", decisive(str((record.error or {}).get("message") or "")))
    if record.status in (Status.CRASH, Status.TIMEOUT):
        return f"the process did not come to its end: {message}" if message else "the process did not come to its end"
    return message or "no message"


def _detail(record: CellRecord, check: str) -> list[str]:
    detail = (record.checks.get(check) or {}).get("detail") or ()
    return [one_line(sentence, 300) for sentence in ([detail] if isinstance(detail, str) else detail)]


def _traceback(text: str) -> str:
    """A traceback with the frames of installed packages only, and their paths from site-packages on."""
    kept: list[str] = []
    is_shown = True
    for line in lines(text):
        frame = _FRAME.match(line)
        if frame:
            is_shown = "/site-packages/" in frame["path"]
            line = f'  File "site-packages/{frame["path"].rpartition("/site-packages/")[2]}"{line[frame.end() :]}'
        elif not line.startswith("    "):
            is_shown = True
            line = _FOLDERS.sub("", line)
        if is_shown:
            kept.append(line if len(line) <= _LINE else f"{line[:_LINE]}…")
    return "\n".join(kept)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else "".join(names)
