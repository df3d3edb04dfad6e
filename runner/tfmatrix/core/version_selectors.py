"""Version selectors: what may stand for TensorFlow's version, and which releases each one chooses. Pure.

| text | chooses |
| --- | --- |
| `2.15.1` | that release |
| `2.15` | the newest patch of the minor |
| `2.x` | the newest patch of every minor |
| `>=2.9,<2.16` | the same, of the minors that fit |
| `latest` | the newest release |
| `rc` | the newest release candidate, where it is newer than the newest release |
| `nightly` | the nightly build, which its lock pins |
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from tfmatrix.core.hints import did_you_mean

LATEST: Final = "latest"
RELEASE_CANDIDATE: Final = "rc"
NIGHTLY: Final = "nightly"

SELECTOR_WORDS: Final = (LATEST, RELEASE_CANDIDATE, NIGHTLY)
OLDEST: Final = Version("2.0.0rc0")

EXPECTED: Final = (
    'an exact version such as "2.15.1" or "2.22.0rc0", "2.15" (its newest patch), "2.x" (the newest patch of each'
    ' minor), a range such as ">=2.9,<2.16", latest, rc or nightly'
)

Kind = Literal["exact", "patch", "minors", "latest", "rc", "nightly"]


class SelectorError(ValueError):
    """A text that is no selector: `what` it is, and `fix` where one is near."""

    def __init__(self, what: str, *, fix: str = "", expected: str = EXPECTED) -> None:
        super().__init__(what)
        self.what = what
        self.expected = expected
        self.fix = fix


@dataclass(frozen=True, kw_only=True)
class VersionSelector:
    """A selector as read. `specifier` holds the releases that are looked at, for the kinds `patch` and `minors`."""

    text: str
    kind: Kind
    specifier: SpecifierSet = field(default_factory=SpecifierSet)

    @property
    def is_pinned(self) -> bool:
        """Whether it means the same for ever as far as matrix.yaml is concerned: no index is asked."""
        return self.kind in ("exact", "nightly")

    @property
    def may_be_empty(self) -> bool:
        """Whether choosing nothing is no mistake: there is not always a release candidate."""
        return self.kind == "rc"


def parse_selector(text: str) -> VersionSelector:
    """The selector; SelectorError for a text that is none, for TensorFlow before 2.0, and for unusual spellings."""
    if text in SELECTOR_WORDS:
        words: dict[str, Kind] = {LATEST: "latest", RELEASE_CANDIDATE: "rc", NIGHTLY: "nightly"}
        return VersionSelector(text=text, kind=words[text])
    if match := re.fullmatch(r"(\d+)\.[xX*]", text):
        if text != f"{int(match[1])}.x":
            raise SelectorError(f'"{text}" is not how this selector is written', fix=f'write "{int(match[1])}.x"')
        _refuse_old(text, Version(match[1]))
        return VersionSelector(text=text, kind="minors", specifier=SpecifierSet(f"=={match[1]}.*"))
    if re.match(r"\s*[<>=!~]", text):
        return _range(text)
    try:
        version = Version(text)
    except InvalidVersion:
        raise SelectorError(f'"{text}" is no version of TensorFlow', fix=did_you_mean(text, SELECTOR_WORDS)) from None
    if version.is_devrelease or version.local or version.epoch or len(version.release) not in (2, 3):
        raise SelectorError(f'"{text}" is no version of TensorFlow')
    if str(version) != text:
        raise SelectorError(f'"{text}" is not how this version is written', fix=f'write "{version}"', expected="")
    if len(version.release) == 3:
        _refuse_old(text, version)
        return VersionSelector(text=text, kind="exact")
    if version.is_prerelease or version.is_postrelease:
        raise SelectorError(f'"{text}" is no version of TensorFlow')
    _refuse_old(text, version)
    return VersionSelector(text=text, kind="patch", specifier=SpecifierSet(f"=={text}.*"))


def choose(selector: VersionSelector, versions: Iterable[str]) -> list[str]:
    """The versions, oldest first, that a selector chooses of those that can be installed. May be none."""
    there = sorted(version for version in map(Version, versions) if version >= OLDEST)
    releases = [version for version in there if not version.is_prerelease]
    match selector.kind:
        case "exact":
            chosen = [version for version in there if version == Version(selector.text)]
        case "nightly":
            return [NIGHTLY]
        case "latest":
            chosen = releases[-1:]
        case "rc":
            newest = releases[-1] if releases else OLDEST
            chosen = [each for each in there if each.pre and each.pre[0] == "rc" and each > newest][-1:]
        case "patch" | "minors":
            # The last one of a minor stays: they are in order.
            by_minor = {version.release[:2]: version for version in releases if version in selector.specifier}
            chosen = list(by_minor.values())
    return [str(version) for version in chosen]


def _range(text: str) -> VersionSelector:
    try:
        specifier = SpecifierSet(text)
    except InvalidSpecifier:
        raise SelectorError(f'"{text}" is no range of versions') from None
    written = ",".join(part.strip().replace(" ", "") for part in text.split(","))
    if written != text:
        raise SelectorError(f'"{text}" is not how this range is written', fix=f'write "{written}"')
    return VersionSelector(text=text, kind="minors", specifier=specifier)


def _refuse_old(text: str, version: Version) -> None:
    if version < OLDEST and version.release != (2,):
        raise SelectorError(f"TensorFlow {text} is too old", expected="TensorFlow 2.0.0 or newer")
