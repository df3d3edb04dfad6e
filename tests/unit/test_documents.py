"""The documents: every command that they show is one, and prints what stands behind it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest
from repository import ROOT
from tfmatrix.cli import app, load_commands
from typer.main import get_command

load_commands()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def shown() -> Iterator[tuple[str, str]]:
    """Page and command line of every `tfmatrix …` in a block or between backticks."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        name = str(page.relative_to(ROOT))
        for block in re.findall(r"^```(?:console|yaml|)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            for line in re.findall(r"^(?:\$ |[^`\n]*&& )(?:[A-Z_]+=\S+ )*(tfmatrix [^\n]*)", block, re.MULTILINE):
                yield name, line
        without = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        for line in re.findall(r"`(tfmatrix [^`\n]*)`", without):
            yield name, line


def words(line: str) -> list[str]:
    """The arguments of a command line, up to its comment or the next program of it."""
    found = shlex.split(line, comments=True)[1:]
    end = next((place for place, word in enumerate(found) if word in ("|", "||", "&&", ">")), len(found))
    return found[:end]


@pytest.mark.parametrize(("page", "line"), sorted(set(shown())))
def test_every_command_that_is_shown_is_one(page, line):
    command, arguments = get_command(app), words(line)
    while arguments and hasattr(command, "commands"):
        if arguments[0] == "…":
            return
        assert arguments[0] in {
            *command.commands,
            *(name for each in command.params for name in each.opts),
            "--help",
        }, line
        if arguments[0].startswith("-"):
            return
        command = command.commands[arguments.pop(0)]
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)} | {"--help", "-h"}
    unknown = {word.partition("=")[0] for word in arguments if re.match(r"--?[a-z]", word, re.I)} - known - {"--debug"}
    assert not unknown, line


def test_there_are_commands_to_try():
    assert len(set(shown())) > 80


@pytest.mark.parametrize("page", [str(page.relative_to(ROOT)) for page in PAGES if "<!-- run -->" in page.read_text()])
def test_what_is_shown_behind_a_command_is_what_it_prints(page):
    command = [sys.executable, "docs/outputs.py", "--check", page]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
