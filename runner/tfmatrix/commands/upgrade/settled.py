"""Answers for which nothing is measured: both sides are the same, or one of them cannot be installed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from tfmatrix.core.errors import ExitCode
from tfmatrix.core.text import escaped, one_line
from tfmatrix.envs.installation import NotInstallable

NOT_INSTALLABLE = "NOT INSTALLABLE"
"""The verdict on a side that no set of packages is."""

ANSWER_SCHEMA = 1
"""Version of the JSON answer; docs/upgrade.md describes it."""


@dataclass(frozen=True, kw_only=True)
class Unchanged:
    """Both sides install the same. `environment` is its id, empty where no file was touched, so that none was read."""

    before: str
    after: str
    environment: str = ""

    exit_code = ExitCode.OK

    @property
    def sentence(self) -> str:
        """What is said."""
        if not self.environment:
            return (
                f"nothing to check: no file that says what is installed differs from {self.before.rpartition(' ')[2]}"
            )
        return f"nothing to check: {self.before} and {self.after} install the same ({self.environment})"

    def text(self) -> str:
        """For a terminal, and for a pull request."""
        return f"{self.sentence}\n"

    markdown = text

    def document(self) -> Mapping[str, Any]:
        """The answer as JSON types."""
        return {
            "schema": ANSWER_SCHEMA,
            "verdict": None,
            "exit_code": int(self.exit_code),
            "unchanged": True,
            "sentence": self.sentence,
            "from": {"id": self.environment, "source": self.before},
            "to": {"id": self.environment, "source": self.after},
        }

    def junit(self) -> str:
        """A suite without a case."""
        return _junit("")

    def annotations(self) -> list[str]:
        """Nothing to point at."""
        return []


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A side asks for what no set of packages is; `side` is `from` or `to`, `reason` the resolver's own words."""

    side: str
    source: str
    file: str
    line: int | None
    what: str
    reason: tuple[str, ...]

    exit_code = ExitCode.USAGE

    @classmethod
    def of(cls, error: NotInstallable) -> Refused:
        """The answer that the error is."""
        return cls(
            side=("from", "to")[error.number],
            source=error.source,
            file=error.file,
            line=error.line,
            what=error.sentence,
            reason=error.reason,
        )

    @property
    def sentence(self) -> str:
        """The verdict in one line."""
        which = "the old side" if self.side == "from" else "the new side"
        return f"{which}, {self.source}, is {self.what.rstrip(':')}"

    @property
    def _lines(self) -> tuple[str, ...]:
        return tuple(one_line(each, 400) for each in self.reason)

    def text(self) -> str:
        """For a terminal."""
        return f"{NOT_INSTALLABLE}: {self.sentence}\n" + "".join(f"    {each}\n" for each in self._lines)

    def markdown(self) -> str:
        """For a pull request or a job summary."""
        quoted = "".join(f"{each}\n" for each in self._lines)
        return f"# TensorFlow: {NOT_INSTALLABLE}\n\n{self.sentence}:\n\n```\n{quoted}```\n"

    def document(self) -> Mapping[str, Any]:
        """The answer as JSON types."""
        return {
            "schema": ANSWER_SCHEMA,
            "verdict": NOT_INSTALLABLE,
            "exit_code": int(self.exit_code),
            "unchanged": False,
            "sentence": self.sentence,
            "not_installable": {
                "side": self.side,
                "source": self.source,
                "file": self.file,
                "line": self.line,
                "reason": list(self.reason),
            },
        }

    def junit(self) -> str:
        """One case, an error."""
        return _junit(f"{self.sentence}: {' '.join(self._lines)}")

    def annotations(self) -> list[str]:
        """A workflow command of GitHub: an error at the pin."""
        line = f",line={self.line}" if self.line else ""
        said = f"{self.sentence}: {' '.join(self._lines)}".replace("%", "%25")
        return [f"::error file={self.file}{line},title=TensorFlow: {NOT_INSTALLABLE}::{said}"]


def _junit(error: str) -> str:
    root = ET.Element("testsuites", name="tfmatrix upgrade")
    suite = ET.SubElement(root, "testsuite", name="upgrade", tests=str(int(bool(error))), errors=str(int(bool(error))))
    if error:
        case = ET.SubElement(suite, "testcase", classname="upgrade", name="installable")
        ET.SubElement(case, "error", message=escaped(error))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'
