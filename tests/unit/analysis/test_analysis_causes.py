from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest
from analysis_runs import HOSTILE, drift, load_error, record, run_of, save_error
from drifts import drifted, no_loss, reset_optimizer, restart
from messages import DEPTHWISE, FORMAT, UNKNOWN
from tfmatrix.analysis.causes import Cause, causes_of, find_causes
from tfmatrix.core.status import Status


def only(causes: tuple[Cause, ...]) -> Cause:
    assert len(causes) == 1, [cause.title for cause in causes]
    return causes[0]


def test_one_cause_over_scenarios_and_pairs() -> None:
    cells = [
        load_error(f"{scenario}/h5/{writer}/{reader}", DEPTHWISE.replace("[3, 3]", f"[{size}, {size}]"), "TypeError")
        for scenario, size in (("depthwise", 3), ("mobile", 5))
        for writer in ("2.12.1", "2.15.1")
        for reader in ("2.16.2", "2.21.0")
    ]
    run = run_of([*cells, record("depthwise/h5/2.12.1/2.12.1")], {"scenarios": {"mobile": {}, "depthwise": {}}})
    cause = only(find_causes(run))
    assert re.fullmatch(r"C-[0-9a-f]{6}", cause.id)
    assert cause.title == "`DepthwiseConv2D` got an unknown argument `groups`"
    assert cause.status is Status.LOAD_ERROR
    assert len(cause.cells) == 8
    assert cause.where == "2.12.1–2.15.1 → ≥ 2.16.2"
    assert (cause.first_writer, cause.first_reader) == ("2.12.1", "2.16.2")
    assert cause.formats == ("h5",)
    assert cause.scenarios == ("mobile", "depthwise"), "in the order of run.json"
    assert cause.example == "depthwise/h5/2.12.1/2.16.2"
    assert cause.text == "Unrecognized keyword arguments passed to DepthwiseConv2D: {'groups': 1}"
    assert [link.url for link in cause.links] == ["https://github.com/keras-team/keras/issues/19441"]
    assert not cause.is_known
    assert causes_of((cause,), "mobile/h5/2.12.1/2.16.2") == (cause,)
    assert causes_of((cause,), "depthwise/h5/2.12.1/2.12.1") == ()


def test_ids_do_not_depend_on_the_rest_of_the_run() -> None:
    one = load_error("a/h5/2.12.1/2.16.2", UNKNOWN.format("MyLayer"))
    alone = only(find_causes(run_of([one])))
    among = find_causes(run_of([one, load_error("b/h5/2.12.1/2.16.2", "list index out of range", "IndexError")]))
    assert alone.id in {cause.id for cause in among}
    assert alone.id == only(find_causes(run_of([load_error("z/keras/2.15.1/2.21.0", UNKNOWN.format("Other"))]))).id


def test_phase_and_status_tell_causes_apart() -> None:
    message = "list index out of range"
    causes = find_causes(run_of([load_error("a/h5/2.12.1/2.16.2", message), save_error("b/h5/2.12.1/2.16.2", message)]))
    assert {cause.title for cause in causes} == {
        "loading raises `ValueError`: list index out of range",
        "saving raises `ValueError`: list index out of range",
    }


def test_one_sentence_about_saving_and_loading_is_two_causes() -> None:
    refused = "Argument `name` must be a string and cannot contain character `/`."
    causes = find_causes(run_of([load_error("a/h5/2.12.1/2.16.2", refused), save_error("b/h5/2.16.2/2.16.2", refused)]))
    assert [cause.title for cause in causes] == ["a name with `/` in it is refused"] * 2
    assert causes[0].id != causes[1].id


def test_a_failing_save_is_about_its_writers() -> None:
    cells = [
        save_error(f"a/savedmodel/{writer}/{reader}", "Invalid filepath extension for saving. Please add")
        for writer in ("2.16.2", "2.21.0")
        for reader in ("2.12.1", "2.15.1", "2.16.2", "2.21.0")
    ]
    cause = only(find_causes(run_of(cells)))
    assert (len(cause.cells), cause.saves) == (8, 2)
    assert cause.where == "≥ 2.16.2"
    assert cause.first_reader is None
    assert cause.readers == ()
    assert cause.first_writer == "2.16.2"


def test_a_drift_is_grouped_by_what_was_lost_whatever_failed_beside() -> None:
    with_training = drifted(reset_optimizer, restart, cell="a/h5/2.12.1/2.16.2")
    without = drifted(reset_optimizer, cell="b/h5/2.15.1/2.16.2")
    cause = only(find_causes(run_of([with_training, without])))
    assert cause.title == "the optimizer's state is reset"
    assert cause.also_failed == {"resume": 1}
    assert cause.status is Status.DRIFT


def test_a_cell_that_lost_two_things_has_two_causes() -> None:
    both = drifted(no_loss, reset_optimizer, cell="a/h5/2.12.1/2.16.2")
    one = drifted(no_loss, cell="b/h5/2.12.1/2.16.2")
    causes = find_causes(run_of([both, one]))
    assert [(cause.title, len(cause.cells)) for cause in causes] == [
        ("compile differs: `loss`", 2),
        ("the optimizer's state is reset", 1),
    ]
    assert causes_of(causes, both.cell) == causes
    assert causes_of(causes, one.cell) == causes[:1]


def test_processes_that_end_are_told_apart_by_signal_side_and_format() -> None:
    def death(cell: str, status: str, kind: str, **fields: Any) -> Any:
        error = {"phase": "load", "type": kind, "message": "m", "traceback": ""}
        return record(cell, status, error=error, **fields)

    cells = [
        death("a/h5/2.12.1/2.16.2", "timeout", "timeout"),
        death("b/h5/2.15.1/2.16.2", "timeout", "timeout"),
        death("a/keras/2.12.1/2.16.2", "timeout", "timeout"),
        death("c/h5/2.12.1/2.16.2", "crash", "SIGSEGV"),
        death("d/h5/2.12.1/2.16.2", "crash", "memory"),
        death("e/h5/2.12.1/2.16.2", "crash", "crash"),
        death("f/h5/2.12.1/2.16.2", "crash", "SIGSEGV", save={"status": "crash"}, load={}),
    ]
    causes = {cause.title: cause for cause in find_causes(run_of(cells))}
    assert set(causes) == {
        "loading does not return, h5",
        "loading does not return, keras",
        "the process dies of SIGSEGV while loading, h5",
        "loading runs out of memory, h5",
        "loading ends the process, h5",
        "the process dies of SIGSEGV while saving, h5",
    }
    assert len(causes["loading does not return, h5"].cells) == 2
    assert causes["the process dies of SIGSEGV while saving, h5"].first_reader is None


def test_what_says_nothing_has_no_cause() -> None:
    error = {"phase": "load", "type": "InfrastructureError", "message": "lost", "traceback": ""}
    cells = [
        record("a/h5/2.12.1/2.12.1"),
        record("a/h5/2.12.1/2.15.1", "infra-error", error=error),
        record("a/h5/2.12.1/2.16.2", "unsupported"),
        record("a/h5/2.12.1/2.21.0", "skipped"),
    ]
    assert find_causes(run_of(cells)) == ()


def test_news_before_known_then_by_size() -> None:
    known = [load_error(f"k{number}/h5/2.12.1/2.16.2", UNKNOWN.format("A"), known=True) for number in range(5)]
    news = [load_error("n/h5/2.12.1/2.16.2", "odd", "KeyError")]
    many = [load_error(f"m{number}/h5/2.12.1/2.16.2", "other", "KeyError") for number in range(2)]
    header = {
        "known_failures": [
            {
                "cells": ["k*/h5/**"],
                "status": ["load-error"],
                "reason": "custom layers",
                "link": "https://example.org/1",
            },
            {"cells": ["k1/h5/**"], "status": ["load-error"], "reason": "another", "link": None},
            {"cells": ["k*/h5/**"], "status": ["drift"], "reason": "of another status", "link": None},
            {"cells": ["other/**"], "status": ["load-error"], "reason": "elsewhere", "link": None},
        ]
    }
    causes = find_causes(run_of([*known, *news, *many], header))
    assert [len(cause.cells) for cause in causes] == [2, 1, 5]
    last = causes[-1]
    assert last.is_known
    assert last.reasons == ("custom layers", "another")
    assert last.links[0].url == "https://example.org/1"
    assert len(last.links) == 2, "and what the table of upstream threads has"


def test_a_cause_that_is_partly_known_is_news() -> None:
    cells = [
        load_error("a/h5/2.12.1/2.16.2", UNKNOWN.format("A"), known=True),
        load_error("b/h5/2.12.1/2.16.2", UNKNOWN.format("B")),
    ]
    cause = only(find_causes(run_of(cells)))
    assert (cause.known, cause.is_known) == (1, False)
    assert cause.example == "b/h5/2.12.1/2.16.2", "the one to look at is the one nobody has listed"


def test_the_remedy_that_helps_most_cells() -> None:
    def tried(cell: str, remedy: str | None, *results: tuple[str, str]) -> Any:
        remedies = tuple({"name": name, "status": status, "detail": f"{name} was {status}"} for name, status in results)
        return load_error(cell, UNKNOWN.format("A"), remedy=remedy, remedies=remedies)

    cells = [
        tried("a/h5/2.12.1/2.16.2", "custom_objects", ("custom_objects", "pass"), ("compile=False", "drift")),
        tried("b/h5/2.12.1/2.16.2", "custom_objects", ("custom_objects", "drift")),
        tried("c/h5/2.12.1/2.16.2", "compile=False", ("compile=False", "pass")),
        tried("d/h5/2.12.1/2.16.2", None, ("compile=False", "load-error")),
        load_error("e/h5/2.12.1/2.16.2", UNKNOWN.format("A")),
    ]
    cause = only(find_causes(run_of(cells)))
    assert cause.remedy is not None
    assert (cause.remedy.name, cause.remedy.cells, cause.remedy.complete) == ("custom_objects", 2, 1)
    assert cause.remedy.detail == "custom_objects was drift"
    assert cause.tried == 4
    assert only(find_causes(run_of(cells[3:]))).remedy is None


def test_a_link_counts_only_where_a_format_fits() -> None:
    lost = [drifted(reset_optimizer, cell=f"a/{fmt}/2.12.1/2.15.1") for fmt in ("savedmodel", "h5")]
    for cells in (lost, lost[:1]):
        assert only(find_causes(run_of(cells))).links[0].url == "https://github.com/tensorflow/tensorflow/issues/44670"
    assert only(find_causes(run_of(lost[1:]))).links == ()


def test_an_entry_of_one_cause_links_no_other_of_the_cell() -> None:
    """A link that the table has counts where its row fits; any other is somebody's own, and stays."""
    tabled, own = "https://github.com/tensorflow/tensorflow/issues/44670", "https://example.org/ours"
    entries = [
        {"cells": ["s"], "status": ["drift"], "reason": "the optimizer's state is reset", "link": tabled},
        {"cells": ["s"], "status": ["drift"], "reason": "we know", "link": own},
    ]
    cell = drifted(no_loss, reset_optimizer, cell="s/savedmodel/2.12.1/2.15.1")
    cell = dataclasses.replace(cell, known=True)
    causes = find_causes(run_of([cell], {"known_failures": entries}))
    assert {cause.title: [link.url for link in cause.links] for cause in causes} == {
        "compile differs: `loss`": [own],
        "the optimizer's state is reset": [own, tabled],
    }


def test_hostile_text_stays_in_its_line() -> None:
    cells = [
        load_error("s/h5/2.12.1/2.16.2", HOSTILE, HOSTILE, HOSTILE, known=True),
        drift("s/h5/2.12.1/2.15.1", {HOSTILE: {"findings": [{"code": HOSTILE}], "detail": [HOSTILE]}}),
        record("s/h5/2.12.1/2.21.0", "crash", error={"phase": HOSTILE, "type": HOSTILE, "message": HOSTILE}),
    ]
    header = {"known_failures": [{"cells": ["s"], "status": ["load-error"], "reason": HOSTILE, "link": HOSTILE}]}
    causes = find_causes(run_of(cells, header))
    assert len(causes) == 3
    for cause in causes:
        for text in (cause.title, cause.text, cause.where, *cause.reasons, *(link.url for link in cause.links)):
            assert text.isprintable()
            assert len(text) <= 700


def test_the_json_form_is_json() -> None:
    cell = load_error("a/savedmodel/2.12.1/2.16.2", FORMAT, remedy="keras.layers.TFSMLayer")
    data = only(find_causes(run_of([cell]))).to_json()
    assert json.loads(json.dumps(data)) == data
    assert data["remedy"]["name"] == "keras.layers.TFSMLayer"
    assert data["links"][0]["url"] == "https://github.com/keras-team/keras/issues/18709"


@pytest.mark.parametrize("known_failures", [None, [], [{"cells": "a/h5/**", "status": "load-error", "reason": "r"}]])
def test_entries_may_be_single_names(known_failures: Any) -> None:
    cell = load_error("a/h5/2.12.1/2.16.2", "m", known=bool(known_failures))
    cause = only(find_causes(run_of([cell], {"known_failures": known_failures})))
    assert cause.reasons == (("r",) if known_failures else ())


def test_an_inferred_cell_has_the_causes_of_what_it_is_inferred_from() -> None:
    measured = load_error("depthwise/h5/2.15.1/2.21.0", DEPTHWISE, "TypeError")
    told = {"inferred": {"from": measured.cell, "by": "artifact"}, "checks": {}, "error": None, "load": {}}
    inferred = record("depthwise/h5/2.12.1/2.21.0", Status.LOAD_ERROR, **told)
    cause = only(find_causes(run_of([inferred, measured])))
    assert set(cause.cells) == {measured.cell, inferred.cell}
    assert cause.example == measured.cell


def test_the_first_reader_that_reads_the_same_saves_again_is_named() -> None:
    """Keras 3.14.0 alone hands metrics the wrong output: 3.13.2 before it and 3.15.1 behind it do not."""
    saves = [f"{scenario}/keras/2.12.1" for scenario in "ab"]
    bad = [load_error(f"{save}/2.15.1", UNKNOWN.format("MyLayer")) for save in saves]
    good = [record(f"{save}/{reader}") for save in saves for reader in ("2.12.1", "2.16.2", "2.21.0")]
    cause = only(find_causes(run_of([*bad, *good])))
    assert (cause.first_reader, cause.good_again) == ("2.15.1", "2.16.2")
    still = [load_error(f"{saves[1]}/2.16.2", "list index out of range", "IndexError")]
    causes = {cause.title: cause for cause in find_causes(run_of([*bad, *good[:4], *still, good[5]]))}
    assert causes["the loader does not know the scenario's own layer"].good_again == "2.21.0", "b fails in 2.16.2, too"


def test_the_first_writer_that_writes_it_well_again_is_named() -> None:
    bad = [load_error(f"a/keras/2.12.1/{reader}", UNKNOWN.format("MyLayer")) for reader in ("2.12.1", "2.15.1")]
    cause = only(find_causes(run_of([*bad, record("a/keras/2.15.1/2.12.1"), record("a/keras/2.15.1/2.15.1")])))
    assert cause.good_again == "2.15.1"


def test_where_it_never_ends_nothing_is_named() -> None:
    cells = [load_error(f"a/keras/2.12.1/{reader}", UNKNOWN.format("MyLayer")) for reader in ("2.15.1", "2.21.0")]
    assert only(find_causes(run_of([*cells, record("a/keras/2.12.1/2.12.1")]))).good_again is None
