"""`publish`: the site of everything that a results folder keeps, with shards merged and every gap named."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfmatrix.core.errors import ExitCode, UsageError
from tfmatrix.engine.merge import keep, merge, shard_group
from tfmatrix.reports.site.build import Built, write_site
from tfmatrix.reports.site.health import Problem
from tfmatrix.store.runs import Run, RunSummary, list_runs, read_run_folder


def publish(results: Path, output: Path) -> ExitCode:
    """Builds the site of the complete run that ended last, and of those before it; joins shards that are all there.

    Returns INFRASTRUCTURE where that run has a problem that `tfmatrix.reports.site.health` names, or where a newer
    one did not come to its end; else OK. Raises UsageError without any run, MergeConflictError where shards contradict
    each other, StoreError on a damaged run. The site is written before any problem is returned.
    """
    return exit_code(build_published(results, output))


def build_published(results: Path, output: Path) -> Built:
    """The same, and returns what was built."""
    join_shards(results)
    groups = _groups(results)
    if not groups:
        raise UsageError(f"no runs yet in {results / 'runs'}", fix="run `tfmatrix run` (or `python -m nox`) first")
    complete = [group for group in groups if all(summary.complete for summary in group)]
    shown, *earlier = complete or groups
    cut_short = [
        Problem(kind="incomplete", text=f"The newer run {group[0].id} did not come to its end, and is left out.")
        for group in groups
        if group not in complete and group is not shown and _age(group) > _age(shown)
    ]
    return write_site(_read(shown), output, map(_read, earlier), also_wrong=cut_short)


def join_shards(results: Path) -> list[Run]:
    """Writes a run for every group of shards that is complete and was not put together yet; returns those runs.

    Every run and every shard stays where it is. Raises MergeConflictError.
    """
    joined = []
    for group in reversed(_groups(results)):
        if shard_group(_header(group[0])) is None or not all(summary.complete for summary in group):
            continue
        merged = _read(group)
        if not merged.header["missing_shards"]:
            joined.append(keep(results, merged))
    return joined


def build_run(results: Path, run: Run, output: Path) -> Built:
    """The site of one run, and of the complete ones before it in its results folder."""
    ended = (str(run.header.get("finished") or run.header.get("started") or ""), run.id)
    earlier = (
        group for group in _groups(results) if _age(group) < ended and all(summary.complete for summary in group)
    )
    return write_site(run, output, map(_read, earlier))


def exit_code(built: Built) -> ExitCode:
    """What publishing ends with: a table with gaps is published, and is not called whole."""
    return ExitCode.INFRASTRUCTURE if built.problems else ExitCode.OK


def _groups(results: Path) -> list[list[RunSummary]]:
    """The runs, each with its shards, those first that ended last."""
    headers = {summary.id: _header(summary) for summary in list_runs(results)}
    joined = [set(header["merged_from"]) for header in headers.values() if header.get("merged_from")]
    groups: dict[tuple[str, str], list[RunSummary]] = {}
    for summary in list_runs(results):
        group = shard_group(headers[summary.id])
        groups.setdefault(("shards", group) if group else ("run", summary.id), []).append(summary)
    counting = (_last_tries(group, headers) for group in groups.values())
    alone = [group for group in counting if not any({each.id for each in group} <= whole for whole in joined)]
    return sorted(alone, key=_age, reverse=True)


def _last_tries(group: Sequence[RunSummary], headers: Mapping[str, Mapping[str, Any]]) -> list[RunSummary]:
    """Of a shard that was run again, the try that counts: the newest that came to its end. A whole run is itself."""
    tries: dict[Any, RunSummary] = {}
    for summary in sorted(group, key=lambda each: (each.complete, each.started, each.id)):
        tries[(headers[summary.id].get("shard") or {}).get("number")] = summary
    return list(tries.values())


def _header(summary: RunSummary) -> dict[str, Any]:
    header: dict[str, Any] = json.loads((summary.folder / "run.json").read_bytes())
    return header


def _age(group: Sequence[RunSummary]) -> tuple[str, str]:
    return max((summary.finished or summary.started, summary.id) for summary in group)


def _read(group: Sequence[RunSummary]) -> Run:
    runs = [read_run_folder(summary.folder) for summary in group]
    return merge(runs) if shard_group(runs[0].header) else runs[0]
