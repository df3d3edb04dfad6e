"""From texts and files to environments, against an index of this machine: all pins, one Python, what cannot be."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from package_index import PackageIndex
from tfmatrix.core.errors import ConfigError, UsageError
from tfmatrix.envs.installation import NotInstallable
from tfmatrix.envs.lock import make_lock, read_lock
from tfmatrix.envs.releases import Index
from tfmatrix.envs.resolve import Named, Resolved, Resolver, find_file, plain_environment
from tfmatrix.envs.uv import Uv


@pytest.fixture(autouse=True)
def on_linux(monkeypatch, package_index):
    for module in ("installation", "releases", "lock"):
        monkeypatch.setattr(f"tfmatrix.envs.{module}.host_platform", lambda: "linux-x86_64")


def write(folder: Path, name: str, text: str) -> Named:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return Named(file=Path(name))


def resolve(folder: Path, *named: Named, **options) -> tuple[Resolved, ...]:
    uv = Uv(cache=folder / "uv-cache")
    options.setdefault("variables", {})
    options.setdefault("known", {})
    return Resolver(uv=uv, index=Index.of(uv), folder=folder, **options).resolve(named)


def one(folder: Path, text: str, name: str = "requirements.txt", **options) -> Resolved:
    return resolve(folder, write(folder, name, text), **options)[0]


def packages(side: Resolved) -> dict[str, str]:
    return dict(each.split("==") for each in side.environment.with_packages)


def test_every_pin_of_the_file_decides(tmp_path):
    side = one(tmp_path, "tensorflow==2.15.1\nmediapipe==0.10.9\nrequests==2.31.0\n")
    assert (side.environment.tensorflow, side.environment.keras) == ("2.15.1", "2.15.0")
    # mediapipe takes no protobuf 4, though TensorFlow does.
    assert packages(side) == {
        "h5py": "3.14.0",
        "mediapipe": "0.10.9",
        "numpy": "1.26.4",
        "protobuf": "3.20.3",
        "requests": "2.31.0",
    }
    assert {pin.package for pin in side.pins} == {"tensorflow", "mediapipe", "requests"}
    assert side.environment.id.startswith("2.15.1+pins.")


def test_ids_tell_installations_apart_and_stay(tmp_path):
    first = one(tmp_path, "tensorflow==2.15.1\nnumpy==1.26.4\n").environment.id
    assert one(tmp_path, "numpy==1.26.4\n\ntensorflow==2.15.1  # the same\n", "b.txt").environment.id == first
    assert one(tmp_path, "tensorflow==2.15.1\nnumpy==1.24.3\n").environment.id != first


def test_a_constraint_pins_what_is_asked_for(tmp_path):
    write(tmp_path, "limits.txt", "tensorflow==2.14.1\nnumpy==1.24.3\n")
    side = one(tmp_path, "-c limits.txt\ntensorflow>=2.12\n")
    assert (side.environment.tensorflow, packages(side)["numpy"]) == ("2.14.1", "1.24.3")


def test_what_no_set_of_packages_is_is_told_in_the_resolvers_words(tmp_path):
    old = write(tmp_path, "old.txt", "tensorflow==2.14.1\ntensorflow-text==2.14.0\n")
    new = write(tmp_path, "new.txt", "tensorflow==2.15.1\ntensorflow-text==2.14.0\n")
    with pytest.raises(NotInstallable) as caught:
        resolve(tmp_path, old, new)
    error = caught.value
    assert (error.number, error.source, error.file, error.line) == (1, "new.txt", "new.txt", 1)
    assert "tensorflow-text depend on tensorflow>=2.14,<2.15 and you require tensorflow==2.15.1" in error.reason[0]
    assert len(error.reason) <= 5


def test_a_range_is_what_it_installs_today_or_its_lowest(tmp_path):
    side = one(tmp_path, "tensorflow>=2.12,<2.16\n")
    assert side.environment.tensorflow == "2.15.1"
    assert any("requirements.txt:1: tensorflow<2.16,>=2.12 is a range" in note for note in side.notes)
    assert one(tmp_path, "tensorflow>=2.12,<2.16\n", lowest=True).environment.tensorflow == "2.12.1"
    assert one(tmp_path, "tensorflow\n").environment.tensorflow == "2.16.2"


def test_one_python_for_both_sides_the_newest_with_wheels(tmp_path):
    old, new = resolve(
        tmp_path,
        write(tmp_path, "old.txt", "tensorflow==2.11.1\n"),
        write(tmp_path, "new.txt", "tensorflow==2.12.1\n"),
    )
    assert (old.environment.python, new.environment.python) == ("3.10", "3.10")
    alone = one(tmp_path, "tensorflow==2.16.2\n")
    assert alone.environment.python == "3.12"
    assert any("3.12 is taken, the newest for which everything has wheels" in note for note in alone.notes)


def test_nothing_is_compiled_unasked(tmp_path):
    text = "tensorflow==2.8.0\nkeras==2.8.0\nnumpy==1.20.1\nh5py==3.1.0\nprotobuf==3.19.1\n"
    side = one(tmp_path, text)
    assert side.environment.python == "3.9"
    with pytest.raises(NotInstallable, match=r"h5py==3\.1\.0, numpy==1\.20\.1 would have to be compiled"):
        one(tmp_path, text, python="3.10")
    assert one(tmp_path, text, python="3.10", from_source=True).environment.python == "3.10"


@pytest.mark.parametrize(
    ("name", "text", "python"),
    [
        ("pyproject.toml", '[project]\nname = "x"\nrequires-python = ">=3.9,<3.11"\n', "3.10"),
        (".python-version", "3.9.18\n", "3.9"),
        ("runtime.txt", "python-3.10.4\n", "3.10"),
        ("Dockerfile", "FROM python:3.9-slim\n", "3.9"),
        ("setup.cfg", "[options]\npython_requires = <3.10\n", "3.9"),
    ],
)
def test_neighbours_decide_the_python(tmp_path, name, text, python):
    write(tmp_path, name, text)
    assert one(tmp_path, "tensorflow==2.15.1\n").environment.python == python


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("environment.yml", "dependencies: [python=3.10.13=h955ad1f_0, {pip: [tensorflow==2.15.1]}]\n"),
        ("environment.yml", "dependencies: [python=3.10.13, tensorflow=2.15.1]\n"),
        (
            "pyproject.toml",
            '[project]\nname = "x"\nrequires-python = "==3.10.13"\ndependencies = ["tensorflow==2.15.1"]\n',
        ),
        ("pyproject.toml", '[tool.poetry.dependencies]\npython = "3.10.13"\ntensorflow = "2.15.1"\n'),
        ("pyproject.toml", '[tool.poetry.dependencies]\npython = ">3.10.4,<3.10.14"\ntensorflow = "2.15.1"\n'),
    ],
)
def test_a_patch_release_names_its_python(tmp_path, name, text):
    """What `conda env export` writes names one: no Python was found for it."""
    if "poetry" in text:
        text = f'[tool.poetry]\nname = "x"\nversion = "1"\ndescription = ""\nauthors = []\npackages = []\n{text}'
    side = one(tmp_path, text, name)
    assert side.environment.python == "3.10"
    assert not any("the Python is not pinned" in note for note in side.notes)


def test_where_the_python_must_move_it_moves(tmp_path):
    old = write(tmp_path, "old.txt", "tensorflow==2.8.0\nnumpy==1.20.1\n")
    new = write(tmp_path, "new/pyproject.toml", '''[project]
        name = "x"
        requires-python = ">=3.11"
        dependencies = ["tensorflow==2.15.1"]
        ''')  # fmt: skip
    before, after = resolve(tmp_path, old, new)
    assert (before.environment.python, after.environment.python) == ("3.9", "3.11")
    assert any("the Python moves, too" in note for note in (*before.notes, *after.notes))


def test_markers_are_those_of_the_chosen_python(tmp_path):
    text = """\
        tensorflow==2.12.1 ; python_version < "3.11"
        tensorflow==2.15.1 ; python_version >= "3.11"
        """
    assert one(tmp_path, text).environment.tensorflow == "2.15.1"
    assert one(tmp_path, text, python="3.10").environment.tensorflow == "2.12.1"


def test_tf_keras_is_asked_for_and_measured_so(tmp_path):
    old, new = resolve(
        tmp_path,
        write(tmp_path, "old.txt", "tensorflow==2.15.1\n"),
        write(tmp_path, "new.txt", "tensorflow==2.16.2\ntf-keras==2.16.0\n"),
    )
    assert (old.environment.env, new.environment.env) == ({}, {"TF_USE_LEGACY_KERAS": "1"})
    assert packages(new)["tf-keras"] == "2.16.0"
    assert any("tf.keras is Keras 2" in note for note in new.notes)
    keras3 = one(tmp_path, "tensorflow==2.16.2\ntf-keras==2.16.0\n", variables={"TF_USE_LEGACY_KERAS": "0"})
    assert keras3.environment.env == {}


def test_tf_keras_by_variable_and_by_id(tmp_path):
    both = (Named(text="2.15.1"), Named(text="2.16.2"))
    old, new = resolve(tmp_path, *both, variables={"TF_USE_LEGACY_KERAS": "1"})
    assert (old.environment.id, old.environment.env) == ("2.15.1", {})
    assert (new.environment.id, new.environment.env) == ("2.16.2+tf-keras", {"TF_USE_LEGACY_KERAS": "1"})
    assert new.environment.with_packages == ("tf-keras",)
    assert resolve(tmp_path, Named(text="2.16.2+tf-keras"))[0].environment == new.environment


def test_versions_have_one_python_too(tmp_path):
    old, new = resolve(tmp_path, Named(text="2.8.0"), Named(text="2.15.1"))
    assert (old.environment.id, new.environment.id) == ("2.8.0", "2.15.1+py3.10")
    known = {"2.15.1": plain_environment("2.15.1")}
    old, new = resolve(tmp_path, Named(text="2.8.0"), Named(text="2.15.1"), known=known)
    assert (old.environment.python, new.environment) == ("3.10", known["2.15.1"])
    # A version beside a file takes the file's.
    write(tmp_path, ".python-version", "3.9\n")
    old, new = resolve(tmp_path, write(tmp_path, "old.txt", "tensorflow==2.11.1\n"), Named(text="2.15.1"))
    assert (old.environment.python, new.environment.python) == ("3.9", "3.9")


def test_what_is_for_another_machine_or_in_an_optional_part(tmp_path):
    with pytest.raises(ConfigError, match=r"for macOS only.*tensorflow-macos==2\.9\.2"):
        one(tmp_path, "numpy\ntensorflow-macos==2.9.2; sys_platform == 'darwin'\n")
    frozen = one(tmp_path, "tensorflow==2.15.1\ntensorflow-macos==2.9.2\n")
    assert frozen.environment.tensorflow == "2.15.1"
    project = """\
        [project]
        name = "service"
        dependencies = ["numpy<2"]
        [project.optional-dependencies]
        tf-old = ["tensorflow==2.14.1"]
        tf-new = ["tensorflow==2.15.1"]
        """
    with pytest.raises(ConfigError) as caught:
        one(tmp_path, project, "pyproject.toml")
    assert "the extra tf-old (tensorflow==2.14.1), the extra tf-new (tensorflow==2.15.1)" in str(caught.value)
    assert "--extra tf-old or --extra tf-new" in str(caught.value)
    assert len(str(caught.value)) < 500
    assert one(tmp_path, project, "pyproject.toml", extras=("tf-old",)).environment.tensorflow == "2.14.1"
    with pytest.raises(ConfigError, match=r'no extra "gpu"[\s\S]*tf-old, tf-new'):
        one(tmp_path, project, "pyproject.toml", extras=("gpu",))


def test_a_group_that_poetry_installs_by_default_is_taken_and_said(tmp_path):
    text = """\
        [tool.poetry]
        name = "service"
        version = "0.1.0"
        [tool.poetry.dependencies]
        python = "^3.10"
        [tool.poetry.group.ml.dependencies]
        tensorflow = "2.15.1"
        """
    side = one(tmp_path, text, "pyproject.toml")
    assert (side.environment.tensorflow, side.environment.python) == ("2.15.1", "3.11")
    assert any("development group ml: taken with it" in note for note in side.notes)
    group = """\
        [project]
        name = "service"
        [dependency-groups]
        bench = ["tensorflow==2.15.1"]
        """
    with pytest.raises(ConfigError, match=r"development group bench[\s\S]*--group bench"):
        one(tmp_path, group, "pyproject.toml")
    assert one(tmp_path, group, "pyproject.toml", groups=("bench",)).environment.tensorflow == "2.15.1"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("numpy==1.26.4\n", None, "no TensorFlow is named"),
        ("-c limits.txt\nnumpy\n", None, "only limited"),
    ],
)
def test_files_without_tensorflow(tmp_path, text, line, words):
    write(tmp_path, "limits.txt", "tensorflow==2.15.1\n")
    with pytest.raises(ConfigError, match=words) as caught:
        one(tmp_path, text)
    assert caught.value.line == line
    assert str(caught.value).startswith("requirements.txt")


def test_pins_that_exclude_each_other(tmp_path):
    with pytest.raises(NotInstallable) as caught:
        one(tmp_path, "tensorflow==2.15.1\ntensorflow>=2.16\n")
    assert "tensorflow==2.15.1" in str(caught.value)
    with pytest.raises(ConfigError, match="no Python fits"):
        one(tmp_path, '[project]\nname="x"\nrequires-python=">=4"\ndependencies=["tensorflow"]\n', "pyproject.toml")


def found(folder: Path) -> tuple[str, tuple[str, ...]]:
    file, notes = find_file(folder, Uv(cache=folder / "uv-cache"))
    return file.path.name, notes


def test_of_several_files_the_one_that_production_installs(tmp_path):
    write(tmp_path, "requirements.txt", "tensorflow\ntf-keras\n")
    write(tmp_path, "requirements-training.txt", "-r requirements.txt\ntensorflow<2.16\n")
    assert found(tmp_path) == ("requirements.txt", ())
    write(tmp_path, "requirements-gpu.txt", "tensorflow==2.14.1\n")
    name, (note,) = found(tmp_path)
    assert name == "requirements.txt"
    assert note.startswith("requirements.txt is taken for production; requirements-gpu.txt says otherwise")
    (tmp_path / "requirements.txt").unlink()
    (tmp_path / "requirements-training.txt").write_text("tensorflow==2.15.1\n")
    with pytest.raises(UsageError, match=r"requirements-gpu\.txt: tensorflow==2\.14\.1") as caught:
        found(tmp_path)
    assert "--to requirements-gpu.txt" in str(caught.value)


def test_an_exact_pin_stands_for_the_range_that_it_is_in(tmp_path):
    write(tmp_path, "pyproject.toml", '[project]\nname = "x"\ndependencies = ["tensorflow>=2.14"]\n')
    write(tmp_path, "requirements.txt", "tensorflow==2.15.1\n")
    assert found(tmp_path) == ("requirements.txt", ())


def test_overrides_stand_for_what_others_say(tmp_path):
    text = """\
        [project]
        name = "service"
        version = "1"
        dependencies = ["tensorflow==2.15.1"]
        [tool.uv]
        override-dependencies = ["numpy==2.0.0"]
        """
    side = one(tmp_path, text, "pyproject.toml")
    assert packages(side)["numpy"] == "2.0.0"
    assert side.environment.overrides == ("numpy==2.0.0",)
    # TensorFlow itself takes no numpy 2: what is locked for it has it all the same, and the lock says why.
    lock = make_lock(tmp_path / "locks", side.environment, Uv(cache=tmp_path / "uv-cache"))
    assert lock.packages["numpy"] == "2.0.0"
    with pytest.raises(ConfigError, match="made for another entry: overrides is"):
        read_lock(tmp_path / "locks", replace(side.environment, overrides=()))


def test_the_overrides_of_a_lock_are_its_versions(tmp_path):
    """PDM locks what its overrides say, and what a package itself asks for then does not hold."""
    declared = """\
        [project]
        name = "service"
        version = "1"
        dependencies = ["tensorflow==2.15.1", "mediapipe"]
        [tool.pdm.resolution]
        excludes = ["h5py"]
        [tool.pdm.resolution.overrides]
        protobuf = ">=4"
        """
    lock = ""
    for name, version in (("tensorflow", "2.15.1"), ("mediapipe", "0.10.9"), ("protobuf", "4.25.3")):
        lock += f'[[package]]\nname = "{name}"\nversion = "{version}"\ngroups = ["default"]\n'
    write(tmp_path, "pyproject.toml", declared)
    side = one(tmp_path, lock, "pdm.lock")
    assert packages(side)["protobuf"] == "4.25.3"
    assert "h5py" not in packages(side)
    locked = make_lock(tmp_path / "locks", side.environment, Uv(cache=tmp_path / "uv-cache"))
    assert locked.packages["protobuf"] == "4.25.3"
    assert "h5py" not in locked.packages


def test_versions_before_a_release_where_the_file_takes_them(tmp_path, package_index, monkeypatch):
    early = PackageIndex(tmp_path / "early")
    early.add("ours", "1.0", "2.0b1")
    with early.served() as address:
        text = f"--extra-index-url {address}\ntensorflow==2.15.1\nours\n"
        assert packages(one(tmp_path, text))["ours"] == "1.0"
        side = one(tmp_path, f"--pre\n{text}")
        assert packages(side)["ours"] == "2.0b1"
        assert (
            make_lock(tmp_path / "locks", side.environment, Uv(cache=tmp_path / "uv-cache")).packages["ours"] == "2.0b1"
        )


def test_the_indexes_of_a_file_hold_for_installing_too(tmp_path, package_index, monkeypatch):
    """A package that only the file's own index has is locked from there; no file tells what the address holds."""
    more = PackageIndex(tmp_path / "more")
    more.add("ours", "1.0")
    with more.served() as address:
        address = address.replace("://", "://me:secret@")
        side = one(tmp_path, f"--extra-index-url {address}\ntensorflow==2.15.1\nours\n")
        assert packages(side)["ours"] == "1.0"
        assert side.environment.index_options == (f"--extra-index-url {address}",)
        assert "secret" not in repr(side.environment)
        uv = Uv(cache=tmp_path / "uv-cache")
        lock = make_lock(tmp_path / "locks", side.environment, uv)
        assert lock.packages["ours"] == "1.0"
        assert "secret" not in lock.path.read_text()
        assert "me:secret@127.0.0.1" in replace(uv, index_options=lock.index_options).variables()["UV_INDEX"]
        with pytest.raises(ConfigError, match="made for another entry: indexes is"):
            read_lock(tmp_path / "locks", replace(side.environment, index_options=()))
