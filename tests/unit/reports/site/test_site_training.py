"""The pages on whether the same code still trains the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from analysis_runs import HOSTILE, record, run_of
from tfmatrix.analysis.training import changed_defaults, trained
from tfmatrix.core.records import CellRecord
from tfmatrix.reports.site.build import write_site

OLD, NEW = "2.15.1", "2.21.0"
SENTENCE = f"a default changed: norm.epsilon: 0.001 → 0.01 {HOSTILE}"


def moved(scenario: str, **figures: object) -> CellRecord:
    default = {"before": 0.001, "after": 0.01, "class": "BatchNormalization"}
    return record(
        f"{scenario}/code/{OLD}/{NEW}",
        "drift",
        failed_checks=("defaults", "learning"),
        checks={
            "defaults": {
                "status": "fail",
                "findings": [
                    {"code": "changed", "subject": f"{scenario}_norm.epsilon", "figures": default},
                    {
                        "code": "aside-changed",
                        "subject": f"{scenario}_norm.axis",
                        "figures": {"before": 1, "after": -1},
                    },
                    {"code": "changed", "subject": "compile.hyperparameters.epsilon", "figures": figures},
                ],
            },
            "learning": {"status": "fail", "writer_losses": [3.0, 2.0, 1.0], "losses": [3.0, 2.5, "nan"], "noise": 0.1},
        },
        attribution={"sentence": SENTENCE, "training": {"by": ["default"]}},
    )


@pytest.fixture(scope="module")
def records() -> list[CellRecord]:
    same = [record(f"{name}/code/{OLD}/{NEW}", "pass") for name in ("dense", "lstm")]
    changes = [moved("first", before=1e-7, after=1e-8), moved("second", before=1e-7, after=1e-8)]
    unknown = record(f"lost/code/{OLD}/{NEW}", "infra-error")
    return [*same, *changes, unknown, record(f"dense/h5/{OLD}/{NEW}", "pass")]


@pytest.fixture(scope="module")
def site(records: list[CellRecord], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training") / "site"
    write_site(run_of(records), folder)
    return folder


def test_cells_are_told_apart_by_what_they_say_of_training(records: list[CellRecord]) -> None:
    (found,) = trained(records).values()
    assert [len(each) for each in (found.same, found.differing, found.unknown)] == [2, 2, 1]
    assert found.losses["a default changed: `epsilon` of `BatchNormalization`"] == ("first", "second")


def test_a_default_is_told_once_with_the_scenarios_that_show_it(records: list[CellRecord]) -> None:
    found = {(each.owner, each.argument): each for each in changed_defaults(records)}
    assert found.keys() == {("BatchNormalization", "epsilon"), ("compile", "hyperparameters.epsilon")}
    of_norm = found["BatchNormalization", "epsilon"]
    assert (of_norm.before, of_norm.after, len(of_norm.cells)) == ("0.001", "0.01", 2)


def test_the_page_of_a_pair_says_what_differs_and_shows_the_loss(site: Path) -> None:
    page = (site / "training" / f"{OLD}--{NEW}.html").read_text()
    assert "Of 5 scenarios 2 train the same, 2 differently; of 1 it is not known." in page
    assert "<td><code>BatchNormalization</code></td>" in page
    assert page.count("<svg") == 2
    assert "<script>window" not in page


def test_the_pages_are_found_from_the_verdict_on_files(site: Path) -> None:
    for page in ("upgrade.html", f"upgrade/{OLD}--{NEW}.html", "training.html"):
        links = re.findall(r'href="([^"#?]*training[^"]*)"', (site / page).read_text())
        assert links
        assert all((site / page).parent.joinpath(each).exists() for each in links)


def test_without_code_that_was_trained_there_is_no_such_page(tmp_path: Path) -> None:
    write_site(run_of([record(f"dense/h5/{OLD}/{NEW}", "pass")]), tmp_path / "site")
    assert not (tmp_path / "site" / "training.html").exists()
    assert "still train" not in (tmp_path / "site" / "upgrade.html").read_text()
