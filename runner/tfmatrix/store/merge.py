"""Runs that were sharded over machines, put together again.

A shard is a run of its own whose run.json says `"shard": {"group": NAME, "number": 1, "of": 4}`. Shards of one group
have one configuration: what run.json says may differ only in what belongs to a machine or a moment. Merging is pure;
`keep` writes what came of it beside the shards.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from tfmatrix.core.data import parse_json
from tfmatrix.core.errors import ExitCode, TfmatrixError
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import WORST_FIRST
from tfmatrix.store.runs import LATEST, Run, RunSummary, RunWriter, list_runs, read_run_folder

_OF_A_SHARD = frozenset({
    "run", "started", "finished", "complete", "counts", "shard", "host", "executor", "slots", "noise", "phase",
    "inference", "timings", "known", "environments", "scenarios", "formats", "format_info",
})  # fmt: skip
"""Keys of run.json that may differ between shards; the last four are put together, entry by entry."""

_OF_A_MOMENT = ("run", "cached", "seconds", "key", "save", "load")
"""Fields of a record that say when and where it was measured: two shards may measure a cell each, and agree."""


class MergeConflictError(TfmatrixError):
    """Shards contradict each other: one table of both would be wrong."""

    exit_code = ExitCode.USAGE


def shard_group(header: Mapping[str, Any]) -> str | None:
    """The name of the group that a run is a shard of; None for a whole run."""
    shard = header.get("shard")
    return str(shard["group"]) if isinstance(shard, Mapping) and shard.get("group") else None


def merge(shards: Sequence[Run]) -> Run:
    """One run of several shards; its header lists the numbers of those that are missing as `missing_shards`.

    Raises MergeConflictError where two of them contradict each other, ValueError without any.
    """
    if not shards:
        raise ValueError("nothing to merge")
    ordered = sorted(shards, key=lambda run: (_number(run), run.id))
    first = ordered[0]
    for other in ordered[1:]:
        _same_header(first, other)
    records: dict[str, CellRecord] = {}
    for run in ordered:
        for record in run.records:
            seen = records.setdefault(record.cell, record)
            if _verdict(seen) != _verdict(record):
                raise MergeConflictError(
                    f"{record.cell}: {seen.status.value} in {seen.run}, {record.status.value} in {record.run}",
                    expected="every cell in one shard, or the same result in each",
                    fix="leave one of the two runs out, or run the cell again in one place",
                )
    name = shard_group(first.header) or first.id
    merged = tuple(replace(records[cell], run=name) for cell in sorted(records))
    noise = {key: value for run in ordered for key, value in (run.header.get("noise") or {}).items()}
    counts = Counter(record.status for record in merged)
    header = dict(first.header) | {
        "run": name,
        "started": min(str(run.header.get("started") or "") for run in ordered),
        "finished": max(str(run.header.get("finished") or "") for run in ordered),
        "complete": all(run.is_complete for run in ordered),
        "counts": {status.value: counts[status] for status in WORST_FIRST if counts[status]},
        "environments": _united(ordered, "environments"),
        "scenarios": _united(ordered, "scenarios"),
        "formats": list(dict.fromkeys(name for run in ordered for name in run.header.get("formats") or ())),
        "format_info": _united(ordered, "format_info"),
        "noise": dict(sorted(noise.items())),
        "missing_shards": _missing(ordered),
        "merged_from": [run.id for run in ordered],
    }
    header.pop("shard", None)
    return Run(
        id=name,
        header=header,
        records=merged,
        folder=first.folder,
        problems=tuple(problem for run in ordered for problem in run.problems),
    )


def keep(results: Path, run: Run) -> Run:
    """Writes a run that `merge` made of all its shards as a run of its own, so that others can name it and compare it.

    It becomes `latest` where none ended after it. The shards stay as they are.
    """
    written_here = {"schema", "run", "complete", "finished", "counts"}
    header = {key: value for key, value in run.header.items() if key not in written_here}
    names = (run.id if number == 1 else f"{run.id}-{number}" for number in itertools.count(1))
    name = next(each for each in names if not (results / "runs" / each).exists())
    finished = str(run.header["finished"])
    newest = all(other.finished <= finished for other in list_runs(results) if other.complete)
    with RunWriter(results, name, header) as writer:
        for record in run.records:
            writer.add(replace(record, run=name))
        return writer.finish(datetime.fromisoformat(finished), latest=newest or not (results / LATEST).exists())


def join_shards(results: Path) -> list[Run]:
    """Writes a run for every group of shards that is complete and was not put together yet; returns those runs.

    Every run and every shard stays where it is. Raises MergeConflictError.
    """
    joined = []
    for group in reversed(run_groups(results)):
        if shard_group(_header(group[0])) is None or not all(summary.complete for summary in group):
            continue
        merged = read_group(group)
        if not merged.header["missing_shards"]:
            joined.append(keep(results, merged))
    return joined


def run_groups(results: Path) -> list[list[RunSummary]]:
    """The runs of a results folder, each with its shards, those first that ended last.

    Shards that were joined into a run that is there are left out.
    """
    headers = {summary.id: _header(summary) for summary in list_runs(results)}
    joined = [set(header["merged_from"]) for header in headers.values() if header.get("merged_from")]
    groups: dict[tuple[str, str], list[RunSummary]] = {}
    for summary in list_runs(results):
        group = shard_group(headers[summary.id])
        groups.setdefault(("shards", group) if group else ("run", summary.id), []).append(summary)
    counting = (_last_tries(group, headers) for group in groups.values())
    alone = [group for group in counting if not any({each.id for each in group} <= whole for whole in joined)]
    return sorted(alone, key=group_age, reverse=True)


def _last_tries(group: Sequence[RunSummary], headers: Mapping[str, Mapping[str, Any]]) -> list[RunSummary]:
    """Of a shard that was run again, the try that counts: the newest that came to its end. A whole run is itself."""
    tries: dict[Any, RunSummary] = {}
    for summary in sorted(group, key=lambda each: (each.complete, each.started, each.id)):
        tries[(headers[summary.id].get("shard") or {}).get("number")] = summary
    return list(tries.values())


def _header(summary: RunSummary) -> dict[str, Any]:
    header: dict[str, Any] = parse_json((summary.folder / "run.json").read_bytes())
    return header


def group_age(group: Sequence[RunSummary]) -> tuple[str, str]:
    """When it ended, and its id: those of the shard that ended last."""
    return max((summary.finished or summary.started, summary.id) for summary in group)


def read_group(group: Sequence[RunSummary]) -> Run:
    """The run, put together where it is shards. Raises MergeConflictError, StoreError."""
    runs = [read_run_folder(summary.folder) for summary in group]
    return merge(runs) if shard_group(runs[0].header) else runs[0]


def _number(run: Run) -> int:
    number = (run.header.get("shard") or {}).get("number")
    return number if isinstance(number, int) else 0


def _missing(shards: Sequence[Run]) -> list[str]:
    """`3 of 4` for each shard that should be there, and is not."""
    total = max((of for run in shards if isinstance(of := (run.header.get("shard") or {}).get("of"), int)), default=0)
    found = {_number(run) for run in shards}
    return [f"{number} of {total}" for number in range(1, total + 1) if number not in found]


def _same_header(first: Run, other: Run) -> None:
    for key in sorted({*first.header, *other.header} - _OF_A_SHARD):
        if first.header.get(key) != other.header.get(key):
            raise MergeConflictError(
                f"the shards {first.id} and {other.id} differ in {key!r} of run.json",
                expected="shards of one configuration, run by one version of tfmatrix",
                fix="run the shards again from one commit",
            )


def _united(shards: Sequence[Run], key: str) -> dict[str, Any]:
    """Environments or scenarios of all shards, in the order of the first that lists each."""
    united: dict[str, Any] = {}
    seen_in: dict[str, str] = {}
    for run in shards:
        for name, described in (run.header.get(key) or {}).items():
            if name in united and not _agree(united[name], described):
                raise MergeConflictError(
                    f"{name!r} of {key} is not the same in the shards {seen_in[name]} and {run.id}",
                    expected="the same locks and scenarios in every shard",
                    fix="run the shards again from one commit",
                )
            if len(described or {}) > len(united.get(name) or {}) or name not in united:
                united[name] = described
            seen_in.setdefault(name, run.id)
    return united


def _agree(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two descriptions say the same where both say anything: an environment may not be provided everywhere.

    The base is a machine's: two hosts of one distribution provide the same lock.
    """
    return all(one[key] == other[key] for key in {*one} & {*other} - {"base"})


def _verdict(record: CellRecord) -> dict[str, Any]:
    data = record.to_json()
    for field in _OF_A_MOMENT:
        data.pop(field)
    return data
