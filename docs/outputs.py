"""Runs the commands that the documents show, and writes what they print: nothing there is typed by hand.

python docs/outputs.py [--check] [--real] [FILE...]    # default: README.md and every page under docs

A block of the kind `console` with the line `<!-- run -->` before it is run from the root of the checkout, one command
after the other, as a shell would; an exit code other than 0 stands as `[exit code N]` behind its output. `<!-- run:
real -->` needs TensorFlow, and is left alone without --real. With --check nothing is written, and a difference is an
error.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- run(?P<real>: real)? -->\n```console\n)(?P<body>.*?)(?=^```$)", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """Every document with commands."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands(body: str) -> Iterator[str]:
    """The command lines of a block; one that ends with a backslash goes on."""
    begun = ""
    for line in body.splitlines():
        if line.startswith("$ "):
            begun = line[2:]
        elif begun.endswith("\\"):
            begun += f"\n{line}"
        else:
            continue
        if not begun.endswith("\\"):
            yield begun
            begun = ""


def run(command: str, folder: Path) -> str:
    """What a command prints on stdout, and its exit code where that is not 0."""
    with tempfile.TemporaryDirectory() as programs:
        program = Path(programs) / "tfmatrix"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tfmatrix "$@"\n')
        program.chmod(0o755)
        path = os.pathsep.join([programs, str(ROOT / "runner"), os.environ.get("PATH", "")])
        environ = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT / "runner"), "COLUMNS": "100", "NO_COLOR": "1"}
        done = subprocess.run(
            [shutil.which("bash") or "bash", "-o", "pipefail", "-c", command],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode in (2, 4):
        raise SystemExit(f"$ {command}\n{done.stdout}{done.stderr}")
    text = "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())
    return text + (f"[exit code {done.returncode}]\n" if done.returncode else "")


def rewritten(text: str, *, real: bool = False, folder: Path = ROOT) -> str:
    """A page with the outputs as they are now."""

    def replace(match: re.Match[str]) -> str:
        if bool(match["real"]) is not real:
            return match[0]
        return match[1] + "".join(f"$ {each}\n{run(each, folder)}" for each in commands(match["body"]))

    return BLOCK.sub(replace, text)


def main(arguments: Sequence[str]) -> int:
    """Rewrites, or with --check compares."""
    options = {each for each in arguments if each.startswith("--")}
    chosen = [Path(each).resolve() for each in arguments if not each.startswith("--")] or pages()
    stale = []
    for page in chosen:
        text = page.read_text(encoding="utf-8")
        now = rewritten(text, real="--real" in options)
        if now == text:
            continue
        if "--check" in options:
            stale.append(str(page.relative_to(ROOT)))
        else:
            page.write_text(now, encoding="utf-8")
    if stale:
        print(f"{', '.join(stale)}: another output than is shown; python docs/outputs.py writes it", file=sys.stderr)
    return len(stale) and 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
