"""What a job leaves is taken as plain files, or refused with the reason; nothing of the host is touched."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import pickle
import socket
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import golden_tflite
import numpy as np
import pytest
from observation_builder import trained
from tfmatrix.core.outcome import INFRA, REFUSED
from tfmatrix.executors import intake
from tfmatrix.executors.base import WORKER_FOLDER
from tfmatrix.executors.intake import Quota, RefusedError, copy_folder, placed, take_over
from tfmatrix.store.content import Store
from tfmatrix.worker.folders import remove_tree

DONE = {
    "status": "ok",
    "phase": None,
    "reason": None,
    "error": None,
    "artifact": True,
    "observation": True,
    "warnings": [],
    "seconds": {"save": 0.5},
}
QUOTA = Quota(bytes=1 << 20, entries=50)


class Job:
    """A job's folder as an honest save leaves it, and its take-over."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = Store(root / "store")
        self.folder = root / "work" / "job"
        self.artifact = self.folder / "artifact"
        self.observation = self.folder / "observation"
        self.artifact.mkdir(parents=True)
        self.observation.mkdir()
        (self.artifact / "m.h5").write_bytes(b"\x89HDF\r\n\x1a\nand so on")
        trained().write(self.observation)
        self.canary = root / "canary"
        self.canary.mkdir()
        (self.canary / "private.txt").write_text("secret")

    def taken(self, result: Any = DONE, quota: Quota = QUOTA) -> Any:
        return take_over(result, self.folder, store=self.store, quota=quota, phase="save", artifact="m.h5")

    def refusal(self, result: Any = DONE) -> str:
        outcome = self.taken(result)
        assert outcome.status == "error", outcome
        assert outcome.error["type"] == REFUSED
        assert not outcome.is_lasting
        remove_tree(str(self.folder))
        assert not self.folder.exists()
        assert (self.canary / "private.txt").read_text() == "secret"
        assert self.left() == []
        return str(outcome.error["message"])

    def left(self) -> list[Path]:
        """Files that the store holds."""
        return [path for path in self.store.root.rglob("*") if path.is_file()]

    def document(self, **changes: Any) -> None:
        path = self.observation / "observation.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    yield Job(tmp_path)
    # pytest cannot remove a folder without a bottom.
    remove_tree(str(tmp_path / "work"))


def test_what_an_honest_job_leaves_is_kept(job: Job) -> None:
    outcome = job.taken()
    assert outcome.status == "ok"
    assert outcome.artifact["name"] == "m.h5"
    assert outcome.artifact["kind"] == "hdf5"
    assert outcome.artifact["bytes"] == 17
    assert (job.store.folder(outcome.artifact["digest"]) / "m.h5").read_bytes().endswith(b"and so on")
    assert (job.store.folder(outcome.observation) / "arrays.npz").exists()


def test_what_a_tflite_file_says_it_needs_is_kept(job: Job) -> None:
    (job.artifact / "m.h5").write_bytes(base64.b64decode(golden_tflite.DENSE_2_15_1))
    assert (job.taken().artifact["kind"], job.taken().artifact["runtime"]) == ("tflite", "1.5.0")
    (job.artifact / "m.h5").write_bytes(base64.b64decode(golden_tflite.DENSE_2_15_1)[:60])
    assert job.taken().artifact.get("runtime") is None, "a damaged file says nothing"


def test_what_was_said_does_not_tell_where_anything_lay_on_this_host(job: Job) -> None:
    scenarios = job.root / "project" / "scenarios"

    def said(text: str) -> Any:
        error = {"type": "ValueError", "message": text, "traceback": f'File "{text}", line 1'}
        warning = {"phase": "load", "channel": "log", "category": "WARNING", "message": text, "count": 1}
        outcome = job.taken({**DONE, "status": "error", "error": error, "warnings": [warning]})
        outcome = placed(outcome, folder=job.folder, store=job.store, scenarios=scenarios)
        assert outcome.error["traceback"] == f'File "{outcome.error["message"]}", line 1'
        assert outcome.warnings[0]["message"] == outcome.error["message"]
        return outcome.error["message"]

    for folder in (str(job.folder), "/tfmatrix/work/work/job"):
        expected = f"cannot read /tfmatrix/job/copy/m.h5 beside {folder}-other/m"
        assert said(f"cannot read {folder}/copy/m.h5 beside {folder}-other/m") == expected
    assert said(f"no model in {job.store.root}/folders/4c/4c19/m") == "no model in /tfmatrix/store/4c/4c19/m"
    assert said(f"{scenarios}/dense.py") == "/tfmatrix/scenarios/dense.py"
    assert said(f"{WORKER_FOLDER}/steps.py") == "/tfmatrix/worker/steps.py"


def test_everybody_can_read_what_is_kept_whatever_the_umask(job: Job) -> None:
    (job.artifact / "sub").mkdir()
    (job.artifact / "sub" / "one").write_text("1")
    (job.artifact / "m.h5").chmod(0o4755)
    before = os.umask(0o077)
    try:
        outcome = job.taken()
    finally:
        os.umask(before)
    folder = job.store.folder(outcome.artifact["digest"])
    modes = {path.name: path.stat().st_mode & 0o7777 for path in [folder, *folder.rglob("*")]}
    assert modes == {folder.name: 0o755, "sub": 0o755, "one": 0o644, "m.h5": 0o644}


@pytest.mark.parametrize("place", ["observation", "artifact"])
def test_a_path_instead_of_a_reply_moves_and_deletes_nothing(job: Job, place: str) -> None:
    assert "the job's result is none" in job.refusal({**DONE, place: str(job.canary)})


@pytest.mark.parametrize("name", ["artifact", "observation"])
def test_a_link_in_place_of_a_folder(job: Job, name: str) -> None:
    remove_tree(str(job.folder / name))
    (job.folder / name).symlink_to(job.canary)
    assert "is no folder of plain files" in job.refusal()


def test_a_link_in_place_of_the_job_s_own_folder(job: Job) -> None:
    remove_tree(str(job.folder))
    job.folder.symlink_to(job.canary)
    (job.canary / "artifact").mkdir()
    assert "is no folder of plain files" in job.refusal()


@pytest.mark.parametrize("target", ["{canary}/private.txt", "{canary}", "../../../canary", "sub/../../x"])
def test_a_link_out_of_the_artifact(job: Job, target: str) -> None:
    (job.artifact / "leak").symlink_to(target.format(canary=job.canary))
    assert job.refusal() == "the artifact holds a link out of its folder: leak"


@pytest.mark.parametrize("target", ["m.h5", "nothing-here", "loop"])
def test_a_link_within_the_artifact(job: Job, target: str) -> None:
    (job.artifact / "loop").symlink_to(target)
    assert job.refusal() == "the artifact holds a link, not only files and folders: loop"


def test_a_link_below(job: Job) -> None:
    (job.artifact / "a" / "b").mkdir(parents=True)
    (job.artifact / "a" / "b" / "leak").symlink_to("../../m.h5")
    assert job.refusal() == "the artifact holds a link, not only files and folders: a/b/leak"


def test_a_pipe_a_socket_and_a_device(job: Job) -> None:
    os.mkfifo(job.artifact / "pipe")
    assert "holds a pipe" in job.refusal()
    other = Job(job.root / "other")
    with contextlib.chdir(other.artifact), contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind("ear")
    assert "holds a socket" in other.refusal()


@pytest.mark.parametrize("name", [b"\xff\xfe", b"two\nlines", b"\x1b[31mred", "a\u202eb".encode()])
def test_a_name_that_is_no_text(job: Job, name: bytes) -> None:
    (job.artifact / os.fsdecode(name)).write_text("x")
    message = job.refusal()
    assert "no readable UTF-8" in message
    assert message.isprintable()


def test_a_sparse_file_counts_in_full_and_is_not_read(job: Job) -> None:
    with (job.artifact / "big").open("wb") as stream:
        stream.truncate(200 << 30)
    assert job.refusal() == "the artifact is larger than 1 MB"


def test_many_small_files(job: Job) -> None:
    for number in range(60):
        (job.artifact / f"f{number}").write_text("")
    assert job.refusal() == "the artifact holds more than 50 files and folders"


def test_many_files_in_several_folders(job: Job) -> None:
    for folder in ("a", "b"):
        (job.artifact / folder).mkdir()
        for number in range(30):
            (job.artifact / folder / f"f{number}").write_text("")
    assert job.refusal() == "the artifact holds more than 50 files and folders"


def test_several_files_that_are_too_large_together(job: Job) -> None:
    for number in range(3):
        (job.artifact / f"f{number}").write_bytes(bytes(400_000))
    assert job.refusal() == "the artifact is larger than 1 MB"


def test_folders_without_a_bottom(job: Job) -> None:
    with contextlib.chdir(job.artifact):
        for _ in range(sys.getrecursionlimit() + 500):
            Path("d").mkdir()
            os.chdir("d")
    assert job.refusal() == "the artifact has more than 32 levels of folders"


def test_a_hard_link_is_taken_as_the_file_that_it_is(job: Job) -> None:
    os.link(job.artifact / "m.h5", job.artifact / "again")
    kept = job.store.folder(job.taken().artifact["digest"])
    assert (kept / "again").stat().st_nlink == 1


def test_a_file_that_changes_under_the_hands(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = intake._copy

    def change(source: int, survey: Any, target: Path, what: str) -> None:
        (job.artifact / "m.h5").unlink()
        (job.artifact / "m.h5").symlink_to(job.canary / "private.txt")
        copy(source, survey, target, what)

    monkeypatch.setattr(intake, "_copy", change)
    assert "is no folder of plain files" in job.refusal()


def test_a_file_that_grows_under_the_hands(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = intake._copy

    def change(source: int, survey: Any, target: Path, what: str) -> None:
        (job.artifact / "m.h5").write_bytes(bytes(100))
        copy(source, survey, target, what)

    monkeypatch.setattr(intake, "_copy", change)
    assert job.refusal() == "the artifact changes while it is read: m.h5"


def test_an_artifact_of_another_name(job: Job) -> None:
    (job.artifact / "m.h5").rename(job.artifact / "other")
    assert job.refusal() == "the artifact holds no m.h5"


def test_a_prefix_of_several_files_is_an_artifact(job: Job) -> None:
    (job.artifact / "m.h5").unlink()
    for ending in ("index", "data-00000-of-00001"):
        (job.artifact / f"m.h5.{ending}").write_text("x")
    assert job.taken().artifact["kind"] == "prefix"


def test_nothing_where_something_was_promised(job: Job) -> None:
    (job.artifact / "m.h5").unlink()
    assert job.refusal() == "the artifact is empty"


def test_a_folder_that_a_format_of_its_own_left_empty_is_an_artifact(job: Job) -> None:
    (job.artifact / "m.h5").unlink()
    (job.artifact / "m.h5").mkdir()
    assert job.taken().status == "ok"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"observation": False}, "left no observation"),
        ({"artifact": False}, "left no artifact"),
        ({"warnings": 7}, "warnings: Input should be a valid list"),
        ({"seconds": {"save": -1.0}}, "seconds/save"),
        ({"seconds": {"save": float("inf")}}, "seconds/save"),
        ({"seconds": {"save": 10**400}}, "seconds/save"),
        ({"seconds": {"save": True}}, "seconds/save"),
        ({"status": "pass"}, "status"),
        ({"status": "error"}, "an error without an exception"),
        ({"reason": "x" * 200_000}, "reason"),
        ({"extra": 1}, "extra"),
        ({"error": {"type": "E", "message": "m", "traceback": []}}, "error/traceback"),
    ],
)
def test_a_reply_of_another_form(job: Job, changes: dict[str, Any], said: str) -> None:
    message = job.refusal({**DONE, **changes})
    assert said in message
    assert len(message) < 500


@pytest.mark.parametrize("result", [None, [], "ok", 3, {}, {"status": "ok"}])
def test_a_reply_that_is_none(job: Job, result: Any) -> None:
    assert "the job's result is none" in job.refusal(result)


def test_a_reply_without_a_bottom(job: Job) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert "the job's result is none" in job.refusal({**DONE, "warnings": deep})
    while deep:  # taken apart by hand: to free it would recurse
        deep = deep[0]


def test_an_observation_nested_without_a_bottom(job: Job) -> None:
    (job.observation / "observation.json").write_text(
        '{"schema":1,"kind":"keras","notes":' + "[" * 200_000 + "]" * 200_000 + "}"
    )
    assert "nested deeper than" in job.refusal()


@pytest.mark.parametrize("levels", [130, 500])
def test_an_observation_nested_too_deep_for_the_checks(job: Job, levels: int) -> None:
    config: Any = {}
    for _ in range(levels):
        config = {"a": config}
    job.document(given=config)
    assert "nested deeper than 120 levels" in job.refusal()


@pytest.mark.parametrize(
    "text", [b"{", b"\xff", b"[]", b'{"schema": 1, "kind": NaN}', b'{"schema": 1' + b"0" * 5000 + b"}", b""]
)
def test_an_observation_that_is_no_json(job: Job, text: bytes) -> None:
    (job.observation / "observation.json").write_bytes(text)
    assert "its observation.json is none" in job.refusal()


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 2},
        {"kind": "other"},
        {"outputs": {"": {"array": "absent", "dtype": "float32", "shape": [1]}}},
        {"outputs": {"": {"array": "a0", "dtype": "float64", "shape": [4, 8]}}},
        {"outputs": {"": {"array": "a0", "dtype": "float32", "shape": [-4, 8]}}},
        {"outputs": {"": {"dtype": "string", "shape": [10**9], "strings": []}}},
        {"outputs": {"": {}}},
        {"weights": {}},
        {"weights": [{}]},
        {"optimizer": {"slots": "x"}},
        {"config": {"layers": [{}]}},
        {"resume": {"losses": 1}},
        {"signatures": {"serving_default": None}},
        {"control": {"outputs": None, "renamed": [["one"]], "error": None}},
        {"notes": {"outputs": 3}},
    ],
)
def test_an_observation_without_what_the_checks_read(job: Job, changes: dict[str, Any]) -> None:
    job.document(**changes)
    assert "its observation.json is none" in job.refusal()


def test_one_more_file_in_an_observation(job: Job) -> None:
    (job.observation / "more").write_text("")
    assert job.refusal() == "the observation is not observation.json and arrays.npz"


class Boom:
    def __reduce__(self) -> Any:
        return (os.system, ("touch /nowhere/at/all",))


def npy(header: str, data: bytes = b"") -> bytes:
    """A .npy file with a header of our own."""
    text = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def npz(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return stream.getvalue()


def pickled() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, a0=np.array([Boom()], dtype=object))
    return stream.getvalue()


def compressed() -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, a0=np.zeros(30_000_000, dtype="uint8"))
    return stream.getvalue()


def overlapping() -> bytes:
    """An archive whose directory names the same bytes many times."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a0.npy", npy("{'descr': '|u1', 'fortran_order': False, 'shape': (9000,)}", bytes(9000)))
        first = archive.filelist[0]
        for number in range(1, 20):
            again = zipfile.ZipInfo(f"a{number}.npy")
            again.file_size = again.compress_size = first.file_size
            again.CRC, again.header_offset = first.CRC, first.header_offset
            archive.filelist.append(again)
        archive._didModify = True  # else its directory is not written again
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "its arrays.npz is none"),
        (b"PK\x03\x04 and no more", "its arrays.npz is none"),
        (pickled(), "objects"),
        (compressed(), "larger than the file"),
        (overlapping(), "larger than the file"),
        (npz(a0=b"no array"), "its arrays.npz is none"),
        (npz(a0=npy("{'descr': '<f8', 'fortran_order': False, 'shape': (10**12,)}")), "its arrays.npz is none"),
        (npz(a0=npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}")), "as long as it says"),
        (npz(a0=npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}")), "impossible shape"),
        (npz(a0=npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': ()}", bytes(8))), "objects"),
        (npz(a0=b"\x93NUMPY\x03\x00" + b"\xff" * 200), "its arrays.npz is none"),
        (pickle.dumps(Boom()), "its arrays.npz is none"),
    ],
)  # fmt: skip
def test_arrays_that_are_none(job: Job, data: bytes, said: str) -> None:
    (job.observation / "arrays.npz").write_bytes(data)
    assert said in job.refusal()


def test_a_full_disk_is_nobody_s_fault(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(intake.os, "write", full)
    outcome = job.taken()
    assert outcome.status == INFRA
    assert outcome.reason == "the store cannot be written: No space left on device"
    assert not outcome.is_lasting
    assert job.left() == []


def test_a_fault_of_the_worker_is_none_of_the_model(job: Job) -> None:
    error = {"type": "KeyError", "message": "'x'", "traceback": "in jobs.py"}
    outcome = job.taken({**DONE, "status": "internal-error", "error": error})
    assert outcome.status == INFRA
    assert outcome.reason == "the worker failed: KeyError: 'x'"


def test_an_error_comes_without_files(job: Job) -> None:
    error = {"type": "ValueError", "message": "no", "traceback": "…"}
    outcome = job.taken(
        {**DONE, "status": "error", "phase": "save", "error": error, "artifact": False, "observation": False}
    )
    assert outcome.status == "error"
    assert outcome.is_lasting
    assert outcome.artifact is None


def test_a_user_s_folder_is_held_to_the_same(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "leak").symlink_to("/etc/hostname")
    (tmp_path / "copy").mkdir()
    with pytest.raises(RefusedError, match="the folder saved holds a link out of its folder: leak"):
        copy_folder(tmp_path / "model", tmp_path / "copy", what="folder saved", quota=QUOTA)
    assert list((tmp_path / "copy").iterdir()) == []
