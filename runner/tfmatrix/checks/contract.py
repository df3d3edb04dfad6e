"""What a check is: one module of this package, found by itself (see `registry`), or a plug-in's module.

It defines

- `NAME`: as records and reports call it;
- `SECTION`: the section of the observation that it looks at; None for a check on how the save and the load went;
- `FINDINGS`: the closed list of what it may find, code to `Kind`;
- `compare(observations) -> Result`, for a check without a section `compare(jobs) -> Result | None`: None where it has
  nothing to say of the cell;

and where they differ from the default

- `ORDER`: its place among the checks in records and reports (100);
- `ASPECT`: what it looks at, as something that a loaded model has in common with the saved one (the name);
- `STORED`: whether it looks at what is stored, which no kernel computes (False);
- `TOLERANCE`: whether it allows for a tolerance, which matrix.yaml may give (False);
- `EXPLAINED_BY`: checks whose failure explains this one's (none);
- `JUDGES_ABSENCE`: whether `compare` itself says what it means that the reader has nothing there (False);
- `SAID_WHERE_PROMISED`: whether records of formats that do not promise it leave it out (False);
- `APPLIES_WITH`: another check; formats that promise that one promise this one (none);
- `losses(findings, figures) -> list[str]`: what was lost, in words that are the same in every scenario (the words of
  the findings' kinds, each once).

A sentence is made of a finding here, once, by its kind; nothing reads it back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tfmatrix.core.outcome import Outcome
from tfmatrix.core.records import Finding
from tfmatrix.core.status import CheckStatus

if TYPE_CHECKING:
    # It brings numpy, which nobody needs who only reads findings.
    from tfmatrix.checks.observations import Observations

CheckRecord = dict[str, Any]
"""What a record holds of a check: `status`, its figures, `findings`, and `detail`, their sentences."""

Sentence = Callable[[str, Mapping[str, Any]], str]
"""From the subject and the figures of a finding to its sentence."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a code means: the status of a check that found it, its sentence, and the loss in general words."""

    status: CheckStatus
    sentence: Sentence
    loss: str = ""


def loss(general: str, sentence: Sentence) -> Kind:
    """The check does not hold. `general` names what was lost without anything of the scenario."""
    return Kind(status=CheckStatus.FAIL, sentence=sentence, loss=general)


def note(sentence: Sentence) -> Kind:
    """Something that changed and is no loss."""
    return Kind(status=CheckStatus.PASS, sentence=sentence)


def nothing(sentence: Sentence) -> Kind:
    """There is nothing to compare, and that is no loss; the sentence says why."""
    return Kind(status=CheckStatus.NOT_APPLICABLE, sentence=sentence)


def error(general: str, sentence: Sentence) -> Kind:
    """What the check looks at raised an exception, or ended the process: counts as failed."""
    return Kind(status=CheckStatus.ERROR, sentence=sentence, loss=general)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a check hands back. Its status is that of the gravest finding, `pass` where there is none."""

    findings: Sequence[Finding] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """How the save and the load went; for checks that look at no observation."""

    save: Outcome
    load: Outcome


Losses = Callable[[Sequence[Finding], Mapping[str, Any]], list[str]]


@dataclass(frozen=True, kw_only=True)
class Check:
    """A check, as its module describes it. `kinds` are its own and those that every check may find."""

    name: str
    section: str | None
    kinds: Mapping[str, Kind]
    compare: Callable[[Any], Result]
    order: int
    aspect: str
    stored: bool
    tolerance: bool
    explained_by: frozenset[str]
    judges_absence: bool
    applies_with: str | None
    said_where_promised: bool
    own_losses: Losses | None
    plugin: str

    @classmethod
    def of(cls, module: Any, *, plugin: str = "") -> Check:
        """Of a module; `plugin` is what brings it, where that is not tfmatrix.

        Raises AttributeError where it is no check, TypeError where a part is not what it must be.
        """
        name, section, findings, compare = module.NAME, module.SECTION, module.FINDINGS, module.compare
        if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_-]*", name):
            raise TypeError(f"NAME is {name!r}, not a word in small letters")
        if not isinstance(findings, Mapping) or not all(isinstance(kind, Kind) for kind in findings.values()):
            raise TypeError("FINDINGS does not map codes to tfmatrix.checks.contract.Kind")
        if taken := findings.keys() & COMMON.keys() - {"none", "no-keras-model"}:
            raise TypeError(f"FINDINGS names {min(taken)!r}, which every check has")
        if not callable(compare):
            raise TypeError("compare is no function")
        return cls(
            name=name,
            section=section,
            kinds={**COMMON, **findings},
            compare=compare,
            order=getattr(module, "ORDER", 100),
            aspect=getattr(module, "ASPECT", name),
            stored=getattr(module, "STORED", False),
            tolerance=getattr(module, "TOLERANCE", False),
            explained_by=frozenset(getattr(module, "EXPLAINED_BY", ())),
            judges_absence=getattr(module, "JUDGES_ABSENCE", False),
            applies_with=getattr(module, "APPLIES_WITH", None),
            said_where_promised=getattr(module, "SAID_WHERE_PROMISED", False),
            own_losses=getattr(module, "losses", None),
            plugin=plugin,
        )

    def record(self, result: Result) -> CheckRecord:
        """The record's part. Raises ValueError on a code that is not in the list."""
        for finding in result.findings:
            if finding.code not in self.kinds:
                raise ValueError(f"the check {self.name!r} has no finding {finding.code!r} in its list")
        statuses = {self.kinds[finding.code].status for finding in result.findings}
        return {
            "status": next((status for status in _GRAVEST_FIRST if status in statuses), CheckStatus.PASS).value,
            **result.figures,
            "findings": [finding.to_json() for finding in result.findings],
            "detail": [self.sentence(finding) for finding in result.findings],
        }

    def sentence(self, finding: Finding) -> str:
        """A finding in a sentence."""
        return self.kinds[finding.code].sentence(finding.subject, finding.figures)

    def losses(self, findings: Sequence[Finding], figures: Mapping[str, Any]) -> list[str]:
        """What was lost, in words that are the same in every scenario. Notes are no loss."""
        grave = [each for each in findings if each.code in self.kinds and self.kinds[each.code].loss]
        common = [each for each in grave if each.code in COMMON and self.kinds[each.code] is COMMON[each.code]]
        if self.own_losses is not None and not common:
            return self.own_losses(grave, figures)
        return general_losses(self.kinds, grave)


_GRAVEST_FIRST = (CheckStatus.ERROR, CheckStatus.FAIL, CheckStatus.NOT_APPLICABLE)


def general_losses(kinds: Mapping[str, Kind], findings: Iterable[Finding]) -> list[str]:
    """The words of the findings' kinds, each once, in the order of the findings."""
    return list(dict.fromkeys(kinds[each.code].loss for each in findings if kinds[each.code].loss))


def holds(check: Mapping[str, Any]) -> bool:
    """Whether a check passed or had nothing to look at."""
    return check["status"] in (CheckStatus.PASS, CheckStatus.NOT_APPLICABLE)


def exception(raised: Mapping[str, Any]) -> dict[str, str]:
    """An exception as figures: its type and the first line of its message; of AutoGraph's, what was raised in it."""
    kind, message = str(raised.get("type")), _ARRAY.sub(_shortened, str(raised.get("message") or ""))
    lines = [line.strip() for line in _STYLE.sub("", _FRAME.split(message)[-1]).splitlines() if line.strip()]
    # Keras 3 says first in which layer, and then what.
    said = [line for line in lines if not _IN_LAYER.fullmatch(line)]
    first = next(iter(said or lines), "")
    return {"type": kind, "message": first.removeprefix(f"{kind}: ")}


def _shortened(numbers: re.Match[str]) -> str:
    """A printed array without its numbers; what is said of it comes behind them, lines later."""
    text = numbers.group()
    end = text.rfind("]") + 1
    return "[…]" + text[end:] if end else text


_ARRAY = re.compile(r"\[\[[\[\]\s\d.eE+,-]{40,}")
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_IN_LAYER = re.compile(r"Exception encountered when calling \S+\.")

_FRAME = re.compile(r'(?m)^ +File "[^"\n]*", line \d+, in .*\n(?: {8,}.*\n)*')
"""A frame of the traceback that AutoGraph puts into the message of an exception, and the source line below it."""


def raised(figures: Mapping[str, Any]) -> str:
    """An exception in one line, from figures or from what the worker sent."""
    found = exception(figures)
    return f"{found['type']}: {found['message']}" if found["message"] else found["type"]


def text(value: float | str) -> str:
    """A figure in a sentence: four digits, without trailing zeros; figures that are not finite are strings."""
    return f"{float(value):.4g}"


def absent(observations: Observations, section: str) -> Finding:
    """The finding that the reader has nothing there: another kind of object has nothing of a Keras model at all."""
    writer, reader = observations.writer, observations.reader
    why = reader.note(section)
    is_other = writer.kind == "keras" and reader.kind != "keras"
    code = "no-keras-model" if is_other else "none"
    return Finding(code=code, figures={"why": why} if why else {})


def absences(sentence: str, general: str) -> dict[str, Kind]:
    """The two kinds of `absent`, as a check words them that judges absence itself."""
    return {
        "none": loss(general, lambda _subject, figures: _with_reason(sentence, figures)),
        "no-keras-model": loss(NO_KERAS_MODEL, lambda _subject, figures: _with_reason(sentence, figures)),
    }


def _with_reason(sentence: str, figures: Mapping[str, Any]) -> str:
    return f"{sentence}: {figures['why']}" if figures.get("why") else sentence


WRONG = "writer-wrong"
"""The code of a signature that its own writer cannot call: no reader is to blame."""

NO_KERAS_MODEL = "what was loaded is no Keras model"

COMMON: Mapping[str, Kind] = {
    "not-promised": nothing(
        lambda subject, _figures: f"the format does not promise to bring back what {subject!r} looks at"
    ),
    "no-model-promised": nothing(
        lambda _subject, _figures: "the scenario's own loader gives no Keras model in its writer either"
    ),
    "writer-raises": nothing(lambda _subject, figures: f"observing it raised in the writer already: {raised(figures)}"),
    "unsteady": nothing(
        lambda _subject, figures: f"not compared: loaded twice in {figures['writer']} itself, {figures['said']}"
    ),
    "writer-none": nothing(lambda _subject, figures: _with_reason("the writer has none", figures)),
    "raises": error(
        "using the loaded model raises", lambda _subject, figures: f"the loaded model raises {raised(figures)}"
    ),
    **absences("the loaded model has none", "the loaded model has none of it"),
    "said": note(lambda _subject, figures: str(figures["sentence"])),
    "more": note(lambda _subject, figures: f"… and {figures['count']} more"),
}
"""What every check may find. `said` and `more` stand in migrated records only, of what older ones kept as words (see
`tfmatrix.store.migrate`)."""
