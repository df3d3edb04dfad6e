"""A run: what the plan asks for is looked up in the store, the rest is measured, every cell gets its verdict.

The store decides what is done again: a save or load whose key is there is not repeated, so that a killed run goes on
where it stopped and a nightly run redoes only what changed.
"""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tfmatrix.checks.judge import checks_code_digest
from tfmatrix.core.errors import ExitCode
from tfmatrix.core.status import Status
from tfmatrix.core.version import __version__
from tfmatrix.engine.execution import Execution
from tfmatrix.engine.phase import Phase
from tfmatrix.engine.progress import Progress
from tfmatrix.engine.request import RunRequest
from tfmatrix.executors.base import Executor
from tfmatrix.store.keys import worker_code_digest
from tfmatrix.store.runs import Run, RunWriter

_TELLING_FLAGS = ("avx", "fma", "sse4", "amx")
"""CPU features that choose TensorFlow's kernels."""


def execute(request: RunRequest, executor: Executor, progress: Progress) -> Run:
    """Runs the plan and returns the finished run. Interrupted, it leaves a readable run that is marked incomplete."""
    # A shard lists everything, in the order of matrix.yaml: what is put together again has that order too.
    listed = request.whole or request.plan
    header: dict[str, Any] = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "tfmatrix": __version__,
        "set": request.set_name,
        "phase": request.phase.value,
        "executor": {"name": executor.name, "reason": request.executor_reason},
        "environments": {environment.id: {} for environment in listed.environments},
        "scenarios": {
            scenario.name: {
                "title": scenario.title,
                "description": scenario.description,
                "tags": list(scenario.tags),
                "digest": scenario.digest,
            }
            for scenario in listed.scenarios
        },
        "formats": list(listed.formats),
        "known_failures": [entry.to_json() for entry in request.known_failures],
        "settings": request.settings,
        # What is part of every key: `tfmatrix diff` tells by these that a verdict changed for another reason.
        "code": {"worker": worker_code_digest(), "checks": checks_code_digest()},
        "slots": request.slots,
        "host": describe_host(),
    }
    if request.shard is not None:
        header["shard"] = request.shard.to_json()
    with RunWriter(request.results, request.run_id, header) as writer:
        try:
            Execution(request, executor, progress, writer).run()
        finally:
            executor.sweep()
        # A shard is no run that anybody wants to see as the newest.
        whole = request.shard is None and request.phase in (Phase.ALL, Phase.TABLE)
        return writer.finish(datetime.now(UTC), latest=whole)


def exit_code(run: Run) -> ExitCode:
    """The process's exit code: an unexpected incompatibility first, then what could not be measured."""
    if any(record.is_news for record in run.records):
        return ExitCode.INCOMPATIBLE
    if any(record.status is Status.INFRA_ERROR for record in run.records):
        return ExitCode.INFRASTRUCTURE
    return ExitCode.OK


def describe_host() -> dict[str, Any]:
    """What of this machine can change figures."""
    flags: list[str] = []
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        line = next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), ":")
        flags = sorted(flag for flag in line.split(":", 1)[1].split() if flag.startswith(_TELLING_FLAGS))
    return {"system": platform.system(), "machine": platform.machine(), "cpus": os.cpu_count(), "cpu_flags": flags}
