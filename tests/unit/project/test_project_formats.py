"""Formats are found by themselves: what a file may declare, and what is said of one that is wrong."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from tfmatrix.checks.registry import checks
from tfmatrix.core.errors import ConfigError
from tfmatrix.project import formats as formats_module
from tfmatrix.project.formats import own_formats, read_formats
from tfmatrix.project.project import Project
from tfmatrix.worker.retraining import is_trained

PICKLED = '''\
"""`pickle`: the weights and the code's own model.

More about it.
"""

from tfmatrix.worker.formats._promises import WEIGHTS

ID = "pickled"
ARTIFACT = "m.pickle"
MODELS = "keras"
REQUIRES = {"keras>=2.4": "pickled weights came with Keras 2.4"}
_HEAD = "import pickle\\n"
SAVE = _HEAD + """
with open(PATH, "wb") as file:
    pickle.dump(model.get_weights(), file)
"""
LOAD = _HEAD + """
model = build()
with open(PATH, "rb") as file:
    model.set_weights(pickle.load(file))
"""
LOADS = "keras"
LOADER = "pickle.load"
CHECKS = WEIGHTS
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "formats").mkdir()
    return tmp_path / "formats"


def refused(folder: Path, text: str, name: str = "pickled.py") -> ConfigError:
    (folder / name).write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_formats(folder)
    return caught.value


def test_ours_are_in_the_order_of_reports() -> None:
    assert list(own_formats()) == [
        "h5", "h5-unsafe", "keras", "keras-unsafe",
        "savedmodel", "savedmodel-raw", "savedmodel-tfsm", "savedmodel-signature",
        "tf-savedmodel", "tf-savedmodel-raw", "export", "weights-h5", "weights-h5-legacy", "weights-tf", "checkpoint",
        "tflite", "tflite-dynamic", "tflite-int8", "custom", "code",
    ]  # fmt: skip


@pytest.mark.parametrize("name", own_formats())
def test_ours_promise_what_they_can_bring_back(name: str) -> None:
    each = own_formats()[name]
    saver = own_formats()[each.saver]
    assert saver.saver == saver.id
    assert (each.artifact, each.models, each.save) == (saver.artifact, saver.models, saver.save)
    assert set(each.checks) <= set(checks())
    computes = "learning" if is_trained(each.checks) else "outputs"
    assert {"load", computes, "warnings"} <= set(each.checks)
    # Only a Keras model can be trained on. Signatures are given by tf.saved_model.load and the interpreter; code that
    # is trained anew tells those that it would write.
    assert each.loads == "keras" or not {"resume", "optimizer", "config", "compile"} & set(each.checks)
    assert each.loads in ("module", "interpreter") or "signatures" not in each.checks or name in ("custom", "code")
    assert each.title


def test_a_projects_own_format_is_one_file(folder: Path) -> None:
    (folder / "pickled.py").write_text(PICKLED)
    found = read_formats(folder)
    assert list(found) == [*own_formats(), "pickled"]
    own = found["pickled"]
    assert own.title == "`pickle`: the weights and the code's own model."
    assert own.save.startswith("import pickle\n\nwith open(PATH")
    assert own.checks == ("load", "outputs", "weights", "warnings")
    assert own.saver == "pickled"
    assert own.unsupported({"tensorflow": "2.3.4", "keras": "2.3.0"}) == "pickled weights came with Keras 2.4"
    assert own.unsupported({"tensorflow": "2.21.0", "keras": "3.15.1"}) is None


def test_the_project_knows_it(tmp_path: Path, folder: Path) -> None:
    (folder / "pickled.py").write_text(PICKLED)
    (tmp_path / "matrix.yaml").write_text('schema: 1\nenvironments: [{tensorflow: "2.15.1"}]\nformats: [pickled]\n')
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "dense.py").write_text(
        '"""A model."""\nimport tensorflow as tf\nFORMATS = ("pickled", "h5")\n'
        "def build_model(): return tf.keras.Sequential()\ndef inputs(rng): ...\n"
    )
    project = Project(root=tmp_path)
    assert project.config.selection(None).formats == ("pickled",)
    assert project.scenarios[0].formats == ("pickled", "h5")


def test_a_format_may_read_the_artifact_of_another(folder: Path) -> None:
    (folder / "again.py").write_text(
        '"""h5, read twice."""\nfrom .shared import LOAD\n'
        "from tfmatrix.worker.formats.h5 import LOADER, LOADS, CHECKS\n"
        'ID = "again"\nSAVER = "h5"\n'
    )
    (folder / "_private.py").write_text("import nothing_of_this\n")
    (folder / "shared.py").write_text('LOADS_TWICE = "model = None\\n"\nLOAD = LOADS_TWICE + "model = h5(PATH)"\n')
    refusal = refused(folder, (folder / "shared.py").read_text(), "shared.py")
    assert "ID is missing" in refusal.what
    (folder / "shared.py").rename(folder / "_shared.py")
    (folder / "again.py").write_text((folder / "again.py").read_text().replace(".shared", "._shared"))
    again = read_formats(folder)["again"]
    assert (again.saver, again.artifact, again.save) == ("h5", "m.h5", own_formats()["h5"].save)
    assert again.load == "model = None\nmodel = h5(PATH)"


def test_a_folder_of_another_kind_is_let_alone(folder: Path) -> None:
    (folder / "pdf.py").write_text("import reportlab\n\n\ndef write(page):\n    return reportlab.write(page)\n")
    assert read_formats(folder) == own_formats()
    assert read_formats(folder / "nothing") == own_formats()


def test_code_of_a_format_is_never_run(folder: Path) -> None:
    sentinel = folder / "ran"
    refusal = refused(folder, PICKLED + f"open({str(sentinel)!r}, 'w')\n")
    assert "no declaration" in refusal.what
    assert not sentinel.exists()


@pytest.mark.parametrize(
    ("before", "after", "at", "what", "hint"),
    [
        ('ID = "pickled"', 'ID = "h5"', "ID", 'there is a format "h5" already', "an id of its own"),
        ('ID = "pickled"', 'ID = "a/b"', "ID", '"a/b" cannot be the id', "letters"),
        ('MODELS = "keras"', 'MODELS = "kears"', "MODELS", 'MODELS is "kears"', 'did you mean "keras"?'),
        ('LOADS = "keras"', "LOADS = 3", "LOADS", "LOADS is int", 'LOADS = "…"'),
        ("LOADER", "LAODER", "LAODER", 'unknown name "LAODER"', 'did you mean "LOADER"?'),
        ("CHECKS = WEIGHTS", 'CHECKS = ("load", "output")', "CHECKS", 'there is no check "output"', '"outputs"'),
        ("CHECKS = WEIGHTS", 'CHECKS = ("load",)', "CHECKS", 'CHECKS lacks "outputs"', "load and outputs"),
        ("CHECKS = WEIGHTS", "CHECKS = tuple(WEIGHTS)", "CHECKS", "CHECKS is not a literal", "read, not run"),
        ("CHECKS = WEIGHTS", "", None, "CHECKS is missing", "CHECKS ="),
        ("model = build()", "made = build()", "LOAD", "does not say what it loaded", "`model`"),
        ("model = build()", "model = build(", "LOAD", "LOAD is not Python (line", "Python 3.7"),
        ("keras>=2.4", "numpy>=2", "REQUIRES", "no requirement", "of tensorflow or keras"),
        ("import WEIGHTS", "import WEIHGTS", "from", "declares no WEIHGTS", 'did you mean "WEIGHTS"?'),
        ("from tfmatrix.worker.formats._promises", "from tensorflow", "from", "no declaration", "declarations only"),
        ("CHECKS = WEIGHTS", 'CHECKS = WEIGHTS\nSAVER = "h5"', "ARTIFACT", "is that of SAVER", "no SAVER"),
        ("CHECKS = WEIGHTS", 'CHECKS = WEIGHTS\nFILES = {"pickle": (".x",)}', "FILES", "no kind of model file", "hdf5"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(
    folder: Path, before: str, after: str, at: str | None, what: str, hint: str
) -> None:
    assert before in PICKLED
    text = PICKLED.replace(before, after)
    refusal = refused(folder, text)
    assert what in refusal.what
    assert hint in f"{refusal.expected} {refusal.fix}"
    line = next((n for n, each in enumerate(text.split("\n"), 1) if at and each.split()[:1] == [at]), None)
    assert f"pickled.py:{line}:" in str(refusal) if at else "pickled.py: " in str(refusal)


@pytest.mark.parametrize("text", ["ID = (", "ID = 'a'\0"])
def test_what_is_no_python_is_said(folder: Path, text: str) -> None:
    assert "is not Python" in refused(folder, text).what


def test_a_circle_of_imports_is_said(folder: Path) -> None:
    (folder / "_one.py").write_text("from .pickled import ID\n")
    assert "imports from itself" in refused(folder, PICKLED + "from ._one import ID\n").what


def test_a_package_brings_formats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "brings_pickled"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('no such thing on this side')\n")
    (package / "form.py").write_text(PICKLED)
    monkeypatch.syspath_prepend(str(tmp_path))
    entries = [EntryPoint(name="pickled", value="brings_pickled.form", group="tfmatrix.formats")]
    monkeypatch.setattr(formats_module, "entry_points", lambda group: entries if group == "tfmatrix.formats" else [])
    assert list(read_formats())[-1] == "pickled"
    assert "brings_pickled" not in sys.modules
    gone: Any = [EntryPoint(name="gone", value="brings_pickled.gone", group="tfmatrix.formats")]
    monkeypatch.setattr(formats_module, "entry_points", lambda group: gone)
    with pytest.raises(ConfigError, match=r"names brings_pickled\.gone"):
        read_formats()


def test_a_link_that_leads_nowhere_is_no_missing_format(folder: Path) -> None:
    (folder / "pickled.py").symlink_to(folder / "gone.py")
    with pytest.raises(ConfigError, match=r"pickled\.py: leads nowhere"):
        read_formats(folder)


def test_what_the_version_policy_speaks_of_is_one_of_its_words(folder: Path) -> None:
    assert own_formats()["tf-savedmodel-raw"].policy == "graph"
    problem = refused(
        folder,
        (Path(formats_module.__file__).parents[1] / "worker/formats/h5.py")
        .read_text()
        .replace('"h5"', '"mine"')
        .replace('"keras-file"', '"keras-flie"'),
    )
    assert 'POLICY is "keras-flie"' in str(problem)
    assert 'did you mean "keras-file"?' in str(problem)
