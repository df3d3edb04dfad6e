"""What beside the versions under test differs between two runs, and may be why a cell changed.

Pure, over what run.json says (or a published matrix.json, which says less: nothing is compared that one side lacks).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tfmatrix.core.packages import KERAS, TENSORFLOW
from tfmatrix.core.text import one_line
from tfmatrix.core.versions import versions_of

LEADING = ("tensorflow", "keras", "python", "numpy", "protobuf", "h5py", "ml-dtypes", "optree")
"""Packages that are named first: those which save and load."""

_MAX_PACKAGES = 5


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that is different: `text` in a sentence's words, of what it is (`environment`, `scenario`, `code`,
    `settings`, `host`), and the environments or scenarios that it concerns; empty for all.
    """

    kind: str
    text: str
    names: tuple[str, ...] = ()

    def concerns(self, scenario: str, writer: str, reader: str) -> bool:
        """Whether it may have changed a cell."""
        match self.kind:
            case "environment":
                return writer in self.names or reader in self.names
            case "scenario":
                return scenario in self.names
            case _:
                return True


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Difference, ...]:
    """All of it, from two headers of runs; environments with the same change of packages stand together."""
    return (
        *_environments(_mapping(before, "environments"), _mapping(after, "environments")),
        *_scenarios(_mapping(before, "scenarios"), _mapping(after, "scenarios")),
        *_code(before, after),
        *_settings(_mapping(before, "settings"), _mapping(after, "settings")),
        *_host(_mapping(before, "host"), _mapping(after, "host")),
    )


def moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Package → its versions before and after, of two environments as run.json describes them; "" where it is absent.

    TensorFlow, Keras and Python go by these names whatever their distribution is called. A side that does not list its
    packages is compared in what it names.
    """
    old, new = _versions(before), _versions(after)
    listed = bool(before.get("packages")) and bool(after.get("packages"))
    names = {*old, *new} if listed else {*old} & {*new}
    changed = {name: (old.get(name, ""), new.get(name, "")) for name in names if old.get(name) != new.get(name)}
    return dict(sorted(changed.items(), key=_leading))


def in_words(changes: Mapping[str, tuple[str, str]], most: int = _MAX_PACKAGES) -> str:
    """`keras 3.4.1 → 3.5.0, numpy new 2.0.1, and 3 more packages`."""
    parts = [
        f"{name} {old} → {new}" if old and new else f"{name} {new} is new" if new else f"{name} {old} is gone"
        for name, (old, new) in list(changes.items())[:most]
    ]
    more = len(changes) - most
    if more > 0:
        parts.append(f"and {more} more")
    return one_line(", ".join(parts), 400)


def _leading(item: tuple[str, object]) -> tuple[int, str]:
    name = item[0]
    return (LEADING.index(name) if name in LEADING else len(LEADING), name)


def _versions(described: Mapping[str, Any]) -> dict[str, str]:
    found = versions_of(described)
    apart = {*TENSORFLOW, *KERAS}
    packages = {
        str(name).lower().replace("_", "-"): str(version)
        for name, version in (described.get("packages") or {}).items()
        if str(name).lower().replace("_", "-") not in apart
    }
    named = {"tensorflow": found.tensorflow, "keras": found.keras, "python": str(described.get("python") or "")}
    return {name: version for name, version in {**packages, **named}.items() if version}


def _environments(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[Difference]:
    groups: dict[str, list[str]] = {}
    for name in after:
        if name not in before:
            continue
        old, new = before[name] or {}, after[name] or {}
        if not old or not new or "unavailable" in old or "unavailable" in new:
            continue
        words = in_words(moved(old, new))
        if "env" in old and "env" in new and old["env"] != new["env"]:
            words = ", ".join(filter(None, [words, "other environment variables"]))
        if not words and old.get("lock") and new.get("lock") and old["lock"] != new["lock"]:
            words = "the same versions from other files (another lock)"
        base = [(_mapping(side, "base").get("reference"), _mapping(side, "base").get("digest")) for side in (old, new)]
        if old.get("base") and new.get("base") and base[0] != base[1]:
            words = ", ".join(filter(None, [words, "another base image or host"]))
        if words:
            groups.setdefault(words, []).append(name)
    for words, names in groups.items():
        yield Difference(kind="environment", text=words, names=tuple(names))


def _scenarios(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[Difference]:
    changed = tuple(name for name in after if name in before and len({*_digests(before[name], after[name])}) > 1)
    if changed:
        yield Difference(kind="scenario", text="another version of the scenario file", names=changed)


def _digests(*sides: Any) -> list[str]:
    found = [str((side or {}).get("digest") or "") for side in sides]
    return found if all(found) else []


def _code(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[Difference]:
    old, new = _mapping(before, "code"), _mapping(after, "code")
    what = {
        "worker": "what saves, loads and observes",
        "formats": "the calls of formats",
        "remedies": "the remedies",
        "files": "what is for model files",
        "checks": "what compares",
    }
    for part, words in what.items():
        if old.get(part) and new.get(part) and old[part] != new[part]:
            yield Difference(kind="code", text=f"tfmatrix's own code: {words} ({part})")
    if not (old and new) and before.get("tfmatrix") and before.get("tfmatrix") != after.get("tfmatrix"):
        yield Difference(kind="code", text=f"tfmatrix {before.get('tfmatrix')} → {after.get('tfmatrix')}")


def _settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[Difference]:
    shared = sorted(before.keys() & after.keys())
    changed = [f"{key} {before[key]} → {after[key]}" for key in shared if before[key] != after[key]]
    if changed:
        yield Difference(kind="settings", text=one_line(", ".join(changed), 300))


def _host(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[Difference]:
    for key in ("system", "machine"):
        if before.get(key) and after.get(key) and before[key] != after[key]:
            yield Difference(kind="host", text=f"{key} {one_line(before[key], 40)} → {one_line(after[key], 40)}")
    old, new = before.get("cpu_flags"), after.get("cpu_flags")
    if old is not None and new is not None and sorted(old) != sorted(new):
        gained, lost = sorted({*new} - {*old}), sorted({*old} - {*new})
        parts = [f"with {' '.join(gained)}" if gained else "", f"without {' '.join(lost)}" if lost else ""]
        yield Difference(kind="host", text=one_line(f"a CPU {', '.join(filter(None, parts))}", 300))


def _mapping(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = data.get(key)
    return found if isinstance(found, Mapping) else {}
