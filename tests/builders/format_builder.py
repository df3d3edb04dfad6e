"""Formats for tests, with only what a test is about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tfmatrix.project.formats import own_formats
from tfmatrix.worker.declared import Format


def make_format(name: str, **changes: Any) -> Format:
    """A format like h5 under another name."""
    return replace(own_formats()["h5"], **{"id": name, "saver": name, **changes})
