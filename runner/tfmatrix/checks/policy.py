"""What the documents of TensorFlow and Keras promise about a cell. The data, with its sources, is policy.toml.

    rules = promised(kind, versions_of(writer), versions_of(reader))      # what was promised
    broken(rules, record)                                                 # and did not hold

`kind` is what the format declares as its POLICY. A promise is about releases, and never about more checks than its
document speaks of.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from tfmatrix.checks.contract import WRONG
from tfmatrix.core.records import WRITING, CellRecord
from tfmatrix.core.status import Status
from tfmatrix.core.versions import Versions, version
from tfmatrix.worker import declared

POLICY_FILE = Path(__file__).with_name("policy.toml")
POLICY_SCHEMA = 2

KINDS = declared.POLICY
ALL = "*"


_WORDS: Mapping[str, tuple[str, ...]] = {
    "major": ("same", "next"),
    "minor": ("same",),
    "reader": ("not-older", "newer", "older"),
    "keras": ("same",),
}
"""What a condition may ask for."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A document. `changed` is the last change of the copy that was read, where it says one."""

    title: str
    url: str
    changed: date | None = None


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What must hold of the two sides' versions; an empty word asks for nothing. See policy.toml."""

    major: str = ""
    minor: str = ""
    reader: str = ""
    keras: str = ""
    reader_keras: str = ""

    def __post_init__(self) -> None:
        for name, words in _WORDS.items():
            value = getattr(self, name)
            if value and value not in words:
                raise ValueError(f"{name} = {value!r}: one of {', '.join(words)} was expected")

    def holds(self, writer: Versions, reader: Versions) -> bool:
        """Whether it holds; versions that are not known fulfil no condition."""
        before, after = version(writer.tensorflow), version(reader.tensorflow)
        if before is None or after is None:
            return False
        found = {
            "major": {"same": after.major == before.major, "next": after.major == before.major + 1},
            "minor": {"same": after.release[:2] == before.release[:2]},
            "reader": {"not-older": after >= before, "newer": after > before, "older": after < before},
            "keras": {"same": bool(writer.keras) and writer.keras == reader.keras},
        }
        if self.reader_keras and reader.keras.partition(".")[0] != self.reader_keras:
            return False
        return all(outcomes[word] for name, outcomes in found.items() if (word := getattr(self, name)))


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A promise: `checks` hold for formats of these kinds under this condition.

    `phrase` are words of the document itself.
    """

    name: str
    kinds: tuple[str, ...]
    when: Condition
    checks: tuple[str, ...]
    said: str
    phrase: str
    limits: str
    source: Source
    section: str
    if_worked: bool = False


@dataclass(frozen=True, kw_only=True)
class Silence:
    """Why nothing is promised for these kinds of formats."""

    name: str
    kinds: tuple[str, ...]
    when: Condition
    said: str
    source: Source


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The whole file."""

    rules: tuple[Rule, ...]
    silences: tuple[Silence, ...]


def promised(
    kind: str, writer: Versions, reader: Versions, *, works_in_writer: bool = False, policy: Policy | None = None
) -> tuple[Rule, ...]:
    """The rules that promise a cell whose format is of this kind.

    `works_in_writer`: the writer itself reads the artifact back, and it passes.
    """
    if not (_is_release(writer.tensorflow) and _is_release(reader.tensorflow)):
        return ()
    return tuple(
        rule
        for rule in (policy or read_policy()).rules
        if kind in rule.kinds and rule.when.holds(writer, reader) and (works_in_writer or not rule.if_worked)
    )


def broken(rules: Iterable[Rule], record: CellRecord) -> tuple[Rule, ...]:
    """Of the rules that promise a cell, those that its result breaks.

    None where the writer's own signature cannot be called: the file is wrong, whoever reads it.
    Outputs that differ by the reader's kernels alone break none: the documents take floating point details out.
    """
    match record.status:
        case Status.LOAD_ERROR:
            return tuple(rules)
        case Status.CRASH | Status.TIMEOUT:
            # Of a save nothing was promised.
            return () if (record.error or {}).get("phase") in WRITING else tuple(rules)
        case Status.DRIFT if any(finding.code == WRONG for finding in record.findings("signatures")):
            # It was wrong from the start: no reader broke it.
            return ()
        case Status.DRIFT:
            lost = {check for check in record.failed_checks if not (check == "outputs" and _is_numerics(record))}
            return tuple(rule for rule in rules if lost & set(rule.checks))
        case _:
            return ()


def not_promised(kind: str, writer: Versions, reader: Versions, *, policy: Policy | None = None) -> str:
    """A sentence on why the documents promise nothing about a cell for which `promised` found no rule."""
    if not writer.tensorflow or not reader.tensorflow:
        return "the version of TensorFlow is not recorded"
    if not (_is_release(writer.tensorflow) and _is_release(reader.tensorflow)):
        return "a promise is about releases, and a nightly build or a release candidate is none"
    for silence in (policy or read_policy()).silences:
        if (kind in silence.kinds or ALL in silence.kinds) and silence.when.holds(writer, reader):
            return f"{silence.said} ({silence.source.url})"
    return "no document that was read speaks of it"


@cache
def read_policy(path: Path = POLICY_FILE) -> Policy:
    """The file as data. Raises ValueError, which names the entry, where it is not of the documented shape."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    if data.get("schema") != POLICY_SCHEMA:
        raise ValueError(f"{path.name}: schema {data.get('schema')!r}, expected {POLICY_SCHEMA}")
    sources = {name: Source(**entry) for name, entry in data["source"].items()}

    def read(kind: type[Any], entry: Mapping[str, Any]) -> Any:
        try:
            fields = dict(entry)
            fields["kinds"] = _kinds(fields["kinds"])
            fields["when"] = Condition(**fields.get("when", {}))
            fields["source"] = sources[fields["source"]]
            if "checks" in fields:
                fields["checks"] = tuple(fields["checks"])
            return kind(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path.name}: {entry.get('name')}: {error}") from error

    return Policy(
        rules=tuple(read(Rule, entry) for entry in data["rule"]),
        silences=tuple(read(Silence, entry) for entry in data["silence"]),
    )


def _kinds(names: Iterable[str]) -> tuple[str, ...]:
    found = tuple(names)
    if unknown := [name for name in found if name not in (*KINDS, ALL)]:
        raise ValueError(f"kind {unknown[0]!r}: one of {', '.join((*KINDS, ALL))} was expected")
    return found


def _is_release(text: str) -> bool:
    number = version(text)
    return number is not None and not number.is_prerelease


def _is_numerics(record: CellRecord) -> bool:
    """Whether the control shows that the outputs differ by the reader's kernels, and by nothing that was lost."""
    shares = record.attribution or {}
    numerics, serialization = shares.get("numerics") or {}, shares.get("serialization") or {}
    return bool(numerics.get("found")) and not serialization.get("found")
