"""A queue that runs units on this machine: `sbatch`, `sacct`, `scancel`, `kubectl`, `gh`, over files that they take.

Installed into a folder of PATH; what it knows lies in the folder FAKE_QUEUE. A job is a session of its own that runs
its tasks, so many at once as it says.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from ruamel.yaml import YAML

WORKFLOWS = Path(__file__).resolve().parents[2] / ".github" / "workflows"
PROGRAMS = ("sbatch", "sacct", "scancel", "kubectl", "gh")


def install(folder: Path) -> None:
    """Writes the programs."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PROGRAMS:
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} {name} "$@"\n')
        path.chmod(0o755)


def queue() -> Path:
    return Path(os.environ["FAKE_QUEUE"])


def begin(job: str, spec: dict) -> None:
    folder = queue() / job
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps(spec))
    runner = subprocess.Popen(
        [sys.executable, __file__, "run", job],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    (folder / "pid").write_text(str(runner.pid))


def run(job: str) -> None:
    """The tasks of a job, some at once."""
    folder = queue() / job
    spec = json.loads((folder / "spec.json").read_text())
    waiting, running = list(range(spec["count"])), {}
    while waiting or running:
        while waiting and len(running) < spec["at_once"]:
            index = waiting.pop(0)
            with (folder / f"{index}.log").open("w") as log:
                running[index] = subprocess.Popen(
                    spec["command"],
                    env={**os.environ, **spec.get("environ", {}), spec["variable"]: str(index)},
                    stdout=log,
                    stderr=log,
                )
        for index, task in list(running.items()):
            if task.poll() is not None:
                (folder / f"{index}.code").write_text(str(task.returncode))
                del running[index]
        time.sleep(0.02)


def codes(job: str) -> dict[int, int]:
    return {int(path.stem): int(path.read_text()) for path in (queue() / job).glob("*.code") if path.read_text()}


def end(job: str) -> None:
    pid = queue() / job / "pid"
    if not pid.exists():
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(int(pid.read_text()), signal.SIGTERM)
    pid.unlink()


def sbatch(arguments: list[str]) -> None:
    assert arguments[0] == "--parsable", arguments
    text = Path(arguments[1]).read_text()
    options = dict(re.findall(r"^#SBATCH --([a-z-]+)=?(.*)$", text, re.MULTILINE))
    first, last, at_once = re.fullmatch(r"(\d+)-(\d+)%(\d+)", options["array"]).groups()
    assert first == "0"
    assert re.fullmatch(r"\d+M", options["mem"])
    assert text.startswith("#!/bin/bash\n")
    job = str(1000 + len(list(queue().iterdir())))
    command = shlex.split(re.search(r"^exec (.*)$", text, re.MULTILINE)[1])
    begin(job, {"count": int(last) + 1, "at_once": int(at_once), "command": command, "variable": "SLURM_ARRAY_TASK_ID"})
    print(f"{job};cluster")


def sacct(arguments: list[str]) -> None:
    job = arguments[arguments.index("--jobs") + 1]
    assert arguments[arguments.index("--format") + 1] == "JobID,State,ExitCode"
    assert {"--allocations", "--noheader", "--parsable2"} <= set(arguments)
    spec = json.loads((queue() / job / "spec.json").read_text())
    known = codes(job)
    for index in range(spec["count"]):
        code = known.get(index)
        state = "RUNNING" if code is None else "COMPLETED" if code == 0 else "FAILED"
        print(f"{job}_{index}|{state}|{max(code or 0, 0)}:{max(-(code or 0), 0)}")


def scancel(arguments: list[str]) -> None:
    end(arguments[0])


def kubectl(arguments: list[str]) -> None:
    assert arguments[0] == "--namespace"
    match arguments[2:]:
        case ["apply", "--filename", file]:
            manifest = json.loads(Path(file).read_text())
            spec = manifest["spec"]
            assert (manifest["apiVersion"], manifest["kind"], spec["completionMode"]) == ("batch/v1", "Job", "Indexed")
            name = manifest["metadata"]["name"]
            assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name)
            pod = spec["template"]["spec"]
            assert pod["restartPolicy"] == "Never"
            begin(
                name,
                {
                    "count": spec["completions"],
                    "at_once": spec["parallelism"],
                    "command": pod["containers"][0]["command"],
                    "variable": "JOB_COMPLETION_INDEX",
                },
            )
        case ["get", "job", name, "--output", "json"]:
            spec = json.loads((queue() / name / "spec.json").read_text())
            known = codes(name)
            status = {
                "completedIndexes": ",".join(str(each) for each, code in sorted(known.items()) if code == 0),
                "failedIndexes": ",".join(str(each) for each, code in sorted(known.items()) if code != 0),
            }
            print(json.dumps({"kind": "Job", "spec": {"completions": spec["count"]}, "status": status}))
        case ["delete", "job", name, "--ignore-not-found", "--cascade=foreground"]:
            end(name)
        case other:
            raise AssertionError(other)


def gh(arguments: list[str]) -> None:
    """Runs the step of the repository's own workflow, with the inputs that it declares."""
    match arguments:
        case ["workflow", "run", file, *fields]:
            workflow = YAML(typ="safe").load(WORKFLOWS / file)
            inputs = dict(each.removeprefix("--raw-field=").split("=", 1) for each in fields)
            assert set(inputs) == set(workflow["on"]["workflow_dispatch"]["inputs"])
            job = workflow["jobs"]["unit"]
            assert job["name"] == "unit ${{ matrix.index }}"
            step = next(each for each in job["steps"] if each.get("name") == "Measure")
            assert step["env"]["JOB_COMPLETION_INDEX"] == "${{ matrix.index }}"
            secrets = {name: os.environ.get(name, "") for name, text in step["env"].items() if "secrets." in text}
            count = len(json.loads(inputs["indexes"]))
            assert count <= 256
            begin(
                str(1000 + len(list(queue().iterdir()))),
                {
                    "count": count,
                    "at_once": int(inputs["at-once"]),
                    "command": ["bash", "-euo", "pipefail", "-c", step["run"]],
                    "variable": "JOB_COMPLETION_INDEX",
                    "environ": {"BATCH": inputs["batch"], "STORE": inputs["store"], **secrets},
                    "title": workflow["run-name"].replace("${{ inputs.batch }}", inputs["batch"]),
                },
            )
        case ["run", "list", "--workflow", _, "--limit", "50", "--json", "databaseId,displayTitle"]:
            specs = {each.name: json.loads((each / "spec.json").read_text()) for each in queue().iterdir()}
            print(json.dumps([{"databaseId": int(job), "displayTitle": spec["title"]} for job, spec in specs.items()]))
        case ["run", "cancel", job]:
            end(job)
        case ["api", *_, path, "--jq", _]:
            parts = path.partition("?")[0].split("/")
            job = parts[parts.index("runs") + 1]
            count, known = json.loads((queue() / job / "spec.json").read_text())["count"], codes(job)
            over = len(known) == count or not (queue() / job / "pid").exists()
            if parts[-1] != "jobs":
                print("completed" if over else "in_progress")
            for index in range(count) if parts[-1] == "jobs" else ():
                code = known.get(index)
                if code is None:
                    told = ("completed", "cancelled") if over else ("in_progress", "")
                else:
                    told = ("completed", "success" if code == 0 else "failure")
                print("\t".join([f"unit {index}", *told, f"https://github.com/o/r/actions/runs/{job}"]))
        case other:
            raise AssertionError(other)


if __name__ == "__main__":
    programs = {"sbatch": sbatch, "sacct": sacct, "scancel": scancel, "kubectl": kubectl, "gh": gh}
    {"run": lambda given: run(given[0]), **programs}[sys.argv[1]](sys.argv[2:])
