"""An environment as data: what is pinned of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One pinned set of packages and a Python: a row (writer) and a column (reader) of the matrix.

    `tensorflow` is an exact version or "nightly"; empty where `image` brings its own. `as_of` is "release",
    "today" or an ISO date. `python` is "X.Y". `package` overrides the distribution's name.
    """

    id: str
    tensorflow: str = ""
    python: str = ""
    keras: str | None = None
    with_packages: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    as_of: str = "release"
    package: str | None = None
    image: str | None = None
