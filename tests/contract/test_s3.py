"""A store in a bucket, against a server that speaks S3 on loopback."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from needs import lacking
from tfmatrix.core.errors import InfrastructureError
from tfmatrix.store.remote import Remote, SharedStore


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    try:
        import boto3
        import s3fs  # noqa: F401
        from moto.server import ThreadedMotoServer
    except ImportError as error:
        lacking(f"{error.name} is not installed")
    patch = pytest.MonkeyPatch()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }.items():
        patch.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="matrix")
    yield "s3://matrix/tfmatrix"
    server.stop()
    patch.undo()


def test_what_another_client_writes_is_read_at_once(bucket):
    import fsspec

    one, other = Remote(bucket), Remote(bucket)
    files, root = fsspec.url_to_fs(bucket)
    one.write("batches/a.json", b"1")
    assert len(files.ls(f"{root}/batches")) == 1
    one.write("batches/b.json", b"2")
    # Why nothing is listed: a listing is of before.
    assert len(files.ls(f"{root}/batches")) == 1
    assert not files.exists(f"{root}/batches/b.json")
    assert other.read("batches/b.json") == b"2"
    assert other.read("batches/c.json") is None
    one.remove("batches/b.json")
    assert other.read("batches/b.json") is None


def test_half_a_folder_is_none(bucket, tmp_path: Path):
    remote = Remote(bucket)
    remote.write("folders/cd/cd34/m.keras", b"half of it")
    assert not remote.has_folder("cd34")
    store = SharedStore(tmp_path / "here", remote, fetches=True)
    assert not store.has_folder("cd34")


def test_two_writers_of_one_key(bucket, tmp_path: Path):
    remotes = [Remote(bucket) for _ in range(4)]

    def write(number: int) -> None:
        for _ in range(5):
            remotes[number].write_json("outcomes/k.json", {"from": [number] * 5000})

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    content = Remote(bucket).read_json("outcomes/k.json")
    assert content is not None
    assert len(set(content["from"])) == 1


def test_a_bucket_that_is_not_there_is_one_error(bucket):
    with pytest.raises(InfrastructureError, match="s3://nowhere/x: writing a"):
        Remote("s3://nowhere/x", patience=0.1).write("a", b"1")


def test_nobody_logged_in_is_told_at_once(bucket, monkeypatch, tmp_path: Path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    began = time.monotonic()
    with pytest.raises(InfrastructureError, match="NoCredentialsError") as error:
        Remote(bucket).read("outcomes/k.json")
    assert time.monotonic() - began < 60, "the store was waited for"
    assert "AWS_ACCESS_KEY_ID" in str(error.value.fix)
