"""docs/notebook.md: every block of code on the page is run, on a run; and the page names every column there is."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from repository import ROOT
from run_builder import golden_run
from tfmatrix.reports.export.frame import of_run
from tfmatrix.store.runs import RunWriter

PAGE = (ROOT / "docs" / "notebook.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def names(tmp_path, monkeypatch):
    """What the page's code defines, run in a project whose newest run has one of everything."""
    run = golden_run()
    with RunWriter(tmp_path / "results", "RUN", dict(run.header)) as writer:
        for record in run.records:
            writer.add(record)
        writer.finish(datetime(2026, 1, 1, tzinfo=UTC))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    defined: dict[str, object] = {}
    for block in BLOCKS:
        exec(compile(block, "notebook.md", "exec"), defined)
    return defined


def test_the_page_does_what_it_says(names):
    statuses = json.loads(json.dumps(names["cells"].status.value_counts().to_dict()))
    assert statuses == {"pass": 3, "drift": 2, "load-error": 1, "unsupported": 1, "infra-error": 1}
    assert names["passing"].loc["2.12.1", "2.12.1"] == 1.0
    assert names["checks"].to_dict() == {"optimizer": 1, "outputs": 1}
    assert "outputs_max_abs" in names["figures"]
    assert names["largest"].outputs_max_abs.max() == pytest.approx(3.04e-4)
    assert sorted(names["news"].status) == ["drift", "load-error"]
    assert len(names["changed"]) == 0
    assert names["overview"].get_xlabel() == "reader"
    assert names["drifting"].get_yscale() == "log"
    assert (
        len(names["lines"].get_yticks())
        == names["cells"].query("format == 'h5'").groupby(["scenario", "writer"], observed=True).ngroups
    )
    assert "/" in names["table"].to_html()
    assert names["keras_3"].reader_keras.nunique() == 1


def test_the_page_names_every_column():
    from_here = {
        name for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    empty = replace(golden_run(), records=())
    assert set(of_run(empty).columns) == from_here - {"CHECK_FIGURE"}
