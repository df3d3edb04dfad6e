"""How much of a plan the store has already: what a run would measure, without starting anything.

The key of an environment is part of every key, and what it runs on is known only where it was provided: the runs tell.
An environment whose lock no run has used is taken for new.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tfmatrix.core.ids import CellId
from tfmatrix.core.outcome import Outcome
from tfmatrix.engine.measured import key_of_load, measurement_settings, stored_outcome
from tfmatrix.engine.plan import Plan, Save
from tfmatrix.envs.lock import read_lock
from tfmatrix.project.project import Project
from tfmatrix.store.content import Store
from tfmatrix.store.keys import save_key
from tfmatrix.store.runs import newest_headers


@dataclass(frozen=True, kw_only=True)
class Missing:
    """The saves that a run would make, and how many loads. `executor` is that of the run which tells how it measures.

    `beside` are the cells that are to be loaded though their artifact is there.
    """

    plan: Plan
    saves: tuple[Save, ...]
    beside: frozenset[CellId]
    loads: int
    executor: str = ""

    def cells(self) -> Iterator[CellId]:
        """The cells that a run would load, in order."""
        saves = set(self.saves)
        return (cell for cell in self.plan.loads if cell in self.beside or self.plan.save_of(cell) in saves)


def missing(project: Project, plan: Plan) -> Missing:
    """What of the plan is not in the project's store. Whose artifact is not there is not looked at cell by cell."""
    keys, executor = _environment_keys(project, plan)
    settings = measurement_settings(project.config.defaults)
    digests = {scenario.name: scenario.digest for scenario in project.scenarios}
    store = Store(project.store) if keys and project.store.is_dir() else None
    saved: dict[Save, Outcome] = {}
    for save in plan.saves:
        if store is not None and save.writer in keys:
            key = save_key(
                scenario=digests[save.scenario],
                saver=project.formats[save.saver],
                settings=settings,
                environment=keys[save.writer],
            )
            outcome = stored_outcome(store, key)
            if outcome is not None:
                saved[save] = outcome
    loads, beside = 0, set()
    for square in plan.squares:
        readers: dict[str, list[str]] = defaultdict(list)
        for writer, reader in square.pairs:
            readers[writer].append(reader)
        for writer in square.writers:
            outcome = saved.get(Save(scenario=square.scenario, saver=square.saver, writer=writer))
            if outcome is None or store is None:
                loads += len(readers[writer])
            elif outcome.status == "ok":  # else there is nothing to load
                loader = project.formats[square.format]
                for reader in readers[writer]:
                    environment = keys.get(reader)
                    if environment is not None:
                        digest = digests[square.scenario]
                        key = key_of_load(outcome, loader, scenario=digest, settings=settings, environment=environment)
                        if stored_outcome(store, key) is not None:
                            continue
                    beside.add(square.cell((writer, reader)))
    return Missing(
        plan=plan,
        saves=tuple(save for save in plan.saves if save not in saved),
        beside=frozenset(beside),
        loads=loads + len(beside),
        executor=executor if store is not None else "",
    )


def _environment_keys(project: Project, plan: Plan) -> tuple[dict[str, str], str]:
    """The keys of the environments, by the newest runs that had them as they are now, and the newest run's executor."""
    wanted: dict[str, str] = {}
    for environment in plan.environments:
        lock = None if environment.image else read_lock(project.locks, environment)
        if lock is not None or environment.image:
            wanted[environment.id] = "" if lock is None else lock.digest
    found: dict[str, str] = {}
    executor = ""
    for header in newest_headers(project.results):
        name = str((header.get("executor") or {}).get("name") or "")
        executor = executor or name
        if name != executor:
            continue  # another one measures something else
        described: Mapping[str, Any] = header.get("environments") or {}
        for each, lock_digest in wanted.items():
            entry = described.get(each) or {}
            if each not in found and entry.get("key") and (entry.get("lock") or "") == lock_digest:
                found[each] = str(entry["key"])
        if len(found) == len(wanted):
            break
    return found, executor
