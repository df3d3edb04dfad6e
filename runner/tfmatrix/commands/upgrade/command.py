"""The whole way of the command: sides, material, measuring, the answer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tfmatrix.commands.upgrade.sides import Side, Wanted, find_sides
from tfmatrix.core.errors import UsageError
from tfmatrix.core.selection import Selector
from tfmatrix.engine.progress import LineProgress
from tfmatrix.engine.run import RunOptions
from tfmatrix.envs.releases import Index
from tfmatrix.project.config import Defaults, read_defaults
from tfmatrix.project.network import make_uv
from tfmatrix.project.project import Project

if TYPE_CHECKING:
    from tfmatrix.commands.upgrade.answer import UpgradeAnswer


ANSWER_SCHEMA: Final = 1
"""Version of the JSON answer; docs/upgrade.md describes it."""


@dataclass(frozen=True, kw_only=True)
class UpgradeOptions:
    """What the command line asks."""

    wanted: Wanted
    models: Sequence[Path] = ()
    scenarios: Path | None = None
    selector: Selector
    alternative: bool = True
    allow_changes: bool = False
    require_rollback: bool = False


@dataclass(frozen=True, kw_only=True)
class Unchanged:
    """Both files pin the same environment: nothing was measured."""

    before: Side
    after: Side

    @property
    def sentence(self) -> str:
        """What is said of it."""
        pins = self.before.environment.id
        return f"nothing to check: {self.before.source} and {self.after.source} pin the same ({pins})"

    def to_json(self) -> dict[str, Any]:
        """The JSON answer: nothing was measured, and nothing changes."""
        return {
            "schema": ANSWER_SCHEMA,
            "verdict": None,
            "exit_code": 0,
            "unchanged": True,
            "sentence": self.sentence,
            "from": {"id": self.before.environment.id, "source": self.before.source},
            "to": {"id": self.after.environment.id, "source": self.after.source},
        }


def upgrade_project(project: Project, options: UpgradeOptions, run_options: RunOptions) -> UpgradeAnswer | Unchanged:
    """Measures and answers. Errors of the command line, of files and of the network are raised as everywhere."""
    defaults = read_defaults(project.matrix_file) if project.matrix_file.exists() else Defaults()
    uv = make_uv(defaults, offline=run_options.offline)
    index = Index.of(uv)
    before, after = find_sides(project, options.wanted, index)
    if replace(before.environment, id="") == replace(after.environment, id=""):
        if before.file and after.file:
            return Unchanged(before=before, after=after)
        raise UsageError(
            f"--from and --to are the same environment: {before.environment.id}",
            expected="two different ones",
        )
    # Most pull requests touch no pin that matters: what measures and judges is imported for those that do.
    from tfmatrix.analysis.upgrades import UpgradeVerdict
    from tfmatrix.commands.upgrade.answer import answer_of
    from tfmatrix.commands.upgrade.measure import find_alternative, find_material, measure

    material = find_material(project, options.models, options.scenarios)
    measured = measure(project, before, after, material, options.selector, run_options, uv)
    verdict = measured.judge(before.environment.id, after.environment.id)
    alternative = None
    if options.alternative and verdict.verdict in (UpgradeVerdict.UNSAFE, UpgradeVerdict.CHANGES):
        # Lines: each release that is tried is a run, with bars of its own.
        say = run_options.say or LineProgress(sys.stderr, quiet=run_options.quiet).message
        alternative = find_alternative(project, before, after, measured, verdict, material, run_options, index, say)
    return answer_of(
        measured,
        before,
        after,
        material.origin,
        alternative=alternative,
        allow_changes=options.allow_changes,
        require_rollback=options.require_rollback,
    )
