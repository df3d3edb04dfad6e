"""What a test needs of the machine. Without it a test is skipped, and says so; in a CI (CI=true) it fails.

Otherwise a runner that lost its browser or its engine would go on being green.
"""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def lacking(what: str) -> NoReturn:
    """Ends the test: what it needs is not on this machine."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"a CI has to have this: {what}", pytrace=False)
    pytest.skip(what)
