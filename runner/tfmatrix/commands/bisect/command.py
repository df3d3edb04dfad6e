"""What `tfmatrix bisect` does: versions, environments, the search, and which package it was."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from packaging.version import Version

from tfmatrix.commands.bisect.axis import Asked, Axis, ListReleases, make_axis
from tfmatrix.commands.bisect.culprit import Culprit, find_culprit
from tfmatrix.commands.bisect.measure import Laboratory, parse_target
from tfmatrix.commands.bisect.report import BisectAnswer
from tfmatrix.commands.bisect.search import Bisection, Point, bisect
from tfmatrix.core.choices import AxisName, Level, MovingSide
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ExitCode, UsageError
from tfmatrix.core.ids import identified
from tfmatrix.core.selection import Selector
from tfmatrix.engine.run import RunOptions, run_project
from tfmatrix.envs.releases import Index, releases
from tfmatrix.envs.resolve import plain_environment
from tfmatrix.project.network import uv_of
from tfmatrix.project.project import Project
from tfmatrix.store.runs import Run

MAX_CULPRITS = 3
"""Changes whose package is looked for: each takes a few more environments."""


class Say(Protocol):
    """Takes a line of progress."""

    def __call__(self, text: str) -> None:
        """Tells it."""


@dataclass(frozen=True, kw_only=True)
class BisectOptions:
    """What the command line says beside the axis."""

    side: MovingSide | None = None
    by: Level | None = None
    every: bool = False
    verify: bool = False
    exhaustive: bool = False
    apart: bool = True


def bisect_project(
    project: Project, glob: str, asked: Asked, options: BisectOptions, run_options: RunOptions, say: Say
) -> BisectAnswer:
    """Finds the first change of the cells of a glob along an axis.

    Raises UsageError for what is no glob and no version and where nothing changes, InfrastructureError where an end or
    the index cannot be had, NothingSelectedError where no cell is meant.
    """
    start = time.monotonic()
    uv = uv_of(project, offline=run_options.offline)
    listed: ListReleases = partial(releases, index=Index.of(uv))
    target = parse_target(glob, options.side, (asked.good, asked.bad))
    laboratory = Laboratory(
        project=project, target=target, fixed=None, run_cells=partial(_run_cells, run_options), uv=uv, say=say
    )
    axis = make_axis(asked, listed, laboratory.resolves)
    say(f"{len(axis.versions)} versions of {axis.name}: {axis.versions[0]} to {axis.versions[-1]}")
    if target.fixed:
        laboratory.fixed = _fixed(project, target.fixed, axis)
        target = laboratory.target = replace(target, fixed=laboratory.fixed.id)

    def measure(versions: Sequence[str]) -> Mapping[str, Point]:
        say(f"measuring {axis.name} {', '.join(versions)}")
        return laboratory.points({version: _own(project, axis.environment(version)) for version in versions})

    found = bisect(
        axis.versions,
        measure,
        by=options.by,
        every=options.every,
        verify=options.verify,
        exhaustive=options.exhaustive,
    )
    if not found.breaks:
        raise _nothing_changes(found, asked)
    return BisectAnswer(
        axis=axis,
        target=target,
        good=asked.good,
        bad=asked.bad,
        found=found,
        culprits=_culprits(found, axis, project, laboratory, say) if options.apart else {},
        runs=tuple(laboratory.runs),
        seconds=time.monotonic() - start,
    )


def exit_code(answer: BisectAnswer) -> ExitCode:
    """OK for an exact answer; INFRASTRUCTURE where versions that cannot be measured leave it open."""
    return ExitCode.OK if all(change.is_exact for change in answer.found.breaks) else ExitCode.INFRASTRUCTURE


def _culprits(
    found: Bisection, axis: Axis, project: Project, laboratory: Laboratory, say: Say
) -> dict[tuple[str, str], Culprit]:
    """For each pair of versions with a change: which package it was."""
    found_for: dict[tuple[str, str], Culprit] = {}
    for change in found.breaks:
        pair = change.before, change.after
        if pair in found_for or not change.is_exact or len(found_for) == MAX_CULPRITS:
            continue
        say(f"telling packages apart: {change.before} and {change.after}")
        environments = _own(project, axis.environment(pair[0])), _own(project, axis.environment(pair[1]))
        points = found.point(pair[0]), found.point(pair[1])
        found_for[pair] = find_culprit(change, points, environments, laboratory.points)
    return found_for


def _nothing_changes(found: Bisection, asked: Asked) -> UsageError:
    readings = [f"{cell} {found.points[0].cells[cell].status}" for cell in found.unchanged[:3]]
    said = ", ".join(readings) or "no cell was measured at both ends"
    return UsageError(
        f"nothing changes from {asked.good} to {asked.bad}: {said}",
        expected="two versions in which a cell reads differently",
        fix="name other ends, --by figure or --by warnings for what is finer, or --exhaustive to look at every version",
    )


def _run_cells(options: RunOptions, project: Project, selector: Selector) -> Run:
    return run_project(project, selector=selector, options=options)[0]


def _own(project: Project, environment: Environment) -> Environment:
    """The environment as matrix.yaml names it, else under an id that means no other one there."""
    return identified(environment, _configured(project).values())


def _configured(project: Project) -> Mapping[str, Environment]:
    if not project.matrix_file.exists():
        return {}
    return {environment.id: environment for environment in project.config.environments}


def _fixed(project: Project, name: str, axis: Axis) -> Environment:
    """The environment of the side that stays: one of matrix.yaml, a version of the axis, or a TensorFlow."""
    known = _configured(project).get(name)
    if known is not None:
        return known
    if name in axis.versions:
        return axis.environment(name)
    try:
        version = Version(name)
    except ValueError:
        raise UsageError(
            f'"{name}" is neither an environment of matrix.yaml nor a version',
            expected=f"an id of {project.matrix_file}, or a version such as 2.15.1",
        ) from None
    if axis.name is not AxisName.TENSORFLOW and version.major != 2:
        return axis.environment(name)
    return plain_environment(name)
