"""A project folder: where its files lie, and what they say.

What reads a file is imported where it is read: commands that only open a stored run start without YAML and pydantic.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ConfigError
from tfmatrix.core.scenario import Scenario

if TYPE_CHECKING:
    from tfmatrix.project.config import KnownFailure, MatrixConfig
    from tfmatrix.worker.declared import Format


@dataclass(frozen=True, kw_only=True)
class Project:
    """A folder with matrix.yaml. Everything is read on first use; the errors name file and line.

    With `environments` given (see `with_environments`) they take the place of those of matrix.yaml, which then need not
    exist; its defaults still count.
    """

    root: Path
    environments: tuple[Environment, ...] = ()
    scenarios_from: Path | None = None

    def __post_init__(self) -> None:
        # A program says Project(root="service").
        object.__setattr__(self, "root", Path(self.root))

    @property
    def matrix_file(self) -> Path:
        """The configuration."""
        return self.root / "matrix.yaml"

    @cached_property
    def config(self) -> MatrixConfig:
        """matrix.yaml, checked."""
        if not self.environments:
            return self._written_config
        from tfmatrix.project.config import Defaults, MatrixConfig, read_defaults

        # Read alone: what matrix.yaml selects need not fit another folder of scenarios.
        defaults = read_defaults(self.matrix_file) if self.matrix_file.exists() else Defaults()
        return MatrixConfig(path=self.matrix_file, environments=self.environments, defaults=defaults)

    @cached_property
    def config_of_environments(self) -> MatrixConfig:
        """matrix.yaml for what is about environments alone: scenarios do not matter here, and need not exist."""
        from tfmatrix.project.config import load_config

        return load_config(self.matrix_file)

    @property
    def written_environments(self) -> tuple[Environment, ...]:
        """Those of matrix.yaml, where there is one."""
        return self.config_of_environments.environments if self.matrix_file.exists() else ()

    @cached_property
    def _written_config(self) -> MatrixConfig:
        from tfmatrix.project.config import load_config

        # Where there is no matrix.yaml, that is what is told.
        scenarios = self.scenarios if self.matrix_file.exists() else ()
        return load_config(self.matrix_file, scenarios=scenarios, formats=self.formats)

    @cached_property
    def scenarios(self) -> tuple[Scenario, ...]:
        """The scenario files, read without importing them: of the folder, then those that entry points name."""
        from tfmatrix.project.discovery import discover
        from tfmatrix.project.scenario import read_scenario, read_scenarios

        elsewhere = () if self.scenarios_from else discover(self.root, self.source_folders)
        own: tuple[Scenario, ...] = ()
        if not elsewhere or any(self.scenario_folder.glob("[!_.]*.py")):
            own = read_scenarios(self.scenario_folder, formats=self.formats, sources=self.source_folders)
        found = {scenario.name: scenario for scenario in own}
        for each in elsewhere:
            folders = self.source_folders if each.packages else (each.source_folder, *self.source_folders)
            scenario = read_scenario(each.path, formats=self.formats, sources=folders, packages=each.packages)
            first = found.setdefault(scenario.name, scenario)
            if first is not scenario:
                raise ConfigError(
                    f"there is a scenario of this name already: {first.path}",
                    file=each.path,
                    expected="a name of its own for each scenario",
                    fix="rename one of the two files",
                )
        return tuple(found.values())

    @property
    def has_scenarios(self) -> bool:
        """Whether the project has any scenario, right or wrong."""
        from tfmatrix.project.discovery import discover

        return any(self.scenario_folder.glob("[!_.]*.py")) or bool(discover(self.root, self.source_folders))

    @cached_property
    def formats(self) -> Mapping[str, Format]:
        """Every format by its id: ours, those of installed packages, and the project's own."""
        from tfmatrix.project.formats import read_formats

        return read_formats(self.root / "formats")

    @cached_property
    def known_failures(self) -> tuple[KnownFailure, ...]:
        """The incompatibilities that somebody has looked at."""
        from tfmatrix.project.config import load_known_failures

        return load_known_failures(self.root / "known_failures.yaml")

    @property
    def source_folders(self) -> tuple[Path, ...]:
        """Where the packages lie that scenarios may import: as for whoever runs Python here, or has it installed."""
        return tuple(folder for folder in (self.root / "src", self.root) if folder.is_dir())

    @property
    def scenario_folder(self) -> Path:
        """One file per scenario."""
        return self.scenarios_from or self.root / "scenarios"

    @property
    def locks(self) -> Path:
        """One lock per environment; committed, but for those of environments outside matrix.yaml."""
        return self.results / "locks" if self.environments else self.root / "locks"

    @property
    def results(self) -> Path:
        """Runs. Those of environments outside matrix.yaml lie apart: they are no part of the matrix's history."""
        return self.root / "results" / "adhoc" if self.environments else self.root / "results"

    @property
    def store(self) -> Path:
        """Everything measured, whatever run it was for."""
        return self.root / "results" / "store"

    def with_environments(self, environments: Sequence[Environment], *, scenarios: Path | None = None) -> Project:
        """The project with other environments (and perhaps another folder of scenarios), all pairs of them.

        A lock of the project that fits an environment is used; a missing one is made beside the runs, not committed.
        """
        from tfmatrix.envs.lock import lock_path

        other = replace(self, environments=tuple(environments), scenarios_from=scenarios or self.scenarios_from)
        other.locks.mkdir(parents=True, exist_ok=True)
        for environment in environments:
            target = lock_path(other.locks, environment.id)
            source = lock_path(self.locks, environment.id)
            if source.exists() and source != target and _fits(self.locks, environment):
                shutil.copyfile(source, target)
            elif target.exists() and not _fits(other.locks, environment):
                # Of an earlier command, under the same id for other packages.
                target.unlink()
        return other


def _fits(locks: Path, environment: Environment) -> bool:
    from tfmatrix.envs.lock import read_lock

    try:
        return read_lock(locks, environment) is not None
    except ConfigError:
        return False
