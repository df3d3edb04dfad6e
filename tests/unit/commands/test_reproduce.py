"""`tfmatrix reproduce` without TensorFlow: what the folder holds, and that its scripts are plain, whole and short."""

from __future__ import annotations

import ast
import builtins
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from needs import lacking
from repository import ROOT
from tfmatrix.checks.contract import Result
from tfmatrix.checks.registry import checks
from tfmatrix.commands.reproduce import reproduce
from tfmatrix.commands.reproduce.calls import call_of
from tfmatrix.commands.reproduce.scenario_code import ScenarioCode
from tfmatrix.commands.reproduce.scripts import TRAIN_STEPS
from tfmatrix.commands.reproduce.source import free_names, renamed
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ConfigError, UsageError
from tfmatrix.core.ids import CellId
from tfmatrix.core.records import CellRecord, Finding
from tfmatrix.core.status import Status
from tfmatrix.project.formats import own_formats
from tfmatrix.store.runs import Run
from tfmatrix.worker.retraining import is_trained

SAVING = ROOT / "runner" / "tfmatrix" / "worker" / "saving.py"
CELL = "layers/h5/2.15.1/2.21.0"

SCENARIO = '''\
"""A custom layer between two others.

More about it.
"""

import math

import tensorflow as tf

FORMATS = (
    "h5",
    "keras",
)
REQUIRES = "tensorflow>=2.9"
TAGS = ("a", "b")

# Not more than a factor.
FACTOR = 2.0
UNUSED = 7


class Scale(tf.keras.layers.Layer):
    def call(self, inputs):
        return inputs * FACTOR  # not trained


def half(x):
    return x / 2


def build_model():
    x = tf.keras.Input(shape=(4,))
    return tf.keras.Model(x, Scale()(x))


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)) * math.pi


def training_data(rng):
    return inputs(rng), inputs(rng)


def custom_objects():
    return {"Scale": Scale}


def save_model(model, path):
    model.save_weights(path)


def load_model(path):
    model = build_model()
    model.load_weights(path)
    return model
'''

MODULE = '''\
"""A tf.Module with two arguments."""

import tensorflow as tf


class Sum(tf.Module):
    @tf.function
    def __call__(self, a, b):
        return a + b


def build_model():
    return Sum()


def inputs(rng):
    return {"a": rng.uniform(size=3), "b": rng.uniform(size=3)}
'''


def check(name: str, *findings: Finding, **figures: Any) -> dict[str, Any]:
    """What a record holds of a check that found this."""
    return checks()[name].record(Result(findings=findings, figures=figures))


def changed(path: str) -> Finding:
    return Finding(code="changed", subject=path, figures={"before": 1, "after": 2})


BEYOND = {"beyond": 8, "elements": 8, "nan_mismatches": 0, "max_abs": 0.25, "max_ulp": 9, "argmax_flips": 0}
BEYOND |= {"atol": 0.0, "rtol": 1e-6}
CONFIG = ("inner/dense.activation", "class", "x.trainable")
COMPILE = ("loss.config.delta", "hyperparameters.learning_rate")
CHECKS = {
    "load": check("load"),
    "outputs": check("outputs", Finding(code="beyond", figures=BEYOND), max_abs=0.25),
    "weights": check(
        "weights", Finding(code="reset", subject="dense/kernel", figures={"elements": 4, "value": 0}), changed=1
    ),
    "config": check("config", *map(changed, CONFIG), differences=CONFIG),
    "compile": check("compile", *map(changed, COMPILE), differences=COMPILE),
    "optimizer": check(
        "optimizer",
        Finding(code="iterations", figures={"before": 3, "after": 0}),
        iterations_before=3,
        iterations_after=0,
    ),
    "resume": check(
        "resume",
        Finding(code="restarted", figures={"steps": 3, "loaded": 2.0, "writer": 1.0, "fresh": 2.0, "restarted": True}),
    ),
    "signatures": check("signatures", Finding(code="missing", subject="serve")),
    "warnings": {"status": "pass", "findings": [], "detail": []},
}
ERROR = {
    "phase": "load",
    "type": "ValueError",
    "message": "Unknown layer: 'Scale'. File /home/somebody/work/job-3/artifact/m.h5 is of no use",
    "traceback": (
        "Traceback (most recent call last):\n"
        '  File "/home/somebody/runner/worker/jobs.py", line 3, in _step\n    return function()\n'
        '  File "/home/somebody/env/lib/python3.11/site-packages/keras/saving.py", line 9, in load_model\n    raise X\n'
        "ValueError: Unknown layer: 'Scale'. File /home/somebody/work/job-3/artifact/m.h5 is of no use\n"
    ),
}


def record(cell: str = CELL, status: Status | str = Status.DRIFT, **fields: Any) -> CellRecord:
    scenario, format_id, writer, reader = cell.split("/")
    status = Status(status)
    failed: tuple[str, ...] = ()
    checks: dict[str, Any] = {}
    error = None
    match status:
        case Status.DRIFT:
            failed, checks = ("outputs",), {"outputs": CHECKS["outputs"]}
        case Status.PASS:
            checks = {name: {"status": "pass"} for name in own_formats()[format_id].checks}
        case Status.LOAD_ERROR:
            failed, error = ("load",), ERROR
        case _:
            error = {**ERROR, "phase": "save"}
    defaults: dict[str, Any] = {"failed_checks": failed, "checks": checks, "error": error}
    return CellRecord(
        run="r", cell=cell, scenario=scenario, format=format_id, writer=writer, reader=reader, status=status,
        **(defaults | fields),
    )  # fmt: skip


def drift(*failed: str, cell: str = CELL, **fields: Any) -> CellRecord:
    return record(cell, failed_checks=failed, checks={name: CHECKS[name] for name in failed}, **fields)


class Project:
    """A folder with scenarios and locks, and a run over it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.scenarios, self.locks = root / "scenarios", root / "locks"
        self.scenarios.mkdir()
        self.locks.mkdir()
        self.environments: list[Environment] = []
        self.described: dict[str, Any] = {}
        self.write("layers", SCENARIO)
        self.write("module", MODULE)
        self.lock("2.15.1", {"tensorflow-cpu": "2.15.1", "keras": "2.15.0", "numpy": "1.26.4"})
        self.lock("2.21.0", {"tensorflow-cpu": "2.21.0", "keras": "3.15.1", "numpy": "2.4.0"})

    def write(self, name: str, text: str) -> None:
        (self.scenarios / f"{name}.py").write_text(text)

    def lock(self, name: str, packages: dict[str, str]) -> None:
        pins = "".join(
            f"{package}=={version} \\\n    --hash=sha256:{'0' * 64}\n" for package, version in packages.items()
        )
        (self.locks / f"{name}.txt").write_text(f"# Lock of {name}\n# entry: {{}}\n{pins}")
        self.described[name] = {"packages": packages, "python": "3.11.7"}

    def run(self, *records: CellRecord) -> Run:
        header = {"environments": self.described, "settings": {"seed": 5, "steps": 4}}
        return Run(id="r", header=header, records=records, folder=self.root / "run")

    def reproduce(self, item: CellRecord, output: Path | None = None) -> Path:
        return reproduce(
            self.run(item),
            item.id,
            scenarios=self.scenarios,
            locks=self.locks,
            output=output or self.root / "out",
            environments=self.environments,
            formats=own_formats(),
        )

    def files(self, item: CellRecord) -> dict[str, str]:
        folder = self.reproduce(item)
        found = {path.name: path.read_text() for path in folder.iterdir()}
        shutil.rmtree(folder)
        return found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


# The folder


def test_the_folder_holds_scripts_requirements_readme_and_commands(project):
    folder = project.reproduce(record())
    names = {"save.py", "load.py", "requirements-save.txt", "requirements-load.txt", "README.md", "run.sh"}
    assert {path.name for path in folder.iterdir()} == names
    assert folder == project.root / "out"
    assert (folder / "run.sh").stat().st_mode & 0o111


def test_an_empty_folder_is_taken_and_a_full_one_refused(project):
    empty = project.root / "empty"
    empty.mkdir()
    assert project.reproduce(record(), empty) == empty
    before = {path.name: path.read_bytes() for path in empty.iterdir()}
    with pytest.raises(UsageError, match="is not empty"):
        project.reproduce(record(status="load-error"), empty)
    assert {path.name: path.read_bytes() for path in empty.iterdir()} == before


def test_a_file_in_its_place_is_refused(project):
    (project.root / "out").write_text("mine")
    with pytest.raises(UsageError, match="is not a folder"):
        project.reproduce(record())


def test_a_failure_while_writing_leaves_nothing(project, monkeypatch):
    real = Path.write_text

    def full(self: Path, *arguments: Any, **options: Any) -> int:
        if self.name == "run.sh":
            raise OSError(28, "No space left on device")
        return real(self, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", full)
    before = sorted(project.root.iterdir())
    with pytest.raises(UsageError, match="No space left"):
        project.reproduce(record())
    assert sorted(project.root.iterdir()) == before


def test_a_cell_that_is_not_in_the_run_gets_a_hint(project):
    item = record()
    wrong = CellId(scenario="layer", format="h5", writer="2.15.1", reader="2.21.0")
    with pytest.raises(UsageError) as caught:
        reproduce(
            project.run(item),
            wrong,
            scenarios=project.scenarios,
            locks=project.locks,
            output=project.root / "o",
            formats=own_formats(),
        )
    assert f'did you mean "{CELL}"?' in caught.value.fix
    assert not (project.root / "o").exists()


@pytest.mark.parametrize("status", ["unsupported", "infra-error", "skipped"])
def test_what_was_not_measured_has_nothing_to_reproduce(project, status):
    with pytest.raises(UsageError, match="nothing to reproduce") as caught:
        project.reproduce(record(status=status))
    assert status in caught.value.what


def test_a_scenario_that_is_gone_is_named(project):
    (project.scenarios / "layers.py").unlink()
    with pytest.raises(ConfigError, match=r"layers\.py"):
        project.reproduce(record())


# The scripts


def every_record() -> list[CellRecord]:
    """All formats with a Keras model and, where they take one, a tf.Module; what a cell can come to."""
    found = [record(status=status) for status in ("save-error", "crash", "timeout")]
    for scenario in ("layers", "module"):
        for format_id, module in own_formats().items():
            if is_trained(module.checks) or (
                scenario == "module" and (module.models != "any" or format_id == "custom")
            ):
                continue
            cell = f"{scenario}/{format_id}/2.15.1/2.21.0"
            checks = [name for name in module.checks if name not in ("load", "warnings")]
            if scenario == "module":
                checks = [name for name in checks if name in ("outputs", "weights", "signatures")]
            found += [record(cell, "pass"), record(cell, "load-error"), drift(*checks, cell=cell)]
            if format_id == module.saver:
                found += [drift(name, cell=cell) for name in checks]
    return found


@pytest.fixture(scope="module")
def every_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the folders of all those records."""
    project = Project(tmp_path_factory.mktemp("project"))
    for number, item in enumerate(every_record()):
        project.reproduce(item, project.root / "all" / f"{number:03}-{item.format}")
    return project.root / "all"


def test_every_script_is_whole_plain_and_fit_for_python_3_7(every_script):
    for path in sorted(every_script.glob("*/*.py")):
        text = path.read_text()
        tree = ast.parse(text, feature_version=(3, 7))
        bound = {each.id for each in ast.walk(tree) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                bound.add(node.name)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                bound |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
                assert not {"runner", "tfmatrix"} & {alias.name.split(".")[0] for alias in node.names}, text
        assert free_names(text) <= bound | set(dir(builtins)), text
        assert all(len(line) <= 120 for line in text.split("\n")), text
        unused = {each.name for each in tree.body if isinstance(each, ast.FunctionDef)} - free_names(text) - {"half"}
        assert not unused, text


def test_every_script_is_formatted(every_script):
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    if ruff is None:
        lacking("ruff is not installed")
    for command in (["format", "--check", "--line-length", "120"], ["check", "--select", "F,E7,E9,I"]):
        arguments = [ruff, *command, "--isolated", "--no-cache", str(every_script)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("[!_]*.py")), ids=lambda path: path.stem)
def test_the_scenarios_of_the_project_stay_what_they_are(path):
    code = ScenarioCode.read(path.read_text())
    original = ast.parse(path.read_text())
    kept = {ast.dump(node) for piece in code.pieces for node in ast.parse(piece.text).body}
    definitions = [
        node
        for node in original.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) not in ("TAGS", "FORMATS", "REQUIRES"))
    ]
    assert {ast.dump(node) for node in definitions} == kept


def test_the_scenario_loses_what_only_tfmatrix_reads_and_keeps_its_comments(project):
    text = project.files(record())["save.py"]
    for gone in ("FORMATS", "REQUIRES", "TAGS", "More about it", "UNUSED", "custom_objects"):
        assert gone not in text
    assert "# Not more than a factor.\nFACTOR = 2.0\n" in text
    assert "return inputs * FACTOR  # not trained" in text
    assert text.count("import tensorflow as tf") == 1
    # A loader may look it up by its name.
    assert "def half(x):" in text
    assert (
        "\nimport json\nimport math\nimport random\n\nimport numpy as np\nimport tensorflow as tf\n\nSEED = 5\n" in text
    )


def test_loading_alone_needs_no_more_than_the_call(project):
    files = project.files(record(cell="layers/keras/2.15.1/2.21.0", status="load-error"))
    assert "build_model" not in files["load.py"]
    assert "inputs(rng)" not in files["load.py"]
    assert "json" not in files["load.py"] + files["save.py"]
    assert files["load.py"].endswith(
        'model = tf.keras.models.load_model("m.keras", custom_objects=custom_objects())\n'
        'print("loaded without an exception with TensorFlow", tf.__version__)\n'
    )
    assert "try:" not in files["load.py"]


def test_names_of_the_scenario_are_not_taken_from_it(project):
    mine = "SEED = 3\n\n\ndef build(model):\n    return model * SEED\n\n\ndef build_model"
    project.write(
        "layers", SCENARIO.replace("def build_model", mine).replace("return tf.keras.Model(x", "return build(x")
    )
    text = project.files(record())["save.py"]
    assert "def build(model):" in text
    assert "def build_():" in text
    assert "model = build_()" in text
    assert "SEED_ = 5" in text
    assert "np.random.RandomState(SEED_)" in text
    assert "return model * SEED\n" in text


def test_seed_and_steps_are_those_of_the_run_and_of_the_worker(project):
    constants = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(SAVING.read_text()).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    assert constants["TRAIN_STEPS"] == TRAIN_STEPS
    text = project.files(drift("resume"))["save.py"]
    assert f"train(model, {TRAIN_STEPS})\nmodel.save" in text
    assert 'expected["losses"] = train(model, 4)' in text
    assert "SEED = 5" in text


SECTIONS = {
    "outputs": "outputs_of(model)",
    "weights": "weights_of(model)",
    "config": "settings_of(model)",
    "compile": "settings_of(model)",
    "optimizer": "optimizer_of(model)",
    "resume": "train(model, 4)",
}


@pytest.mark.parametrize("check", SECTIONS)
def test_only_what_failed_is_compared(project, check):
    files = project.files(drift(check))
    for other, needle in SECTIONS.items():
        expected = SECTIONS[check] == needle
        assert (needle in files["save.py"]) == expected, other
        assert (needle in files["load.py"]) == expected, other


def test_signatures_are_compared_with_what_the_writer_reads_back(project):
    files = project.files(drift("signatures", cell="layers/export/2.15.1/2.21.0"))
    assert 'signatures_of(tf.saved_model.load("m"))' in files["save.py"]
    assert "signatures_of(model)" in files["load.py"]


def test_what_raises_comes_last(project):
    item = drift("outputs", "optimizer")
    checks = {**item.checks, "outputs": {"status": "error", "detail": ["the loaded model raises ValueError: x"]}}
    text = project.files(record(failed_checks=item.failed_checks, checks=checks))["load.py"]
    assert text.index("optimizer_of(model)\nprint") < text.index("outputs = outputs_of(model)\nif")


def test_settings_are_those_that_the_record_names(project):
    text = project.files(drift("config", "compile"))["load.py"]
    assert 'layer = layer.get_layer("inner")\n    layer = layer.get_layer("dense")' in text
    assert 'settings["inner/dense.activation"] = layer.get_config().get("activation")' in text
    assert 'settings["x.trainable"] = layer.trainable' in text
    assert 'settings["class"] = type(model).__name__' in text
    assert 'settings["learning_rate"] = model.optimizer.get_config().get("learning_rate")' in text
    assert "model.evaluate(*training_data(np.random.RandomState(SEED)), verbose=0)" in text


def test_a_lost_optimizer_is_shown_and_not_asked(project):
    lost = {"status": "fail", "iterations_before": 3, "iterations_after": None, "detail": ["no optimizer"]}
    text = project.files(record(failed_checks=("optimizer",), checks={"optimizer": lost}))["load.py"]
    assert 'print("optimizer:", getattr(model, "optimizer", None))' in text
    assert "optimizer_of" not in text


def test_moved_weights_are_looked_for_by_value(project):
    in_order = project.files(drift("weights"))["load.py"]
    moved = {**CHECKS["weights"], "missing": 1}
    by_value = project.files(record(failed_checks=("weights",), checks={"weights": moved}))["load.py"]
    assert "difference(before, after)" in in_order
    assert "np.array_equal(before, after)" in by_value


def test_a_loader_that_gives_no_keras_model_is_asked_for_no_more(project):
    lacking = {name: check(name, Finding(code="no-keras-model")) for name in ("config", "resume")}
    item = record("layers/tf-savedmodel/2.15.1/2.21.0", failed_checks=tuple(lacking), checks=lacking)
    files = project.files(item)
    assert "train(model, 4)" not in files["load.py"]
    assert "type(model).__name__" in files["load.py"]
    assert files["README.md"].startswith("# The loaded model is no Keras model: ")


def test_a_module_is_called_with_its_arguments(project):
    files = project.files(record("module/tf-savedmodel-raw/2.15.1/2.21.0", status="pass"))
    assert "outputs = model(**x)" in files["save.py"]
    assert "outputs = model(**x)" in files["load.py"]
    assert "train" not in files["save.py"]


def test_random_layers_are_restarted_only_where_there_are_some(project):
    plain = project.files(drift("resume"))["save.py"]
    project.write("layers", SCENARIO.replace("Scale()(x)", "tf.keras.layers.Dropout(0.5)(Scale()(x))"))
    random = project.files(drift("resume"))["save.py"]
    assert "restart_random_layers" not in plain
    assert random.count("restart_random_layers(") == 3


def test_an_error_while_the_scenario_is_read_stays_one(project):
    text = project.files(record(status="load-error", error={**ERROR, "phase": "import"}))["load.py"].partition("\n\n")[
        2
    ]
    assert text.index("training_data(np.random") < text.index("load_model(")


# The calls of the formats

CALLS = {
    "h5": ('model.save("m.h5")', 'model = tf.keras.models.load_model("m.h5")'),
    "savedmodel-raw": ('model.save("m")', 'model = tf.saved_model.load("m")'),
    "weights-h5": ('model.save_weights("m.weights.h5")', 'model = build()\nmodel.load_weights("m.weights.h5")'),
    "custom": ('save_model(model, "m")', 'model = load_model("m")'),
    "checkpoint": (
        'checkpoint_of(model).write(os.path.join("c", "ckpt"))',
        "model = build()\ncheckpoint = checkpoint_of(model)\n"
        "# TensorFlow 2.0 and 2.1 read what `write` wrote with the method that reads what `save` wrote.\n"
        'read = getattr(checkpoint, "read", checkpoint.restore)\nread(os.path.join("c", "ckpt"))',
    ),
}


@pytest.mark.parametrize("format_id", CALLS)
def test_the_calls_are_a_users(format_id):
    chosen = own_formats()[format_id]
    found = call_of(chosen.save, chosen.artifact), call_of(chosen.load, chosen.artifact)
    assert tuple(call.statements for call in found) == CALLS[format_id]


def test_helpers_of_a_format_come_along():
    call = call_of(own_formats()["checkpoint"].load, "c")
    (helper,) = call.definitions
    assert helper.text.startswith("def checkpoint_of(model):\n")
    assert "import" not in helper.text
    assert call.imports == ("import os",)
    assert "build" in call.uses


def test_the_text_of_a_call_stays_as_it_is_but_for_what_is_filled_in():
    text = textwrap.dedent(
        """\
        import zipfile

        # The converter takes
        # a moment: PATH is written at once.
        with zipfile.ZipFile(
            PATH,
            "w",
        ) as file:
            file.writestr("PATH", model.PATH(PATH=PATH))"""
    )
    call = call_of(text, "m.zip")
    assert call.imports == ("import zipfile",)
    assert call.statements == textwrap.dedent(
        """\
        # The converter takes
        # a moment: PATH is written at once.
        with zipfile.ZipFile(
            "m.zip",
            "w",
        ) as file:
            file.writestr("PATH", model.PATH(PATH="m.zip"))"""
    )


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("f(PATH, custom_objects=CUSTOM_OBJECTS)", 'f("m")'),
        ("f(custom_objects=CUSTOM_OBJECTS)", "f()"),
        ("f(custom_objects=CUSTOM_OBJECTS, a=1)", "f(a=1)"),
        ("f(a=1, custom_objects=CUSTOM_OBJECTS, b=2)", "f(a=1, b=2)"),
        ("f(PATH, CUSTOM_OBJECTS)", 'f("m", None)'),
        ("f(ä=1, custom_objects=CUSTOM_OBJECTS)", "f(ä=1)"),
    ],
)
def test_custom_objects_are_not_named_where_there_are_none(call, expected):
    assert call_of(f"model = {call}", "m").statements == f"model = {expected}"
    assert "custom_objects()" in call_of(f"model = {call}", "m", has_custom_objects=True).statements


def test_a_tflite_model_is_run_as_its_interpreter_is(project):
    text = project.files(record("layers/tflite/2.15.1/2.21.0"))["load.py"]
    assert 'model = tf.lite.Interpreter("m.tflite")\nmodel.allocate_tensors()\n' in text
    assert "return tf.nest.flatten(interpreted(model, x))" in text


def test_a_format_that_the_project_no_longer_has_is_named(project):
    item = record()
    with pytest.raises(UsageError, match="the project has no format h5"):
        reproduce(
            project.run(item), item.id, scenarios=project.scenarios, locks=project.locks,
            output=project.root / "o", formats={},
        )  # fmt: skip


def test_renaming_leaves_attributes_and_keywords():
    source = "def a(b):\n    return b.b + a(b=b)\n\n\nprint(a, 'b')\n"
    assert renamed(source, {"a": "a_", "b": "b_"}) == "def a_(b_):\n    return b_.b + a_(b=b_)\n\n\nprint(a_, 'b')\n"


# What the record says


def test_the_head_names_versions_expectation_and_finding(project):
    head = project.files(drift("outputs", "optimizer"))["load.py"].partition("\n\n")[0]
    text = " ".join(line.removeprefix("#").strip() for line in head.split("\n"))
    assert all(line.startswith("#") and len(line) <= 88 for line in head.split("\n"))
    assert "save.py: TensorFlow 2.15.1, Keras 2.15.0, Python 3.11.7" in text
    assert "load.py: TensorFlow 2.21.0, Keras 3.15.1, Python 3.11.7" in text
    assert "Expected: the loaded model has the outputs and optimizer state of the saved one." in text
    assert "Actual: no exception, but outputs: 8 of 8 values" in text
    assert CELL in text


def test_a_message_cannot_leave_its_comment_or_its_fence(project):
    message = "bad\nimport os\r\nos.system('x')\u2028print(1)\x1b[2J\n```\n# Heading"
    error = {
        "phase": "load",
        "type": "ValueError",
        "message": message,
        "traceback": f"Traceback\nValueError: {message}",
    }
    files = project.files(record(status="load-error", error=error))
    for name in ("save.py", "load.py"):
        code = ast.dump(ast.parse(files[name]))
        assert "'system'" not in code
        assert "print(1)" not in files[name].replace("# ", "").split("\n")
    assert "\x1b" not in files["README.md"]
    assert "\n````\nTraceback" in files["README.md"]


def test_the_readme_is_an_issue(project):
    item = drift(
        "outputs",
        "weights",
        attribution={"sentence": "serialization lost weights"},
        remedy="compile=False",
        remedies=({"name": "compile=False", "status": "drift", "detail": "brings back outputs; not optimizer"},),
        flaky=True,
    )
    text = project.files(item)["README.md"]
    title, _, rest = text.partition("\n")
    assert title == '# Weights are reset: `model.save("m.h5")` of Keras 2.15.0, loaded in Keras 3.15.1'
    assert "A custom layer between two others." in rest
    assert "| weights | dense/kernel: all 4 values are 0 now |" in rest
    assert "Where it comes from: serialization lost weights." in rest
    assert "What helps: compile=False (brings back outputs; not optimizer)." in rest
    assert "two tries disagreed" in rest
    assert "| Keras | 2.15.0 | 3.15.1 |" in rest
    assert "uv pip install --python env-load/bin/python --no-deps -r requirements-load.txt" in rest
    assert "python3.11 -m venv env-save" in rest


def test_a_traceback_shows_packages_and_no_folders_of_this_machine(project):
    text = project.files(record(status="load-error"))["README.md"]
    assert 'File "site-packages/keras/saving.py", line 9, in load_model\n    raise X' in text
    assert "jobs.py" not in text
    assert "somebody" not in text
    assert "**Actual:** ValueError: Unknown layer: 'Scale'. File m.h5 is of no use" in text


def test_a_cell_that_passes_says_so(project):
    files = project.files(record(status="pass"))
    assert files["README.md"].startswith("# Nothing is lost: ")
    assert "Actual: as expected: every check held." in files["load.py"]
    assert "outputs_of(model)" in files["load.py"]


def test_a_save_that_fails_is_the_point(project):
    files = project.files(record(status="save-error"))
    assert 'Expected: `model.save("m.h5")` saves the model.' in files["save.py"]
    assert "expected" not in files["save.py"].partition("\n\n")[2]


# Environments


def test_the_lock_is_copied_with_its_hashes(project):
    text = project.files(record())["requirements-load.txt"]
    assert f"keras==3.15.1 \\\n    --hash=sha256:{'0' * 64}\n" in text
    assert "# Lock of" not in text
    assert "# entry" not in text


def test_a_lock_that_was_renewed_gives_way_to_what_the_run_used(project):
    project.described["2.21.0"]["packages"] = {"tensorflow_cpu": "2.21.0", "keras": "3.14.0", "numpy": "2.4.0"}
    text = project.files(record())["requirements-load.txt"]
    assert "keras==3.14.0\n" in text
    assert "tensorflow-cpu==2.21.0\n" in text
    assert "--hash" not in text
    assert "no lock has their hashes" in text


def test_an_environment_that_nobody_knows_is_an_error(project):
    project.described.clear()
    (project.locks / "2.21.0.txt").unlink()
    with pytest.raises(UsageError, match=r"2\.21\.0 consists of is not known") as caught:
        project.reproduce(record())
    assert "tfmatrix lock 2.21.0" in caught.value.fix


def test_without_a_description_the_lock_tells_the_versions(project):
    project.described.clear()
    project.environments = [Environment(id=name, tensorflow=name, python="3.11") for name in ("2.15.1", "2.21.0")]
    assert "load.py: TensorFlow 2.21.0, Keras 3.15.1, Python 3.11\n" in project.files(record())["load.py"]


def test_an_image_is_named_and_run(project):
    project.environments = [Environment(id="2.21.0", image="tensorflow/tensorflow:2.21.0", env={"A": "b c"})]
    files = project.files(record())
    assert "tensorflow/tensorflow:2.21.0" in files["requirements-load.txt"]
    assert all(line.startswith("#") for line in files["requirements-load.txt"].splitlines())
    command = "docker run --rm -v \"$PWD:/repro\" -w /repro -e A='b c' tensorflow/tensorflow:2.21.0 python3 load.py\n"
    assert command in files["run.sh"]
    assert command in files["README.md"]
    assert "create env-load" not in files["run.sh"]


def test_variables_of_an_environment_are_set(project):
    packages = {"tensorflow-cpu": "2.16.2", "keras": "3.4.1", "tf-keras": "2.16.0"}
    project.lock("2.16.2+tf-keras", packages)
    project.environments = [Environment(id="2.16.2+tf-keras", env={"TF_USE_LEGACY_KERAS": "1"})]
    files = project.files(record("layers/h5/2.15.1/2.16.2+tf-keras"))
    assert "\nTF_USE_LEGACY_KERAS=1 env-load/bin/python load.py\n" in files["run.sh"]
    assert "| TF_USE_LEGACY_KERAS | – | 1 |" in files["README.md"].replace("\\", "")
    assert "load.py: TensorFlow 2.16.2, Keras 2.16.0" in files["load.py"]


def test_one_environment_is_made_once(project):
    text = project.files(record("layers/h5/2.15.1/2.15.1"))["run.sh"]
    assert text.count("create env-") == 1
    assert text.endswith("env-save/bin/python save.py\nenv-save/bin/python load.py\n")


Fakes = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def shell(project: Project) -> Fakes:
    """Runs run.sh with stand-ins for uv and Python that note their arguments."""
    folder = project.reproduce(record())
    tools = project.root / "tools"
    tools.mkdir()
    note = f'#!/bin/sh\necho "$(basename "$0") $*" >> "{project.root}/log"\n'
    making = note + (
        "for last; do :; done\n"
        'case "$1 $2" in "venv "*|"-m venv") mkdir -p "$last/bin"; cp "$0" "$last/bin/python";; esac\n'
    )

    def run(*names: str) -> subprocess.CompletedProcess[str]:
        for name in names:
            (tools / name).write_text(making)
            (tools / name).chmod(0o755)
        return subprocess.run(
            ["sh", str(folder / "run.sh")],
            env={"PATH": f"{tools}:/usr/bin:/bin"},
            cwd=project.root,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_run_sh_prefers_uv_and_is_repeatable(project, shell):
    if shutil.which("uv", path="/usr/bin:/bin"):
        pytest.skip("uv is where the stand-in cannot hide it")
    assert shell("uv").returncode == 0
    log = (project.root / "log").read_text()
    assert log.splitlines() == [
        "uv venv --python 3.11 env-save",
        "uv pip install --python env-save/bin/python --no-deps -r requirements-save.txt",
        "uv venv --python 3.11 env-load",
        "uv pip install --python env-load/bin/python --no-deps -r requirements-load.txt",
        "python save.py",
        "python load.py",
    ]
    assert shell().returncode == 0
    assert (project.root / "log").read_text() == log + "python save.py\npython load.py\n"


def test_run_sh_does_without_uv(project, shell):
    if shutil.which("uv", path="/usr/bin:/bin"):
        pytest.skip("uv is where the stand-in cannot hide it")
    assert shell("python3.11").returncode == 0
    assert (project.root / "log").read_text().splitlines()[:2] == [
        "python3.11 -m venv env-save",
        "python -m pip install --no-deps -r requirements-save.txt",
    ]


def test_code_that_is_trained_anew_went_through_no_file(project):
    with pytest.raises(UsageError, match="went through no file") as caught:
        project.reproduce(record("layers/code/2.15.1/2.21.0"))
    assert "tfmatrix explain" in caught.value.fix
