"""The same cells twice, one after the other: by tfmatrix, and by what one writes in an afternoon (benchmarks/naive).

    python benchmarks/against_naive.py [--environment ID …] [--format NAME …] [--executor docker|venv]
    python benchmarks/against_naive.py --size 2x10 2x20 4x40        # ENVIRONMENTSxSCENARIOS: the curve
    python benchmarks/against_naive.py --night results/published/nightly

Both save and load three models in the same TensorFlow with the same packages (the naive way installs our locks with
pip), with as many slots, each with its own checks: all of ours there, `np.allclose` of one prediction here. More than
three scenarios are these three again under other names. The naive way makes as many saves as `--sample` says, drawn at
random, where there are more, each with all of its loads: it takes the same for each. Nothing is read from a store;
environments and images are provided first, untimed.

`over_own_time` is how far the time of all slots lies above what the jobs themselves took in their processes, from the
import of the scenario to the end of the observation, TensorFlow's import apart. With `--executor venv` the naive way
starts a process for each step in place of a container.

Beside the rates stands the processor time of a cell (with Docker that of all containers, where Linux tells it): on a
machine that others use, too, it says more than wall time.

`--night` takes the proportions of a run (saves, loads that were measured, cells that were inferred) and says what each
way would take for all of its cells, by what its steps took here in the last size. Exit code 1 where the two ways differ
in what loads and predicts the same.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "runner"))

from tfmatrix.core.records import CellRecord  # noqa: E402  (the checkout must be on the path first)
from tfmatrix.core.selection import Selector  # noqa: E402
from tfmatrix.core.status import Status  # noqa: E402
from tfmatrix.engine.environments import Environments  # noqa: E402
from tfmatrix.engine.run import RunOptions, run_project  # noqa: E402
from tfmatrix.envs.provision import environment_python  # noqa: E402
from tfmatrix.project.project import Project  # noqa: E402
from tfmatrix.store.runs import Run, read_run_folder  # noqa: E402

MODELS = ("dense", "optimizer_state", "custom_layer_add_weight")
"""What benchmarks/naive/step.py builds, as our scenarios of these names do."""


def main() -> int:
    """Prints the comparison; exits with 1 where the two ways differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executor", default="docker", choices=("docker", "venv"))
    parser.add_argument("--environment", nargs="+", default=["2.15.1", "2.21.0", "2.12.1", "2.16.2"])
    parser.add_argument("--scenario", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--format", nargs="+", default=["h5", "keras", "savedmodel"])
    parser.add_argument("--size", nargs="+", default=["2x3"], metavar="ENVIRONMENTSxSCENARIOS")
    parser.add_argument("--jobs", type=int, default=2, help="slots of both ways")
    parser.add_argument("--sample", type=int, default=18, help="saves of each size that the naive way makes, at most")
    parser.add_argument("--night", type=Path, help="folder of a run")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("naive", nargs="*", help="options of benchmarks/naive/matrix.py, after --")
    options = parser.parse_args()

    print("environments and images are provided first, untimed", file=sys.stderr)
    chosen = options.environment[: max(int(size.partition("x")[0]) for size in options.size)]
    run_ours(options, chosen, options.scenario[:1], formats=options.format[:1])
    beside = interpreters(chosen) if options.executor == "venv" else []
    run_naive(options, beside, chosen, options.scenario[:1], sample=1)

    differing = 0
    for size in options.size:
        environments, count = (int(part) for part in size.split("x"))
        names = [options.scenario[number % len(options.scenario)] for number in range(count)]
        scenarios = [f"{name}.{number}" if count > len(options.scenario) else name for number, name in enumerate(names)]
        ids = options.environment[:environments]
        naive = run_naive(options, beside, ids, scenarios, sample=options.sample)
        ours, seconds = run_ours(options, ids, scenarios, formats=options.format)
        found = {"size": size, **figures(ours, seconds, naive)}
        show(found, is_json=options.json)
        differing += compare({record.cell: record for record in ours.records}, naive["cells"])
    if options.night is not None:
        show(night(read_run_folder(options.night), found, naive), is_json=options.json)
    return 1 if differing else 0


def run_ours(
    options: argparse.Namespace, environments: Sequence[str], scenarios: Sequence[str], *, formats: Sequence[str]
) -> tuple[Run, Mapping[str, float]]:
    """A run into an empty store, and the seconds of its wall time and of all imports of TensorFlow."""
    seconds = {"imports": 0.0, "processor": -processor_seconds()}
    start_worker = Environments.start

    def start(self: Environments, name: str) -> Any:
        worker = start_worker(self, name)
        seconds["imports"] += worker.hello["import_seconds"]
        return worker

    with tempfile.TemporaryDirectory(prefix="tfmatrix-bench-") as name:
        folder = Path(name)
        matrix = YAML(typ="safe").load((ROOT / "matrix.yaml").read_text(encoding="utf-8"))
        # Its sets name scenarios that are not here.
        bare = {"schema": matrix["schema"], "environments": matrix["environments"], "formats": list(formats)}
        (folder / "matrix.yaml").write_text(json.dumps(bare), encoding="utf-8")
        (folder / "locks").symlink_to(ROOT / "locks")
        (folder / "scenarios").mkdir()
        for scenario in scenarios:
            source = (ROOT / "scenarios" / f"{scenario.partition('.')[0]}.py").read_text(encoding="utf-8")
            # Each with a content of its own: what is equal to one that was measured would come from the store.
            path = folder / "scenarios" / f"{ours_of(scenario)}.py"
            path.write_text(f"{source}\n# {scenario}\n", encoding="utf-8")
        selector = Selector(format=tuple(formats), writer=tuple(environments), reader=tuple(environments))
        Environments.start = start  # type: ignore[method-assign]
        begun = time.monotonic()
        try:
            run, _ = run_project(
                Project(root=folder),
                selector=selector,
                options=RunOptions(executor=options.executor, jobs=options.jobs, remedies=False, quiet=True),
            )
        finally:
            Environments.start = start_worker  # type: ignore[method-assign]
        seconds["wall"] = time.monotonic() - begun
        seconds["processor"] += processor_seconds()
    return run, seconds


def run_naive(
    options: argparse.Namespace,
    beside: Sequence[str],
    environments: Sequence[str],
    scenarios: Sequence[str],
    *,
    sample: int,
) -> dict[str, Any]:
    """What benchmarks/naive/matrix.py prints."""
    with tempfile.TemporaryDirectory(prefix="tfmatrix-bench-") as locks:
        for environment in environments:
            (Path(locks) / f"{environment}.txt").symlink_to(ROOT / "locks" / f"{environment}.txt")
        command = [sys.executable, str(ROOT / "benchmarks" / "naive" / "matrix.py"), *environments]
        command += ["--models", *scenarios, "--formats", *options.format, "--jobs", str(options.jobs)]
        command += ["--sample", str(sample), "--requirements", locks, *beside, *options.naive]
        processor = -processor_seconds()
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return {**found, "processor": processor + processor_seconds()}


CONTAINERS = (Path("/sys/fs/cgroup/cpuacct/docker/cpuacct.usage"), Path("/sys/fs/cgroup/docker/cpu.stat"))
"""Where Linux keeps the processor time of all containers, those that ended included: control groups 1 and 2."""


def processor_seconds() -> float:
    """Of this process, of its children that ended, and of all containers; nothing where that cannot be known."""
    first, second = CONTAINERS
    if first.is_file():
        return sum(os.times()[:4]) + int(first.read_text()) / 1e9
    if second.is_file():
        return sum(os.times()[:4]) + int(second.read_text().split()[1]) / 1e6
    return 0.0


def interpreters(environments: Sequence[str]) -> list[str]:
    """The option that has the naive way use our environments."""
    command = [sys.executable, "-m", "tfmatrix", "env", "list", "--json", "-C", str(ROOT)]
    listed = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    paths = {each["environment"]: each["path"] for each in listed}
    return ["--python", *(f"{each}={environment_python(Path(paths[each]))}" for each in environments)]


def ours_of(scenario: str) -> str:
    """The name of one of ours: no dots in it."""
    return scenario.replace(".", "_")


def figures(ours: Run, seconds: Mapping[str, float], naive: Mapping[str, Any]) -> dict[str, Any]:
    """What is printed of one size."""
    saves = {(each.scenario, each.format, each.writer): each.save for each in ours.records}
    made = [save for save in saves.values() if save.get("status") not in (None, "unsupported")]
    loads = [each.load for each in ours.records if each.load.get("seconds")]
    own = sum(each.get("seconds", 0.0) for each in (*made, *loads))
    slots = ours.header["slots"]
    # Both ways try the same cells: those whose save is refused, too.
    cells, naive_cells = len(ours.records), len(naive["cells"])
    rate, naive_rate = cells / seconds["wall"], naive_cells / naive["seconds"]
    each, naive_each = seconds["processor"] / cells, naive["processor"] / naive_cells
    of_processor = {
        "processor_seconds_per_cell": round(each, 2),
        "naive_processor_seconds_per_cell": round(naive_each, 2),
        "times_less_processor_time": round(naive_each / each, 1) if each else None,
    }
    return {
        "executor": ours.header["executor"]["name"],
        "slots": slots,
        "cells": cells,
        "saves": len(made),
        "loads": len(loads),
        "seconds": round(seconds["wall"], 1),
        "cells_per_minute": round(60 * rate, 1),
        "jobs_own_seconds": round(own, 1),
        "imports_seconds": round(seconds["imports"], 1),
        "seconds_of_a_save": round(sum(save.get("seconds", 0.0) for save in made) / max(1, len(made)), 2),
        "seconds_of_a_load": round(sum(load["seconds"] for load in loads) / max(1, len(loads)), 2),
        "all_over_own_time": round(seconds["wall"] * slots / own, 2),
        "over_own_time": round((seconds["wall"] * slots - seconds["imports"]) / own, 2),
        "naive_cells": naive_cells,
        "naive_saves": naive["saves"],
        "naive_seconds_of_a_save": round(naive["save_seconds"], 2),
        "naive_seconds_of_a_load": round(naive["load_seconds"], 2),
        "naive_loads": naive["loads"],
        "naive_seconds": round(naive["seconds"], 1),
        "naive_cells_per_minute": round(60 * naive_rate, 1),
        "naive_over_own_time": round(naive["seconds"] * slots / naive["own_seconds"], 2),
        **(of_processor if ours.header["executor"]["name"] == "docker" and each else {}),
        "times_faster": round(rate / naive_rate, 1),
    }


def night(run: Run, found: Mapping[str, Any], naive: Mapping[str, Any]) -> dict[str, Any]:
    """What both ways would take for all cells of a run, by what their steps took here, in `figures` and `naive`.

    The naive way measures what we infer, and makes a save per scenario, saver and writer, as we do.
    """
    savers = {name: info["saver"] for name, info in run.header["format_info"].items()}
    tried = [each for each in run.records if each.save.get("status") not in (None, "unsupported")]
    made = {(each.scenario, savers[each.format], each.writer) for each in tried}
    inferred = sum(record.inferred is not None for record in run.records)
    loads = sum(bool(record.load.get("seconds")) for record in run.records)
    own = len(made) * found["seconds_of_a_save"] + loads * found["seconds_of_a_load"]
    naively = len(made) * naive["save_seconds"] + loads * naive["load_seconds"]
    all_naively = naively + inferred * naive["load_seconds"]
    ours = own * found["all_over_own_time"]
    return {
        "night": run.id,
        "saves": len(made),
        "loads_measured": loads,
        "cells_inferred": inferred,
        "hours": round(ours / found["slots"] / 3600, 2),
        "naive_hours": round(all_naively / found["slots"] / 3600, 2),
        "times_faster": round(all_naively / ours, 1),
        "times_faster_without_inference": round(naively / ours, 1),
    }


def compare(ours: Mapping[str, CellRecord], naive: Mapping[str, str]) -> int:
    """Prints the cells in which the two ways differ; returns how many.

    Both say whether a model was saved, whether it was loaded, and whether it predicts the same. What only we see (an
    optimizer's state that is lost) is no difference.
    """
    differing = silent = 0
    for cell, status in naive.items():
        scenario, rest = cell.split("/", 1)
        record = ours[f"{ours_of(scenario)}/{rest}"]
        found = said(record)
        silent += status == found == "ok" and record.status is not Status.PASS
        if found != status:
            differing += 1
            print(f"differs: {record.cell}: {found} ({record.status.value}), and naively {status}", file=sys.stderr)
    print(
        f"of {len(naive)} cells the two ways differ in {differing}; in {silent} only ours finds a loss", file=sys.stderr
    )
    return differing


def said(record: CellRecord) -> str:
    """The verdict in the words of the naive way."""
    match record.status:
        case Status.SAVE_ERROR | Status.UNSUPPORTED:
            return "not saved"
        case Status.PASS | Status.DRIFT:
            return "differs" if "outputs" in record.failed_checks else "ok"
        case _:
            return "error"


def show(found: Mapping[str, Any], *, is_json: bool) -> None:
    """Prints figures."""
    print(json.dumps(found) if is_json else "\n".join(f"{name:<33}{value}" for name, value in found.items()) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
