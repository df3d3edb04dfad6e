"""The command `publish`: the site of everything that a results folder keeps, with shards merged and gaps named."""

from __future__ import annotations

from pathlib import Path

from tfmatrix.core.errors import ExitCode
from tfmatrix.reports.site.published import build_published
from tfmatrix.store.merge import join_shards


def publish(results: Path, output: Path) -> ExitCode:
    """Builds the site of the complete run that ended last, and of those before it; joins shards that are all there.

    Returns INFRASTRUCTURE where that run has a problem that `tfmatrix.reports.site.health` names, or where a newer
    one did not come to its end; else OK. Raises UsageError without any run, MergeConflictError where shards contradict
    each other, StoreError on a damaged run. The site is written before any problem is returned.
    """
    join_shards(results)
    return build_published(results, output).exit_code
