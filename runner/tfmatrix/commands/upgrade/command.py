"""The whole way of the command: sides, material, measuring, the answer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tfmatrix.commands.upgrade.settled import Refused, Unchanged
from tfmatrix.commands.upgrade.sides import Untouched, Wanted, find_sides
from tfmatrix.core.errors import UsageError
from tfmatrix.core.selection import Selector
from tfmatrix.engine.progress import LineProgress
from tfmatrix.engine.run import RunOptions
from tfmatrix.envs.installation import NotInstallable
from tfmatrix.envs.releases import Index
from tfmatrix.project.config import Defaults, read_defaults
from tfmatrix.project.network import make_uv
from tfmatrix.project.project import Project

if TYPE_CHECKING:
    from tfmatrix.commands.upgrade.answer import UpgradeAnswer


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
    everything: bool = False
    loader: str | None = None
    training: bool = False


def upgrade_project(
    project: Project, options: UpgradeOptions, run_options: RunOptions
) -> UpgradeAnswer | Unchanged | Refused:
    """Measures and answers. Errors of the command line, of files and of the network are raised as everywhere."""
    defaults = read_defaults(project.matrix_file) if project.matrix_file.exists() else Defaults()
    uv = make_uv(defaults, offline=run_options.offline)
    index = Index.of(uv)
    try:
        sides = find_sides(project, options.wanted, index, uv)
    except NotInstallable as error:
        return Refused.of(error)
    if isinstance(sides, Untouched):
        return Unchanged(before=sides.before, after=sides.after)
    before, after = sides
    if before.environment == after.environment:
        if before.file or after.file:
            return Unchanged(before=before.source, after=after.source, environment=before.environment.id)
        raise UsageError(
            f"--from and --to are the same environment: {before.environment.id}",
            expected="two different ones",
        )
    # Most pull requests change nothing that is installed: what measures and judges is imported for those that do.
    from tfmatrix.analysis.upgrades import UpgradeVerdict
    from tfmatrix.commands.upgrade.answer import answer_of
    from tfmatrix.commands.upgrade.measure import (
        find_alternative,
        find_material,
        measure,
        representative,
        share_of_python,
    )
    from tfmatrix.commands.upgrade.published import published_step

    material, selector = find_material(project, options.models, options.scenarios), options.selector
    material = replace(material, loader=options.loader)
    step = None
    if material.is_shipped:
        step = published_step(before.environment, after.environment)
        if not options.everything:
            material, selector = representative(material, selector)
    say = run_options.say or LineProgress(sys.stderr, quiet=run_options.quiet).message
    for line in step.lines if step else ():
        say(line)
    measured = measure(project, before, after, material, selector, run_options, uv, training=options.training)
    verdict = measured.judge(before.environment.id, after.environment.id)
    python = share_of_python(project, before, after, measured, verdict, material, run_options, say)
    alternative = None
    if options.alternative and verdict.verdict in (UpgradeVerdict.UNSAFE, UpgradeVerdict.CHANGES):
        # Lines: each release that is tried is a run, with bars of its own.
        alternative = find_alternative(project, before, after, measured, verdict, material, run_options, index, say)
    return answer_of(
        measured,
        before,
        after,
        material.origin,
        alternative=alternative,
        notes=(*(step.lines if step else ()), *([python] if python else [])),
        allow_changes=options.allow_changes,
        require_rollback=options.require_rollback,
    )
