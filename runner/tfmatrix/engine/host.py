"""The machine that a run is made on: what of it can change figures, and how much it can do at once."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfmatrix.project.config import Defaults

BYTES_PER_SLOT = 3 * 2**30
"""Memory that a busy slot may need: two workers with TensorFlow imported, and what its job takes."""

_TELLING_FLAGS = ("avx", "fma", "sse4", "amx")
"""CPU features that choose TensorFlow's kernels."""


def describe_host() -> dict[str, Any]:
    """What of this machine can change figures."""
    flags: list[str] = []
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        line = next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), ":")
        flags = sorted(flag for flag in line.split(":", 1)[1].split() if flag.startswith(_TELLING_FLAGS))
    return {"system": platform.system(), "machine": platform.machine(), "cpus": os.cpu_count(), "cpu_flags": flags}


def slots(defaults: Defaults) -> int:
    """Jobs at once: as matrix.yaml says, or as many as there are CPUs and memory for."""
    if isinstance(defaults.jobs, int):
        return defaults.jobs
    total = memory_bytes()
    return max(1, min(cpus(), total // BYTES_PER_SLOT if total is not None else 1))


def cpus() -> int:
    """The CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> int | None:
    """The machine's memory, or what the control group leaves of it; None where the system does not say (Windows)."""
    if not hasattr(os, "sysconf"):
        return None
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limit = Path(path).read_text().strip()
        except OSError:
            continue
        if limit.isdigit():
            total = min(total, int(limit))
    return total
