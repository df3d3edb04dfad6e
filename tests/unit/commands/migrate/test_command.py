"""A migration over fake workers: what is handed over, what never is, and what a second command does again."""

from __future__ import annotations

import base64
import csv
import errno
import io
import json
import shutil
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import golden_hdf5
import numpy as np
import pytest
from answer_schemas import hold
from fakes import Dies, FakeExecutor
from saved_models import saved_model
from tfmatrix.commands.migrate.command import MigrateOptions, MigrateResult, migrate_project
from tfmatrix.commands.migrate.report import to_csv, to_json, to_text, verified_json, verified_text
from tfmatrix.commands.migrate.verify import verify
from tfmatrix.core.errors import ExitCode, NothingSelectedError, UsageError
from tfmatrix.engine.migration import Level
from tfmatrix.engine.run import RunOptions
from tfmatrix.project.project import Project

OLD, NEW = "2.10.1", "2.21.0"
OK = {"phase": None, "reason": None, "error": None, "warnings": [], "artifact": False, "observation": False}
FORM = {"schema": 1, "keras": "2.10.0", "tensorflow": OLD, "compile": None, "assets": {}, "error": None}
MODEL = {"class_name": "Sequential", "config": {"name": "m", "layers": []}}


def array(key: str) -> dict[str, Any]:
    return {"array": key, "dtype": "float32", "shape": [2, 2]}


def observed(folder: Path, outputs: float, state: float, given: bool = False, silent: Sequence[str] = ()) -> None:
    """An observation of a compiled model: its outputs and its optimizer's slot have these values."""
    target = folder / "observation"
    target.mkdir(parents=True)
    values = {"a0": np.full((2, 2), outputs, "float32"), "a1": np.full((2, 2), state, "float32")}
    np.savez(target / "arrays.npz", **values)
    weight = {"path": "d/kernel", "layer": "d", "role": "kernel", "index": 0, "trainable": True, "tracked": True}
    document: dict[str, Any] = {
        "schema": 1,
        "kind": "keras",
        "model_class": "Sequential",
        "outputs": {"": array("a0")},
        "weights": [{**weight, "array": array("a0")}],
        "optimizer": {
            "class": "SGD",
            "implementation": "keras2",
            "iterations": 3,
            "hyperparameters": {"momentum": 0.9},
            "state": {},
            "slots": [{"slot": "momentum", "variable": 0, "path": "d/kernel", "array": array("a1")}],
        },
        **dict.fromkeys(("config", "compile", "resume", "signatures", "control")),
        "notes": {"resume": "the model is not compiled with a loss"},
    }
    if given:
        described = [{"name": "x", "dtype": "float32", "shape": [8, 3], "values": "uniform in [0, 1)"}]
        document["given"] = {"described": described, "note": "", "network": "none"}
    if silent:
        weights = [array("a0")]
        document["resume"] = {"losses": [1.0], "metrics": {}, "weights_after": weights, "silent": silent, "error": None}
        document["notes"] = {}
    (target / "observation.json").write_text(json.dumps(document))


def write_model(path: Path, how: str, environment: str) -> None:
    """A file, or a folder for a format without a suffix, that says who made it."""
    path.parent.mkdir(parents=True)
    if path.suffix:
        path.write_bytes(f"PK\x03\x04 {how} in {environment}".encode())
    else:
        path.mkdir()
        (path / "saved_model.pb").write_bytes(b"graph")


def raised(phase: str, kind: str, message: str) -> dict[str, Any]:
    error = {"type": kind, "message": message, "traceback": f"{kind}: {message}"}
    return {**OK, "status": "error", "phase": phase, "error": error, "seconds": {phase: 0.1}}


class Bench:
    """Model files, a project without matrix.yaml, and workers that are functions of the job."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.out = folder, folder / "out"
        self.model = folder / "model.h5"
        self.model.write_bytes(zlib.decompress(base64.b64decode(golden_hdf5.OLD_H5PY)))
        self.silent: Sequence[str] = ()
        self.form: dict[str, Any] = {**FORM, "model": MODEL}
        self.rebuild: Callable[[], dict[str, Any] | None] = lambda: None
        self.load: Callable[[dict[str, Any]], tuple[float, float] | dict[str, Any]] = lambda job: (1.0, 5.0)
        self.executor = FakeExecutor(job=self._job)
        monkeypatch.setattr("tfmatrix.engine.migration.open_executor", lambda *_, **__: (self.executor, "fake"))

    @property
    def project(self) -> Project:
        return Project(root=self.root / "project")

    def _job(self, environment: str, job: dict[str, Any]) -> dict[str, Any]:
        folder = Path(job["folder"])
        done = {**OK, "status": "ok", "seconds": {"load": 0.1}}
        match job["kind"]:
            case "adopt":
                observed(folder, 1.0, 5.0, given=True, silent=self.silent)
                (folder / "artifact").mkdir()
                (folder / "artifact" / "neutral.json").write_text(json.dumps(self.form))
                return {**done, "artifact": True, "observation": True}
            case "rebuild":
                if (failed := self.rebuild()) is not None:
                    return failed
                write_model(folder / "artifact" / job["format"]["artifact"], "made", environment)
                return {**done, "artifact": True}
            case "resave":
                write_model(folder / "artifact" / job["target"]["artifact"], "saved again", environment)
                return {**done, "artifact": True}
        found = self.load(job)
        if isinstance(found, dict):
            return found
        observed(folder, *found, silent=self.silent)
        return {**done, "observation": True}

    def migrate(self, *given: Path, **changes: Any) -> MigrateResult:
        wanted = {"to": NEW, "output": self.out, "saved_with": OLD, "tf_keras": False, **changes}
        names = [str(each) for each in given or (self.model,)]
        return migrate_project(
            self.project, names, MigrateOptions(**wanted), RunOptions(quiet=True, offline=True, trust_model=True)
        )

    def left(self) -> list[str]:
        return sorted(path.name for path in self.out.rglob("*")) if self.out.exists() else []


@pytest.fixture
def bench(tmp_path, monkeypatch):
    return Bench(tmp_path, monkeypatch)


def kinds(bench: Bench) -> list[str]:
    return [job["kind"] for job in bench.executor.jobs]


def test_what_equals_the_old_model_in_every_check_is_handed_over_with_its_proof(bench):
    before = bench.model.read_bytes()
    result = bench.migrate()
    assert result.exit_code is ExitCode.OK
    assert result.files[0].level is Level.WHOLE
    assert kinds(bench) == ["adopt", "rebuild", "load"]
    assert bench.left() == ["model.keras", "model.proof.json"]
    assert (bench.out / "model.keras").read_bytes() == b"PK\x03\x04 made in 2.21.0"
    proof = json.loads((bench.out / "model.proof.json").read_text())
    hold("migrate-proof", proof)
    assert (proof["result"], proof["way"], proof["lost"]) == ("proven", "native", [])
    assert proof["checks"]["optimizer"]["status"] == "pass"
    assert proof["inputs"][0]["values"] == "uniform in [0, 1)"
    assert bench.model.read_bytes() == before
    hold("migrate", to_json(result))
    assert "1 files to 2.21.0: 1 proven" in to_text(result)


def test_the_new_file_is_read_by_another_process_than_the_one_that_made_it(bench):
    bench.migrate()
    made, read = bench.executor.jobs[1:]
    assert (made["kind"], read["kind"]) == ("rebuild", "load"), "each is a request of its own, and a child of its own"
    assert Path(read["artifact"]).read_bytes() == (bench.out / "model.keras").read_bytes()
    assert read["reference"] == made["reference"]


def test_other_outputs_are_never_handed_over(bench):
    bench.load = lambda job: (1.5, 5.0)
    result = bench.migrate()
    assert result.exit_code is ExitCode.INCOMPATIBLE
    assert result.files[0].level is Level.NOTHING
    assert "outputs" in result.files[0].reason
    assert bench.left() == []


def test_a_lost_slot_leaves_a_file_that_predicts_and_says_so(bench):
    bench.load = lambda job: (1.0, 0.0)
    result = bench.migrate()
    found = result.files[0]
    assert (found.level, found.way, found.lost) == (Level.INFERENCE, "native", ("optimizer",))
    assert "optimizer did not hold" in found.reason
    assert result.exit_code is ExitCode.INCOMPATIBLE
    assert json.loads((bench.out / "model.proof.json").read_text())["result"] == "proven for inference"


def test_what_cannot_be_built_goes_the_way_of_what_only_predicts(bench):
    bench.rebuild = lambda: raised("build", "ValueError", "Unknown layer: Mine")
    found = bench.migrate().files[0]
    assert (found.level, found.way) == (Level.INFERENCE, "inference")
    assert "Unknown layer: Mine" in found.reason
    assert sorted(kinds(bench)) == ["adopt", "load", "rebuild", "resave"]
    assert (bench.out / "model" / "saved_model.pb").read_bytes() == b"graph"


def test_what_the_new_keras_cannot_be_is_tried_with_tf_keras_before_what_only_predicts(bench):
    bench.load = lambda job: (1.0, 0.0 if b"made in" in Path(job["artifact"]).read_bytes() else 5.0)
    result = bench.migrate(tf_keras=True)
    found = result.files[0]
    assert (found.level, found.way, found.lost) == (Level.WHOLE, "tf-keras", ())
    assert (bench.out / "model.keras").read_bytes() == b"PK\x03\x04 saved again in 2.21.0+tf-keras"
    proof = json.loads((bench.out / "model.proof.json").read_text())
    assert proof["reader"]["id"] == "2.21.0+tf-keras"
    assert proof["load"].startswith("TF_USE_LEGACY_KERAS=1")
    assert bench.migrate(tf_keras=True).files[0].done
    options = RunOptions(quiet=True, offline=True, trust_model=True)
    assert verify(bench.project, bench.out / "model.keras", options).exit_code is ExitCode.OK


def test_a_file_that_predicts_is_kept_where_tf_keras_brings_no_more(bench):
    bench.load = lambda job: (1.0, 0.0)
    found = bench.migrate(tf_keras=True).files[0]
    assert (found.level, found.way, found.lost) == (Level.INFERENCE, "native", ("optimizer",))


def test_what_a_file_of_keras_2_cannot_hold_is_tried_as_a_savedmodel_where_no_format_was_asked_for(bench):
    bench.load = lambda job: (1.0, 5.0 if Path(job["artifact"]).is_dir() else 0.0)
    found = bench.migrate(to="2.15.1").files[0]
    assert (found.level, found.way, found.lost) == (Level.WHOLE, "savedmodel", ())
    assert "native: optimizer did not hold" in found.reason
    assert bench.left() == ["model", "model.proof.json", "saved_model.pb"]
    proof = json.loads((bench.out / "model.proof.json").read_text())
    hold("migrate-proof", proof)
    assert "load_model" in proof["load"]
    options = RunOptions(quiet=True, offline=True, trust_model=True)
    assert verify(bench.project, bench.out / "model", options).exit_code is ExitCode.OK


@pytest.mark.parametrize("wanted", [{"to": "2.15.1", "format": "keras"}, {"to": NEW}])
def test_a_format_that_was_asked_for_and_keras_3_have_no_savedmodel_beside(bench, wanted):
    bench.load = lambda job: (1.0, 0.0)
    assert bench.migrate(**wanted).files[0].way == "native"
    assert kinds(bench).count("rebuild") == 1


def test_what_cannot_be_built_is_not_built_again_for_another_format(bench):
    bench.rebuild = lambda: raised("build", "ValueError", "Unknown layer: Mine")
    assert bench.migrate(to="2.15.1").files[0].way == "inference"
    assert kinds(bench).count("rebuild") == 1


def test_a_model_without_a_neutral_form_is_said_to_have_none(bench):
    bench.form = {**FORM, "model": None, "error": {"type": "NotImplementedError", "message": "no get_config"}}
    bench.load = lambda job: raised("load", "OSError", "no")
    found = bench.migrate().files[0]
    assert found.level is Level.NOTHING
    assert found.reason.startswith("native: NotImplementedError: no get_config")


@pytest.mark.parametrize("form", [[], "text", {"assets": {}, "model": 3, "error": None}, {"assets": [], "model": {}}])
def test_a_neutral_form_that_is_none_costs_its_own_file_alone(bench, form):
    bench.form = form
    other = bench.root / "b.h5"
    other.write_bytes(bench.model.read_bytes() + b"\0")
    result = bench.migrate(bench.model, other)
    assert [each.way for each in result.files] == ["inference", "inference"]


def test_the_second_command_does_nothing_again(bench):
    bench.migrate()
    sent = len(bench.executor.jobs)
    result = bench.migrate()
    assert len(bench.executor.jobs) == sent
    assert result.files[0].done
    assert result.files[0].level is Level.WHOLE


def test_a_second_command_that_asks_for_something_else_is_not_answered_with_the_first_ones_result(bench):
    code, inputs = bench.root / "layers.py", bench.root / "x.npz"
    code.write_text("custom_objects = dict\n")
    np.savez(inputs, x=np.ones((2, 3), "float32"))
    bench.migrate(custom_objects=code)
    for wanted, said in (
        ({"format": "h5"}, "in the format keras"),
        ({"inputs": inputs}, "without --inputs"),
        ({"custom_objects": inputs}, "with another --custom-objects"),
        ({"custom_objects": bench.root / "none.py"}, "there is no"),
    ):
        with pytest.raises(UsageError, match=said):
            bench.migrate(**wanted)
    assert bench.migrate(custom_objects=code, format="keras").files[0].done
    assert bench.migrate().files[0].done


def test_a_folder_that_refuses_is_told_before_anything_is_measured(bench, monkeypatch):
    def refuse(*_given: Any, **_named: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryDirectory", refuse)
    with pytest.raises(UsageError, match=r"cannot be written to \(Read-only file system\)"):
        bench.migrate()
    assert not bench.executor.jobs


def test_a_proof_whose_file_is_missing_is_of_a_command_that_was_killed(bench):
    bench.migrate()
    (bench.out / "model.keras").unlink()
    sent = len(bench.executor.jobs)
    assert not bench.migrate().files[0].done
    assert bench.left() == ["model.keras", "model.proof.json"]
    assert len(bench.executor.jobs) == sent, "it is measured already"


def test_a_file_without_a_proof_is_not_ours_and_is_not_replaced(bench):
    bench.out.mkdir()
    (bench.out / "model.keras").write_bytes(b"somebody's")
    with pytest.raises(UsageError, match="there already, without a proof"):
        bench.migrate()
    assert bench.executor.jobs == []


def test_a_result_that_was_changed_is_not_taken_for_done(bench):
    bench.migrate()
    (bench.out / "model.keras").write_bytes(b"changed")
    with pytest.raises(UsageError, match="another file or another version"):
        bench.migrate()


def test_two_files_of_one_name_are_an_error_before_anything_starts(bench):
    other = bench.root / "below" / "Model.h5"
    other.parent.mkdir()
    other.write_bytes(bench.model.read_bytes())
    with pytest.raises(UsageError, match="would both become"):
        bench.migrate(bench.model, other)
    assert bench.executor.jobs == []


def test_a_result_never_lies_where_an_original_does(bench):
    with pytest.raises(UsageError, match="where an original lies"):
        bench.migrate(output=bench.root)


def test_a_folder_is_searched_and_keeps_its_shape(bench):
    tree = bench.root / "models"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "b" / "one.h5").write_bytes(bench.model.read_bytes())
    (tree / "two.h5").write_bytes(bench.model.read_bytes())
    (tree / "notes.txt").write_text("no model")
    (tree / "broken.h5").write_bytes(b"no model either")
    saved_model(tree / "saved", OLD, keras=True)
    result = bench.migrate(tree)
    found = {each.source.path.name: each for each in result.files}
    assert set(found) == {"one.h5", "two.h5", "broken.h5", "saved"}
    assert found["broken.h5"].level is Level.NOTHING
    assert found["one.h5"].result == bench.out / "a" / "b" / "one.keras"
    assert found["saved"].result == bench.out / "saved.keras"
    rows = list(csv.DictReader(io.StringIO(to_csv(result))))
    assert [row["result"] for row in rows if row["file"].endswith("broken.h5")] == ["refused"]


def test_a_folder_and_a_glob_without_a_model_select_nothing(bench):
    (bench.root / "empty").mkdir()
    for given in (bench.root / "empty", bench.root / "*.keras"):
        with pytest.raises(NothingSelectedError):
            bench.migrate(given)


def test_weights_alone_are_refused_before_anything_starts(bench):
    with pytest.raises(UsageError, match="unknown format"):
        bench.migrate(format="kears")
    with pytest.raises(UsageError, match="writes no SavedModel"):
        bench.migrate(format="savedmodel")


def test_what_could_not_be_measured_is_neither_proven_nor_refused(bench):
    def dies() -> None:
        raise Dies

    bench.rebuild = dies
    result = bench.migrate()
    assert result.exit_code is ExitCode.INFRASTRUCTURE
    assert to_json(result)["files"][0]["result"] == "not measured"
    assert bench.left() == []


def test_a_proof_is_repeated_from_the_files_and_not_from_the_store(bench):
    bench.migrate()
    sent = len(bench.executor.jobs)
    found = verify(bench.project, bench.out / "model.keras", RunOptions(quiet=True, offline=True, trust_model=True))
    assert kinds(bench)[sent:] == ["adopt", "load"]
    assert found.exit_code is ExitCode.OK
    hold("migrate", verified_json(found))
    assert "THE PROOF HOLDS" in verified_text(found)


def test_a_proof_that_no_longer_holds_says_what_differs(bench):
    bench.migrate()
    bench.load = lambda job: (1.0, 0.0)
    found = verify(bench.project, bench.out / "model", RunOptions(quiet=True, offline=True, trust_model=True))
    assert found.exit_code is ExitCode.INCOMPATIBLE
    assert found.differences[0] == "optimizer is fail, and the proof says pass"


@pytest.mark.parametrize(
    ("tamper", "difference"),
    [
        (lambda proof: proof["checks"].pop("optimizer"), "optimizer is pass, and the proof says nothing of it"),
        (lambda proof: proof["checks"]["outputs"].update(status="fail"), "outputs is pass, and the proof says fail"),
        (lambda proof: proof.update(result="proven for inference"), "it is proven, and the proof says proven for"),
        (lambda proof: proof.update(lost=["resume"]), "nothing is lost, and the proof says resume"),
        (lambda proof: proof["inputs"][0].update(values="zeros"), "the inputs are others than the proof lists"),
        (lambda proof: proof["reader"]["described"]["packages"].update(numpy="9.9"), "2.21.0 has numpy"),
        (lambda proof: proof["old"].update(sha256="0" * 64), "model.h5 has another content than the proof says"),
        (lambda proof: proof["new"].update(sha256="0" * 64), "model.keras has another content than the proof says"),
    ],
)
def test_a_proof_that_somebody_changed_does_not_hold(bench, tamper, difference):
    bench.migrate()
    place = bench.out / "model.proof.json"
    proof = json.loads(place.read_text())
    tamper(proof)
    place.write_text(json.dumps(proof))
    found = verify(bench.project, place, RunOptions(quiet=True, offline=True, trust_model=True))
    assert found.exit_code is ExitCode.INCOMPATIBLE
    assert any(each.startswith(difference) for each in found.differences), found.differences


def test_a_result_that_fits_nowhere_is_told_as_that_and_the_others_are_handed_over(bench, monkeypatch):
    other = bench.root / "other.h5"
    other.write_bytes(bench.model.read_bytes() + b"\0")
    copyfile = shutil.copyfile

    def full(source, target):
        if Path(target).name == "model.keras" and bench.out in Path(target).parents:
            raise OSError(errno.ENOSPC, "No space left on device")
        return copyfile(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfile", full)
        result = bench.migrate(bench.model, other)
    assert result.exit_code is ExitCode.INFRASTRUCTURE
    assert [to_json(result)["files"][index]["result"] for index in (0, 1)] == ["not measured", "proven"]
    assert "model.keras cannot be written: No space left on device" in result.files[0].reason
    assert bench.left() == ["other.keras", "other.proof.json"]
    sent = len(bench.executor.jobs)
    assert bench.migrate(bench.model, other).exit_code is ExitCode.OK
    assert len(bench.executor.jobs) == sent, "it is measured already"


def test_what_another_command_handed_over_meanwhile_is_not_replaced(bench):
    def other(job):
        bench.load = lambda job: (1.0, 5.0)
        inner = bench.migrate()
        assert inner.files[0].level is Level.WHOLE
        (bench.out / "model.keras").write_bytes(b"the other's")
        return (1.0, 5.0)

    bench.load = other
    found = bench.migrate().files[0]
    assert found.done
    assert (bench.out / "model.keras").read_bytes() == b"the other's"


def test_a_proof_of_another_file_is_not_measured(bench):
    bench.migrate()
    bench.model.write_bytes(bench.model.read_bytes() + b"\0")
    sent = len(bench.executor.jobs)
    found = verify(
        bench.project, bench.out / "model.proof.json", RunOptions(quiet=True, offline=True, trust_model=True)
    )
    assert found.differences == ("model.h5 has another content than the proof says",)
    assert len(bench.executor.jobs) == sent


def test_a_proof_names_what_the_command_was_given_and_is_repeated_with_it(bench):
    code = bench.root / "own layers.py"
    code.write_text("def custom_objects():\n    return {}\n")
    bench.migrate(custom_objects=code)
    proof = json.loads((bench.out / "model.proof.json").read_text())
    hold("migrate-proof", proof)
    assert proof["custom_objects"]["path"] == "../own layers.py"
    assert "custom_objects=…own layers.py" in proof["load"]
    assert proof["repeat"][0].endswith("--saved-with 2.10.1 --custom-objects 'own layers.py'")
    options = RunOptions(quiet=True, offline=True, trust_model=True)
    assert verify(bench.project, bench.out / "model", options).exit_code is ExitCode.OK
    assert Path(bench.executor.jobs[-1]["custom"]).read_text() == code.read_text()
    code.write_text("def custom_objects():\n    return None\n")
    with pytest.raises(UsageError, match="another content") as raised:
        verify(bench.project, bench.out / "model", options)
    assert raised.value.fix == "name it: --custom-objects"


def test_layers_that_are_silent_in_training_are_said_to_be(bench):
    bench.silent = ["dropout"]
    found = bench.migrate().files[0]
    assert found.level is Level.WHOLE
    assert any("training compared without what dropout draw" in note for note in found.notes)


def test_a_place_that_cannot_be_written_to_is_an_error_before_anything_starts(bench):
    (bench.root / "file").write_text("in the way")
    for output in (bench.root / "file", bench.root / "file" / "below"):
        with pytest.raises(UsageError, match="is no folder"):
            bench.migrate(output=output)
    assert bench.executor.jobs == []


def test_a_proof_that_is_none_is_one_error(bench):
    bench.out.mkdir()
    (bench.out / "model.proof.json").write_text("{}")
    with pytest.raises(UsageError, match="is no proof: tfmatrix: Field required"):
        verify(bench.project, bench.out / "model", RunOptions(quiet=True, trust_model=True))
    with pytest.raises(UsageError, match="there is no"):
        verify(bench.project, bench.out / "other.keras", RunOptions(quiet=True, trust_model=True))
