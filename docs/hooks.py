"""What mkdocs calls to build the documentation: links to files of the repository, and the command line's page."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mkdocs.structure.files import File, Files  # noqa: E402

from hatch_build import repository_url  # noqa: E402  (the checkout must be on the path first)

_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, **_rest: Any) -> str:
    """Leads links out of the documentation to the repository; where that is not known, their text stays."""
    folder = (ROOT / "docs" / page.file.src_uri).parent
    repository = repository_url(ROOT)

    def replace(link: re.Match[str]) -> str:
        text, target, _ = link.groups()
        path = (folder / target).resolve()
        inside = path.is_relative_to(ROOT / "docs") and path.suffix != ".py" and "templates" not in path.parts
        if inside or not path.is_relative_to(ROOT):
            return link[0]
        return f"[{text}]({repository}/blob/main/{path.relative_to(ROOT)})" if repository else text

    return _LINK.sub(replace, markdown)


def on_files(files: Files, *, config: Any) -> Files:
    """Adds the page of the command line, made of each command's own help."""
    files.append(File.generated(config, "cli.md", content=_command_line()))
    return files


def _command_line() -> str:
    code = (
        "import sys; from typer.main import get_command; from tfmatrix.cli import app, load_commands; load_commands()\n"
        "def each(command, path):\n"
        "    if not hasattr(command, 'commands'): print(' '.join(path))\n"
        "    for name in getattr(command, 'commands', {}): each(command.commands[name], [*path, name])\n"
        "each(get_command(app), [])"
    )
    names = _printed([sys.executable, "-c", code]).splitlines()
    parts = ["# Command line\n\nWhat `--help` of each command says.\n"]
    for name in names:
        said = _printed([sys.executable, "-m", "tfmatrix", *name.split(), "--help"])
        parts.append(f"## {name}\n\n```text\n{said.strip()}\n```\n")
    return "\n".join(parts)


def _printed(command: list[str]) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
