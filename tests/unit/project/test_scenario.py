"""Scenario files: what is read of them without importing, and each mistake with its line."""

from __future__ import annotations

import hashlib
import textwrap
from pathlib import Path

import pytest
from tfmatrix.core.errors import ConfigError, ExitCode
from tfmatrix.core.scenario import Scenario
from tfmatrix.project.formats import own_formats
from tfmatrix.project.scenario import read_scenario, read_scenarios

FORMATS = {name: own_formats()[name] for name in ("h5", "keras", "custom")}
HEAD = '"""A title."""\n'
BODY = "def build_model(): ...\ndef inputs(rng): ...\n"


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str, name: str = "dense.py") -> Scenario:
    Path(name).write_text(textwrap.dedent(text), encoding="utf-8")
    return read_scenario(Path(name), formats=FORMATS)


def error_of(content: str | bytes, name: str = "dense.py") -> ConfigError:
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigError) as caught:
        read_scenario(Path(name), formats=FORMATS)
    return caught.value


def test_everything_a_file_says() -> None:
    text = textwrap.dedent(
        '''
        """Two layers, saved.

        The *claim*.

            indented
        """
        import tensorflow as tf
        from tensorflow import keras
        import numpy as np, os.path

        FORMATS = ("h5", "custom")
        REQUIRES = "tensorflow>=2.9"
        TAGS: tuple = ["layers", "article"]
        UNITS = 4
        _TAG = "x"

        def make_model(): ...
        def build_model(units=UNITS): ...
        def inputs(rng): ...
        def training_data(rng, *more): ...
        def custom_objects(): return {}
        def save_model(model, path, /): ...
        def load_model(path, *, strict=True): ...
        '''
    )
    scenario = read(text)
    assert scenario == Scenario(
        name="dense",
        path="dense.py",
        title="Two layers, saved.",
        description="The *claim*.\n\n    indented",
        digest=hashlib.sha256(text.encode()).hexdigest(),
        formats=("h5", "custom"),
        requires=("tensorflow>=2.9",),
        tags=("layers", "article"),
        has_training=True,
        uses_keras=True,
        functions=("build_model", "inputs", "training_data", "custom_objects", "save_model", "load_model"),
        has_definitions=True,
    )


def test_the_smallest_scenario() -> None:
    scenario = read(HEAD + BODY)
    assert (scenario.title, scenario.description) == ("A title.", "")
    assert (scenario.formats, scenario.requires, scenario.tags) == (None, (), ())
    assert (scenario.has_training, scenario.uses_keras) == (False, False)
    assert not scenario.has_definitions


@pytest.mark.parametrize("definition", ["class MyLayer: ...", "def my_loss(y_true, y_pred): ..."])
def test_what_a_file_defines_beside_the_contract_is_seen(definition: str) -> None:
    assert read(f"{HEAD}{BODY}\n{definition}\n").has_definitions


@pytest.mark.parametrize(
    ("line", "uses_keras"),
    [
        ("import tensorflow as tf\nlayer = tf.keras.layers.Dense", True),
        ("import keras", True),
        ("import tf_keras as k", True),
        ("import tensorflow.keras.layers", True),
        ("from tensorflow import keras as k", True),
        ("from keras.layers import Dense", True),
        ("import tensorflow as tf  # keras", False),
        ("KERAS = 'keras'", False),
    ],
)
def test_keras_is_found_in_code_only(line: str, uses_keras: bool) -> None:
    assert read(f'"""No keras."""\n{line}\n{BODY}').uses_keras is uses_keras


def test_constants_may_be_one_string_and_double_entries_count_once() -> None:
    scenario = read(
        HEAD + 'FORMATS = ("h5")\nTAGS = ("a", "b", "a")\nREQUIRES = ("python>=3.9", "keras>=3,<4")\n' + BODY
    )
    assert scenario.formats == ("h5",)
    assert scenario.tags == ("a", "b")
    assert scenario.requires == ("python>=3.9", "keras>=3,<4")


def test_formats_are_only_looked_up_where_they_are_known() -> None:
    Path("dense.py").write_text(HEAD + 'FORMATS = ("tomorrow",)\n' + BODY)
    assert read_scenario(Path("dense.py")).formats == ("tomorrow",)


def test_the_digest_is_that_of_the_bytes() -> None:
    assert read(HEAD + BODY).digest != read(HEAD + BODY + "# a comment\n").digest


LITERAL = ": the file is read without being run"


@pytest.mark.parametrize(
    ("text", "line", "what", "expected", "fix"),
    [
        pytest.param(
            HEAD + "def build_model(:\n", 2, "is not Python: invalid syntax", "", "correct the syntax", id="syntax"
        ),
        pytest.param(
            BODY,
            1,
            "the docstring is missing",
            'a docstring at the top: """One line: what this is about.',
            "",
            id="no docstring",
        ),
        pytest.param(
            '"""\n\n"""\n' + BODY,
            1,
            "the docstring is missing",
            'a docstring at the top: """One line: what this is about.',
            "",
            id="empty docstring",
        ),
        # functions
        pytest.param(
            HEAD + "def build_model(): ...\n",
            1,
            "the function inputs(rng) is missing",
            "def inputs(rng): …",
            "",
            id="missing function",
        ),
        pytest.param(
            HEAD + "def build_model(): ...\nfrom numpy import ones as inputs\n",
            1,
            "the function inputs(rng) is missing",
            "def inputs(rng): …",
            "",
            id="imported function",
        ),
        pytest.param(
            HEAD + "def build_model(): ...\ndef input(rng): ...\n",
            3,
            'unknown name "input"',
            "one of: build_model, inputs, training_data, custom_objects, save_model, load_model, plant, executed",
            'did you mean "inputs"?',
            id="required function misspelt",
        ),
        pytest.param(
            HEAD + BODY + "def train_data(rng): ...\n",
            4,
            'unknown name "train_data"',
            "one of: build_model, inputs, training_data, custom_objects, save_model, load_model, plant, executed",
            'did you mean "training_data"?',
            id="optional function misspelt",
        ),
        pytest.param(
            HEAD + "def build_model(): ...\ndef inputs(): ...\n",
            3,
            "inputs() cannot be called with 1 arguments",
            "def inputs(rng) at the top level",
            "",
            id="too few parameters",
        ),
        pytest.param(
            HEAD + "def build_model(units): ...\ndef inputs(rng): ...\n",
            2,
            "build_model(units) cannot be called with 0 arguments",
            "def build_model() at the top level",
            "",
            id="too many parameters",
        ),
        pytest.param(
            HEAD + "def build_model(*, units): ...\ndef inputs(rng): ...\n",
            2,
            "build_model(*, units) cannot be called with 0 arguments",
            "def build_model() at the top level",
            "",
            id="required keyword",
        ),
        pytest.param(
            HEAD + "def build_model(): ...\ninputs = lambda rng: rng\n",
            3,
            "inputs is not a plain function",
            "def inputs(rng) at the top level",
            "",
            id="lambda",
        ),
        pytest.param(
            HEAD + "def build_model(): ...\nasync def inputs(rng): ...\n",
            3,
            "inputs is not a plain function",
            "def inputs(rng) at the top level",
            "",
            id="coroutine",
        ),
        pytest.param(
            HEAD + "def build_model(): ...\nif True:\n    def inputs(rng): ...\n",
            4,
            "inputs is not a plain function",
            "def inputs(rng) at the top level",
            "",
            id="function under a condition",
        ),
        pytest.param(
            HEAD + BODY + "def inputs(rng): ...\n",
            4,
            "inputs stands in line 3 as well",
            "each function once",
            "",
            id="function twice",
        ),
        pytest.param(
            HEAD + BODY + "def save_model(model, path): ...\n",
            4,
            "save_model stands alone",
            "save_model(model, path) and load_model(path), or neither",
            "",
            id="save without load",
        ),
        pytest.param(
            HEAD + BODY + "def plant(path): ...\n",
            4,
            "plant stands alone",
            "executed() beside it, which says whether what it planted ran",
            "",
            id="plant without executed",
        ),
        # constants
        pytest.param(
            HEAD + 'FORMATS = ("h5",) + OTHERS\n' + BODY,
            2,
            "FORMATS is not a literal of strings",
            'a literal at the top level, such as FORMATS = ("…",)' + LITERAL,
            "",
            id="computed constant",
        ),
        pytest.param(
            HEAD + 'TAGS = (\n    "a",\n    TAG,\n)\n' + BODY,
            4,
            "TAGS is not a literal of strings",
            'a literal at the top level, such as TAGS = ("…",)' + LITERAL,
            "",
            id="computed entry",
        ),
        pytest.param(
            HEAD + "REQUIRES = None\n" + BODY,
            2,
            "REQUIRES is not a literal of strings",
            'a literal at the top level, such as REQUIRES = ("…",)' + LITERAL,
            "",
            id="none",
        ),
        pytest.param(
            HEAD + 'if True:\n    TAGS = ("a",)\n' + BODY,
            3,
            "TAGS is not a literal of strings",
            'a literal at the top level, such as TAGS = ("…",)' + LITERAL,
            "",
            id="constant under a condition",
        ),
        pytest.param(
            HEAD + 'TAGS = ("a",)\nTAGS += ("b",)\n' + BODY,
            3,
            "TAGS stands in line 2 as well",
            "TAGS once",
            "",
            id="constant twice",
        ),
        pytest.param(
            HEAD + "FORMATS = ()\n" + BODY,
            2,
            "FORMATS is empty",
            "at least one entry",
            "remove FORMATS: it is optional",
            id="empty constant",
        ),
        pytest.param(
            HEAD + 'FORMAT = ("h5",)\n' + BODY,
            2,
            'unknown name "FORMAT"',
            "one of: FORMATS, REQUIRES, TAGS, CHECKS",
            'did you mean "FORMATS"?',
            id="constant misspelt",
        ),
        pytest.param(
            HEAD + 'tags = ("a",)\n' + BODY,
            2,
            'unknown name "tags"',
            "one of: FORMATS, REQUIRES, TAGS, CHECKS",
            'did you mean "TAGS"?',
            id="constant in lower case",
        ),
        pytest.param(
            HEAD + 'FORMATS = (\n    "h5",\n    "kers",\n)\n' + BODY,
            4,
            'unknown format "kers"',
            "one of: h5, keras, custom",
            'did you mean "keras"?',
            id="unknown format",
        ),
        pytest.param(
            HEAD + 'FORMATS = ("custom",)\n' + BODY,
            2,
            'the format "custom" has no functions',
            "save_model(model, path) and load_model(path)",
            "",
            id="custom without functions",
        ),
        pytest.param(
            HEAD + 'REQUIRES = "tensorflow=>2.9"\n' + BODY,
            2,
            '"tensorflow=>2.9" is not a requirement',
            'a package and its versions, such as "tensorflow>=2.9" or "python>=3.9"',
            "",
            id="bad requirement",
        ),
        pytest.param(
            HEAD + "REQUIRES = \"keras>=3; python_version > '3.8'\"\n" + BODY,
            2,
            "\"keras>=3; python_version > '3.8'\" is not a requirement",
            'a package and its versions, such as "tensorflow>=2.9" or "python>=3.9"',
            "",
            id="requirement with a marker",
        ),
        pytest.param(
            HEAD + 'TAGS = ("my tag",)\n' + BODY,
            2,
            '"my tag" is not a tag',
            "letters, digits and any of . _ + @ -",
            "",
            id="bad tag",
        ),
        # imports
        pytest.param(
            HEAD + 'CHECKS = ("outptus",)\n' + BODY,
            2,
            'unknown check "outptus"',
            "one of: outputs, weights, config, compile, optimizer, resume, signatures",
            'did you mean "outputs"?',
            id="unknown check",
        ),
        pytest.param(
            HEAD + "from . import _shared\n" + BODY,
            2,
            'imports ".", but a scenario is in no package',
            "imports by whole names: the project's packages, files _NAME.py beside this one, installed packages",
            "",
            id="relative import",
        ),
    ],
)
def test_mistakes(text: str, line: int, what: str, expected: str, fix: str) -> None:
    error = error_of(text)
    assert (error.what, error.expected, error.fix) == (f"dense.py:{line}: {what}", expected, fix)
    assert (error.line, error.exit_code) == (line, ExitCode.USAGE)


def test_of_several_mistakes_the_first_is_told_and_the_others_are_counted() -> None:
    error = error_of("from . import pandas\nTAGS = 1\n" + BODY)
    assert error.what == "dense.py:1: the docstring is missing (2 more mistakes in this file)"


@pytest.mark.parametrize("content", [b'"""A title."""\n\xe9\n', b'"""A\x00"""\n'])
def test_what_python_cannot_read(content: bytes) -> None:
    assert "is not Python: " in error_of(content).what


@pytest.mark.parametrize(
    "helper", ["make_model", "get_inputs", "read_model", "_inputs", "train_model", "Format", "model", "UNITS", "TASKS"]
)
def test_helpers_of_a_scenario_may_have_other_names(helper: str) -> None:
    text = HEAD + (f"{helper} = 1\n" if helper[0].isupper() else f"def {helper}(x): ...\n") + BODY
    assert read(text).title == "A title."


def test_a_name_near_the_contract_is_fine_once_the_contracts_own_is_there() -> None:
    scenario = read(HEAD + 'FORMATS = ("h5",)\nFORMAT = "h5"\ndef input(rng): ...\n' + BODY)
    assert scenario.formats == ("h5",)


@pytest.mark.parametrize("name", ["a b.py", "é.py", "-x.py", "+x.py"])
def test_bad_names(name: str) -> None:
    error = error_of(HEAD + BODY, name)
    assert error.what == f'{name}: "{name[:-3]}" cannot be the name of a scenario'
    assert error.expected == "a letter or digit, then letters, digits and any of . _ + @ -"


def test_a_folder_is_read_in_the_order_of_names_without_helpers() -> None:
    for name in ("b.py", "a.py", "_draft.py", ".#a.py", "README.md", "sub/c.py"):
        path = Path("scenarios") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEAD + BODY)
    assert [scenario.name for scenario in read_scenarios(Path("scenarios"))] == ["a", "b"]


def test_a_missing_or_empty_folder_is_an_error() -> None:
    folder = Path("scenarios")
    with pytest.raises(ConfigError, match="scenarios: there is no such folder"):
        read_scenarios(folder)
    folder.mkdir()
    (folder / "_helper.py").touch()
    with pytest.raises(ConfigError, match="scenarios: there is no scenario in this folder"):
        read_scenarios(folder)


def test_names_that_differ_in_case_only_are_an_error() -> None:
    folder = Path("scenarios")
    folder.mkdir()
    for name in ("Dense.py", "dense.py"):
        (folder / name).write_text(HEAD + BODY)
    if len(list(folder.iterdir())) < 2:
        pytest.skip("this file system does not tell upper from lower case")
    with pytest.raises(ConfigError, match=r"scenarios/dense\.py: the name differs from that of Dense\.py only in case"):
        read_scenarios(folder)
