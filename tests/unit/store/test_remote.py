"""Stores by URL: written once and whole, read by name, believed only with their digest."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from needs import lacking
from tfmatrix.core.errors import InfrastructureError, UsageError
from tfmatrix.store import remote as module
from tfmatrix.store.remote import Remote, SharedStore


@pytest.fixture(params=["file", "memory"])
def remote(request, tmp_path):
    if request.param == "file":
        yield Remote((tmp_path / "shared store").as_uri())
        return
    try:
        import fsspec
    except ImportError:
        lacking("fsspec is not installed")
    found = Remote("memory://bucket/tfmatrix", patience=0.5)
    yield found
    fsspec.filesystem("memory").store.clear()


def a_folder(root: Path) -> Path:
    folder = root / "artifact"
    (folder / "variables").mkdir(parents=True)
    (folder / "assets").mkdir()
    (folder / "saved_model.pb").write_bytes(b"model")
    (folder / "variables" / "variables.index").write_bytes(b"")
    return folder


def test_bytes_are_read_by_their_name(remote):
    assert remote.read("a/b.json") is None
    remote.write("a/b.json", b"one")
    remote.write("a/b.json", b"two")
    assert remote.read("a/b.json") == b"two"
    remote.remove("a/b.json")
    remote.remove("a/b.json")
    assert remote.read("a/b.json") is None


def test_a_folder_comes_back_as_it_was(remote, tmp_path):
    remote.put_folder("ab12", a_folder(tmp_path))
    target = tmp_path / "target"
    target.mkdir()
    assert remote.has_folder("ab12")
    assert remote.get_folder("ab12", target)
    found = sorted(path.relative_to(target).as_posix() for path in target.rglob("*"))
    assert found == ["assets", "saved_model.pb", "variables", "variables/variables.index"]
    assert (target / "saved_model.pb").read_bytes() == b"model"


def test_a_folder_without_its_manifest_is_not_there(remote, tmp_path):
    folder = a_folder(tmp_path)
    write = remote.write

    def dies_at_the_manifest(name: str, data: bytes) -> None:
        if name.endswith("ab12.json"):
            raise KeyboardInterrupt
        write(name, data)

    remote.write = dies_at_the_manifest
    with pytest.raises(KeyboardInterrupt):
        remote.put_folder("ab12", folder)
    assert remote.read("folders/ab/ab12/saved_model.pb") == b"model"
    assert not remote.has_folder("ab12")
    assert not remote.get_folder("ab12", tmp_path)


@pytest.mark.parametrize("damage", [b"mode", b"modex", None])
def test_a_damaged_member_is_no_folder_and_is_written_again(remote, tmp_path, damage):
    folder = a_folder(tmp_path)
    remote.put_folder("ab12", folder)
    name = "folders/ab/ab12/saved_model.pb"
    remote.remove(name) if damage is None else remote.write(name, damage)
    target = tmp_path / "target"
    target.mkdir()
    assert not remote.get_folder("ab12", target)
    assert not remote.has_folder("ab12")
    remote.put_folder("ab12", folder)
    (tmp_path / "again").mkdir()
    assert remote.get_folder("ab12", tmp_path / "again")


@pytest.mark.parametrize("name", ["../../evil", "/evil", "a/../../evil"])
def test_a_member_never_leaves_its_folder(remote, tmp_path, name):
    remote.write_json("folders/ab/ab12.json", {"files": {}, "empty": [name]})
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(InfrastructureError, match="outside of its folder"):
        remote.get_folder("ab12", target)
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"schema": 1}', b'{"schema": 1, "content": {}, "digest": "0"}'])
def test_half_a_document_is_none(remote, text):
    remote.write("batches/x.json", text)
    assert remote.read_json("batches/x.json") is None
    assert remote.read("batches/x.json") is None
    remote.write_json("batches/x.json", {"a": 1})
    assert remote.read_json("batches/x.json") == {"a": 1}


def test_writers_of_one_name_leave_one_whole_document(remote):
    def write(number: int) -> None:
        for _ in range(20):
            remote.write_json("outcomes/k.json", {"from": [number] * 1000})

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        found = remote.read("outcomes/k.json")
        assert found is None or found.endswith(b"}")
    content = remote.read_json("outcomes/k.json")
    assert content is not None
    assert len(set(content["from"])) == 1


def test_a_store_that_is_away_is_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_PAUSES", (0.01,))
    found = Remote((tmp_path / "mount").as_uri(), patience=5.0)
    tries = iter([OSError("stale handle"), OSError("stale handle")])
    read = found._read

    def away(name: str) -> bytes | None:
        if (error := next(tries, None)) is not None:
            raise error
        return read(name)

    monkeypatch.setattr(found, "_read", away)
    found.write("a", b"1")
    assert found.read("a") == b"1"
    said: list[str] = []
    gone = Remote((tmp_path / "mount").as_uri(), patience=0.5, say=said.append)

    def refuse(name: str) -> bytes | None:
        raise OSError("stale handle")

    monkeypatch.setattr(gone, "_read", refuse)
    with pytest.raises(InfrastructureError, match="reading a: OSError: stale handle"):
        gone.read("a")
    assert [each.partition(": ")[2] for each in said] == ["reading a: OSError: stale handle; tried again for 0.5 s"]


@pytest.mark.parametrize("url", ["", "results/store", "file://host/x", "file:x", "s3:", "nothing://x/y"])
def test_what_is_no_store_is_one_error(url):
    with pytest.raises(UsageError, match="--store"):
        Remote(url)


def shared(root: Path, remote: Remote, **changes: bool) -> SharedStore:
    return SharedStore(root, remote, **{"fetches": True, **changes})


def test_what_one_machine_keeps_another_one_finds(remote, tmp_path):
    here, there = shared(tmp_path / "here", remote), shared(tmp_path / "there", remote)
    with here.incoming() as staged:
        (staged / "m.h5").write_bytes(b"model")
        digest = here.keep(staged)
    assert not there.has_folder(digest)
    here.write_outcome("k1", {"status": "ok", "artifact": {"digest": digest}, "observation": None})
    assert there.read_sealed("k1").content["artifact"] == {"digest": digest}
    assert there.has_folder(digest)
    assert (there.folder(digest) / "m.h5").read_bytes() == b"model"


def test_a_client_asks_and_fetches_only_what_it_reads(remote, tmp_path):
    here, client = shared(tmp_path / "here", remote), shared(tmp_path / "client", remote, fetches=False)
    with here.incoming() as staged:
        (staged / "observation.json").write_bytes(b"{}")
        digest = here.keep(staged)
    here.write_outcome("k1", {"status": "ok", "artifact": None, "observation": digest})
    assert client.read_sealed("k1") is None
    assert client.ask("k1")["observation"] == digest
    assert client.has_folder(digest)
    assert not client.is_here(digest)
    assert (client.fetched(digest) / "observation.json").read_bytes() == b"{}"
    with pytest.raises(InfrastructureError, match="does not have the folder"):
        client.fetched("ff00")


def test_a_folder_under_another_ones_digest_is_not_taken(remote, tmp_path):
    remote.put_folder("ab12", a_folder(tmp_path))
    said: list[str] = []
    store = SharedStore(tmp_path / "here", remote, fetches=True, say=said.append)
    assert not store.has_folder("ab12")
    assert "damaged" in said[0]
    assert not remote.has_folder("ab12")
