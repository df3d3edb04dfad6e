"""matrix.yaml: what is read, and that each mistake is one error with its place and its remedy."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ConfigError, ExitCode, UsageError
from tfmatrix.core.scenario import Scenario
from tfmatrix.project.config import MatrixConfig, load_config

MATRIX = Path("matrix.yaml")
FORMATS = ("h5", "keras", "savedmodel", "savedmodel-raw")
ONE = 'schema: 1\nenvironments: [{tensorflow: "2.15.1"}]\n'


def scenario(name: str, *tags: str) -> Scenario:
    return Scenario(
        name=name,
        path=f"scenarios/{name}.py",
        title="A title.",
        description="",
        digest="0",
        formats=None,
        requires=(),
        tags=tags,
        has_training=False,
        uses_keras=True,
    )


SCENARIOS = (scenario("dense", "article"), scenario("lstm"))


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(text: str) -> MatrixConfig:
    MATRIX.write_text(textwrap.dedent(text), encoding="utf-8")
    return load_config(MATRIX, scenarios=SCENARIOS, formats=FORMATS)


def error_of(text: str | bytes) -> ConfigError:
    if isinstance(text, str):
        text = textwrap.dedent(text).encode()
    MATRIX.write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        load_config(MATRIX, scenarios=SCENARIOS, formats=FORMATS)
    return caught.value


# --- what is read ----------------------------------------------------------------------------------------------------


def test_the_smallest_file_has_a_default_for_everything_else() -> None:
    config = load(ONE)

    assert config.environments == (Environment(id="2.15.1", tensorflow="2.15.1", python="3.11"),)
    assert (config.scenarios, config.formats, config.pairs, dict(config.sets)) == (("*",), ("*",), ("all",), {})
    defaults = config.defaults
    assert (defaults.seed, defaults.timeout, defaults.memory) == (0, 120, 4 * 1024**3)
    assert (defaults.jobs, defaults.executor) == ("auto", "auto")
    assert defaults.docker.image == "python:{python}-slim"
    assert (defaults.docker.pull, defaults.docker.host_userland) == ("missing", "auto")
    assert (defaults.docker.cpus, defaults.docker.pids, defaults.docker.tmpfs) == (2.0, 1024, 256 * 1024**2)
    assert (defaults.network.timeout, defaults.network.offline) == (60, False)
    assert defaults.tolerance_for("dense", "h5", "outputs") == (None, None)


def test_every_key_is_taken_over() -> None:
    config = load(
        """
        schema: 1
        environments:
          - {tensorflow: "2.15.1", python: "3.10", keras: "2.15.0", with: ["h5py==3.10.0"], env: {A: "1"},
             as_of: 2024-08-01, package: tensorflow-intel, id: mine}
          - {image: "tensorflow/tensorflow:2.14.0", env: {B: ""}, id: official-2.14}
        scenarios: [dense]
        formats: [h5]
        pairs: [forward, "*/mine"]
        sets: {quick: {environments: [mine], scenarios: ["tag:article"], formats: [keras], pairs: all}}
        defaults:
          seed: 7
          timeout: 30
          memory: 512m
          jobs: 3
          executor: venv
          tolerances: {rtol: 1e-3, atol: 0}
          docker: {image: "mirror/py:{python}", pull: never, cpus: 1, pids: 200, host_userland: never, tmpfs: 1g}
          network: {timeout: 5, offline: true}
        """
    )
    assert config.environments == (
        Environment(
            id="mine",
            tensorflow="2.15.1",
            python="3.10",
            keras="2.15.0",
            with_packages=("h5py==3.10.0",),
            env={"A": "1"},
            as_of="2024-08-01",
            package="tensorflow-intel",
        ),
        Environment(id="official-2.14", image="tensorflow/tensorflow:2.14.0", env={"B": ""}),
    )
    assert config.pairs == ("forward", "*/mine")
    assert (config.defaults.jobs, config.defaults.memory) == (3, 512 * 1024**2)
    assert config.defaults.docker.tmpfs == 1024**3
    assert config.defaults.network.offline is True
    assert config.defaults.tolerance_for("dense", "h5", "outputs") == (1e-3, 0.0)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ('{tensorflow: "2.15.1"}', "2.15.1"),
        ('{tensorflow: "2.15.1", python: "3.9"}', "2.15.1"),
        ('{tensorflow: "2.22.0rc0"}', "2.22.0rc0"),
        ('{tensorflow: "2.15.0.post1"}', "2.15.0.post1"),
        ('{tensorflow: "2.16.2", as_of: release}', "2.16.2"),
        ('{tensorflow: "2.16.2", as_of: today}', "2.16.2@today"),
        ('{tensorflow: "2.16.2", as_of: 2024-08-01}', "2.16.2@2024-08-01"),
        ('{tensorflow: "2.16.2", as_of: "2024-08-01"}', "2.16.2@2024-08-01"),
        ('{tensorflow: "2.16.2", keras: "3.3.3"}', "2.16.2+keras3.3.3"),
        ('{tensorflow: "2.16.2", keras: "3.3.3", as_of: today}', "2.16.2+keras3.3.3@today"),
        ('{tensorflow: "2.16.2", with: ["tf-keras"]}', "2.16.2+tf-keras"),
        ('{tensorflow: "2.16.2", with: ["tf-keras==2.16.0", "h5py<3.12"]}', "2.16.2+tf-keras2.16.0+h5py"),
        ('{tensorflow: "2.16.2", env: {A: "1"}}', "2.16.2"),
        ('{tensorflow: "2.16.2", with: [tf-keras], env: {TF_USE_LEGACY_KERAS: "1"}}', "2.16.2+tf-keras"),
        ("{tensorflow: nightly}", "nightly"),
        ("{tensorflow: nightly, as_of: today}", "nightly"),
        ("{tensorflow: nightly, as_of: 2026-01-31}", "nightly@2026-01-31"),
        ('{tensorflow: "2.16.2", as_of: today, id: "my.env"}', "my.env"),
    ],
)
def test_default_ids(entry: str, expected: str) -> None:
    assert load(f"schema: 1\nenvironments:\n  - {entry}\n").environments[0].id == expected


@pytest.mark.parametrize(
    ("tensorflow", "python"),
    [
        ("2.0.4", "3.7"),
        ("2.1.4", "3.7"),
        ("2.2.0rc0", "3.8"),
        ("2.2.3", "3.8"),
        ("2.4.4", "3.8"),
        ("2.5.3", "3.9"),
        ("2.7.4", "3.9"),
        ("2.8.4", "3.10"),
        ("2.11.1", "3.10"),
        ("2.12.0rc0", "3.11"),
        ("2.12.1", "3.11"),
        ("2.21.0", "3.11"),
        ("nightly", "3.11"),
    ],
)
def test_default_python(tensorflow: str, python: str) -> None:
    assert load(f'schema: 1\nenvironments: [{{tensorflow: "{tensorflow}"}}]').environments[0].python == python


def test_nightly_is_resolved_today_unless_a_date_is_given() -> None:
    config = load("schema: 1\nenvironments: [{tensorflow: nightly}, {tensorflow: nightly, as_of: 2026-01-31}]")
    assert [environment.as_of for environment in config.environments] == ["today", "2026-01-31"]


def test_a_set_takes_the_place_of_the_keys_it_names_and_keeps_the_order_of_the_file() -> None:
    config = load(
        """
        schema: 1
        environments: [{tensorflow: "2.12.1"}, {tensorflow: "2.15.1"}, {tensorflow: "2.16.2"}]
        formats: [h5]
        sets:
          quick: {environments: ["2.16.2", "2.12.*"], scenarios: ["tag:article"], pairs: adjacent}
          nightly: {}
        """
    )
    quick = config.selection("quick")
    assert quick.name == "quick"
    assert [environment.id for environment in quick.environments] == ["2.12.1", "2.16.2"]
    assert (quick.scenarios, quick.formats, quick.pairs) == (("tag:article",), ("h5",), ("adjacent",))
    everything = config.selection()
    assert everything.name is None
    assert everything.environments == config.environments
    assert (everything.scenarios, everything.formats, everything.pairs) == (("*",), ("h5",), ("all",))
    nightly = config.selection("nightly")
    assert (nightly.environments, nightly.formats) == (everything.environments, everything.formats)


def test_an_unknown_set_or_environment_is_an_error_of_usage() -> None:
    config = load(ONE + "sets: {quick: {}, nightly: {}}\n")
    with pytest.raises(UsageError) as caught:
        config.selection("quik")
    assert str(caught.value) == (
        'no set "quik" in matrix.yaml\n  expected: one of: quick, nightly\n  to fix:   did you mean "quick"?'
    )
    with pytest.raises(UsageError) as caught:
        load(ONE).selection("nightly")
    assert "a name below `sets:`" in caught.value.expected
    assert "sets: {nightly: {}}" in caught.value.fix
    with pytest.raises(UsageError) as caught:
        config.environment("2.15.0")
    assert str(caught.value) == (
        'no environment "2.15.0" in matrix.yaml\n  expected: one of: 2.15.1\n  to fix:   did you mean "2.15.1"?'
    )
    assert config.environment("2.15.1").id == "2.15.1"


def test_tolerances_are_overridden_by_scenario_format_and_check() -> None:
    defaults = load(
        ONE
        + textwrap.dedent(
            """
            defaults:
              tolerances:
                rtol: 1e-5
                overrides:
                  - {scenario: "d*", rtol: 1e-4}
                  - {scenario: dense, format: h5, check: outputs, rtol: 1e-3, atol: 1e-6}
            """
        )
    ).defaults
    assert defaults.tolerance_for("lstm", "h5", "outputs") == (1e-5, None)
    assert defaults.tolerance_for("dense", "keras", "outputs") == (1e-4, None)
    assert defaults.tolerance_for("dense", "h5", "resume") == (1e-4, None)
    tolerance = defaults.tolerance_for("dense", "h5", "outputs")
    assert (tolerance.rtol, tolerance.atol) == (1e-3, 1e-6)


def test_without_scenarios_and_formats_their_globs_are_not_looked_up() -> None:
    MATRIX.write_text(ONE + "scenarios: [whatever]\nformats: [other]\n")
    assert load_config(MATRIX).scenarios == ("whatever",)


def test_aliases_work_and_a_byte_order_mark_does_no_harm() -> None:
    MATRIX.write_bytes(
        b"\xef\xbb\xbfschema: 1\nenvironments: &all\n  - {tensorflow: &v 2.15.1}\n  - {tensorflow: *v, id: second}\n"
    )
    assert [each.tensorflow for each in load_config(MATRIX).environments] == ["2.15.1", "2.15.1"]


def test_the_configuration_cannot_be_changed() -> None:
    defaults = load(ONE).defaults
    with pytest.raises(ValueError, match="frozen"):
        defaults.seed = 3  # type: ignore[misc]


# --- what is refused -------------------------------------------------------------------------------------------------


def mistakes() -> dict[str, tuple[str, str]]:
    """What mistakes.txt holds: name to matrix.yaml and error."""
    _, *blocks = Path(__file__).with_name("mistakes.txt").read_text(encoding="utf-8").split("\n=== ")
    found = {}
    for block in blocks:
        name, _, rest = block.partition("\n")
        text, _, error = rest.partition("--->\n")
        found[name] = (text, error.strip())
    return found


def test_the_file_of_mistakes_is_read_whole() -> None:
    assert len(mistakes()) > 90


@pytest.mark.parametrize(("text", "message"), mistakes().values(), ids=mistakes())
def test_each_mistake_is_one_error_with_its_place_and_remedy(text: str, message: str) -> None:
    error = error_of(text)
    assert str(error) == message
    assert (error.file, error.exit_code) == ("matrix.yaml", ExitCode.USAGE)
    assert message.startswith(f"matrix.yaml:{error.line}: " + (f"{error.key}: " if error.key else ""))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "matrix.yaml:1: the file is empty\n  expected: a mapping that begins with schema: 1"),
        (
            b"schema: 1\n# caf\xe9\n",
            "matrix.yaml:2: byte 0xe9 is not UTF-8\n"
            "  expected: text in UTF-8\n"
            "  to fix:   save the file as UTF-8 in your editor",
        ),
        (
            b"schema: 1\nscenarios: [\x07]\n",
            "matrix.yaml:2: character U+0007 is not allowed in YAML\n  to fix:   remove the character",
        ),
        (
            b"schema: 1\nenvironments:\n\t- x\n",
            "matrix.yaml:3: a tab where YAML wants spaces\n  to fix:   indent with spaces",
        ),
    ],
    ids=["empty", "not UTF-8", "a control character", "a tab"],
)
def test_content_that_is_no_text_of_yaml(content: bytes, message: str) -> None:
    assert str(error_of(content)) == message


def test_a_missing_file_names_the_command_that_makes_one() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(MATRIX)
    assert str(caught.value) == (
        "matrix.yaml: there is no such file\n  expected: a project's matrix.yaml\n  to fix:   run `tfmatrix init`"
    )


def test_a_folder_in_its_place_is_an_error() -> None:
    MATRIX.mkdir()
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(MATRIX)


def test_of_several_mistakes_the_first_in_the_file_is_told_and_the_others_are_counted() -> None:
    error = error_of(
        """\
        schema: 1
        environments:
          - {tensorflow: "2.15.1", pyhton: "3.11"}
        defaults:
          memory: 4
          seed: 0
          seed: 1
        scenarios:
        """
    )
    assert error.what == ('matrix.yaml:3: environments[0].pyhton: unknown key "pyhton" (3 more mistakes in this file)')
    error = error_of(ONE + "scenarios: [lsmt]\nformats: [h6]\n")
    assert error.what.endswith('no scenario matches "lsmt" (1 more mistake in this file)')
