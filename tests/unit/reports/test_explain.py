from __future__ import annotations

import json
import re
from typing import Any

import pytest
from analysis_runs import HOSTILE, load_error, record, run_of, save_error, warning
from drifts import drifted, other_output, reset_optimizer, restart
from markdown_it import MarkdownIt
from messages import DEPTHWISE, UNKNOWN
from tfmatrix.analysis.causes import find_causes
from tfmatrix.analysis.warnings import catalogue
from tfmatrix.core.errors import ExitCode, NothingSelectedError, UsageError
from tfmatrix.core.records import CellRecord
from tfmatrix.reports.explain import DocumentFormat, explain
from tfmatrix.store.runs import Run

TRACEBACK = "Traceback (most recent call last):\n" + "".join(
    f'  File "layer{number}.py", line {number}, in load\n    step_{number}()\n' for number in range(20)
)
REMEDIES = (
    {"name": "custom_objects", "status": "load-error", "detail": "ValueError: still unknown"},
    {"name": "compile=False", "status": "drift", "held": ["outputs", "weights"], "missing": ["optimizer", "resume"],
     "detail": "brings back outputs, weights; not optimizer, resume"},
)  # fmt: skip
CELL = "depthwise/h5/2.12.1/2.16.2"


def a_run() -> Run:
    failing = load_error(
        CELL,
        DEPTHWISE,
        "TypeError",
        TRACEBACK + f"TypeError: {DEPTHWISE}",
        known=True,
        remedies=REMEDIES,
        remedy="compile=False",
        checks={"load": {"status": "fail", "detail": [f"TypeError: {DEPTHWISE}"]}},
        save_warnings=[warning("Found untraced functions", count=3)],
        load_warnings=[],
    )
    silent = drifted(
        reset_optimizer,
        restart,
        other_output,
        cell="state/savedmodel-raw/2.12.1/2.16.2",
        promised=True,
        attribution={
            "serialization": {"found": True},
            "numerics": {"found": False},
            "sentence": "serialization lost optimizer",
        },
    )
    return run_of(
        [
            failing,
            load_error("depthwise/h5/2.15.1/2.16.2", DEPTHWISE, "TypeError"),
            silent,
            record("dense/h5/2.12.1/2.12.1"),
            record("dense/h5/2.12.1/2.15.1", flaky=True, fixed=True),
            save_error("sub/h5/2.12.1/2.15.1", "no HDF5"),
        ],
        {
            "scenarios": {
                "depthwise": {"title": "A `DepthwiseConv2D`", "description": "Claim: *it loads*.\n\nFrom an article."}
            },
            "known_failures": [
                {"cells": ["depthwise/**"], "status": ["load-error"], "reason": "Keras 3 dropped groups", "link": None}
            ],
        },
    )  # fmt: skip


def test_a_cell_is_explained_from_status_to_what_to_do_next() -> None:
    text = explain(a_run(), CELL)
    for said in (
        "load-error: loading raised an exception (known).",
        "DepthwiseConv2D got an unknown argument groups (with 1 more cell,",
        "Known: Keras 3 dropped groups",
        "https://github.com/keras-team/keras/issues/19441",
        "A DepthwiseConv2D",
        "Claim: *it loads*.",
        "TypeError in the reader, while loading.",
        "    Unrecognized keyword arguments passed to DepthwiseConv2D: {'groups': 1}",
        "    step_19()",
        "- compile=False (recommended): drift",
        "    brings back outputs, weights; not optimizer, resume",
        "- save, UserWarning: Found untraced functions (×3)",
        "keras           2.12.0      3.4.1       ≠ differs",
        "absl-py         1.4.0       2.1.0       ≠ differs",
        "python          3.11.9      3.11.9      same",
        "Nothing: Keras documents what a file holds",
        f"tfmatrix reproduce {CELL}  #",
        f"tfmatrix run --only {CELL}  #",
        f"tfmatrix explain {CELL} --traceback  #",
    ):
        assert re.sub(r"\s+", " ", said) in re.sub(r"\s+", " ", text), said
    assert "step_3()" not in text
    assert text.count("Exception encountered: Unrecognized") == 1, "shown as the error, and not as a check again"
    assert text.endswith("\n")
    assert re.findall(r"^(.*)\n--+$", text, re.MULTILINE) == [
        "Scenario", "Error", "Checks", "Remedies tried", "Warnings of the save", "Warnings of the load",
        "What was promised", "Environments", "To go on",
    ]  # fmt: skip


def test_the_whole_traceback_on_request() -> None:
    text = explain(a_run(), CELL, traceback=True)
    assert "step_3()" in text
    assert "more characters" not in text
    assert "--traceback" not in text


def test_a_drift_shows_figures_attribution_and_the_broken_promise() -> None:
    text = re.sub(r"\s+", " ", explain(a_run(), "state/savedmodel-raw/2.12.1/2.16.2"))
    assert "drift: loaded without an error, but something is different (promised)." in text
    assert "- resume: fail (losses [0.5, 0.45, 0.4121], writer_losses [0.5, 0.4, 0.3011], " in text
    assert "findings" not in text
    assert "restarted from scratch" in text
    assert (
        "- optimizer: fail (iterations_before 3, iterations_after 0, slots 16, identical 0, lost 0, reset 16, " in text
    )
    assert "Attribution: serialization lost optimizer." in text
    assert "Broken: A SavedModel can be loaded and evaluated" in text
    assert "https://www.tensorflow.org/guide/versions" in text


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("dense/h5/2.12.1/2.12.1", "pass: loaded, and every check held."),
        (
            "dense/h5/2.12.1/2.15.1",
            "(fixed: listed in known_failures.yaml, but passes now, flaky: two tries disagreed)",
        ),
        ("sub/h5/2.12.1/2.15.1", "in the writer, while saving."),
    ],
)
def test_every_status_has_its_page(cell: str, said: str) -> None:
    assert said in re.sub(r"\s+", " ", explain(a_run(), cell))


@pytest.mark.parametrize(("by", "why"), [("artifact", "saves the same"), ("reader", "both sides of this one agree")])
def test_an_inferred_cell_says_that_it_was_not_measured_and_names_its_source(by: str, why: str) -> None:
    source = load_error(CELL, DEPTHWISE, "TypeError", TRACEBACK)
    other = record("depthwise/h5/2.13.1/2.16.2", "load-error", inferred={"from": CELL, "by": by})
    text = re.sub(r"\s+", " ", explain(run_of([source, other]), other.cell))
    assert f"Not measured: inferred from {CELL}" in text
    assert why in text


def test_a_cause_names_its_cells_and_its_remedy() -> None:
    run = a_run()
    cause = next(cause for cause in find_causes(run) if "groups" in cause.title)
    for target in (cause.id, cause.id.lower()):
        text = explain(run, target)
        assert text.startswith(f"{cause.id}: DepthwiseConv2D got an unknown argument groups\n")
        assert "load-error, 2 cells: 1 known, 1 not listed (Keras 3 dropped groups)." in text
        assert "where           2.12.1–2.15.1 → 2.16.2" in text
        assert "first shown by  2.16.2" in text
        in_a_line = " ".join(text.split())
        assert "compile=False helps 1 of 2 cells, completely 0: brings back outputs" in in_a_line
        assert "optimizer, resume; its price: the model is not compiled" in in_a_line
        assert f"- {CELL}" in text
        assert "tfmatrix reproduce depthwise/h5/2.15.1/2.16.2" in text, "the example nobody has listed"


def test_a_warning_is_explained_too() -> None:
    text = explain(a_run(), catalogue(a_run()).entries[0].id)
    assert "how often    1 of" in text
    assert "then failed  1 of 1 (100 %) cells with it failed or drifted" in text


def test_a_glob_lists_causes() -> None:
    text = explain(a_run(), "depthwise/**")
    assert text.startswith("2 cells of run 20251122T190412Z-3fa9c1: depthwise/**")
    assert "load-error 2." in text
    assert "got an unknown argument groups" in text
    assert "2 cells, h5, 2.12.1–2.15.1 → 2.16.2" in text
    assert explain(a_run(), "dense").endswith("None of them failed.\n")
    assert "1 of its 2 cells" in explain(a_run(), "*/h5/2.12.1/*")


def test_a_glob_of_one_cell_is_that_cell() -> None:
    assert explain(a_run(), "depthwise/*/2.12.1") == explain(a_run(), CELL)


@pytest.mark.parametrize(
    ("target", "error", "said"),
    [
        ("C-000000", UsageError, 'has no cause "C-000000"'),
        ("W-000000", UsageError, 'has no warning "W-000000"'),
        ("depthwize/h5/2.12.1/2.16.2", NothingSelectedError, 'did you mean "depthwise/h5/2.12.1/2.16.2"?'),
        ("depthwise/h5/2.12.1/2.16.3", NothingSelectedError, 'did you mean "depthwise/h5/2.12.1/2.16.2"?'),
        ("nothing/like/this/here", NothingSelectedError, "`tfmatrix report` shows the cells"),
        ("a/b/c/d/e", UsageError, "5 segments"),
        ("", UsageError, "an empty segment"),
        ("[", UsageError, "without"),
    ],
)
def test_what_is_not_there_is_told_with_a_hint(target: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        explain(a_run(), target)
    assert said in str(caught.value)


def test_a_typo_in_the_id_of_a_cause_is_corrected() -> None:
    run = a_run()
    right = find_causes(run)[0].id
    wrong = right[:-1] + ("0" if right[-1] != "0" else "1")
    with pytest.raises(UsageError, match=f'did you mean "{right}"'):
        explain(run, wrong)
    assert UsageError("x").exit_code is ExitCode.USAGE


def test_a_run_without_causes_says_so() -> None:
    with pytest.raises(UsageError, match="has no causes"):
        explain(run_of([record("a/h5/2.12.1/2.12.1")]), "C-123456")


def test_the_json_form_has_the_record_and_what_surrounds_it() -> None:
    run = a_run()
    data = json.loads(explain(run, CELL, fmt="json"))
    assert data["schema"] == 1
    assert data["kind"] == "cell"
    assert CellRecord.from_json(data["record"]).cell == CELL
    assert [cause["title"] for cause in data["causes"]] == ["`DepthwiseConv2D` got an unknown argument `groups`"]
    assert data["different_packages"] == ["tensorflow-cpu", "keras", "numpy", "absl-py", "wrapt"]
    assert data["scenario"]["title"] == "A `DepthwiseConv2D`"
    assert data["commands"][0] == f"tfmatrix reproduce {CELL}"
    promised = json.loads(explain(run, "state/savedmodel-raw/2.12.1/2.16.2", fmt="json"))
    assert promised["promised"] == promised["broken_promises"] == ["savedmodel-same-major"]
    assert json.loads(explain(run, data["causes"][0]["id"], fmt="json"))["kind"] == "cause"
    several = json.loads(explain(run, "depthwise", fmt="json"))
    assert (several["kind"], len(several["cells"]), len(several["causes"])) == ("cells", 2, 1)


def hostile_run() -> Run:
    noisy = warning(HOSTILE, HOSTILE, HOSTILE, channel=HOSTILE, count="many")
    cell = load_error(
        "s/h5/2.12.1/2.15.1",
        HOSTILE,
        HOSTILE,
        HOSTILE,
        known=True,
        checks={HOSTILE: {"status": HOSTILE, HOSTILE: HOSTILE, "list": [HOSTILE, 1], "detail": [HOSTILE, HOSTILE]}},
        remedies=({"name": HOSTILE, "status": HOSTILE, "detail": HOSTILE},),
        remedy=HOSTILE,
        attribution={"sentence": HOSTILE},
        save_warnings=[noisy],
        load_warnings=[noisy],
    )
    return run_of(
        [cell, load_error("s/h5/2.12.1/2.16.2", UNKNOWN.format("A"))],
        {
            "environments": {"2.12.1": {"packages": {"keras": HOSTILE, HOSTILE: 3}, "python": HOSTILE}, "2.15.1": {}},
            "scenarios": {"s": {"title": HOSTILE, "description": f"```\n{HOSTILE}\n<!-- open"}},
            "known_failures": [{"cells": ["s"], "status": ["load-error"], "reason": HOSTILE, "link": HOSTILE}],
        },
    )


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("fmt", list(DocumentFormat))
def test_hostile_text_moves_no_cursor_and_breaks_no_page(fmt: DocumentFormat, whole: bool) -> None:
    run = hostile_run()
    for target in ("s/h5/2.12.1/2.15.1", find_causes(run)[0].id, find_causes(run)[1].id, "s"):
        text = explain(run, target, fmt=fmt, traceback=whole)
        assert text.replace("\n", "").isprintable()
        text.encode("utf-8")
        if fmt is DocumentFormat.MD:
            tokens = MarkdownIt("commonmark").enable("table").parse(text)
            assert not any(token.type in ("html_block", "html_inline") for token in walk(tokens))


def walk(tokens: Any) -> Any:
    for token in tokens:
        yield token
        yield from walk(token.children or ())


def test_markdown_keeps_code_as_code() -> None:
    text = explain(a_run(), CELL, fmt="md")
    assert text.startswith(f"# {CELL}\n")
    assert "```sh\ntfmatrix reproduce" in text
    assert re.search(r"\| keras +\| 2\.12\.0 +\| 3\.4\.1 +\| \*\*≠ differs\*\* \|", text)
    tokens = list(walk(MarkdownIt("commonmark").enable("table").parse(text)))
    codes = [token.content for token in tokens if token.type == "code_inline"]
    assert {"DepthwiseConv2D", "groups", "compile=False", "TypeError"} <= set(codes)
    fences = [token.content for token in tokens if token.type == "fence"]
    assert any("step_19()" in content for content in fences)


def test_what_to_do_next_with_a_file_names_its_run_and_the_check() -> None:
    records = [
        load_error("saved/h5/2.12.1/2.15.1", DEPTHWISE, kind="TypeError"),
        load_error("saved/h5/2.12.1/2.16.2", DEPTHWISE, kind="TypeError"),
    ]
    options = ["--custom-objects", "/models/own layers.py", "--threads", "default"]
    files = {"saved": {"file": "saved.h5", "path": "/models/my saved.h5", "tensorflow": "2.12.1", "options": options}}
    run = run_of(records, {"files": files})
    data = json.loads(explain(run, records[1].cell, fmt="json"))
    assert data["commands"] == [
        "tfmatrix check '/models/my saved.h5' --saved-with 2.12.1 --readers 2.16.2 "
        "--custom-objects '/models/own layers.py' --threads default",
        f"tfmatrix explain {data['causes'][0]['id']} --run results/runs/r",
        f"tfmatrix explain {records[1].cell} --traceback --run results/runs/r",
    ]
    cause = explain(run, data["causes"][0]["id"])
    assert "--run results/runs/r" in cause
    assert "reproduce" not in cause
