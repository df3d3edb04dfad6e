"""The project's own files agree with one another."""

from __future__ import annotations

import re

from repository import ROOT
from tfmatrix.core.errors import ExitCode
from tfmatrix.core.status import Status
from tfmatrix.envs.lock import read_lock
from tfmatrix.project.project import Project


def test_every_environment_of_the_matrix_is_locked():
    project = Project(root=ROOT)
    locks = {each.id: read_lock(project.locks, each) for each in project.config.environments}
    assert None not in locks.values()
    assert {path.stem for path in project.locks.glob("*.txt")} == set(locks)


def test_the_reference_names_every_status_and_exit_code():
    text = (ROOT / "docs" / "reference.md").read_text()
    assert [status for status in Status if f"`{status.value}`" not in text] == []
    assert [code for code in ExitCode if not re.search(rf"^\| {int(code)} \|", text, re.MULTILINE)] == []


def test_links_in_the_documents_lead_somewhere():
    broken = []
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("scenarios/*.md")]:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
            if not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert broken == []


def test_the_worker_compiles_on_the_oldest_python_it_is_written_for():
    """Syntax of 3.7: checked by the tests of the worker on every Python that is here, and by this one everywhere."""
    import ast

    for path in (ROOT / "runner" / "tfmatrix" / "worker").rglob("*.py"):
        ast.parse(path.read_text(), feature_version=(3, 7))


def test_everything_that_the_host_imports_is_declared():
    """A library that happens to be here hides that nobody else has it."""
    import ast
    import sys
    import tomllib
    from importlib.metadata import packages_distributions

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    names = {canonicalize_name(Requirement(each).name) for each in declared}
    # Named by what needs them: a template's escaped text, and the types of pydantic's own errors.
    names |= {"markupsafe" if "jinja2" in names else "", "pydantic-core" if "pydantic" in names else ""}
    known = packages_distributions()
    source = ROOT / "runner" / "tfmatrix"
    missing = []
    for path in source.rglob("*.py"):
        if path.is_relative_to(source / "worker"):
            continue  # what it imports is its environment's
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            for module in {each.partition(".")[0] for each in modules} - sys.stdlib_module_names - {"tfmatrix"}:
                found = {canonicalize_name(each) for each in known.get(module, [module])}
                if not found & names:
                    missing.append(f"{path.relative_to(source)}: {module}")
    assert missing == []


def test_no_two_test_modules_have_one_name():
    """Pytest imports them by their name alone: of two it collects neither."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
