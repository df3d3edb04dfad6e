"""What scenarios import of the project: found by reading, part of their digest, copied for workers."""

from __future__ import annotations

from pathlib import Path

import pytest
from tfmatrix.core.errors import ConfigError, UsageError
from tfmatrix.project.new_scenario import write_scenario_of
from tfmatrix.project.project import Project
from tfmatrix.project.scenario import read_scenario
from tfmatrix.project.sources import find_sources

SCENARIO = '''"""A model of the project."""
from app.models import build as _build


def build_model():
    return _build()


def inputs(rng):
    return rng.uniform(size=(8, 4)).astype("float32")
'''


def write(folder: Path, name: str, text: str = "") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    write(tmp_path, "src/app/__init__.py")
    write(tmp_path, "src/app/models.py", "import tensorflow as tf\nimport helpers\n\n\ndef build():\n    ...\n")
    write(tmp_path, "src/app/vocabulary.txt", "a\nb\n")
    write(tmp_path, "src/app/__pycache__/models.cpython-311.pyc", "compiled")
    write(tmp_path, "helpers.py", "import json\n")
    write(tmp_path, "unrelated/__init__.py")
    write(tmp_path, "tensorflow/__init__.py", "not the real one")
    write(tmp_path, "venv/pyvenv.cfg")
    write(tmp_path, "venv/lib/app.py")
    write(tmp_path, "scenarios/ranker.py", SCENARIO)
    return Project(root=tmp_path)


def test_a_scenario_reaches_whole_packages_and_what_they_import(project):
    (scenario,) = project.scenarios
    assert sorted(scenario.sources) == [
        "app/__init__.py",
        "app/models.py",
        "app/vocabulary.txt",
        "helpers.py",
    ]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("src/app/models.py", True),
        ("src/app/vocabulary.txt", True),
        ("helpers.py", True),
        ("unrelated/__init__.py", False),
    ],
)
def test_what_it_reaches_is_part_of_its_digest(project, name, changes):
    before = project.scenarios[0].digest
    with (project.root / name).open("a") as file:
        file.write("# changed\n")
    assert (Project(root=project.root).scenarios[0].digest != before) is changes


def test_a_scenario_that_imports_nothing_of_the_project_keeps_its_digest(project):
    text = SCENARIO.replace("from app.models import build as _build\n", "import tensorflow as tf\n")
    path = write(project.root, "scenarios/alone.py", text)
    assert read_scenario(path).digest == read_scenario(path, sources=project.source_folders).digest


def test_whether_it_is_about_keras_is_looked_up_in_what_it_imports(project):
    assert project.scenarios[0].uses_keras is False
    write(project.root, "src/app/layers.py", "import keras\n")
    assert Project(root=project.root).scenarios[0].uses_keras is True
    installed = write(project.root, "scenarios/other.py", SCENARIO.replace("app.models", "an_installed_package"))
    assert read_scenario(installed, sources=project.source_folders).uses_keras is True


def test_helpers_beside_scenarios_may_be_imported(project):
    helper = write(project.root, "scenarios/_common.py", "x = 1\n")
    found = find_sources(project.source_folders, ["_common"], beside=project.scenario_folder)
    assert dict(found.files) == {"_common.py": helper}


def test_helpers_may_be_packages_with_models_of_any_size(project):
    write(project.root, "scenarios/_ranker/__init__.py", "MODEL = ''\n")
    model = project.root / "scenarios/_ranker/model/saved_model.pb"
    model.parent.mkdir()
    model.write_bytes(bytes(2 << 20))
    write(project.root, "scenarios/ranker.py", SCENARIO.replace("app.models", "_ranker"))
    found = find_sources(project.source_folders, ["_ranker"], beside=project.scenario_folder)
    assert list(found.files) == ["_ranker/__init__.py", "_ranker/model/saved_model.pb"]
    before = read_scenario(project.root / "scenarios/ranker.py").digest
    model.write_bytes(bytes((2 << 20) + 1))
    assert read_scenario(project.root / "scenarios/ranker.py").digest != before


def test_the_copy_is_what_a_path_entry_needs(project, tmp_path):
    found = find_sources(project.source_folders, ["app.models"])
    found.copy_to(tmp_path / "copy")
    assert (tmp_path / "copy" / "app" / "models.py").read_text() == (project.root / "src/app/models.py").read_text()
    assert not list((tmp_path / "copy").rglob("*.pyc"))


def test_links_out_of_a_package_are_not_followed(project):
    secret = write(project.root, "secret.txt", "secret")
    (project.root / "src/app/link.txt").symlink_to(secret)
    assert "app/link.txt" not in find_sources(project.source_folders, ["app"]).files


def test_entry_points_of_the_project_name_scenarios(project):
    points = '[project]\nname = "app"\n[project.entry-points.tfmatrix_scenarios]\nmodels = "app.checks"\n'
    write(project.root, "pyproject.toml", points)
    with pytest.raises(ConfigError, match=r'models = "app\.checks" names no module'):
        Project(root=project.root).scenarios  # noqa: B018
    write(project.root, "src/app/checks/__init__.py")
    write(project.root, "src/app/checks/tower.py", SCENARIO)
    assert [each.name for each in Project(root=project.root).scenarios] == ["ranker", "tower"]
    write(project.root, "src/app/checks/ranker.py", SCENARIO)
    with pytest.raises(ConfigError, match="there is a scenario of this name already"):
        Project(root=project.root).scenarios  # noqa: B018


def test_entry_points_need_no_folder_of_scenarios(tmp_path):
    points = '[project]\nname = "app"\n[project.entry-points.tfmatrix_scenarios]\nmodels = "app_scenario"\n'
    write(tmp_path, "pyproject.toml", points)
    write(tmp_path, "app_scenario.py", SCENARIO.replace("from app.models import build as _build\n", ""))
    project = Project(root=tmp_path)
    assert project.has_scenarios
    assert [each.name for each in project.scenarios] == ["app_scenario"]


def test_scenarios_of_an_installed_package_take_its_own_code_alone(tmp_path, monkeypatch):
    installed = tmp_path / "installed"
    write(installed, "shop/__init__.py")
    write(installed, "shop/models.py", "import neighbour\nfrom shop_helpers import size\n")
    write(installed, "shop/checks.py", SCENARIO.replace("app.models", "shop.models"))
    write(installed, "shop_helpers.py", "size = 3\n")
    write(installed, "neighbour/__init__.py")
    write(installed, "shop-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
    write(installed, "shop-1.0.dist-info/entry_points.txt", "[tfmatrix_scenarios]\nmodels = shop.checks\n")
    write(installed, "shop-1.0.dist-info/RECORD", "shop/__init__.py,,\nshop/models.py,,\nshop_helpers.py,,\n")
    monkeypatch.syspath_prepend(str(installed))
    (tmp_path / "project").mkdir()
    (scenario,) = Project(root=tmp_path / "project").scenarios
    assert scenario.name == "checks"
    assert set(scenario.sources) == {"shop/__init__.py", "shop/models.py", "shop/checks.py", "shop_helpers.py"}


def test_a_new_scenario_of_a_function_of_the_project(project):
    text = """\
import tensorflow as tf


def build_ranker():
    item = tf.keras.Input(shape=(None, 3), dtype="int32")
    user = tf.keras.layers.Input((7,))
    return tf.keras.Model([item, user], [])


def build_other(size):
    return tf.keras.Model(tf.keras.Input(shape=(size,)))
"""
    write(project.root, "src/app/nets.py", text)
    folders = project.source_folders
    file = write_scenario_of(project.scenario_folder, "nets", "app.nets:build_ranker", folders)
    made = file.read_text()
    assert "from app.nets import build_ranker as build\n" in made
    tokens = 'rng.randint(0, 2, size=(8, 4, 3)).astype("int32")'
    assert f'return [{tokens}, rng.uniform(-1.0, 1.0, size=(8, 7)).astype("float32")]' in made
    assert "app/nets.py" in read_scenario(file, sources=folders).sources
    other = write_scenario_of(project.scenario_folder, "other", "app.nets:build_other", folders)
    assert "    model = build()\n" in other.read_text()
    read_scenario(other, sources=folders)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("app.models", "is neither a function nor a saved model"),
        ("app.models:biuld", 'did you mean "build"'),
        ("app.absent:build", "there is no module app.absent"),
        ("helpers.py", "is neither a function nor a saved model"),
    ],
)
def test_a_new_scenario_of_nothing(project, monkeypatch, target, words):
    monkeypatch.chdir(project.root)
    with pytest.raises(UsageError) as caught:
        write_scenario_of(project.scenario_folder, "made", target, project.source_folders)
    assert words in str(caught.value)
    assert not (project.scenario_folder / "made.py").exists()
