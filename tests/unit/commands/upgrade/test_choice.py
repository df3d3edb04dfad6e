"""From the pins of a file to one environment; whatever leaves a choice is an error that names the choices."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from tfmatrix.commands.upgrade.choice import choose_environment
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ConfigError
from tfmatrix.envs.pins import read_pins


@pytest.fixture(autouse=True)
def on_linux(monkeypatch):
    monkeypatch.setattr("tfmatrix.commands.upgrade.choice.host_platform", lambda: "linux-x86_64")


def choose(folder: Path, text: str, name: str = "requirements.txt", **options):
    path = folder / name
    path.write_text(textwrap.dedent(text))
    return choose_environment(read_pins(path), **options)


def test_all_pins_that_matter_and_nothing_else(tmp_path):
    text = "tensorflow==2.15.1\nkeras==2.15.0\nnumpy==1.26.4\nh5py==3.10.0\nprotobuf==4.25.3\nrequests==2.31.0\n"
    chosen = choose(tmp_path, text)
    environment = chosen.environment
    assert (environment.tensorflow, environment.keras, environment.python) == ("2.15.1", "2.15.0", "3.11")
    assert environment.with_packages == ("numpy==1.26.4", "h5py==3.10.0", "protobuf==4.25.3")
    assert environment.as_of == "today"
    assert environment.id.startswith("2.15.1+pins.")
    assert [pin.package for pin in chosen.pins] == ["tensorflow", "keras", "numpy", "h5py", "protobuf"]


def test_ids_tell_environments_apart_and_stay(tmp_path):
    first = choose(tmp_path, "tensorflow==2.15.1\nnumpy==1.26.4\nh5py==3.10.0\n").environment
    assert first.id == choose(tmp_path, "h5py==3.10.0\ntensorflow-cpu==2.15.1\nnumpy==1.26.4\n").environment.id
    assert first.id != choose(tmp_path, "tensorflow==2.15.1\nnumpy==1.26.3\nh5py==3.10.0\n").environment.id
    assert choose(tmp_path, "tensorflow==2.15.1\n").environment.id == "2.15.1@today"
    assert choose(tmp_path, "tensorflow==2.15.1\n", python="3.10").environment.id == "2.15.1+py3.10@today"
    variables = (("TF_USE_LEGACY_KERAS", "1"),)
    legacy = choose(tmp_path, "tensorflow==2.16.2\ntf-keras==2.16.0\n", variables=variables).environment
    assert legacy.env == {"TF_USE_LEGACY_KERAS": "1"}
    assert legacy.with_packages == ("tf-keras==2.16.0",)


def test_one_release_however_it_is_written(tmp_path):
    assert choose(tmp_path, "tensorflow==2.15\n").environment.tensorflow == "2.15.0"
    assert choose(tmp_path, "tensorflow===2.15.0.post1\n").environment.tensorflow == "2.15.0.post1"
    assert choose(tmp_path, "tensorflow==2.16.0rc0\n").environment.tensorflow == "2.16.0rc0"
    assert choose(tmp_path, "tf-nightly\n").environment.tensorflow == "nightly"


def test_distributions_of_other_platforms_do_not_count(tmp_path):
    text = "tensorflow==2.15.1\ntensorflow-macos==2.15.0\ntensorflow-intel==2.15.1\n"
    assert choose(tmp_path, text).environment.tensorflow == "2.15.1"
    text = 'tensorflow==2.15.1 ; sys_platform == "linux"\ntensorflow==2.14.0 ; sys_platform == "darwin"\n'
    assert choose(tmp_path, text).environment.tensorflow == "2.15.1"


def test_a_constraint_pins_what_is_asked_for(tmp_path):
    (tmp_path / "limits.txt").write_text("tensorflow==2.16.2\nnumpy==1.26.4\n")
    environment = choose(tmp_path, "-c limits.txt\ntensorflow>=2.15\n").environment
    assert (environment.tensorflow, environment.with_packages) == ("2.16.2", ("numpy==1.26.4",))


def test_a_range_of_another_package_goes_on_and_is_told(tmp_path):
    chosen = choose(tmp_path, "tensorflow==2.16.2\nnumpy<2\nkeras==3.3.3\n", python="3.11")
    assert chosen.environment.with_packages == ("numpy<2",)
    (note,) = chosen.notes
    assert "requirements.txt:2: numpy<2 is a range" in note
    assert any("keras is not pinned" in note for note in choose(tmp_path, "tensorflow==2.16.2\n").notes)
    assert not any("keras" in note for note in choose(tmp_path, "tensorflow==2.15.1\n").notes)


@pytest.mark.parametrize(
    ("requires", "release", "python"),
    [
        (">=3.9", "2.15.1", "3.11"),
        (">=3.9,<3.11", "2.15.1", "3.10"),
        ("==3.12.*", "2.16.2", "3.12"),
        ("", "2.6.5", "3.9"),
    ],
)
def test_the_python_of_the_file(tmp_path, requires, release, python):
    text = f'[project]\nrequires-python = "{requires}"\ndependencies = ["tensorflow=={release}"]\n'
    text = text.replace('requires-python = ""\n', "")
    assert choose(tmp_path, text, "pyproject.toml").environment.python == python


FORKED = """\
    requires-python = ">=3.10"
    [[package]]
    name = "tensorflow"
    version = "2.18.1"
    [[package]]
    name = "numpy"
    version = "1.26.4"
    resolution-markers = ["python_full_version < '3.11'"]
    [[package]]
    name = "numpy"
    version = "2.0.2"
    resolution-markers = ["python_full_version >= '3.11'"]
    """


def test_markers_are_decided_for_the_given_python(tmp_path):
    assert choose(tmp_path, FORKED, "uv.lock", python="3.10").environment.with_packages == ("numpy==1.26.4",)
    assert choose(tmp_path, FORKED, "uv.lock", python="3.11").environment.with_packages == ("numpy==2.0.2",)
    with pytest.raises(ConfigError, match=r"depends on the Python.*1\.26\.4.*2\.0\.2") as caught:
        choose(tmp_path, FORKED, "uv.lock")
    assert caught.value.line == 5
    assert "--python 3.11" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("numpy==1.26.4\n", None, ["no TensorFlow is named"]),
        ("numpy\ntensorflow>=2.15,<2.17\n", 2, ["not pinned to one version", "<2.17,>=2.15", "requirements.txt:2"]),
        ("tensorflow\n", 1, ["not pinned to one version"]),
        ("tensorflow==2.15.*\n", 1, ["not pinned to one version"]),
        ("tensorflow==2.15.1\ntensorflow-cpu==2.16.2\n", 1, ["exclude each other", "2.15.1", "2.16.2", "txt:2"]),
        ("tensorflow==2.15.1\ntensorflow>=2.16\n", 1, ["exclude each other", ">=2.16"]),
        ("tensorflow==2.15.1\nnumpy==1.26.4\nnumpy==2.0.0\n", 2, ["numpy is pinned", "1.26.4", "2.0.0"]),
        ('tensorflow==2.15.1 ; sys_platform == "win32"\n', 1, ["for this platform", "linux-x86_64", "win32"]),
        (
            'tensorflow==2.15.1 ; python_version < "3.11"\ntensorflow==2.16.2 ; python_version >= "3.11"\n',
            1,
            ["exclude each other", "--python", "2.15.1", "2.16.2"],
        ),
        ("tensorflow==1.15.5\n", 1, ["not a release of TensorFlow 2"]),
        ("tensorflow==2.15.1+cu12\n", 1, ["not a release of TensorFlow 2"]),
        ("tf-nightly==2.22.0.dev20251120\n", 1, ["nightly build is pinned", "--to nightly"]),
        ("tf-nightly\ntensorflow==2.15.1\n", 1, ["exclude each other"]),
    ],
)
def test_whatever_leaves_a_choice_is_an_error_that_names_the_choices(tmp_path, text, line, words):
    with pytest.raises(ConfigError) as caught:
        choose(tmp_path, text)
    for word in words:
        assert word in str(caught.value)
    assert caught.value.line == line


def test_tensorflow_only_in_a_group_or_a_constraint(tmp_path):
    text = '[project]\nname = "x"\n[project.optional-dependencies]\nml = ["tensorflow==2.15.1"]\n'
    with pytest.raises(ConfigError, match=r"optional groups: tensorflow in optional-dependencies\.ml"):
        choose(tmp_path, text, "pyproject.toml")
    (tmp_path / "limits.txt").write_text("tensorflow==2.16.2\n")
    with pytest.raises(ConfigError, match="only limited"):
        choose(tmp_path, "-c limits.txt\nnumpy\n")


def test_a_range_beside_a_lock_names_the_lock(tmp_path):
    (tmp_path / "uv.lock").write_text("version = 1\n")
    with pytest.raises(ConfigError, match=r"the lock beside it: uv\.lock"):
        choose(tmp_path, '[project]\ndependencies = ["tensorflow~=2.15"]\n', "pyproject.toml")


def test_no_python_fits(tmp_path):
    with pytest.raises(ConfigError, match=r"no Python fits >=4"):
        choose(
            tmp_path, '[project]\nrequires-python = ">=4"\ndependencies = ["tensorflow==2.15.1"]\n', "pyproject.toml"
        )


def test_an_environment_of_the_model(tmp_path):
    assert isinstance(choose(tmp_path, "tensorflow==2.15.1\n").environment, Environment)
