"""Which environments a check takes, and what it asks where the file does not tell."""

from __future__ import annotations

from pathlib import Path

import pytest
from tfmatrix.core.errors import UsageError
from tfmatrix.engine.file_environments import reader_environments, writer_environment
from tfmatrix.envs.releases import Index
from tfmatrix.project.modelfiles.modelfile import ModelFile
from tfmatrix.project.project import Project

RELEASES = ("2.0.4", "2.1.4", "2.2.3", "2.4.4", "2.10.0", "2.10.1", "2.13.1", "2.15.1", "2.16.2", "2.18.1", "2.21.0")


@pytest.fixture
def index(monkeypatch) -> Index:
    """An index with a few releases, without a network."""

    def resolve(text: str, _index: Index, *, package: str = "tensorflow") -> list[str]:
        if text == "latest":
            return [RELEASES[-1]]
        if text == "2.x":
            return list(RELEASES)
        found = [release for release in RELEASES if release == text or release.startswith(f"{text}.")]
        if not found:
            raise UsageError(f'no release is meant by "{text}"')
        return found[-1:]

    monkeypatch.setattr("tfmatrix.envs.releases.resolve_selector", resolve)
    return Index()


@pytest.fixture
def project(tmp_path) -> Project:
    return Project(root=tmp_path)


def model(**fields: str) -> ModelFile:
    given = {"kind": "hdf5", "what": "an HDF5 model", "loader": "h5", "name": "m.h5", **fields}
    return ModelFile(path=Path("/somewhere/m.h5"), layout="hdf5", formats=(given["loader"],), **given)


def test_the_file_says_tensorflow(project, index):
    environment, why = writer_environment(project, model(tensorflow="2.10.0", loader="savedmodel"), None, index)
    assert (environment.id, environment.python) == ("2.10.0", "3.10")
    assert why == "the file says TensorFlow 2.10.0"


def test_a_version_that_no_index_has_is_taken_by_its_minor(project, index):
    assert writer_environment(project, model(tensorflow="2.13.0"), None, index)[0].id == "2.13.1"
    with pytest.raises(UsageError, match=r"2\.99\.0, which the package index does not have"):
        writer_environment(project, model(tensorflow="2.99.0"), None, index)


def test_keras_2_belongs_to_a_tensorflow(project, index):
    assert writer_environment(project, model(keras="2.10.0"), None, index)[0].id == "2.10.1"
    assert writer_environment(project, model(keras="2.3.0-tf"), None, index)[0].id == "2.2.3"
    for keras in ("2.2.4-tf", "2.4.0"):
        with pytest.raises(UsageError, match=f"m.h5 says Keras {keras}, which TensorFlow 2.. and 2.. have"):
            writer_environment(project, model(keras=keras), None, index)


def test_keras_2_beside_keras_3_is_tf_keras(project, index):
    environment, _ = writer_environment(project, model(keras="2.16.0"), None, index)
    assert environment.id == "2.16.2+tf-keras"
    assert environment.with_packages == ("tf-keras",)
    assert environment.env == {"TF_USE_LEGACY_KERAS": "1"}
    environment, why = writer_environment(project, model(tensorflow="2.18.1", loader="savedmodel"), None, index)
    assert environment.id == "2.18.1+tf-keras"
    assert "metadata of Keras 2" in why


def test_keras_3_does_not_say_which_tensorflow(project, index):
    with pytest.raises(UsageError) as found:
        writer_environment(project, model(keras="3.6.0"), None, index)
    assert "says Keras 3.6.0, and not which TensorFlow" in found.value.what
    assert "--saved-with" in found.value.expected
    environment, why = writer_environment(project, model(keras="3.6.0"), "2.16.2", index)
    assert (environment.id, environment.keras) == ("2.16.2+keras3.6.0@today", "3.6.0")
    assert why == "--saved-with 2.16.2, with the Keras 3.6.0 that the file names"


def test_a_tensorflow_before_keras_3_is_not_asked_for_it(project, index):
    # It fails to load the file, which says more than packages that do not fit.
    assert writer_environment(project, model(keras="3.6.0"), "2.10.1", index)[0].id == "2.10.1"


def test_nothing_is_said(project, index):
    with pytest.raises(UsageError, match=r"which TensorFlow saved m\.h5\? It is an HDF5 model that does not say"):
        writer_environment(project, model(), None, index)
    assert writer_environment(project, model(), "2.15.1", index)[0].id == "2.15.1"
    with pytest.raises(UsageError, match="means 11 versions"):
        writer_environment(project, model(), "2.x", index)


def test_readers_are_ids_versions_and_selectors(project, index):
    (project.root / "scenarios").mkdir()
    (project.root / "scenarios" / "a.py").write_text('"""A."""\ndef build_model(): ...\ndef inputs(rng): ...\n')
    project.matrix_file.write_text(
        'schema: 1\nenvironments:\n  - {tensorflow: "2.16.2", python: "3.12", as_of: today}\n'
        '  - {tensorflow: "2.15.1", python: "3.10"}\n'
    )
    found = reader_environments(project, ["2.16.2@today", "2.15", "latest", "2.21.0"], index)
    assert [environment.id for environment in found] == ["2.16.2@today", "2.15.1", "2.21.0"]
    # As matrix.yaml has it, not as a plain release would be.
    assert [environment.python for environment in found] == ["3.12", "3.10", "3.11"]
