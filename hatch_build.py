"""Metadata that depends on where the project is published: URLs, and a README whose links and images work elsewhere.

The repository is that of the git remote `origin`; in an sdist, what its PKG-INFO says. Where neither is known (a copy
without git), there are no URLs, and the README is built without images and with the text of its relative links only.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)]+)\)")


class RepositoryMetadata(MetadataHookInterface):
    """Sets `urls` and `readme`, which pyproject.toml calls dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Called by hatchling, with the [project] table."""
        root = Path(self.root)
        repository = repository_url(root)
        if repository:
            metadata["urls"] = {
                "Repository": repository,
                "Documentation": f"{repository}/tree/main/docs",
                "Changelog": f"{repository}/blob/main/CHANGELOG.md",
                "Issues": f"{repository}/issues",
            }
        text = (root / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": portable(text, repository)}


def repository_url(root: Path) -> str:
    """The https address of the repository, or an empty text."""
    if (root / "PKG-INFO").is_file():
        text = (root / "PKG-INFO").read_text(encoding="utf-8")
        found = re.search(r"^Project-URL: Repository, (\S+)$", text, re.MULTILINE)
        return found[1] if found else ""
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "remote", "get-url", "origin"]
    try:
        remote = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
    # A forge's address, by https or ssh; never a user, a password or a folder of this machine.
    found = re.fullmatch(r"(?:https://(?:[^@/]+@)?|ssh://git@|git@)([\w.-]+\.\w+)[/:]([\w./-]+?)(?:\.git)?/?", remote)
    return f"https://{found[1]}/{found[2]}" if found else ""


def portable(text: str, repository: str) -> str:
    """The README with absolute links and images; without a repository, with neither."""

    def replace(link: re.Match[str]) -> str:
        image, label, target = link.groups()
        if not repository:
            return "" if image else label
        return f"{image}[{label}]({repository}/{'raw' if image else 'blob'}/main/{target})"

    return LINK.sub(replace, text)


class PublishedMap(BuildHookInterface):
    """Puts the published map into the package: what `tfmatrix upgrade` knows of a step before it measures."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  (hatchling's own signature)
        """In a checkout; in an unpacked source distribution the map lies in the package already."""
        folder = Path(self.root) / "results" / "published" / "nightly"
        place = "runner/tfmatrix" if self.target_name == "sdist" else "tfmatrix"
        for name in ("run.json", "cells.jsonl.gz", "inferred.json.gz"):
            if (folder / name).is_file():
                build_data["force_include"][str(folder / name)] = f"{place}/published/{name}"
