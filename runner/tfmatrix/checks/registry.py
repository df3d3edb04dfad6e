"""Finds the checks: the modules of this package that define one, and those of the entry points `tfmatrix.checks`."""

from __future__ import annotations

import pkgutil
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import tfmatrix.checks
from tfmatrix.checks.contract import Check
from tfmatrix.core.errors import UsageError
from tfmatrix.core.plugins import plugins
from tfmatrix.store.keys import digest_of, digest_of_code

ENTRY_POINTS = "tfmatrix.checks"
"""Group of entry points; each names a module that is a check."""


@cache
def checks() -> Mapping[str, Check]:
    """Name to check, in the order in which records and reports name them.

    Raises UsageError where a plug-in is no check, or takes a name that is taken.
    """
    found: dict[str, Check] = {}
    for place, module, is_plugin in _modules():
        try:
            check = Check.of(module, plugin=place if is_plugin else "")
        except (AttributeError, TypeError) as error:
            raise UsageError(
                f"{place} is no check: {error}",
                expected="NAME, SECTION, FINDINGS and compare, as tfmatrix/checks/contract.py describes them",
                fix="correct or uninstall what brings it",
            ) from error
        if check.name in found:
            raise UsageError(
                f"{place} is called {check.name!r}, as another check is", fix="give one of them another NAME"
            )
        found[check.name] = check
    return dict(sorted(found.items(), key=lambda item: (item[1].order, item[0])))


def promised_by(names: Collection[str]) -> tuple[str, ...]:
    """The checks that a format promises which names these: those that apply with one of them included."""
    return tuple(name for name, check in checks().items() if name in names or check.applies_with in names)


@cache
def checks_code_digest() -> str:
    """Hash of the checks' code, plug-ins included: a better check judges anew, without a new measurement."""
    own = Path(tfmatrix.checks.__path__[0])
    return digest_of(
        [digest_of_code(sorted(own.rglob("*.py")), own), *(_code(module) for _, _, module in plugins(ENTRY_POINTS))]
    )


def _code(module: Any) -> str:
    """The code of a plug-in: its file, of a package all of its files."""
    file = Path(str(module.__file__))
    is_package = hasattr(module, "__path__")
    return digest_of_code(sorted(file.parent.rglob("*.py")) if is_package else [file], file.parent)


def _modules() -> Iterator[tuple[str, Any, bool]]:
    for info in pkgutil.iter_modules(tfmatrix.checks.__path__, "tfmatrix.checks."):
        module = import_module(info.name)
        if hasattr(module, "NAME"):
            yield info.name, module, False
    for place, _, module in plugins(ENTRY_POINTS):
        yield place, module, True
