"""What a key covers: the code that decides the measurement, by what it does and not by how it is written."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import tfmatrix.project.formats
import tfmatrix.worker
from tfmatrix.project.formats import own_formats, read_formats
from tfmatrix.store import keys

Keys = dict[str, str]

CACHED = (keys.core_digest, keys.files_digest, keys.retraining_digest, keys.remedy_digest)
PATHS = ["m.h5", "m.keras"]


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the worker's code, which may be changed."""
    copy = tmp_path / "worker"
    shutil.copytree(Path(tfmatrix.worker.__path__[0]), copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(keys, "_WORKER", copy)
    monkeypatch.setattr(tfmatrix.project.formats, "_OWN", copy / "formats")
    monkeypatch.setattr(
        tfmatrix.project.formats, "_own_files", lambda: tuple(sorted((copy / "formats").glob("[!_]*.py")))
    )
    yield copy
    forget()


def forget() -> None:
    for function in (*CACHED, own_formats):
        function.cache_clear()


def all_keys() -> Keys:
    """The keys of every kind of measurement, as a new process would make them."""
    forget()
    formats = read_formats()
    place = {"settings": {"seed": 0}, "environment": "e", "scenario": "s"}
    load = {"artifact": "a", "reference": "r", **place}
    return {
        **{f"save/{each.id}": keys.save_key(saver=each, **place) for each in formats.values() if each.saver == each.id},
        **{f"load/{name}": keys.load_key(loader=each, **load) for name, each in formats.items()},
        **{
            f"try/{name}": keys.load_key(loader=formats["h5"], remedies=(name,), **load)
            for name in ("safe_mode", "no_compile", "rebuild")
        },
        "adopt/h5": keys.adoption_key(loader=formats["h5"], **place),
        "file/h5": keys.load_key(loader=formats["h5"], is_file=True, **load),
    }


def changed(worker: Path, file: str, change: Callable[[str], str]) -> set[str]:
    """The measurements whose keys change with a file."""
    before = all_keys()
    text = (worker / file).read_text()
    assert change(text) != text
    (worker / file).write_text(change(text))
    after = all_keys()
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(
    "file",
    ["formats/h5.py", "formats/tflite_dynamic.py", "remedies/safe_mode.py", "files/inputs.py", "server.py", "jobs.py"],
)
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "# a comment\n",
        lambda text: text.replace('"""', '"""In other words: ', 1),
        lambda text: text.replace("\n\n", "\n\n\n\n"),
    ],
    ids=["comment", "docstring", "layout"],
)
def test_what_changes_nothing_measures_nothing_again(worker: Path, file: str, change: Callable[[str], str]) -> None:
    assert changed(worker, file, change) == set()


def test_a_comment_in_the_text_of_a_call_changes_nothing(worker: Path) -> None:
    assert (
        changed(worker, "formats/checkpoint.py", lambda text: text.replace("# TensorFlow 2.0", "# The oldest")) == set()
    )


def test_a_changed_call_is_measured_again_and_no_other(worker: Path) -> None:
    loading = changed(
        worker, "formats/h5.py", lambda text: text.replace("CUSTOM_OBJECTS)", "CUSTOM_OBJECTS, compile=True)")
    )
    # What is tried on its artifact goes through the same call; so does a model file that it loads.
    assert loading == {"load/h5", "try/safe_mode", "try/no_compile", "try/rebuild", "adopt/h5", "file/h5"}
    assert changed(worker, "formats/h5.py", lambda text: text.replace("save(PATH)", "save(PATH, True)")) == {"save/h5"}


def test_a_call_that_two_formats_share_changes_both(worker: Path) -> None:
    assert changed(worker, "formats/tflite.py", lambda text: text.replace("convert()", "convert(1)")) == {
        "save/tflite", "save/tflite-dynamic", "save/tflite-int8",
    }  # fmt: skip


def test_what_a_format_only_says_of_itself_changes_nothing(worker: Path) -> None:
    assert changed(worker, "formats/h5.py", lambda text: text.replace('LOADER = "', 'LOADER = "tf.')) == set()
    assert changed(worker, "formats/h5.py", lambda text: text.replace("ORDER = 10", "ORDER = 11")) == set()


def test_a_changed_remedy_changes_its_own_tries(worker: Path) -> None:
    found = changed(
        worker, "remedies/safe_mode.py", lambda text: text.replace('"safe_mode"] = False', '"safe_mode"] = 0')
    )
    assert found == {"try/safe_mode"}


def test_the_code_of_model_files_changes_model_files_only(worker: Path) -> None:
    found = changed(worker, "files/inputs.py", lambda text: text.replace("ROWS = 8", "ROWS = 9"))
    assert found == {"adopt/h5", "file/h5"}


def test_the_code_of_training_changes_formats_that_train_only(worker: Path) -> None:
    found = changed(worker, "retraining/course.py", lambda text: text.replace("STEPS = 20", "STEPS = 21"))
    assert found == {"save/code", "load/code"}


@pytest.mark.parametrize("line", ["import retraining\n", '    "train": retraining.train,\n'])
def test_that_the_core_hands_jobs_over_to_a_part_is_not_of_the_core(worker: Path, line: str) -> None:
    assert changed(worker, "jobs.py", lambda text: text.replace(line, "")) == set()


@pytest.mark.parametrize("file", ["jobs.py", "loading.py", "observe/calls.py", "capture.py"])
def test_what_every_measurement_goes_through_changes_all(worker: Path, file: str) -> None:
    assert changed(worker, file, lambda text: f"{text}\nNEW = 1\n") == all_keys().keys()


def test_new_code_of_the_worker_belongs_to_the_core(worker: Path) -> None:
    before = all_keys()
    (worker / "new.py").write_text("NEW = 1\n")
    after = all_keys()
    assert all(before[name] != after[name] for name in before)


def test_keys_differ_by_what_is_measured() -> None:
    h5 = own_formats()["h5"]
    place = {"settings": {"seed": 0}, "environment": "e", "scenario": "s"}
    key = keys.save_key(saver=h5, **place)
    assert key == keys.save_key(saver=replace(h5, title="else", order=3), **place)
    for other in ({"scenario": "t"}, {"settings": {"seed": 1}}, {"environment": "f"}):
        assert keys.save_key(saver=h5, **{**place, **other}) != key


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("x = 1  # one\n", "x = (\n    1\n)\n", True),
        ("def f():\n    '''Says.'''\n    return 1\n", "def f():\n    return 1\n", True),
        ("X = 1\n", "X = 1\n'''Of a constant.'''\n", True),
        ("x = 'a'\n", 'x = "a"\n', True),
        ("x = 1\n", "x = 2\n", False),
        ("x = 1\n", "x = True\n", False),
        ("x = 1\n", "x = 1.0\n", False),
        ("x = 'a'\n", "x = b'a'\n", False),
        ("f('a')\n", "f('b')\n", False),
        ("def f(a, /, b): ...\n", "def f(a, b): ...\n", False),
        ("x = None\n", "x = ()\n", False),
        ("if a:\n    b\n    'text'\n", "if a:\n    b\n", True),
    ],
)
def test_code_is_the_same_by_what_it_does(tmp_path: Path, before: str, after: str, same: bool) -> None:
    digests = []
    for text in (before, after):
        (tmp_path / "m.py").write_text(text)
        digests.append(keys.digest_of_code([tmp_path / "m.py"], tmp_path))
    assert (digests[0] == digests[1]) is same
