"""The runs that come with the repository speak of TensorFlow, and not of the machine that measured them."""

from __future__ import annotations

import gzip
import re

import pytest
from repository import ROOT

PUBLISHED = sorted(path.parent for path in (ROOT / "results" / "published").rglob("run.json"))
_OF_A_MACHINE = re.compile(
    r"(?:/tmp|/home/\w+|/root|/work|/Users/\w+)/[\w./-]*(?:tfmatrix/worker|scenarios|results|\.venv)/"
)


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda path: path.name)
def test_no_path_of_a_machine_is_published(folder):
    texts = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert "run.json" in texts
    for name, data in texts.items():
        text = (gzip.decompress(data) if name.endswith(".gz") else data).decode("utf-8", "replace")
        assert not (found := _OF_A_MACHINE.search(text)), f"{name}: {found.group() if found else ''}"
