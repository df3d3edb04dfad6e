"""Hostile model files through `tfmatrix check`, with what belongs to them: contained, told, and the host untouched."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from needs import lacking
from real_project import ROOT, RealProject
from tfmatrix.core.environment import Environment
from tfmatrix.envs.provision import EnvironmentCache, default_cache_root
from tfmatrix.envs.uv import Uv
from tfmatrix.executors.engine import EngineUnavailableError, connect
from tfmatrix.executors.supply import EnvironmentSupply

pytestmark = pytest.mark.real
TENSORFLOW = "2.15.1"

HEAD = """
def planted(x):
    import json, os, sys
    frame = sys._getframe()
    while frame is not None and frame.f_code.co_name != "child_main":
        frame = frame.f_back
    if frame is None:
        return x  # built, not loaded

    def forge(token=frame.f_locals["token"], **said):
        empty = dict.fromkeys(("phase", "reason", "error"))
        result = {{"status": "ok", **empty, "artifact": False, "observation": True, "warnings": [], "seconds": {{}}}}
        result.update(said)
        event = {{"event": "result", "job": 0, "schema": 1, "id": frame.f_locals["request"]["id"], "token": token}}
        payload = json.dumps({{**event, "result": result}}).encode()
        os.write(frame.f_locals["report"], b"%d %s\\n" % (len(payload), payload))
        os._exit(0)

{body}
"""
"""What a Lambda of the file does, in the process that loads it."""


@dataclass(frozen=True)
class Planted:
    """`words` stand in the error that the file's own cell comes to."""

    body: str
    words: str


PLANTED = {
    "a_folder_of_the_host_for_an_observation": Planted(
        "forge(observation={victim!r})", "observation: Input should be a valid boolean"
    ),
    "a_folder_of_the_host_without_a_token": Planted("forge(token=None, observation={victim!r})", "without its token"),
    "a_link_for_an_observation": Planted("os.symlink({victim!r}, 'observation'); forge()", "no folder of plain files"),
    "links_within_an_observation": Planted(
        "os.mkdir('observation')\n"
        "for name in ('observation.json', 'arrays.npz'):\n"
        "    os.symlink({victim!r} + '/private.txt', 'observation/' + name)\n"
        "forge()",
        "holds a link",
    ),
    "a_file_of_the_host": Planted(
        "try:\n"
        "    words = open({victim!r} + '/private.txt').read()\n"
        "except OSError as error:\n"
        "    words = 'refused: %d' % error.errno\n"
        "error = dict(type='Stolen', message=words, traceback='')\n"
        "forge(status='error', phase='load', observation=False, error=error)",
        # It is not there, or, in a venv, Landlock refuses it.
        "refused: ",
    ),
    "an_artifact_that_nobody_asked_for": Planted("forge(artifact=True)", "was not to save"),
}
QUICK = ("a_folder_of_the_host_for_an_observation", "a_file_of_the_host")
EVERYTHING = bool(os.environ.get("TFMATRIX_TEST_HOSTILE"))

BUILD = """
import json, sys
import tensorflow as tf

for place, source in json.load(open(sys.argv[1])).items():
    known = {}
    exec(source, known)
    layers = [tf.keras.layers.Input((4,)), tf.keras.layers.Lambda(known["planted"]), tf.keras.layers.Dense(1)]
    tf.keras.Sequential(layers).save(place)
"""


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("victim")
    (folder / "private.txt").write_text("secret")
    return folder


@pytest.fixture(scope="module")
def files(victim: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The hostile files by name, and an honest one; written by TensorFlow."""
    folder = tmp_path_factory.mktemp("files")
    bodies = {
        name: each.body.format(victim=str(victim)) for name, each in PLANTED.items() if EVERYTHING or name in QUICK
    }
    bodies["honest"] = "pass"
    sources = {
        str(folder / f"{name}.h5"): HEAD.format(body=textwrap.indent(body + "\nreturn x", "    "))
        for name, body in bodies.items()
    }
    (folder / "sources.json").write_text(json.dumps(sources))
    cache = EnvironmentCache(root=default_cache_root())
    supply = EnvironmentSupply(locks=ROOT / "locks", cache=cache, uv=Uv(cache=cache.downloads), say=print)
    lock = supply.lock(Environment(id=TENSORFLOW, tensorflow=TENSORFLOW, python="3.11"))
    python = supply.on_host(lock).python
    subprocess.run([python, "-c", BUILD, folder / "sources.json"], check=True, capture_output=True)
    return {Path(place).stem: Path(place) for place in sources}


@pytest.fixture(params=[pytest.param("docker", marks=pytest.mark.docker), "venv"])
def check(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Runs `tfmatrix check` of a file with an executor."""
    if request.param == "docker":
        try:
            connect()
        except EngineUnavailableError as error:
            lacking(error.what)
    trust = ("--trust-model",) if request.param == "venv" else ()
    project = RealProject(tmp_path / "project", [TENSORFLOW], ["dense"], "defaults: {timeout: 60, memory: 2g}\n")

    def run(path: Path, *options: str) -> Any:
        common = ("--readers", TENSORFLOW, "--saved-with", TENSORFLOW, "--executor", str(request.param), "--json")
        return project.tfmatrix("check", str(path), *common, *trust, "--jobs", "1", "--no-remedies", *options)

    return run


def is_untouched(victim: Path) -> bool:
    return [path.name for path in victim.iterdir()] == ["private.txt"] and (
        victim / "private.txt"
    ).read_text() == "secret"


def test_what_a_file_forges_is_a_finding_about_that_file(check: Any, files: dict[str, Path], victim: Path) -> None:
    wrong = {}
    for name in files.keys() - {"honest"}:
        finished = check(files[name])
        said = finished.stdout + finished.stderr
        # 2: what its own writer cannot read back is nothing to compare with.
        if PLANTED[name].words not in finished.stdout or "itself failed" in said or finished.code != 2:
            wrong[name] = (finished.code, said[-3000:])
        assert is_untouched(victim), name
        assert files[name].is_file()
    assert wrong == {}


def test_custom_objects_that_attack_are_held_like_the_file(
    check: Any, files: dict[str, Path], victim: Path, tmp_path: Path
) -> None:
    source = HEAD.format(body=f"    forge(observation={str(victim)!r})")
    (tmp_path / "objects.py").write_text(source + "\nplanted(None)\n\ndef custom_objects():\n    return {}\n")
    finished = check(files["honest"], "--custom-objects", str(tmp_path / "objects.py"))
    assert finished.code == 2, finished.stderr
    assert "observation: Input should be a valid boolean" in finished.stdout
    assert "itself failed" not in finished.stderr
    assert is_untouched(victim)


HOLLOW = "{'descr': '<f4', 'fortran_order': False, 'shape': (100000000, 4), }"


def _objects(path: Path, marker: Path) -> None:
    """An archive whose array is a pickle that writes a marker."""
    head = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + "\n"
    code = f"cbuiltins\nopen\n(S{str(marker)!r}\nS'w'\ntR.".encode()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + code)


def _swelling(path: Path, _: Path) -> None:
    """An archive of a few megabytes that are gigabytes."""
    head = HOLLOW.ljust(117) + "\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as stream:
        stream.write(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode())
        for _ in range(1600):
            stream.write(bytes(1_000_000))


def _pipe(path: Path, _: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [_objects, _swelling, _pipe])
def test_inputs_that_attack_are_one_error(check: Any, files: dict[str, Path], tmp_path: Path, make: Any) -> None:
    make(tmp_path / "inputs.npz", tmp_path / "marker")
    finished = check(files["honest"], "--inputs", str(tmp_path / "inputs.npz"))
    assert finished.code == 2, finished.stdout + finished.stderr
    errors = [line for line in finished.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, finished.stderr
    assert "inputs" in errors[0]
    assert "Traceback" not in finished.stderr
    assert "itself failed" not in finished.stderr
    assert not (tmp_path / "marker").exists()
