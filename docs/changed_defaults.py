"""Writes the table of docs/training.md: what the code of every shipped scenario means in another version.

python docs/changed_defaults.py [OLD NEW]     # default: 2.15.1 2.21.0

Builds every scenario in both environments, one process each, and compares what their models say of themselves, as the
check `defaults` of the format `code` does. Nothing is trained: a minute.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "runner"))

from marks import replace_between  # noqa: E402  (the checkout comes first)
from tfmatrix.analysis.training import ChangedDefault, changed_defaults  # noqa: E402
from tfmatrix.checks.comparison import compare  # noqa: E402
from tfmatrix.checks.observation import Observation  # noqa: E402
from tfmatrix.core.records import CellRecord  # noqa: E402
from tfmatrix.core.status import Status  # noqa: E402
from tfmatrix.envs.provision import EnvironmentCache, default_cache_root  # noqa: E402
from tfmatrix.envs.uv import Uv  # noqa: E402
from tfmatrix.executors.supply import EnvironmentSupply  # noqa: E402
from tfmatrix.project.project import Project  # noqa: E402

PAGE = ROOT / "docs" / "training.md"
BEGIN, END = "<!-- changed defaults: written by docs/changed_defaults.py -->", "<!-- end of changed defaults -->"

PROBE = """
import importlib.util, json, os, sys
worker, scenarios, target = sys.argv[1:4]
sys.path.insert(0, worker)
import numpy as np
import observe
from observe import config, layers

found = {}
for name in sorted(os.listdir(scenarios)):
    if not name.endswith(".py"):
        continue
    try:
        observe.fresh_start(0)
        spec = importlib.util.spec_from_file_location(name[:-3], os.path.join(scenarios, name))
        scenario = importlib.util.module_from_spec(spec)
        sys.modules[name[:-3]] = scenario
        spec.loader.exec_module(scenario)
        model = observe.built(scenario.build_model, scenario.inputs(np.random.RandomState(0)))
        if not layers.is_keras_model(model):
            continue
        compiled = config.observe_compile(model) if config.is_compiled(model) else None
        found[name[:-3]] = {"config": config.observe(model, {}), "compile": compiled}
    except Exception as error:
        found[name[:-3]] = {"error": "%s: %s" % (type(error).__name__, str(error).partition("\\n")[0][:200])}
with open(target, "w") as file:
    json.dump(found, file)
"""


def described(environment: str) -> Mapping[str, Any]:
    """Scenario to the sections `config` and `compile` of its model there, or the exception that it raised."""
    cache = EnvironmentCache(root=default_cache_root())
    supply = EnvironmentSupply(locks=ROOT / "locks", cache=cache, uv=Uv(cache=cache.downloads), say=print)
    python = supply.on_host(supply.lock(Project(root=ROOT).config.environment(environment))).python
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "found.json"
        (Path(folder) / "probe.py").write_text(PROBE)
        arguments = [ROOT / "runner" / "tfmatrix" / "worker", ROOT / "scenarios", target]
        subprocess.run([python, "-I", Path(folder) / "probe.py", *arguments], check=True, capture_output=True)
        found: Mapping[str, Any] = json.loads(target.read_text())
    return found


def compared(old: str, new: str) -> tuple[list[CellRecord], list[str]]:
    """The check `defaults` of every scenario that both environments build; and why others are not compared."""
    ours, theirs = described(old), described(new)
    records, refused = [], []
    for name in sorted(name for name in ours.keys() & theirs.keys() if not name.startswith("_")):
        problems = {environment: each[name].get("error") for environment, each in ((old, ours), (new, theirs))}
        if any(problems.values()):
            refused += [f"`{name}` in {environment}: {said}" for environment, said in problems.items() if said]
            continue
        writer, reader = (Observation({"schema": 1, "kind": "keras", **each[name]}, {}) for each in (ours, theirs))
        found = compare(writer, reader, applicable=("defaults",), same_keras=False)["defaults"]
        status = Status.DRIFT if found["status"] == "fail" else Status.PASS
        records.append(
            CellRecord(
                run="",
                cell=f"{name}/code/{old}/{new}",
                scenario=name,
                format="code",
                writer=old,
                reader=new,
                status=status,
                checks={"defaults": found},
            )
        )
    return records, refused


def table(old: str, new: str) -> str:
    """The block of the page."""
    records, refused = compared(old, new)
    changed = changed_defaults(records)
    differing = {cell for each in changed if not each.is_aside for cell in each.cells}
    head = [f"| of | argument | {old} | {new} | scenarios |", "| --- | --- | --- | --- | --- |"]
    own = [_row(each) for each in changed if not each.is_aside]
    aside = [_row(each) for each in changed if each.is_aside]
    lines = [
        f"Of {len(records)} scenarios of Keras {len(records) - len(differing)} mean the same in {new} as in {old},",
        f"as far as their models say. Arguments with another value: {'these.' if own else 'none.'}",
        *(["", *head, *own] if own else []),
    ]
    if aside:
        lines += ["", "Arguments that only one of the two names; what they come to shows in what layers compute:", ""]
        lines += [*head, *aside]
    if refused:
        lines += ["", "Not compared, because an environment does not build it: " + "; ".join(refused) + "."]
    return "\n".join(lines)


def _row(each: ChangedDefault) -> str:
    names = [cell.partition("/")[0] for cell in each.cells]
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    values = (_cell(value) for value in (each.before, each.after))
    return f"| `{each.owner}` | `{each.argument}` | {next(values)} | {next(values)} | {shown} |"


def _cell(value: str | None) -> str:
    return "–" if value is None else f"`{value[:80]}`".replace("|", "\\|")


def main() -> None:
    """Replaces the block between the two marks."""
    old, new = sys.argv[1:3] if len(sys.argv) > 2 else ("2.15.1", "2.21.0")
    replace_between(PAGE, BEGIN, END, table(old, new))


if __name__ == "__main__":
    main()
