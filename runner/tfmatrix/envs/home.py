"""The user's home, also for a user who has none: a process in a container often has no HOME, or somebody else's."""

from __future__ import annotations

from pathlib import Path


def home_folder() -> Path | None:
    """The home of the user; None where neither HOME nor the system names one."""
    try:
        return Path.home()
    except RuntimeError:
        return None
