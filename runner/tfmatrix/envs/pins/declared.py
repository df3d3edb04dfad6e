"""What a project declares: pyproject.toml of any tool, and the metadata of projects that must be built to tell it."""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.dependency_groups import resolve_dependency_groups
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tfmatrix.core.errors import ConfigError
from tfmatrix.core.files import read_bounded
from tfmatrix.core.packages import TENSORFLOW
from tfmatrix.envs.index import PRERELEASES
from tfmatrix.envs.pins.model import (
    NEVER,
    Note,
    Pin,
    PinFile,
    line_with,
    not_of_an_index,
    parse_requirement,
    pin_of,
    python_specifier,
)
from tfmatrix.envs.pins.pixi import read_pixi
from tfmatrix.envs.pins.requirements import Follow, from_elsewhere, read_requirements
from tfmatrix.envs.pins.text import decode, read_json, read_text, read_toml, table
from tfmatrix.envs.uv import Uv

_DYNAMIC = ("dependencies", "optional-dependencies")
_EXTRA = re.compile(r"""\s*(?:and\s+)?\(?extra == ["']([^"']+)["']\)?""")


def read_declared(path: Path, text: str, uv: Uv) -> PinFile:
    """A pyproject.toml: the dependencies, those of optional parts marked as such, and `requires-python`."""
    data = read_toml(path, text)
    tool = table(data, "tool", file=path)
    poetry = table(tool, "poetry", file=path)
    if {"dependencies", "group", "dev-dependencies"} & set(poetry):
        return _of_poetry(path, text, poetry, uv)
    project = table(data, "project", file=path)
    dynamic = [each for each in project.get("dynamic") or () if each in _DYNAMIC]
    files = table(tool, "setuptools", "dynamic", file=path)
    if dynamic and not all(_files(files, each) for each in dynamic):
        return read_built(path, text, uv, "pyproject.toml")
    notes: list[Note] = []
    optional = table(project, "optional-dependencies", file=path)
    pins = list(_listed(path, text, project.get("dependencies"), notes))
    if "dependencies" in dynamic:
        pins += listed_files(path, _files(files, "dependencies"))
    for extra in optional:
        for each in _of_extra(project, optional, extra, (extra,)):
            pins += _listed(path, text, [each], notes, extra=extra)
    extras = list(optional)
    if "optional-dependencies" in dynamic:
        for extra, entry in (files.get("optional-dependencies") or {}).items():
            extras.append(extra)
            pins += listed_files(path, _names(entry), extra=extra)
    groups = _groups(path, text, data, tool, notes)
    for group, listed in groups.items():
        pins += _listed(path, text, listed, notes, group=group)
    value = project.get("requires-python")
    line = line_with(text, "requires-python")
    settings = table(tool, "uv", file=path)
    default = settings.get("default-groups", ["dev"])
    for each in settings.get("constraint-dependencies") or ():
        pins.append(pin_of(str(each), path, line_with(text, str(each)), is_constraint=True))
    overrides = [str(each) for each in settings.get("override-dependencies") or ()]
    resolution = table(tool, "pdm", "resolution", file=path)
    overrides += _of_pdm(path, text, resolution, notes)
    pixi = read_pixi(path, text, table(tool, "pixi", file=path))
    early = settings.get("prerelease") == "allow" or resolution.get("allow-prereleases") is True
    pins += pixi.pins
    notes += pixi.notes
    return PinFile(
        path=path,
        kind="pyproject.toml",
        pins=tuple(pins),
        python=pixi.python or (python_specifier(value, path, line) if isinstance(value, str) else ""),
        python_line=line if value else pixi.python_line,
        options=(*_indexes(tool), *pixi.options, *((PRERELEASES,) if early else ())),
        notes=tuple(notes),
        env=pixi.env,
        extras=tuple(extras),
        groups=tuple(dict.fromkeys((*groups, *pixi.groups))),
        overrides=(*overrides, *pixi.overrides),
        default_groups=tuple(group for group in groups if default == "all" or group in default),
    )


def _of_pdm(path: Path, text: str, resolution: Mapping[str, Any], notes: list[Note]) -> Iterator[str]:
    """What `[tool.pdm.resolution]` says for packages whatever others ask for: versions, and which are left out."""
    for name, value in table(resolution, "overrides", file=path).items():
        if "://" in str(value):
            notes.append(not_of_an_index(path, line_with(text, f"{name} =", f"{name}="), name))
            continue
        yield f"{name}{'==' if str(value)[:1].isdigit() else ''}{value}"
    for name in resolution.get("excludes") or ():
        yield f"{name} ; {NEVER}"


def following(uv: Uv) -> Follow:
    """Reads a project of this machine that a file installs (`-e .`, `./lib[gpu]`); None where no project lies there."""

    def follow(folder: Path, extras: Sequence[str]) -> PinFile | None:
        found = _read_project(folder, uv)
        return found.selected(extras) if found is not None else None

    return follow


def _read_project(folder: Path, uv: Uv) -> PinFile | None:
    pyproject = folder / "pyproject.toml"
    if pyproject.is_file():
        text = read_text(pyproject)
        data = read_toml(pyproject, text)
        if "project" in data or "poetry" in (data.get("tool") or {}):
            return read_declared(pyproject, text, uv)
    for name in ("setup.py", "setup.cfg", "pyproject.toml"):
        if (folder / name).is_file():
            return read_built(folder / name, read_text(folder / name), uv, name)
    return None


def _of_extra(
    project: Mapping[str, Any], optional: Mapping[str, Any], extra: str, seen: tuple[str, ...]
) -> Iterator[str]:
    """The requirements of an extra, with those of others that it names as `project[other]`."""
    own = canonicalize_name(str(project.get("name") or ""))
    for each in optional.get(extra) or ():
        name = re.match(r"[A-Za-z0-9._-]+", str(each))
        if name is None or canonicalize_name(name[0]) != own:
            yield str(each)
            continue
        for other in Requirement(str(each)).extras:
            if other not in seen:
                yield from _of_extra(project, optional, other, (*seen, other))


def _groups(
    path: Path, text: str, data: Mapping[str, Any], tool: Mapping[str, Any], notes: list[Note]
) -> dict[str, list[str]]:
    """What each group asks for. One that cannot be told is left out: an installation for production has none."""
    groups = table(data, "dependency-groups", file=path)
    found: dict[str, list[str]] = {}
    for group in groups:
        try:
            found[group] = list(map(str, resolve_dependency_groups(groups, group)))
        except (ValueError, LookupError, TypeError, ExceptionGroup) as error:
            reason = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
            line = line_with(text, f"{group} =", f"{group}=")
            notes.append(Note(file=path, line=line, what=f"dependency group {group}: {reason}: left out"))
    found.setdefault("dev", []).extend(table(tool, "uv", file=path).get("dev-dependencies") or ())
    for group, listed in table(tool, "pdm", "dev-dependencies", file=path).items():
        found.setdefault(group, []).extend(each for each in listed if not str(each).startswith("-e"))
    return {group: listed for group, listed in found.items() if listed}


def _files(dynamic: Mapping[str, Any], key: str) -> list[str]:
    """The files that setuptools takes a dynamic field from."""
    entry = dynamic.get(key) or {}
    if key == "optional-dependencies":
        return [name for each in entry.values() for name in _names(each)]
    return _names(entry)


def _names(entry: Any) -> list[str]:
    value = entry.get("file") if isinstance(entry, dict) else None
    return [value] if isinstance(value, str) else list(value or ())


def listed_files(path: Path, names: Iterable[str], *, extra: str = "") -> Iterator[Pin]:
    """The pins of requirements files that a project names as its dependencies."""
    for name in names:
        file = path.parent / name
        try:
            content = read_bounded(file)
        except OSError as error:
            raise ConfigError(f"names {name}, which cannot be read: {error.strerror}", file=path) from error
        for pin in read_requirements(file, decode(file, content)).pins:
            yield pin_of(pin.requirement, pin.file, pin.line, extra=extra)


def _listed(
    path: Path, text: str, listed: Any, notes: list[Note], *, extra: str = "", group: str = ""
) -> Iterator[Pin]:
    for each in listed or ():
        line = line_with(text, str(each)[:60], str(each)[:60].replace('"', '\\"'))
        requirement = parse_requirement(str(each), path, line)
        pin = pin_of(str(each), path, line, extra=extra, group=group)
        if requirement.url and not pin.version:
            if pin.package in TENSORFLOW:
                raise from_elsewhere(pin.package, path, line)
            notes.append(not_of_an_index(path, line, pin.package))
            continue
        yield pin


def _of_folder(folder: Path, extras: Iterable[str], group: str, uv: Uv) -> list[Pin]:
    """What a project of this machine asks for, which this one is installed with."""
    found = following(uv)(folder, tuple(extras))
    return [replace(pin, group=group) for pin in found.pins if pin.is_production] if found else []


def _indexes(tool: Mapping[str, Any]) -> tuple[str, ...]:
    """The package indexes that the project names beside the usual one."""
    listed: list[Any] = []
    for name, key in (("uv", "index"), ("pdm", "source"), ("poetry", "source")):
        entries = (tool.get(name) or {}).get(key)
        listed += entries if isinstance(entries, list) else []
    urls = [str(each["url"]) for each in listed if isinstance(each, dict) and "://" in str(each.get("url") or "")]
    return tuple(f"--extra-index-url {url}" for url in dict.fromkeys(urls))


# Poetry


def _of_poetry(path: Path, text: str, poetry: Mapping[str, Any], uv: Uv) -> PinFile:
    """By Poetry's own library: groups, extras, several constraints of one package, its notations of versions."""
    from poetry.core.factory import Factory
    from poetry.core.packages.directory_dependency import DirectoryDependency

    # It warns of sections that newer versions call otherwise, each time that it reads them.
    logging.getLogger("poetry.core").setLevel(logging.ERROR)
    try:
        package = Factory().create_poetry(path.parent.resolve()).package
    except (RuntimeError, ValueError, TypeError, KeyError) as error:
        said = [line.strip(" -") for line in str(error).splitlines() if line.strip()]
        raise ConfigError(
            f"Poetry cannot read it: {'; '.join(said[:3])}", file=path, expected="a pyproject.toml of Poetry"
        ) from error
    notes: list[Note] = []
    pins = []
    for group in sorted(package.dependency_group_names(include_optional=True), key=lambda name: (name != "main", name)):
        for each in package.dependency_group(group).dependencies_for_locking:
            line = line_with(text, f"{each.pretty_name} =", f"{each.pretty_name}=", each.pretty_name)
            if each.is_vcs() or each.is_url() or each.is_file() or each.is_directory():
                if canonicalize_name(each.name) in TENSORFLOW:
                    raise from_elsewhere(each.name, path, line)
                part = "" if group == "main" else group
                if isinstance(each, DirectoryDependency):
                    pins += _of_folder(each.full_path, each.extras, part, uv)
                else:
                    notes.append(not_of_an_index(path, line, each.name))
                continue
            extras = [str(extra) for extra in each.in_extras] or [""]
            requirement = each.to_pep_508(with_extras=False)
            pins += [
                pin_of(requirement, path, line, extra=extra, group="" if group == "main" else group)
                for extra in (extras if each.is_optional() or extras != [""] else [""])
            ]
    groups = sorted(package.dependency_group_names(include_optional=True) - {"main"})
    line = line_with(text, "requires-python", "python =", "python=")
    return PinFile(
        path=path,
        kind="pyproject.toml",
        pins=tuple(pins),
        python=python_specifier(package.python_versions, path, line) if package.python_versions != "*" else "",
        python_line=line,
        options=_indexes({"poetry": poetry}),
        notes=tuple(notes),
        extras=tuple(map(str, package.extras)),
        groups=tuple(groups),
        default_groups=tuple(name for name in groups if name in package.dependency_group_names()),
    )


# Projects that must be built


def read_built(path: Path, text: str, uv: Uv, kind: str) -> PinFile:
    """The metadata that the build backend of the project makes, in an environment of its own, as pip and uv ask for it.

    Raises ConfigError, with the end of what the build said.
    """
    built = _metadata(path, uv)
    pins = []
    for each in built["requires"]:
        requirement = Requirement(each)
        found = _EXTRA.search(str(requirement.marker or ""))
        extra = found[1] if found else ""
        rest = _EXTRA.sub("", str(requirement.marker)).strip() if found else str(requirement.marker or "")
        requirement.marker = None
        line = line_with(text, str(requirement), requirement.name)
        pins.append(pin_of(str(requirement), path, line, extra=extra, marker=rest.strip("() ") if found else rest))
    python = built["python"]
    return PinFile(
        path=path,
        kind=kind,
        pins=tuple(pins),
        python=python_specifier(python, path, None) if python else "",
        python_line=line_with(text, "python_requires", "requires-python"),
        extras=tuple(built["extras"]),
    )


def _metadata(path: Path, uv: Uv) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory(prefix="tfmatrix-metadata-") as folder:
        script = Path(folder, "metadata.py")
        script.write_text(_SCRIPT, encoding="utf-8")
        target = Path(folder, "metadata.json")
        there = set(_egg_infos(path.parent))
        result = uv.run(
            [
                "run",
                "--quiet",
                "--no-project",
                "--no-config",
                "--isolated",
                "--with",
                "build[uv]",
                "python",
                str(script),
                str(path.parent.resolve()),
                str(target),
            ]
        )
        for each in set(_egg_infos(path.parent)) - there:
            shutil.rmtree(each, ignore_errors=True)
        if not result.succeeded or not target.exists():
            said = [line for line in result.stderr.splitlines() if line.strip()][-4:]
            raise ConfigError(
                "its dependencies cannot be told, for its build fails:\n" + "\n".join(f"    {line}" for line in said),
                file=path,
                expected="a project that `pip install .` can build",
                fix="name a requirements file or a lock instead: --to requirements.txt",
            )
        return read_json(path, target.read_text(encoding="utf-8"))


def _egg_infos(folder: Path) -> Iterator[Path]:
    """What setuptools leaves in a project whose metadata it makes."""
    for glob in ("*.egg-info", "*/*.egg-info"):
        yield from folder.glob(glob)


_SCRIPT = """\
import importlib.metadata, json, pathlib, sys, tempfile
import build, build.env, pyproject_hooks

# As build.util.project_wheel_metadata, which installs with pip: that takes minutes where uv has all in its cache.
with build.env.DefaultIsolatedEnv(installer="uv") as env, tempfile.TemporaryDirectory() as folder:
    builder = build.ProjectBuilder.from_isolated_env(env, sys.argv[1], pyproject_hooks.quiet_subprocess_runner)
    env.install(builder.build_system_requires)
    env.install(builder.get_requires_for_build("wheel"))
    found = importlib.metadata.PathDistribution(pathlib.Path(builder.metadata_path(folder))).metadata
told = {
    "requires": found.get_all("Requires-Dist") or [],
    "python": found.get("Requires-Python") or "",
    "extras": found.get_all("Provides-Extra") or [],
}
with open(sys.argv[2], "w", encoding="utf-8") as file:
    json.dump(told, file)
"""
