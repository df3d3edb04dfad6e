"""The site of what a results folder keeps: which run it shows, and which are its history."""

from __future__ import annotations

from pathlib import Path

from tfmatrix.core.errors import UsageError
from tfmatrix.reports.site.build import Built, write_site
from tfmatrix.reports.site.health import Problem
from tfmatrix.store.merge import group_age, read_group, run_groups
from tfmatrix.store.runs import Run


def build_published(results: Path, output: Path) -> Built:
    """The site of the complete run that ended last, with those before it; its problems name every gap.

    Raises UsageError without any run, MergeConflictError where shards contradict each other, StoreError on a damaged
    run.
    """
    found = run_groups(results)
    if not found:
        raise UsageError(f"no runs yet in {results / 'runs'}", fix="run `tfmatrix run` (or `python -m nox`) first")
    complete = [group for group in found if all(summary.complete for summary in group)]
    shown, *earlier = complete or found
    cut_short = [
        Problem(kind="incomplete", text=f"The newer run {group[0].id} did not come to its end, and is left out.")
        for group in found
        if group not in complete and group is not shown and group_age(group) > group_age(shown)
    ]
    return write_site(read_group(shown), output, map(read_group, earlier), also_wrong=cut_short)


def build_run(results: Path, run: Run, output: Path) -> Built:
    """The site of one run, and of the complete ones before it in its results folder."""
    ended = (str(run.header.get("finished") or run.header.get("started") or ""), run.id)
    earlier = (
        group
        for group in run_groups(results)
        if group_age(group) < ended and all(summary.complete for summary in group)
    )
    return write_site(run, output, map(read_group, earlier))
