"""The workflows and the reusable action: valid, pinned, least rights; and their shell steps are run, by bash, here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from repository import ROOT
from ruamel.yaml import YAML
from tfmatrix import cli
from tfmatrix.envs.releases import Index
from tfmatrix.envs.uv import Network, Uv
from tfmatrix.project.init import initialise
from tfmatrix.store.runs import RunWriter

ACTION = ROOT / "action.yml"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"[\w-]+/[\w/-]+@[0-9a-f]{40}")


def load(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text())


def steps_of(path: Path) -> list[dict[str, Any]]:
    data = load(path)
    jobs = [data["runs"]] if "runs" in data else data["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


def step_named(name: str, path: Path = ACTION) -> dict[str, Any]:
    return next(step for step in steps_of(path) if step.get("name") == name)


SCRIPTS = [
    pytest.param(step["run"], id=f"{path.stem}: {step.get('name', step['run'].splitlines()[0])}")
    for path in [ACTION, *WORKFLOWS]
    for step in steps_of(path)
    if "run" in step
]


def test_the_workflows_are_there():
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "nightly.yml", "units.yml"]


@pytest.mark.parametrize("path", [ACTION, *WORKFLOWS], ids=lambda path: path.name)
def test_schema(path, tmp_path):
    schema = "vendor.github-actions" if path == ACTION else "vendor.github-workflows"
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    # And the check would find a mistake.
    broken = tmp_path / path.name
    broken.write_text(path.read_text().replace("    steps:", "    stepz:") if path != ACTION else "name: x\n")
    assert subprocess.run([*command, str(broken)], capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize("action", ["", "owner/tfmatrix@v1"])
def test_the_workflow_that_init_writes_is_valid_too(tmp_path, action):
    uv = Uv(cache=tmp_path / "uv", network=Network(offline=True))
    initialise(tmp_path, Index(offline=True), uv, action=action)
    path = tmp_path / ".github/workflows/tfmatrix.yml"
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    used = [step["uses"] for step in load(path)["jobs"]["upgrade"]["steps"] if "uses" in step]
    assert [each for each in used if not PINNED.fullmatch(each)] == [action][: bool(action)]


@pytest.mark.parametrize("path", [ACTION, *WORKFLOWS], ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_and_say_their_version(path):
    uses = [step["uses"] for step in steps_of(path) if "uses" in step]
    assert uses
    assert [each for each in uses if not PINNED.fullmatch(each)] == []
    unnamed = [line for line in path.read_text().splitlines() if "@" in line and "uses:" in line and "# v" not in line]
    assert [line for line in unnamed if not line.lstrip().startswith("#")] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_rights_are_the_least(path):
    data = load(path)
    assert data["permissions"] == {"contents": "read"}
    rights = {name: job["permissions"] for name, job in data["jobs"].items() if "permissions" in job}
    night = {"publish": {"contents": "write"}, "deploy": {"pages": "write", "id-token": "write"}}
    assert rights == (night if path.stem == "nightly" else {})
    checkouts = [step for step in steps_of(path) if step.get("uses", "").startswith("actions/checkout")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)
    assert all("timeout-minutes" in job for job in data["jobs"].values())


@pytest.mark.parametrize("path", [ACTION, *WORKFLOWS], ids=lambda path: path.name)
def test_nothing_that_somebody_else_says_becomes_a_script(path):
    assert [step["run"] for step in steps_of(path) if "${{" in step.get("run", "")] == []


TEMPLATES = ROOT / "docs" / "templates"
GITLAB = load(TEMPLATES / "gitlab-ci.yml")
SCRIPTS += [
    pytest.param(line, id=f"gitlab-ci: {line.split(' --')[0]}")
    for job in (GITLAB["default"], GITLAB["upgrade"], GITLAB["nightly"])
    for line in (*job.get("before_script", ()), *job.get("script", ()))
]
SCRIPTS += [
    pytest.param(script, id=f"Jenkinsfile: {script.split(' --')[0]}")
    for script in re.findall(r"sh '([^']*)'", (TEMPLATES / "Jenkinsfile").read_text())
]


def test_the_template_for_gitlab_is_valid(tmp_path):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.gitlab-ci"]
    done = subprocess.run([*command, str(TEMPLATES / "gitlab-ci.yml")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    broken = tmp_path / "broken.yml"
    broken.write_text((TEMPLATES / "gitlab-ci.yml").read_text().replace("script:", "scripts:"))
    assert subprocess.run([*command, str(broken)], capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_is_shell(script):
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_command_of_tfmatrix_in_them_exists(script):
    import typer

    cli.load_commands()
    command = typer.main.get_command(cli.app)
    for line in re.findall(r"(?:^|/bin/)tfmatrix\"? ([a-z][^\n|&;]*)", script, re.MULTILINE):
        words = line.split()
        named = command.commands[words[0]]  # type: ignore[attr-defined]
        options = {name for each in named.params for name in (*each.opts, *each.secondary_opts)}
        assert {word for word in words if re.match(r"--?[a-z]", word)} <= options, line


# The action, in a project of somebody else


class Runner:
    """What GitHub gives to a step: variables, a temporary folder, files for outputs; and a stand-in for tfmatrix."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.temporary = root / "temporary"
        self.work = root / "work"
        self.output = root / "output"
        self.report = self.temporary / "tfmatrix" / "upgrade.md"
        self.asked = [
            *("upgrade", "-C", ".", "--executor", "auto", "--as", "md"),
            *("--output", str(self.report), "--junit", str(self.report.with_suffix(".xml"))),
        ]
        bin_folder = self.temporary / "tfmatrix" / "bin"
        for folder in (bin_folder, self.work):
            folder.mkdir(parents=True)
        self.tfmatrix = bin_folder / "tfmatrix"
        self.stand_in('printf "%s\\n" "$@"')

    def stand_in(self, script: str) -> None:
        self.tfmatrix.write_text(f"#!/usr/bin/env bash\n{script}\n")
        self.tfmatrix.chmod(0o755)

    def run(self, script: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Runs a step as GitHub does: `bash -e -o pipefail FILE`."""
        path = self.root / "step.sh"
        path.write_text(script)
        defaults = {name.upper().replace("-", "_"): each["default"] for name, each in load(ACTION)["inputs"].items()}
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "RUNNER_TEMP": str(self.temporary),
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_EVENT_NAME": "pull_request",
            "GITHUB_ACTION_PATH": str(ROOT),
        }
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(path)],
            cwd=self.work,
            env=variables | defaults | dict(environ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def upgrade(self, **environ: str) -> subprocess.CompletedProcess[str]:
        return self.run(step_named("May TensorFlow be bumped?")["run"], environ)

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", "-C", str(self.work), *arguments], check=True, capture_output=True)

    def commit(self, message: str, **files: str) -> None:
        for name, text in files.items():
            (self.work / name.replace("_txt", ".txt")).write_text(text)
        self.git("add", ".")
        self.git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", message)


@pytest.fixture
def runner(tmp_path):
    """A checkout of a pull request that bumps TensorFlow; `origin/main` is its base."""
    runner = Runner(tmp_path)
    runner.git("init", "-q", "-b", "main")
    runner.commit("before", requirements_txt="tensorflow==2.15.1\n")
    runner.git("update-ref", "refs/remotes/origin/main", "HEAD")
    runner.commit("after", requirements_txt="tensorflow==2.21.0\n")
    return runner


def test_a_pull_request_is_compared_with_its_base(runner):
    done = runner.upgrade(GITHUB_BASE_REF="main")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [*runner.asked, "--from-git", "origin/main"]
    assert runner.output.read_text() == "exit-code=0\n"


@pytest.mark.parametrize("code", [1, 2, 3, 4])
def test_the_exit_code_is_the_steps_and_an_output(runner, code):
    runner.stand_in(f"exit {code}")
    assert runner.upgrade(GITHUB_BASE_REF="main").returncode == code
    assert runner.output.read_text() == f"exit-code={code}\n"


def test_inputs_become_arguments_whole_and_never_shell(runner):
    done = runner.upgrade(
        FROM="2.15.1", TO="2.21", MODELS="models/a b.keras\n$(touch hacked).h5", ARGUMENTS="--allow-changes\n\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        *runner.asked,
        *("--from", "2.15.1", "--to", "2.21", "--allow-changes", "models/a b.keras", "$(touch hacked).h5"),
    ]
    assert not (runner.work / "hacked").exists()


def test_a_base_that_a_shallow_checkout_lacks_is_fetched(runner, tmp_path):
    upstream = tmp_path / "upstream"
    subprocess.run(["git", "clone", "-q", "--bare", str(runner.work), str(upstream)], check=True)
    runner.git("update-ref", "-d", "refs/remotes/origin/main")
    runner.git("remote", "add", "origin", str(upstream))
    assert runner.upgrade(GITHUB_BASE_REF="main").returncode == 0
    runner.git("rev-parse", "--verify", "origin/main")


def test_without_a_pull_request_nothing_is_guessed(runner):
    assert "--from-git" not in runner.upgrade(GITHUB_EVENT_NAME="workflow_dispatch").stdout.split()


def test_a_push_asks_for_the_newest_and_fails_only_for_the_machine(runner):
    done = runner.upgrade(GITHUB_EVENT_NAME="push")
    assert done.stdout.split() == [*runner.asked, "--from-git", "HEAD", "--to", "latest"]
    done = runner.upgrade(GITHUB_EVENT_NAME="push", TO="requirements-a.txt")
    assert done.stdout.split() == [*runner.asked, "--from", "requirements-a.txt", "--to", "latest"]
    for code, expected in [(1, 0), (2, 0), (3, 0), (4, 4)]:
        runner.stand_in(f"exit {code}")
        assert runner.upgrade(GITHUB_EVENT_NAME="push").returncode == expected


class Comments:
    """A stand-in for `gh api`: the comments of a pull request as files, in the order of their ids."""

    def __init__(self, runner: Runner, *others: str) -> None:
        self.folder = runner.root / "comments"
        self.folder.mkdir()
        for place, body in enumerate(others):
            (self.folder / str(place)).write_text(body)
        gh = runner.root / "bin" / "gh"
        gh.parent.mkdir()
        gh.write_text(
            f"""#!{sys.executable}
import os, pathlib, sys
folder = pathlib.Path({str(self.folder)!r})
if os.environ["GH_TOKEN"] == "read":
    sys.exit("gh: Resource not accessible by integration (HTTP 403)")
words = sys.argv[1:]
path = next(word for word in words if word.startswith("repos/"))
if "--jq" in words:
    assert path == "repos/me/churn/issues/7/comments" and "env.MARK" in words[-1]
    for each in sorted(folder.iterdir()):
        if each.read_text().startswith(os.environ["MARK"]):
            print(each.name)
else:
    number = path.rpartition("/")[2] if "PATCH" in words else str(len(list(folder.iterdir())))
    (folder / number).write_text(open(words[-1].removeprefix("body=@")).read())
"""
        )
        gh.chmod(0o755)
        self._runner = runner

    def keep(self, **environ: str) -> subprocess.CompletedProcess[str]:
        runner = self._runner
        known = {
            "PATH": f"{runner.root / 'bin'}:{os.environ['PATH']}",
            "GITHUB_REPOSITORY": "me/churn",
            "NUMBER": "7",
            "REPORT": str(runner.report),
            "GH_TOKEN": "write",
        }
        return runner.run(step_named("Keep one comment")["run"], known | environ)

    def read(self) -> list[str]:
        return [path.read_text() for path in sorted(self.folder.iterdir())]


def test_a_pull_request_has_one_comment_with_the_newest_answer(runner):
    comments = Comments(runner, "looks good", "<!-- tfmatrix: other -->another project's")
    for answer in ("# UNSAFE\n", "# SAFE\n"):
        runner.report.write_text(answer)
        done = comments.keep()
        assert done.returncode == 0, done.stderr
        assert comments.read()[2:] == [f"<!-- tfmatrix: . -->\n{answer}"]
    assert comments.read()[:2] == ["looks good", "<!-- tfmatrix: other -->another project's"]
    runner.report.write_text("x" * 100_000)
    comments.keep()
    assert len(comments.read()[2]) < 65_536


def test_a_comment_that_a_fork_may_not_write_is_a_warning(runner):
    comments = Comments(runner)
    runner.report.write_text("# SAFE\n")
    done = comments.keep(GH_TOKEN="read")
    assert done.returncode == 0
    assert done.stdout.startswith("::warning title=tfmatrix::The comment was not written")
    assert comments.read() == []


def test_the_real_upgrade_takes_the_command_line(runner):
    """Nothing was bumped: the real command says so without measuring anything."""
    runner.commit("back", requirements_txt="tensorflow==2.15.1\n")
    runner.stand_in(f'PYTHONPATH={ROOT / "runner"} exec {sys.executable} -m tfmatrix "$@"')
    done = runner.upgrade(GITHUB_BASE_REF="main", TO="", ARGUMENTS="--allow-changes\n--offline")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("nothing to check: no file that says what is installed differs from origin/main")
    assert runner.report.read_text() == done.stdout
    assert runner.output.read_text() == f"exit-code=0\nreport={runner.report}\n"


def test_installing_puts_tfmatrix_where_the_other_steps_look(runner):
    """With a stand-in for Python: what would be downloaded is another test's matter."""
    shutil.rmtree(runner.temporary)
    runner.temporary.mkdir()
    fake = runner.root / "python"
    fake.write_text(
        '#!/usr/bin/env bash\nif [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; fi\n'
        f'echo "$@" >>{runner.root}/calls\n'
    )
    fake.chmod(0o755)
    done = runner.run(step_named("Install tfmatrix")["run"], {"PYTHON": str(fake)})
    assert done.returncode == 0, done.stderr
    assert (runner.root / "calls").read_text().splitlines() == [
        f"-m venv {runner.temporary}/tfmatrix",
        f"-m pip install --quiet {ROOT}",
    ]


# The night's scripts


def test_a_shard_ends_well_with_what_the_last_job_judges(runner):
    script = step_named("Measure", ROOT / ".github/workflows/nightly.yml")["run"]
    folder = {"PATH": f"{runner.tfmatrix.parent}:{os.environ['PATH']}", "SET": "nightly", "SHARD": "2/4"}
    for code, expected in [(0, 0), (1, 0), (4, 0), (2, 2), (3, 3), (130, 130)]:
        runner.stand_in(f'printf "%s " "$@"; exit {code}')
        done = runner.run(script, folder)
        assert (done.returncode, done.stdout) == (expected, "run --set nightly --shard 2/4 ")


def test_pins_that_could_not_be_renewed_are_passed_on(runner):
    script = step_named("News since last night", ROOT / ".github/workflows/nightly.yml")["run"]
    folder = {"PATH": f"{runner.tfmatrix.parent}:{os.environ['PATH']}", "SET": "nightly"}
    folder |= {"GITHUB_REPOSITORY_OWNER": "me", "GITHUB_REPOSITORY": "me/matrix"}
    for outcome, option in [("success", "--refreshed"), ("failure", "--refresh-failed"), ("", "--refresh-failed")]:
        words = runner.run(script, folder | {"REFRESHED": outcome}).stdout.split()
        assert option in words
        assert words[-2:] == ["--site", "https://me.github.io/matrix"]


def test_the_nights_lie_on_a_branch_and_come_back(runner, tmp_path):
    upstream = tmp_path / "server" / "me" / "matrix"
    subprocess.run(["git", "init", "-q", "--bare", str(upstream)], check=True)
    runner.git("remote", "add", "origin", str(upstream))
    workflow = ROOT / ".github/workflows/nightly.yml"
    before, keep = (step_named(name, workflow)["run"] for name in ("The nights before", "Keep the nights"))
    server = {"GITHUB_SERVER_URL": f"{tmp_path}/server", "GITHUB_REPOSITORY": "me/matrix", "TOKEN": "t", "KEEP": "2"}
    server["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    results = runner.work / "results"
    for night in range(26, 29):
        shutil.rmtree(results, ignore_errors=True)
        done = runner.run(before, server)
        assert done.returncode == 0, done.stderr
        finished = datetime(2026, 11, night, 4, tzinfo=UTC)
        for name, header in [
            (f"night-{night}", {}),
            (f"part-{night}", {"shard": {"group": "g", "number": 1, "of": 4}}),
        ]:
            with RunWriter(results, name, header | {"started": finished.isoformat()}) as writer:
                writer.finish(finished, latest=not header)
        done = runner.run(keep, server)
        assert done.returncode == 0, done.stderr
    shutil.rmtree(results)
    runner.run(before, server)
    assert sorted(path.name for path in (results / "runs").iterdir()) == ["night-27", "night-28"]
    assert (results / "latest").read_text() == "night-28\n"
    log = subprocess.run(
        ["git", "-C", str(upstream), "log", "--oneline", "nights"], capture_output=True, text=True, check=True
    )
    assert len(log.stdout.splitlines()) == 1
