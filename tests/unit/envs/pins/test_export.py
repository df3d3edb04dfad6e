"""Which locks only their own tool can read."""

from __future__ import annotations

import pytest
from tfmatrix.envs.pins.export import needs_its_tool


@pytest.mark.parametrize(
    ("packages", "needed"),
    [
        ([{"name": "a", "version": "1"}, {"name": "b", "version": "2", "source": {"type": "legacy"}}], False),
        ([{"name": "a", "version": "1"}, {"name": "a", "version": "1", "extras": ["x"]}], False),
        ([{"name": "a", "version": "1"}, {"name": "a", "version": "2"}], True),
        ([{"name": "a", "version": "1", "source": {"type": "directory", "url": "lib"}}], True),
        ([{"name": "a", "version": "1", "git": "https://example.org/a.git"}], True),
    ],
)
def test_several_versions_and_what_comes_from_no_index(packages, needed):
    assert needs_its_tool(packages) is needed
