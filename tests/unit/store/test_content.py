"""The store believes nothing unverified: what is damaged is removed, told, and measured again."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from tfmatrix.core.errors import InfrastructureError, StoreError
from tfmatrix.store import content
from tfmatrix.store.content import Store, Stored
from tfmatrix.store.keys import digest_of


class Shelf:
    """A store with one folder and one outcome, and what it said."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.said: list[str] = []
        store = self.open()
        with store.incoming() as folder:
            (folder / "sub").mkdir()
            (folder / "sub" / "m.h5").write_bytes(b"x" * 100)
            self.digest = store.keep(folder)
        store.write_outcome("ab" * 32, {"status": "ok"})
        self.file = store.folder(self.digest) / "sub" / "m.h5"
        self.outcome = root / "outcomes" / "ab" / f"{'ab' * 32}.json"

    def open(self) -> Store:
        return Store(self.root, say=self.said.append)

    def read(self) -> dict | None:
        return self.open().read_outcome("ab" * 32)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "store")


def test_what_is_sound_is_read(shelf: Shelf) -> None:
    assert shelf.open().has_folder(shelf.digest)
    assert shelf.read() == {"status": "ok"}
    assert shelf.said == []


def test_a_folder_that_looks_the_same_is_not_read_again(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "digest_of_tree", lambda root: pytest.fail("read"))
    assert shelf.open().has_folder(shelf.digest)


def test_a_store_that_was_copied_is_read_once(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(shelf.file, (1, 1))
    read = []
    real = content.digest_of_tree
    monkeypatch.setattr(content, "digest_of_tree", lambda root: read.append(root) or real(root))
    assert shelf.open().has_folder(shelf.digest)
    assert shelf.open().has_folder(shelf.digest)
    assert len(read) == 1


def flip(file: Path) -> None:
    """Other bytes, the same length and the same time."""
    before = file.stat()
    file.write_bytes(b"y" * before.st_size)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    "damage",
    [
        flip,
        lambda file: file.write_bytes(b""),
        lambda file: file.unlink(),
        lambda file: file.with_name("more").write_text("x"),
        lambda file: (file.unlink(), file.symlink_to("/etc/hostname")),
    ],
    ids=["flipped", "truncated", "missing", "more", "link"],
)
def test_a_damaged_folder_goes_and_is_told(shelf: Shelf, damage) -> None:
    damage(shelf.file)
    store = shelf.open()
    assert not store.has_folder(shelf.digest)
    assert not store.folder(shelf.digest).exists()
    assert len(shelf.said) == 1
    assert "is damaged: it is removed" in shelf.said[0]
    with store.incoming() as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "m.h5").write_bytes(b"x" * 100)
        assert store.keep(folder) == shelf.digest
    assert store.has_folder(shelf.digest)


def test_a_damaged_folder_is_not_kept_for_an_equal_one_that_comes(shelf: Shelf) -> None:
    flip(shelf.file)
    store = shelf.open()
    with store.incoming() as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "m.h5").write_bytes(b"x" * 100)
        store.keep(folder)
    assert shelf.file.read_bytes() == b"x" * 100


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"schema": 1}',
        b'{"schema": 1, "outcome": 3}',
        b'{"schema": 1, "outcome": {"status": "error"}, "digest": "0"}',
        b'{"schema": 1, "outcome": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_a_damaged_outcome_goes_and_is_told(shelf: Shelf, text: bytes) -> None:
    shelf.outcome.write_bytes(text)
    assert shelf.read() is None
    assert not shelf.outcome.exists()
    assert "it is removed, and measured again" in shelf.said[0]


def test_a_flipped_word_of_an_outcome_is_damage(shelf: Shelf) -> None:
    shelf.outcome.write_text(shelf.outcome.read_text().replace('"ok"', '"no"'))
    assert shelf.read() is None


def test_an_outcome_is_verified_by_the_bytes_of_its_file(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "digest_of", lambda value: pytest.fail("written out again"))
    assert shelf.read() == {"status": "ok"}


@pytest.mark.parametrize(("status", "found"), [("ok", Stored({"status": "ok"}, sealed=True)), ("no", None)])
def test_an_outcome_in_the_form_of_an_earlier_version_is_verified_too(
    shelf: Shelf, status: str, found: Stored | None
) -> None:
    stored = {"schema": 1, "outcome": {"status": status}, "digest": digest_of({"status": "ok"})}
    shelf.outcome.write_text(json.dumps(stored, sort_keys=True) + "\n")
    assert shelf.open().read_sealed("ab" * 32) == found


def test_an_outcome_of_an_earlier_version_is_read_without_a_seal(shelf: Shelf) -> None:
    shelf.outcome.write_text(json.dumps({"schema": 1, "outcome": {"status": "ok"}}))
    found = shelf.open().read_sealed("ab" * 32)
    assert found is not None
    assert not found.sealed


def test_an_outcome_of_a_newer_version_is_left_alone(shelf: Shelf) -> None:
    shelf.outcome.write_text(json.dumps({"schema": 99, "outcome": {}}))
    with pytest.raises(StoreError, match="schema 99"):
        shelf.read()
    assert shelf.outcome.exists()


def test_a_full_disk_keeps_no_outcome_and_says_so_once(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(content, "write_atomically", full)
    store = shelf.open()
    store.write_outcome("cd" * 32, {"status": "ok"})
    store.write_outcome("ef" * 32, {"status": "ok"})
    assert store.read_outcome("cd" * 32) is None
    assert [text for text in shelf.said if "No space left" in text] == shelf.said
    assert len(shelf.said) == 1


def test_a_store_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(InfrastructureError) as caught:
        Store(tmp_path / "store")
    assert str(tmp_path / "store") in str(caught.value)
    assert "make room or give the right" in caught.value.fix


def test_verify_reads_everything_and_removes_what_is_damaged(shelf: Shelf) -> None:
    sound = shelf.open().verify()
    assert (sound.folders, sound.outcomes, sound.is_sound) == (1, 1, True)
    flip(shelf.file)
    shelf.outcome.write_text("{")
    (shelf.root / "folders" / ".incoming-x" / "content").mkdir(parents=True)
    found = shelf.open().verify()
    assert (found.damaged_folders, found.damaged_outcomes) == ((shelf.digest,), ("ab" * 32,))
    assert not found.is_sound
    again = shelf.open().verify()
    assert (again.folders, again.outcomes, again.is_sound) == (0, 0, True)
    assert not list((shelf.root / "folders").glob(".incoming-*"))
