"""The kinds of values that project files hold: each checks itself and says what would have been right.

A type here is a pydantic annotation: what it takes, and what the JSON Schema says of it.
"""

from __future__ import annotations

import re
import string
from datetime import date
from typing import Annotated, Any, Final, Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version
from pydantic import AfterValidator, BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from tfmatrix.core.globs import NAME_SEGMENTS, PAIR_SEGMENTS, TAG_PREFIX, compile_glob
from tfmatrix.core.hints import did_you_mean, one_of
from tfmatrix.core.ids import ID_PATTERN
from tfmatrix.core.plugins import executor_names
from tfmatrix.core.version_selectors import NIGHTLY, SelectorError, parse_selector

ADAPTIVE: Final = "adaptive"
"""All pairs, of which those are measured that the others can be inferred from."""

PAIR_WORDS: Final = ("all", ADAPTIVE, "forward", "adjacent", "same", "upgrade", "rollback")

NOT: Final = "!"
"""Before a scenario's name or tag: leaves it out."""


def wrong(what: str, *, expected: str = "", fix: str = "") -> PydanticCustomError:
    """What a validator raises: taken over word by word by the loader."""
    return PydanticCustomError("tfmatrix", "{what}", {"what": what, "expected": expected, "fix": fix})


def _tensorflow(value: str) -> str:
    """An exact version or a selector."""
    try:
        parse_selector(value)
    except SelectorError as error:
        raise wrong(error.what, expected=error.expected, fix=error.fix) from None
    return value


def _exact_version(value: str) -> str:
    try:
        version = Version(value)
    except InvalidVersion:
        version = None
    if version is None or len(version.release) != 3:
        raise wrong(f'"{value}" is not an exact version', expected='an exact version, such as "3.3.3"')
    return _canonical(value, version)


def _canonical(value: str, version: Version) -> str:
    """Versions stand in ids and file names: so there is one way to write each."""
    if str(version) != value:
        raise wrong(f'"{value}" is not how this version is written', fix=f'write "{version}"')
    return value


def _python(value: str) -> str:
    if re.fullmatch(r"3\.\d{1,2}", value):
        return value
    parts = re.match(r"3\.\d+", value)
    raise wrong(
        f'"{value}" is not a Python version',
        expected='a Python version of two numbers, such as "3.11"',
        fix=f'write "{parts.group()}"' if parts else "",
    )


def _as_of(value: str) -> str:
    if value in ("release", "today") or is_date(value):
        return value
    raise wrong(
        f'"{value}" is no day to resolve at',
        expected='"release", "today" or a date such as 2024-08-01',
        fix=did_you_mean(value, ["release", "today"]),
    )


def is_date(value: str) -> bool:
    """Whether the text is an ISO date, such as 2024-08-01."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _identifier(value: str) -> str:
    if ID_PATTERN.fullmatch(value):
        return value
    raise wrong(f'"{value}" is not an id', expected="a letter or digit, then letters, digits and any of . _ + @ -")


def _requirement(value: str) -> str:
    try:
        requirement = Requirement(value)
    except InvalidRequirement:
        requirement = None
    if requirement is None or requirement.marker or requirement.url:
        raise wrong(
            f'"{value}" is not a package',
            expected='a package, pinned or not, such as "tf-keras" or "h5py==3.11.0"',
        )
    return value


def _package_name(value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", value):
        return value
    raise wrong(f'"{value}" is not the name of a package', expected='a bare name, such as "tensorflow-cpu"')


def _variable(value: str) -> str:
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        return value
    raise wrong(f'"{value}" is not the name of an environment variable', expected="letters, digits and _")


def _size(value: Any) -> int:
    """Bytes; `4g` in the file."""
    expected = 'a whole number with the unit k, m or g, such as "4g" or "512m"'
    if isinstance(value, str):
        if found := re.fullmatch(r"([1-9][0-9]*)([kmg])", value):
            return int(found[1]) * {"k": 1024, "m": 1024**2, "g": 1024**3}[found[2]]
        loose = re.fullmatch(r"\s*([1-9][0-9]*)\s*([kmg])(i?b)?\s*", value, re.IGNORECASE)
        fix = f'write "{loose[1]}{loose[2].lower()}"' if loose else ""
        raise wrong(f'"{value}" is not a size', expected=expected, fix=fix)
    raise wrong("a size has a unit", expected=expected)


def _jobs(value: Any) -> Any:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    fix = did_you_mean(value, ["auto"]) if isinstance(value, str) else ""
    raise wrong("not a number of jobs", expected="auto, or a whole number from 1", fix=fix)


def _executor(value: str) -> str:
    names = executor_names() if value != "auto" else (value,)
    if value not in names:
        raise wrong(f'there is no executor "{value}"', expected=one_of(names), fix=did_you_mean(value, names))
    return value


def _check_with_tolerance(value: str) -> str:
    if value != "*":
        from tfmatrix.checks.registry import checks  # numpy, which few files need to be read

        names = ["*", *(name for name, check in checks().items() if check.tolerance)]
        if value not in names:
            raise wrong(
                f'there is no check "{value}" that knows a tolerance',
                expected=one_of(names),
                fix=did_you_mean(value, names),
            )
    return value


def _image_template(value: str) -> str:
    try:
        fields = [name for _, name, _, _ in string.Formatter().parse(value) if name is not None]
    except ValueError:
        fields = []
    if set(fields) != {"python"}:
        raise wrong(
            f'"{value}" is not a template for images',
            expected='the name of an image, with {python} for its version, such as "python:{python}-slim"',
        )
    return value


def _check_glob(pattern: str, segments: int) -> str:
    try:
        compile_glob(pattern, segments=segments)
    except ValueError as error:
        raise wrong(str(error), expected="a glob: * ? [ab] {a,b} **") from None
    return pattern


def _name_glob(value: str) -> str:
    return _check_glob(value, NAME_SEGMENTS)


def _scenario_glob(value: str) -> str:
    _check_glob(value.removeprefix(NOT).removeprefix(TAG_PREFIX), NAME_SEGMENTS)
    return value


def _pair(value: str) -> str:
    if value in PAIR_WORDS:
        return value
    if value.count("/") != 1:
        raise wrong(
            f'"{value}" is no selection of pairs',
            expected=f'{", ".join(PAIR_WORDS)}, or globs "WRITER/READER" such as "2.12.1/*"',
            fix=did_you_mean(value, PAIR_WORDS),
        )
    return _check_glob(value, PAIR_SEGMENTS)


def _as_tuple(value: Any) -> Any:
    """One string is a list of one."""
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


def _text(value: str) -> str:
    if not value.strip():
        raise wrong("an empty text", expected="a text that says something")
    return value


def _string(*examples: str, pattern: str = "") -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **({"pattern": pattern} if pattern else {}), "examples": [*examples]})


Text = Annotated[str, AfterValidator(_text)]
Identifier = Annotated[str, AfterValidator(_identifier), _string("2.15.1", pattern=f"^{ID_PATTERN.pattern}$")]
TensorFlowVersion = Annotated[
    str,
    AfterValidator(_tensorflow),
    _string(
        "2.15.1",
        "2.15",
        "2.x",
        ">=2.9,<2.16",
        "latest",
        "rc",
        NIGHTLY,
        pattern=(
            r"^(latest|rc|nightly|[0-9]+\.x|[0-9]+\.[0-9]+|[<>=!~].+"
            r"|[0-9]+\.[0-9]+\.[0-9]+((a|b|rc)[0-9]+)?(\.post[0-9]+)?)$"
        ),
    ),
]
ExactVersion = Annotated[str, AfterValidator(_exact_version), _string("3.3.3", pattern=r"^[0-9]+\.[0-9]+\.[0-9]+.*$")]
PythonVersion = Annotated[str, AfterValidator(_python), _string("3.11", pattern=r"^3\.[0-9]+$")]
AsOf = Annotated[
    str,
    AfterValidator(_as_of),
    _string("release", "today", "2024-08-01", pattern=r"^(release|today|[0-9]{4}-[0-9]{2}-[0-9]{2})$"),
]
Package = Annotated[str, AfterValidator(_requirement), _string("tf-keras", "h5py==3.11.0")]
PackageName = Annotated[str, AfterValidator(_package_name), _string("tensorflow", "tensorflow-cpu")]
SetName = Annotated[str, AfterValidator(_identifier)]
Variable = Annotated[str, AfterValidator(_variable)]
ImageTemplate = Annotated[str, AfterValidator(_image_template), _string("python:{python}-slim")]
NameGlob = Annotated[str, AfterValidator(_name_glob), _string("*")]
EnvironmentGlob = Annotated[str, AfterValidator(_name_glob), _string("2.15.1", "2.16.*")]
FormatGlob = Annotated[str, AfterValidator(_name_glob), _string("h5", "savedmodel*")]
ScenarioGlob = Annotated[str, AfterValidator(_scenario_glob), _string("*", "tag:article", "!tag:slow")]
Pair = Annotated[str, AfterValidator(_pair), _string(*PAIR_WORDS, "2.12.1/*")]
Size = Annotated[int, BeforeValidator(_size), _string("4g", "512m", pattern="^[1-9][0-9]*[kmg]$")]
ExecutorName = Annotated[str, AfterValidator(_executor), _string("auto", "docker", "venv")]
CheckWithTolerance = Annotated[str, AfterValidator(_check_with_tolerance), _string("*", "outputs")]
Jobs = Annotated[
    int | Literal["auto"],
    BeforeValidator(_jobs),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}]}),
]
OneOrMore = BeforeValidator(_as_tuple)
"""Beside a tuple: takes one string for a list of one."""


def one_or_more_schema(item: dict[str, Any]) -> WithJsonSchema:
    """The JSON Schema beside `OneOrMore`."""
    return WithJsonSchema({"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]})
