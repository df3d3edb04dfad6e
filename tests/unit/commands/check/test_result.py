"""A check over fake workers: what is sent, what stands in the store, what each failure becomes."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import golden_hdf5
import numpy as np
import pytest
from answer_schemas import hold
from fakes import Ends, FakeExecutor
from saved_models import saved_model
from tfmatrix.commands.check.report import to_json, to_text
from tfmatrix.commands.check.result import CheckResult, check_model
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ExitCode, UsageError
from tfmatrix.core.status import Status
from tfmatrix.engine.files import FileRequest
from tfmatrix.engine.run import RunOptions
from tfmatrix.project.project import Project

OLD, NEW = "2.10.1", "2.21.0"
OK = {"phase": None, "reason": None, "error": None, "warnings": [], "artifact": False, "observation": False}


def observed(folder: Path, value: float, given: dict[str, Any] | None) -> dict[str, Any]:
    """A result with the smallest observation that can be compared."""
    target = folder / "observation"
    target.mkdir(parents=True)
    np.savez(target / "arrays.npz", a0=np.full((2, 2), value, dtype="float32"))
    sections = ("weights", "optimizer", "config", "compile", "resume", "signatures", "control")
    document = {
        "schema": 1,
        "kind": "keras",
        "model_class": "Sequential",
        "outputs": {"": {"array": "a0", "dtype": "float32", "shape": [2, 2]}},
        **dict.fromkeys(sections),
        "notes": {"resume": "the model is not compiled with a loss"},
    }
    (target / "observation.json").write_text(json.dumps(document | ({"given": given} if given else {})))
    return {**OK, "status": "ok", "seconds": {"load": 0.1}, "observation": True}


def raised(phase: str, kind: str, message: str) -> dict[str, Any]:
    error = {"type": kind, "message": message, "traceback": f"{kind}: {message}"}
    return {**OK, "status": "error", "phase": phase, "error": error, "seconds": {phase: 0.1}}


class Bench:
    """A model file, a project without matrix.yaml, and workers that are functions."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = folder
        self.model = folder / "my model (2).h5"
        self.model.write_bytes(zlib.decompress(base64.b64decode(golden_hdf5.NEW_H5PY)))
        self.adopt: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda job: None
        self.load: Callable[[str, dict[str, Any]], Any] = lambda reader, job: 1.0
        self.remade: dict[str, tuple[str, str]] = {}
        self.executor = FakeExecutor(job=self._job)
        monkeypatch.setattr("tfmatrix.executors.choose.open_executor", lambda *_, **__: (self.executor, "fake"))

    def _job(self, environment: str, job: dict[str, Any]) -> dict[str, Any]:
        folder = Path(job["folder"])
        if job["kind"] == "adopt":
            described = [{"name": "x", "dtype": "float32", "shape": [8, 3], "values": "uniform in [0, 1)"}]
            given = {"described": described, "note": "", "network": "none"}
            return self.adopt(job) or observed(folder, 1.0, given)
        if job["kind"] in self.remade:
            name, content = self.remade[job["kind"]]
            (folder / "artifact").mkdir(parents=True)
            (folder / "artifact" / name).write_text(content)
            return {**OK, "status": "ok", "seconds": {"load": 0.1}, "artifact": True}
        found = self.load(environment, job)
        return found if isinstance(found, dict) else observed(folder, found, None)

    def check(self, readers: tuple[str, ...] = (NEW,), trust_model: bool = False, **changes: Any) -> CheckResult:
        environments = [Environment(id=name, tensorflow=name, python="3.11") for name in (OLD, *readers)]
        request = {"model": self.model, "writer": environments[0], "readers": tuple(environments[1:]), **changes}
        project = Project(root=self.root / "project")
        return check_model(project, FileRequest(**request), RunOptions(quiet=True, trust_model=trust_model))


@pytest.fixture
def bench(tmp_path, monkeypatch):
    return Bench(tmp_path, monkeypatch)


def statuses(result: CheckResult) -> dict[str, Status]:
    return {record.cell: record.status for record in result.run.records}


def test_nothing_of_a_file_runs_as_the_user_unless_he_trusts_it(bench):
    bench.executor.name, bench.executor.confines = "venv", False
    with pytest.raises(UsageError, match="to load a model is to run its code"):
        bench.check()
    assert bench.executor.started == []
    assert bench.check(trust_model=True).exit_code is ExitCode.OK


def test_the_file_itself_is_the_artifact_and_stays_as_it_is(bench):
    before, time = bench.model.read_bytes(), bench.model.stat().st_mtime_ns
    bench.model.chmod(0o444)
    result = bench.check()
    assert result.exit_code is ExitCode.OK
    name = "my_model__2_"
    assert statuses(result) == {
        f"{name}/h5/{OLD}/{OLD}": Status.PASS,
        f"{name}/h5/{OLD}/{NEW}": Status.PASS,
    }
    for job in bench.executor.jobs:
        assert Path(job["artifact"]).name == "m.h5"
        assert Path(job["artifact"]).read_bytes() == before
        assert Path(job["artifact"]) != bench.model
    assert [job["kind"] for job in bench.executor.jobs] == ["adopt", "load", "load"]
    assert all(job["adopted"] for job in bench.executor.jobs[1:])
    assert (bench.model.read_bytes(), bench.model.stat().st_mtime_ns) == (before, time)
    assert result.run.records[0].artifact["bytes"] == len(before)


def test_only_keras_3_is_asked_for_its_layer_of_a_saved_model(bench):
    bench.model = saved_model(bench.root / "saved", OLD, keras=True)
    result = bench.check(("2.15.1", NEW))
    with_layer = [record.reader for record in result.run.records if record.format == "savedmodel-tfsm"]
    assert with_layer == [NEW]
    assert [(record.reader, record.format) for record in result.others] == [
        ("2.15.1", "savedmodel"),
        ("2.15.1", "savedmodel-raw"),
        (NEW, "savedmodel"),
        (NEW, "savedmodel-raw"),
        (NEW, "savedmodel-tfsm"),
    ]


def test_the_second_check_measures_nothing_and_another_file_does(bench):
    bench.check()
    sent = len(bench.executor.jobs)
    result = bench.check()
    assert len(bench.executor.jobs) == sent
    assert "x float32 [8, 3]: uniform in [0, 1)" in to_text(result)
    bench.model.write_bytes(zlib.decompress(base64.b64decode(golden_hdf5.OLD_H5PY)))
    bench.check()
    assert len(bench.executor.jobs) == 2 * sent


def test_a_reader_that_reads_something_else(bench):
    bench.load = lambda reader, job: 2.0 if reader == NEW else 1.0
    result = bench.check()
    assert result.exit_code is ExitCode.INCOMPATIBLE
    assert [(record.reader, record.status) for record in result.others] == [(NEW, Status.DRIFT)]
    text = to_text(result)
    assert "drift" in text
    assert "not compared  resume: the model is not compiled with a loss" in text
    data = to_json(result)
    hold("check", data)
    failed = {cell["reader"]: cell["failed_checks"] for cell in data["cells"]}
    assert (data["exit_code"], failed) == (1, {OLD: [], NEW: ["outputs"]})
    assert data["model"]["keras"] == "2.10.0"
    assert "| drift" in to_text(result, markdown=True)


def test_a_writer_that_cannot_load_its_own_file(bench):
    bench.adopt = lambda job: raised("load", "ValueError", "Unknown layer: 'Scale'")
    result = bench.check()
    assert {record.reader: record.status for record in result.run.records} == {
        OLD: Status.LOAD_ERROR,
        NEW: Status.SKIPPED,
    }
    assert result.exit_code is ExitCode.USAGE
    assert result.unknown == f"{OLD} itself cannot load my model (2).h5: ValueError: Unknown layer: 'Scale'"
    assert "--custom-objects" in to_text(result)
    bench.adopt = lambda job: raised("load", "OSError", "bad marshal data")
    # The first answer is in the store: the same file and code give the same.
    assert "Scale" in bench.check().unknown


def test_a_writer_that_dies_of_the_file(bench):
    def die(job: dict[str, Any]) -> dict[str, Any]:
        raise Ends("crash", signal="SIGSEGV")

    bench.adopt = die
    result = bench.check()
    assert result.own[0].status is Status.CRASH
    assert "cannot load" in result.unknown
    assert "try another --saved-with" in to_text(result)


@pytest.mark.parametrize(
    ("phase", "kind", "told"),
    [
        ("inputs", "InputsError", "inputs of my model (2).h5: the model takes x"),
        ("import", "ModuleNotFoundError", "custom code of my model (2).h5: ModuleNotFoundError: the model takes x"),
        ("build", "TypeError", "builder of my model (2).h5: TypeError: the model takes x"),
    ],
)
def test_what_comes_with_the_file_and_does_not_fit(bench, phase, kind, told):
    bench.adopt = lambda job: raised(phase, kind, "the model takes x")
    with pytest.raises(UsageError) as found:
        bench.check()
    assert found.value.what == told
    assert found.value.fix


def test_code_and_inputs_go_to_the_workers_under_their_own_names(bench):
    code = bench.root / "my_layers.py"
    code.write_text("class Scale: ...\ndef build(): ...\n")
    np.savez(bench.root / "x.npz", x=np.zeros((2, 3)))
    bench.load = lambda reader, job: raised("load", "ValueError", "no") if reader == NEW else 1.0
    result = bench.check(custom_objects=code, builder=f"{code}:build", inputs=bench.root / "x.npz")
    adopt, *loads = bench.executor.jobs
    assert Path(adopt["custom"]).name == "my_layers.py"
    assert Path(adopt["custom"]).read_text() == code.read_text()
    assert adopt["function"] == "build"
    assert np.load(adopt["inputs"])["x"].shape == (2, 3)
    assert all(job["builder"] == adopt["builder"] for job in loads)
    names = [remedy["name"] for remedy in result.others[0].remedies]
    assert "custom_objects" in names
    assert "rebuild from code + load_weights" in names


def test_one_file_that_is_given_twice_stays_one_module(bench):
    code = bench.root / "model.py"
    code.write_text("class Scale: ...\ndef build(): ...\n")
    bench.check(custom_objects=code, builder=f"{code}:build")
    assert {job["custom"] == job["builder"] for job in bench.executor.jobs} == {True}


def test_two_files_of_one_name_are_two_modules(bench):
    for folder, text in (("layers", "class Scale: ...\n"), ("builders", "def build(): ...\n")):
        (bench.root / folder).mkdir()
        (bench.root / folder / "model.py").write_text(text)
    layers, builders = bench.root / "layers" / "model.py", bench.root / "builders" / "model.py"
    bench.check(custom_objects=layers, builder=f"{builders}:build")
    (job, *_) = bench.executor.jobs
    assert (Path(job["custom"]).read_text(), Path(job["builder"]).read_text()) == (
        layers.read_text(),
        builders.read_text(),
    )


def test_no_scenario_file_is_written(bench):
    bench.check()
    assert not list((bench.root / "project").rglob("*.py"))


def test_a_file_that_the_reader_makes_anew_is_named_with_its_price_and_the_command(bench):
    model = {"class_name": "Sequential", "config": {"name": "m", "layers": []}}
    form = {"schema": 1, "keras": OLD, "compile": None, "assets": {}, "error": None, "model": model}
    bench.remade = {"dismantle": ("neutral.json", json.dumps(form)), "rebuild": ("m.keras", "made anew")}
    bench.load = lambda reader, job: (
        raised("load", "ValueError", "no") if reader == NEW and not job["artifact"].endswith(".keras") else 1.0
    )
    result = bench.check()
    assert result.others[0].remedy == "tfmatrix migrate"
    text = " ".join(to_text(result).split())
    assert "tfmatrix migrate its price: a new file of every model, made once" in text
    assert f"tfmatrix migrate '{bench.model}' --saved-with {OLD} --to {NEW}" in text


def test_without_code_no_remedy_needs_it(bench):
    bench.load = lambda reader, job: raised("load", "ValueError", "no") if reader == NEW else 1.0
    names = [remedy["name"] for remedy in bench.check().others[0].remedies]
    assert "compile=False" in names
    assert not {"custom_objects", "rebuild from code + load_weights"} & set(names)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"builder": "model.py"}, "names no function"),
        ({"builder": "absent.py:build"}, "--builder: absent.py cannot be read"),
        ({"builder": f"{__file__}:nowhere"}, "defines no nowhere"),
        ({"custom_objects": Path("absent.py")}, "--custom-objects: absent.py cannot be read"),
        ({"inputs": Path(__file__)}, "is no .npz file"),
    ],
)
def test_options_that_name_nothing(bench, changes, what):
    with pytest.raises(UsageError, match=what):
        bench.check(**changes)
    assert not bench.executor.jobs


def test_weights_without_a_builder(bench):
    bench.model = bench.root / "m.weights.h5"
    bench.model.write_bytes(zlib.decompress(base64.b64decode(golden_hdf5.WEIGHTS_ONLY)))
    with pytest.raises(UsageError, match="it has values and no model"):
        bench.check()


def test_a_file_that_changes_meanwhile(bench):
    def change(reader: str, job: dict[str, Any]) -> float:
        bench.model.write_bytes(b"another")
        return 1.0

    bench.load = change
    with pytest.raises(UsageError, match="was changed by somebody while it was checked"):
        bench.check()


def unfinished(folder: Path, phase: str, resume: dict[str, Any] | None) -> None:
    """What a worker has written when its process ends in a phase."""
    observed(folder, 1.0, {"described": [], "note": "", "network": "none"})
    path = folder / "observation" / "observation.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"resume": resume, "unfinished": phase}))


ENDED = {"losses": [], "metrics": {}, "weights_after": None, "error": {"type": "ProcessEnded", "message": "it ends"}}
TRAINED = {"losses": [1.0], "metrics": {}, "weights_after": None, "error": None}


def trained(folder: Path) -> dict[str, Any]:
    """A result of a model that was trained on."""
    result = observed(folder, 1.0, {"described": [], "note": "", "network": "none"})
    path = folder / "observation" / "observation.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"resume": TRAINED, "notes": {}}))
    return result


def with_resume(bench: Bench) -> None:
    """A writer that trains on."""
    adopted = bench.adopt

    def adopt(job: dict[str, Any]) -> dict[str, Any]:
        return adopted(job) or trained(Path(job["folder"]))

    bench.adopt = adopt


def test_a_reader_that_dies_in_training_keeps_what_was_observed_before(bench):
    with_resume(bench)

    def load(reader: str, job: dict[str, Any]) -> float:
        if reader == NEW:
            unfinished(Path(job["folder"]), "resume", ENDED)
            raise Ends("crash", signal="SIGSEGV", seconds=1.0)
        return trained(Path(job["folder"]))

    bench.load = load
    (record,) = bench.check().others
    assert record.status is Status.CRASH
    assert record.error is not None
    assert record.error["phase"] == "resume"
    assert {
        name: check["status"] for name, check in record.checks.items() if name in ("load", "outputs", "resume")
    } == {
        "load": "pass",
        "outputs": "pass",
        "resume": "error",
    }
    assert record.failed_checks == ("resume",)
    assert "in further training, after it was loaded and observed" in to_text(bench.check(), markdown=True)


def test_a_reader_that_dies_before_anything_was_observed_fails_to_load(bench):
    def load(reader: str, job: dict[str, Any]) -> float:
        if reader == NEW:
            raise Ends("crash", signal="SIGSEGV", seconds=1.0)
        return 1.0

    bench.load = load
    (record,) = bench.check().others
    assert (record.status, record.failed_checks) == (Status.CRASH, ("load",))


def test_a_writer_that_dies_in_training_is_a_reference_without_it(bench):
    def adopt(job: dict[str, Any]) -> dict[str, Any]:
        unfinished(Path(job["folder"]), "resume", None)
        raise Ends("crash", signal="SIGSEGV", seconds=1.0)

    bench.adopt = adopt
    result = bench.check()
    assert result.exit_code is ExitCode.OK
    assert [record.status for record in result.others] == [Status.PASS]


def test_a_reader_that_dies_while_the_model_is_rebuilt_is_judged_by_what_it_loaded(bench):
    with_resume(bench)

    def load(reader: str, job: dict[str, Any]) -> float:
        if reader == NEW:
            unfinished(Path(job["folder"]), "control", TRAINED)
            raise Ends("crash", signal="SIGSEGV", seconds=1.0)
        return trained(Path(job["folder"]))

    bench.load = load
    (record,) = bench.check().others
    assert (record.status, record.error) == (Status.PASS, None)
    assert (record.checks["load"]["status"], record.checks["outputs"]["status"]) == ("pass", "pass")


def test_run_json_keeps_what_the_same_command_needs(bench):
    inputs, classes = bench.root / "x.npz", bench.root / "own layers.py"
    np.savez(inputs, x=np.zeros(3))
    classes.write_text("class Own: pass\n")
    result = bench.check(inputs=inputs, custom_objects=classes)
    assert result.account["options"] == ["--inputs", str(inputs), "--custom-objects", str(classes)]


def test_what_differs_in_the_writer_itself_is_not_compared_in_any_reader(bench):
    bench.load = lambda reader, job: 2.0 if reader == OLD else 3.0
    order: list[str] = []
    measured = bench.load
    bench.load = lambda reader, job: order.append(reader) or measured(reader, job)
    result = bench.check(("2.15.1", NEW))
    assert order[0] == OLD, "the writer's own comes first"
    for record in result.run.records:
        assert record.checks["outputs"]["status"] == "not-applicable"
        (sentence,) = record.checks["outputs"]["detail"]
        assert sentence.startswith(f"not compared: loaded twice in {OLD} itself, ")
    # The smallest observation has nothing else.
    assert result.exit_code is ExitCode.USAGE
    assert f"can be compared: not compared: loaded twice in {OLD} itself" in result.unknown
    assert f"not compared outputs: loaded twice in {OLD} itself" in " ".join(to_text(result).split())


def without_keras(job: dict[str, Any]) -> dict[str, Any]:
    note = "the writer loads it only with tf.saved_model.load, without Keras (ValueError: Unknown loss)"
    given = {"described": [], "note": note, "network": "none", "way": {"raw": True}}
    return observed(Path(job["folder"]), 1.0, given)


def test_where_keras_is_no_baseline_the_raw_loader_is(bench):
    bench.model = saved_model(bench.root / "saved", OLD, keras=True)
    bench.adopt = without_keras
    bench.load = lambda reader, job: raised("load", "AttributeError", "add_slot") if reader == NEW else 1.0
    result = bench.check((NEW,))
    assert result.exit_code is ExitCode.INCOMPATIBLE
    assert {record.format: record.status for record in result.others} == {
        "savedmodel": Status.SKIPPED,
        "savedmodel-raw": Status.LOAD_ERROR,
        "savedmodel-tfsm": Status.LOAD_ERROR,
    }
    assert {record.status for record in result.own} == {Status.SKIPPED, Status.PASS}
    assert "only with tf.saved_model.load" in to_text(result)
    only = bench.check((NEW,), loader="load_model")
    assert only.exit_code is ExitCode.USAGE
    assert "there is nothing to compare with: the writer loads it only with tf.saved_model.load" in only.unknown


@pytest.mark.parametrize(
    ("loader", "keras", "formats", "reference"),
    [
        ("load_model", True, {"savedmodel"}, "savedmodel"),
        ("saved-model", True, {"savedmodel-raw"}, "savedmodel-raw"),
        ("tfsm", True, {"savedmodel-tfsm", "savedmodel-signature"}, "savedmodel-signature"),
        ("serving-signature", True, {"savedmodel-signature"}, "savedmodel-signature"),
        ("load_model", False, {"tf-savedmodel"}, "tf-savedmodel"),
        ("saved-model", False, {"tf-savedmodel-raw"}, "tf-savedmodel-raw"),
        ("serving-signature", False, {"savedmodel-signature"}, "savedmodel-signature"),
    ],
)
def test_a_saved_model_is_judged_by_what_production_calls(bench, loader, keras, formats, reference):
    bench.model = saved_model(bench.root / "saved", OLD, keras=keras)
    result = bench.check((NEW,), loader=loader)
    assert {record.format for record in result.run.records} == formats
    assert [record.format for record in result.own] == [reference]
    assert bench.executor.jobs[0]["format"]["id"] == reference


def test_a_loader_that_does_not_read_such_a_file(bench):
    with pytest.raises(UsageError, match="--loader tfsm does not read") as found:
        bench.check(loader="tfsm")
    assert found.value.expected == "one of: load_model"


def test_ops_that_no_tensorflow_has_are_no_matter_of_the_version(bench):
    bench.adopt = lambda job: raised("load", "RuntimeError", "Encountered unresolved custom op: Landmarks.")
    result = bench.check()
    assert result.exit_code is ExitCode.USAGE
    assert "ops that TensorFlow's interpreter lacks" in " ".join(to_text(result).split())


def test_a_builder_is_suspected_before_the_version_is(bench):
    bench.model = bench.root / "m.weights.h5"
    bench.model.write_bytes(zlib.decompress(base64.b64decode(golden_hdf5.WEIGHTS_ONLY)))
    code = bench.root / "model.py"
    code.write_text("def build(): ...\n")
    bench.adopt = lambda job: raised("load", "ValueError", "Layer count mismatch")
    result = bench.check(builder=f"{code}:build")
    assert result.unknown.startswith("the model of --builder does not take what m.weights.h5 holds")
    assert "to fix first --builder" in " ".join(to_text(result).split())
