"""A check is one module; the plug-ins of `tfmatrix.checks` are found as ours are."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest
from observation_builder import loaded, trained
from tfmatrix.checks.comparison import compare
from tfmatrix.checks.contract import COMMON, Check, Result, note
from tfmatrix.checks.registry import checks, checks_code_digest, promised_by
from tfmatrix.core import plugins
from tfmatrix.core.errors import UsageError
from tfmatrix.core.records import Finding
from tfmatrix.core.status import CheckStatus

PLUGIN = """
from tfmatrix.checks.contract import Result, loss
from tfmatrix.core.records import Finding

NAME = "layers"
SECTION = "config"
ORDER = 35
APPLIES_WITH = "config"
FINDINGS = {"fewer": loss("layers are gone", lambda subject, figures: f"{figures['before']} became {figures['after']}")}


def compare(observations):
    before, after = (len(each.section("config")["layers"]) for each in (observations.writer, observations.reader))
    findings = [Finding(code="fewer", figures={"before": before, "after": after})] if after < before else []
    return Result(findings=findings, figures={"layers": after})
"""

Install = Callable[[str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts a module behind the entry point, as a package that is installed does."""

    def _install(source: str) -> None:
        (tmp_path / "my_check.py").write_text(source)
        entry = EntryPoint(name="mine", value="my_check", group="tfmatrix.checks")
        monkeypatch.setattr(plugins, "entry_points", lambda group: [entry] if group == entry.group else [])
        sys.modules.pop("my_check", None)
        checks.cache_clear()
        checks_code_digest.cache_clear()

    monkeypatch.syspath_prepend(tmp_path)
    yield _install
    monkeypatch.undo()
    sys.modules.pop("my_check", None)
    checks.cache_clear()
    checks_code_digest.cache_clear()


def test_the_checks_in_their_order() -> None:
    assert list(checks()) == [
        "load", "executes", "outputs", "weights", "config", "compile", "optimizer", "resume", "signatures", "warnings",
        "defaults", "forward", "gradients", "updates", "metrics", "learning", "initializers",
    ]  # fmt: skip


def test_every_code_can_be_said_and_every_loss_named() -> None:
    for name, check in checks().items():
        for code, kind in check.kinds.items():
            is_grave = kind.status in (CheckStatus.FAIL, CheckStatus.ERROR)
            assert bool(kind.loss) == is_grave, f"{name}: {code}"


def test_a_code_that_is_not_in_the_list_is_refused() -> None:
    with pytest.raises(ValueError, match="the check 'weights' has no finding 'invented' in its list"):
        checks()["weights"].record(Result(findings=[Finding(code="invented")]))


def test_a_check_of_a_plug_in_takes_part(install: Install) -> None:
    before = checks_code_digest()
    install(PLUGIN)
    assert list(checks())[4:6] == ["config", "layers"]
    theirs = loaded()
    theirs.config["layers"].pop()
    found = compare(trained().build(), theirs.build())["layers"]
    assert (found["status"], found["layers"], found["detail"]) == ("fail", 4, ["5 became 4"])
    assert checks()["layers"].losses([Finding.from_json(each) for each in found["findings"]], found) == [
        "layers are gone"
    ]
    # Formats that promise the config promise this one with it, and what was compared without it is compared anew.
    assert "layers" in promised_by(("load", "config"))
    assert "layers" not in promised_by(("load", "outputs"))
    assert checks_code_digest() != before


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise RuntimeError('no')", "cannot be imported: RuntimeError: no"),
        (PLUGIN.replace('NAME = "layers"', "NAME = 7"), "NAME is 7"),
        (PLUGIN.replace('"layers"', '"weights"', 1), "is called 'weights', as another check is"),
        (PLUGIN.replace("SECTION =", "SECTIONS ="), "has no attribute 'SECTION'"),
        (PLUGIN.replace('{"fewer": loss', '{"raises": loss'), "FINDINGS names 'raises', which every check has"),
        (PLUGIN.replace("FINDINGS = ", "FINDINGS = [] and "), "FINDINGS does not map codes"),
    ],
)
def test_what_is_no_check_is_named(install: Install, source: str, said: str) -> None:
    install(source)
    with pytest.raises(UsageError, match="the plug-in mine") as error:
        checks()
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (PLUGIN.replace('section("config")["layers"]', 'section("config")["nothing"]'), "KeyError: 'nothing'"),
        (PLUGIN.replace('Finding(code="fewer"', 'Finding(code="invented"'), "has no finding 'invented' in its list"),
    ],
)
def test_a_plug_in_that_fails_is_named_and_says_nothing_about_the_model(
    install: Install, source: str, said: str
) -> None:
    install(source)
    theirs = loaded()
    theirs.config["layers"].pop()
    with pytest.raises(UsageError, match="the check 'layers' of the plug-in mine") as error:
        compare(trained().build(), theirs.build())
    assert said in str(error.value)


def test_the_gravest_finding_decides() -> None:
    module = SimpleNamespace(
        NAME="any",
        SECTION=None,
        FINDINGS={"noted": note(lambda _subject, _figures: "noted")},
        compare=lambda _jobs: Result(),
    )
    check = Check.of(module)
    statuses = {
        code: check.record(Result(findings=[Finding(code="noted"), Finding(code=code, figures=figures)]))["status"]
        for code, figures in (("none", {}), ("raises", {"type": "ValueError"}), ("not-promised", {}))
    }
    assert statuses == {"none": "fail", "raises": "error", "not-promised": "not-applicable"}
    assert check.record(Result())["status"] == "pass"
    assert set(check.kinds) == {*COMMON, "noted"}
