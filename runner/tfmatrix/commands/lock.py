"""The command `lock`: resolves selectors and writes locks, or says what is stale."""

from __future__ import annotations

from collections.abc import Sequence

from tfmatrix.engine.progress import make_progress
from tfmatrix.project.config import read_defaults
from tfmatrix.project.locking import Locking, raise_stale
from tfmatrix.project.network import make_uv
from tfmatrix.project.project import Project


def lock_environments(
    project: Project, ids: Sequence[str], *, check: bool = False, upgrade: bool = False, offline: bool = False
) -> list[str]:
    """Resolves selectors and writes locks: of the named environments anew, else those that are missing.

    With `upgrade` what moves with time is renewed: selectors, and environments as of today. Returns a line for each
    thing that is new. With `check` nothing is written: UsageError where something is stale.
    """
    with make_progress() as progress:
        uv = make_uv(read_defaults(project.matrix_file), offline=offline)
        locking = Locking(project=project, uv=uv, ids=tuple(ids), upgrade=upgrade, say=progress.message)
        if not check:
            return locking.write()
        raise_stale(locking.check(), upgrade=upgrade)
        return ["nothing is stale"]
