from __future__ import annotations

import datetime
import re

import pytest
from repository import ROOT
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ConfigError, ExitCode, InfrastructureError
from tfmatrix.envs import lock as locks
from tfmatrix.envs.lock import ensure_lock, lock_path, make_lock, read_lock, set_base_image
from tfmatrix.project.config import load_config

A, B, C = ("sha256:" + letter * 64 for letter in "abc")

RESOLVED = f"""keras==3.4.1 \\
    --hash={B}
tensorflow-cpu==2.16.2 \\
    --hash={C} \\
    --hash={A}
# The following packages were excluded from the output:
# tensorflow
"""

WRITTEN = f"""# Lock of the environment 2.16.2, for pip install --require-hashes --no-deps.
# Made by tfmatrix, not to be edited. Renew it with:
#     tfmatrix lock 2.16.2
# entry: {{"as_of": "release", "keras": null, "package": null, "python": "3.11", "tensorflow": "2.16.2", "with": []}}
# distribution: tensorflow-cpu
# platform: linux-x86_64
# exclude-newer: 2024-07-12T00:00:00Z
# digest: sha256:f0093a2ba9f2dabd1dd601c0a409b86bc8c410f9aada5dcad8e7c5e52120fa45
keras==3.4.1 \\
    --hash={B}
tensorflow-cpu==2.16.2 \\
    --hash={A} \\
    --hash={C}
"""


def environment(**changes):
    return Environment(**{"id": "2.16.2", "tensorflow": "2.16.2", "python": "3.11"} | changes)


def pylock(name, version, *uploads):
    """What uv answers to a look-up: a lock of PEP 751 with one package, one wheel for each upload time."""
    wheels = ", ".join(
        f'{{ url = "https://index.example/{number}.whl"{f", upload-time = {upload}" if upload else ""} }}'
        for number, upload in enumerate(uploads)
    )
    return f'lock-version = "1.0"\n[[packages]]\nname = "{name}"\nversion = "{version}"\nwheels = [{wheels}]\n'


def no_solution(text):
    return f"error: No solution found when resolving dependencies\n  cause: {text}\n"


@pytest.fixture(autouse=True)
def on_linux(monkeypatch):
    monkeypatch.setattr(locks, "host_platform", lambda: "linux-x86_64")


@pytest.fixture
def index(fake_uv, tmp_path, monkeypatch):
    """A uv whose index has TensorFlow 2.16.2 as a CPU build, uploaded in two parts, and its Keras; no interpreter."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    fake_uv.answer("python find", exit_code=2)
    fake_uv.answer("--generate-hashes", stdout=RESOLVED)
    fake_uv.answer(
        "pylock.toml",
        "tensorflow-cpu==2.16.2",
        stdout=pylock("tensorflow-cpu", "2.16.2", "2024-06-29T00:30:00Z", "2024-06-28T18:54:17Z"),
    )
    return fake_uv


@pytest.fixture
def uv(index, tmp_path):
    return index.uv(tmp_path / "uv-cache")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "locks"


def requirements(index):
    """What the resolving call was given: requirements, constraints, and its arguments."""
    (call,) = index.calls("--generate-hashes")
    files = {name: text.split() for name, text in call["files"].items()}
    return files["requirements.in"], files.get("constraints.txt", []), call["arguments"]


def value_after(arguments, option):
    return arguments[arguments.index(option) + 1] if option in arguments else None


# Making


def test_a_lock_is_written_to_the_letter(folder, uv):
    lock = make_lock(folder, environment(), uv)

    assert (folder / "2.16.2.txt").read_text() == WRITTEN
    assert [path.name for path in folder.iterdir()] == ["2.16.2.txt"]
    assert lock.packages == {"keras": "3.4.1", "tensorflow-cpu": "2.16.2"}
    assert (lock.tensorflow, lock.keras, lock.python) == ("2.16.2", "3.4.1", "3.11")
    assert (lock.distribution, lock.platform) == ("tensorflow-cpu", "linux-x86_64")
    assert WRITTEN.count(lock.digest) == 1


def test_the_same_question_gives_the_same_bytes(folder, uv, tmp_path):
    make_lock(folder, environment(), uv)
    make_lock(tmp_path / "again", environment(), uv)

    assert (folder / "2.16.2.txt").read_bytes() == (tmp_path / "again" / "2.16.2.txt").read_bytes()


def test_as_of_release_means_two_weeks_after_the_first_upload(folder, uv, index):
    lock = make_lock(folder, environment(), uv)

    assert lock.exclude_newer == "2024-07-12T00:00:00Z"
    assert value_after(requirements(index)[2], "--exclude-newer") == "2024-07-12T00:00:00Z"


def test_a_given_day_is_included_and_limits_the_look_up_too(folder, uv, index):
    lock = make_lock(folder, environment(as_of="2024-08-01"), uv)

    assert lock.exclude_newer == "2024-08-02T00:00:00Z"
    for call in index.calls("compile"):
        assert value_after(call["arguments"], "--exclude-newer") == "2024-08-02T00:00:00Z"


def test_tf_keras_is_that_of_the_same_minor_because_its_metadata_takes_any(folder, uv, index):
    make_lock(folder, environment(with_packages=("tf-keras",), id="2.16.2+tf-keras"), uv)
    assert requirements(index)[1] == ["tf-keras~=2.16.0", "tensorflow==2.16.2"]


def test_as_of_today_sets_no_limit_and_notes_the_day(folder, uv, index):
    lock = make_lock(folder, environment(as_of="today"), uv, today=datetime.date(2026, 1, 2))

    assert lock.exclude_newer == ""
    assert "# resolved: 2026-01-02\n" in lock.path.read_text()
    assert "--exclude-newer" not in requirements(index)[2]


def test_keras_and_packages_are_asked_for(folder, uv, index):
    make_lock(folder, environment(keras="3.3.3", with_packages=("tf-keras", "h5py==3.11.0")), uv)

    assert requirements(index)[0] == ["tensorflow-cpu==2.16.2", "h5py==3.11.0", "tf-keras", "keras==3.3.3"]


def test_the_full_package_is_checked_but_not_installed_over_the_cpu_build(folder, uv, index):
    make_lock(folder, environment(), uv)

    _, constraints, arguments = requirements(index)
    assert constraints == ["tensorflow==2.16.2"]
    assert value_after(arguments, "--no-emit-package") == "tensorflow"


def test_a_release_without_a_cpu_build_is_the_full_package(folder, uv, index):
    index.answer("pylock.toml", "tensorflow-cpu==2.0.4", exit_code=1, stderr=no_solution("there is no version"))
    index.answer("pylock.toml", "tensorflow==2.0.4", stdout=pylock("tensorflow", "2.0.4", "2021-01-06T17:00:39Z"))
    index.answer("--generate-hashes", stdout=f"tensorflow==2.0.4 \\\n    --hash={A}\n")

    lock = make_lock(folder, environment(tensorflow="2.0.4", python="3.7"), uv)

    assert (lock.distribution, lock.keras) == ("tensorflow", "")
    assert "--no-emit-package" not in requirements(index)[2]


def test_a_given_package_is_the_only_one_looked_for(folder, uv, index):
    index.answer("pylock.toml", "tensorflow==2.16.2", stdout=pylock("tensorflow", "2.16.2", "2024-06-28T18:51:42Z"))
    index.answer("--generate-hashes", stdout=f"tensorflow==2.16.2 \\\n    --hash={A}\n")

    assert make_lock(folder, environment(package="tensorflow"), uv).distribution == "tensorflow"
    assert len(index.calls("pylock.toml")) == 1


@pytest.mark.parametrize("platform", ["darwin-arm64", "win32-amd64", "linux-aarch64"])
def test_where_there_is_no_cpu_build_for_every_version_the_full_one_is_taken(folder, uv, index, monkeypatch, platform):
    monkeypatch.setattr(locks, "host_platform", lambda: platform)
    index.answer("pylock.toml", "tensorflow==2.16.2", stdout=pylock("tensorflow", "2.16.2", "2024-06-28T18:51:42Z"))
    index.answer("--generate-hashes", stdout=f"tensorflow==2.16.2 \\\n    --hash={A}\n")

    lock = make_lock(folder, environment(), uv)

    assert (lock.distribution, lock.platform) == ("tensorflow", platform)


@pytest.mark.parametrize(
    ("cpu", "full", "expected"),
    [
        ("2026-10-25T20:00:00Z", "2026-10-26T20:00:00Z", "tf-nightly-cpu"),
        ("2026-09-05T20:00:00Z", "2026-10-26T20:00:00Z", "tf-nightly"),
        ("2026-10-26T20:00:00Z", "2026-09-05T20:00:00Z", "tf-nightly-cpu"),
        ("", "2026-10-26T20:00:00Z", "tf-nightly-cpu"),
        (None, "2026-10-26T20:00:00Z", "tf-nightly"),
        ("2026-10-26T20:00:00Z", None, "tf-nightly-cpu"),
    ],
)
def test_the_nightly_cpu_build_is_taken_unless_it_is_stale(folder, uv, index, cpu, full, expected):
    for name, uploaded in (("tf-nightly", full), ("tf-nightly-cpu", cpu)):
        if uploaded is None:
            index.answer("pylock.toml", f"{name}\n", exit_code=1, stderr=no_solution("not found in the registry"))
        else:
            index.answer("pylock.toml", f"{name}\n", stdout=pylock(name, "2.22.0.dev1", uploaded))
    index.answer("--generate-hashes", stdout=f"{expected}==2.22.0.dev1 \\\n    --hash={A}\n")
    index.answer("--generate-hashes", "keras-nightly", exit_code=9)

    lock = make_lock(folder, environment(id="nightly", tensorflow="nightly", as_of="today"), uv)

    assert (lock.distribution, lock.tensorflow) == (expected, "2.22.0.dev1")
    assert requirements(index)[0] == [f"{expected}==2.22.0.dev1"]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2.0.4", {"protobuf<3.21"}),
        ("2.7.4", {"protobuf<3.21", "numpy<2"}),
        ("2.9.0", {"protobuf<3.21", "numpy<2"}),
        ("2.9.1", {"numpy<2"}),
        ("2.11.1", {"numpy<2"}),
        ("2.12.0", set()),
        ("2.16.2", set()),
    ],
)
def test_known_obstacles_become_constraints(folder, uv, index, version, expected):
    index.answer("pylock.toml", stdout=pylock("tensorflow-cpu", version, "2022-05-16T00:00:00Z"))
    index.answer("--generate-hashes", stdout=f"tensorflow-cpu=={version} \\\n    --hash={A}\n")

    make_lock(folder, environment(tensorflow=version), uv)

    assert set(requirements(index)[1]) == {f"tensorflow=={version}"} | expected


@pytest.mark.parametrize("stage", ["pylock.toml", "--generate-hashes"])
def test_pins_that_cannot_be_solved_are_a_matter_of_the_configuration(folder, uv, index, stage):
    index.answer(stage, exit_code=1, stderr=no_solution("there is no version of keras==9"))

    with pytest.raises(ConfigError, match=r"(?s)environments\[2\.16\.2\].*there is no version of keras==9") as caught:
        make_lock(folder, environment(keras="9"), uv)

    assert caught.value.exit_code is ExitCode.USAGE
    assert not folder.exists()


@pytest.mark.parametrize("stage", ["pylock.toml", "--generate-hashes"])
def test_an_index_that_does_not_answer_is_a_matter_of_the_infrastructure(folder, uv, index, stage):
    index.answer(stage, exit_code=2, stderr="error: Failed to fetch\n  cause: Connection refused (os error 111)\n")

    with pytest.raises(InfrastructureError, match=r"2\.16\.2.*\n.*\n.*Connection refused") as caught:
        make_lock(folder, environment(), uv)

    assert caught.value.exit_code is ExitCode.INFRASTRUCTURE
    assert not folder.exists()


def test_an_index_without_upload_times_cannot_say_what_release_means(folder, uv, index):
    index.answer("pylock.toml", stdout=pylock("tensorflow-cpu", "2.16.2", ""))

    with pytest.raises(InfrastructureError, match="as_of: today"):
        make_lock(folder, environment(), uv)


def test_a_package_that_has_no_hash_is_not_locked(folder, uv, index):
    index.answer("--generate-hashes", stdout=RESOLVED + "mine @ file:///home/me/mine\n")

    with pytest.raises(InfrastructureError, match="mine @ file"):
        make_lock(folder, environment(), uv)


def test_a_locks_folder_that_cannot_be_written(folder, uv):
    folder.touch()

    with pytest.raises(InfrastructureError, match="cannot be written"):
        make_lock(folder, environment(), uv)


def test_an_environment_with_an_image_has_no_lock(folder, uv):
    with pytest.raises(ValueError, match="official"):
        make_lock(folder, Environment(id="official-2.14", image="tensorflow/tensorflow:2.14.0"), uv)


def test_ensure_makes_a_lock_once(folder, uv, index):
    said = []
    first = ensure_lock(folder, environment(), uv, progress=said.append)
    asked = len(index.calls())
    second = ensure_lock(folder, environment(), uv, progress=said.append)

    assert first == second
    assert len(index.calls()) == asked
    assert said == ["resolving 2.16.2"]


# Reading


@pytest.fixture
def written(folder):
    """Writes a lock file: the good one, or one that is changed."""

    def write(text=WRITTEN):
        folder.mkdir(exist_ok=True)
        (folder / "2.16.2.txt").write_bytes(text.encode() if isinstance(text, str) else text)

    return write


def test_no_lock(folder):
    assert read_lock(folder, environment()) is None


def test_line_ends_of_another_system_change_nothing(folder, written):
    written()
    here = read_lock(folder, environment())
    written(WRITTEN.replace("\n", "\r\n"))

    assert read_lock(folder, environment()) == here


def line_of(text):
    return WRITTEN.splitlines().index(text) + 1


@pytest.mark.parametrize(
    ("damaged", "line", "what"),
    [
        (WRITTEN.replace("keras==3.4.1", "keras==3.4.2"), line_of(WRITTEN.splitlines()[7]), "not those"),
        (WRITTEN.replace(B, A), 8, "not those"),
        (WRITTEN.replace(f"keras==3.4.1 \\\n    --hash={B}\n", ""), 8, "not those"),
        (WRITTEN.replace(B, B[:-1]), 10, "not a hash of keras"),
        (WRITTEN.removesuffix(f"    --hash={C}\n"), 12, "not a hash of tensorflow-cpu"),
        (WRITTEN.replace("keras==3.4.1 \\", "keras>=3.4.1 \\"), 9, "not a pinned package"),
        (WRITTEN.replace("keras==3.4.1 \\", "<<<<<<< HEAD\nkeras==3.4.1 \\"), 9, "<<<<<<< HEAD"),
        (WRITTEN + f"keras==3.4.1 \\\n    --hash={B}\n", 14, "keras is listed twice"),
        (WRITTEN.replace("# digest:", "# "), 1, "# digest:"),
        (WRITTEN.replace("# entry: {", "# entry: "), 4, "not JSON"),
        (re.sub("# entry: .*", "# entry: []", WRITTEN), 4, "not a JSON object"),
        (WRITTEN.replace("distribution: tensorflow-cpu", "distribution: tensorflow"), 5, "not among the packages"),
        (b"\xff\xfe" + WRITTEN.encode(), 1, "not UTF-8"),
        ("", 1, "missing"),
    ],
)
def test_a_damaged_lock_names_file_and_line(folder, written, damaged, line, what):
    written(damaged)

    with pytest.raises(ConfigError) as caught:
        read_lock(folder, environment())

    assert f"{folder / '2.16.2.txt'}:{line}:" in str(caught.value)
    assert what in caught.value.what
    assert "tfmatrix lock 2.16.2" in caught.value.fix


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"tensorflow": "2.16.1"}, 'tensorflow is "2.16.2" in the lock and "2.16.1" in matrix.yaml'),
        ({"python": "3.12"}, 'python is "3.11" in the lock and "3.12" in matrix.yaml'),
        ({"keras": "3.3.3"}, 'keras is not set in the lock and "3.3.3" in matrix.yaml'),
        ({"with_packages": ("tf-keras",)}, 'with is not set in the lock and ["tf-keras"] in matrix.yaml'),
        ({"as_of": "today"}, 'as_of is "release" in the lock and "today" in matrix.yaml'),
        ({"package": "tensorflow"}, 'package is not set in the lock and "tensorflow" in matrix.yaml'),
    ],
)
def test_a_lock_for_another_entry_says_what_differs_and_how_to_renew_it(folder, written, changes, what):
    written()

    with pytest.raises(ConfigError) as caught:
        read_lock(folder, environment(**changes))

    assert what in caught.value.what
    assert caught.value.what.count(" in the lock") == 1
    assert caught.value.fix == "tfmatrix lock 2.16.2"


def test_variables_of_an_environment_do_not_concern_its_lock(folder, written):
    written()

    assert read_lock(folder, environment(env={"TF_USE_LEGACY_KERAS": "1"})) is not None


def test_a_base_image_is_noted_once_and_leaves_the_digest(folder, written):
    written()
    before = read_lock(folder, environment())

    set_base_image(before, "python:3.11-slim", A)
    after = set_base_image(before, "python:3.11-slim", B)

    assert after == read_lock(folder, environment())
    assert after.base_image == f"python:3.11-slim@{B}"
    assert after.digest == before.digest
    assert after.path.read_text().count("base-image") == 1


def test_digests_depend_on_python_and_packages_alone(folder, written, uv):
    digests = {
        make_lock(folder, environment(id=f"{python}{as_of}", python=python, as_of=as_of), uv).digest
        for python in ("3.10", "3.11")
        for as_of in ("release", "today")
    }

    assert len(digests) == 2


# The project's own


def test_every_environment_of_the_project_is_locked():
    config = load_config(ROOT / "matrix.yaml")

    missing = [each.id for each in config.environments if not each.image and read_lock(ROOT / "locks", each) is None]

    assert missing == []


def test_the_projects_locks_name_no_host_and_no_folder():
    for path in (ROOT / "locks").glob("*.txt"):
        text = "".join(line for line in path.read_text().splitlines(keepends=True) if "# base-image: " not in line)
        assert "/" not in text
        assert path == lock_path(ROOT / "locks", path.stem)
