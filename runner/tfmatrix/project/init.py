"""`tfmatrix init`: a project that can be planned and run as it is, made of what the folder already pins.

Everything is made in memory and checked first. Nothing that exists is written over, and nothing is left half done.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from tfmatrix.core.choices import ScenarioKind
from tfmatrix.core.environment import default_python
from tfmatrix.core.errors import ConfigError, InfrastructureError, UsageError
from tfmatrix.core.version import __version__
from tfmatrix.core.version_selectors import LATEST, NIGHTLY
from tfmatrix.envs.installation import PYTHONS, allows, options_for
from tfmatrix.envs.lock import host_platform
from tfmatrix.envs.pins import Pin, find_files
from tfmatrix.envs.releases import Index, releases, resolve_selector
from tfmatrix.envs.resolve import deciding, in_words
from tfmatrix.envs.uv import Uv
from tfmatrix.project.formats import read_formats
from tfmatrix.project.new_scenario import scenario_text
from tfmatrix.project.project import Project
from tfmatrix.project.scenario import read_scenarios

KNOWN_RELEASES: Final = (
    "2.0.4", "2.1.4", "2.2.3", "2.3.4", "2.4.4", "2.5.3", "2.6.5", "2.7.4", "2.8.4", "2.9.3", "2.10.1", "2.11.1",
    "2.12.1", "2.13.1", "2.14.1", "2.15.1", "2.16.2", "2.17.1", "2.18.1", "2.19.1", "2.20.0", "2.21.0",
)  # fmt: skip
"""The newest patch of every minor when this tfmatrix was made: what is chosen from where no index answers."""

DEFAULT_FROM: Final = "2.15.1"
"""Where a folder pins nothing: the last TensorFlow with Keras 2, from which an upgrade changes most."""

SAMPLE: Final = "example"
INDEX_SECONDS: Final = 10.0

_CHECKOUT: Final = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
_SETUP_PYTHON: Final = "actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0"
_CACHE: Final = "actions/cache@27d5ce7f107fe9357f9df03efb73ab90386fccae # v5.0.5"
_IGNORED: Final = "results/"


@dataclass(frozen=True, kw_only=True)
class Created:
    """What was written, and what the user should know of it."""

    files: tuple[Path, ...]
    notes: tuple[str, ...]
    next_commands: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """The two versions, the Keras that the project pins beside the first, and where they come from."""

    before: str
    after: str
    keras: str = ""
    notes: tuple[str, ...] = ()
    inputs: tuple[tuple[str, str], ...] = ()


def initialise(root: Path, index: Index, uv: Uv, *, before: str = "", after: str = "", action: str = "") -> Created:
    """Makes `root` a project: matrix.yaml, a scenario, a workflow for pull requests, and lines of .gitignore.

    `before` and `after` are version selectors; without them the version that the folder pins, and the newest there is.
    The workflow uses `action` (OWNER/REPO@REF), else it installs this version of tfmatrix.
    Raises UsageError where a file is there already, ConfigError for a pin file or scenario that cannot be read. Then
    nothing was written.
    """
    repository = _repository(root)
    scenarios = root / "scenarios"
    workflow = repository / ".github" / "workflows" / "tfmatrix.yml"
    files = {
        root / "matrix.yaml": "",
        scenarios / f"{SAMPLE}.py": scenario_text(SAMPLE, ScenarioKind.FUNCTIONAL),
        workflow: "",
    }
    _refuse_to_overwrite(root, list(files))
    if scenarios.is_dir() and any(scenarios.glob("[!_.]*.py")):
        # A folder of this name that is not ours would make every later command fail.
        read_scenarios(scenarios, formats=read_formats(root / "formats"))
    choice = _choose(root, index, uv, before, after)
    files[root / "matrix.yaml"] = _matrix(choice, index)
    files[workflow] = _workflow(action, root.relative_to(repository), choice.inputs)
    _check(root, files)
    ignore = root / ".gitignore"
    wanted = _ignored(ignore)
    _write_all(files, ignore, wanted)
    return Created(
        files=(*files, *([ignore] if wanted else [])),
        notes=choice.notes,
        next_commands=(
            "tfmatrix doctor      # what is missing on this machine",
            "tfmatrix plan        # what a run would do",
            "tfmatrix run         # locks and downloads both versions once, then measures",
            "tfmatrix new-scenario NAME   # a model of your own; then remove scenarios/example.py",
        ),
    )


def _repository(root: Path) -> Path:
    """The root of the git repository that `root` lies in, where GitHub looks for workflows; else `root`."""
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)


def _refuse_to_overwrite(root: Path, files: Sequence[Path]) -> None:
    if not root.is_dir():
        raise UsageError(f"{root} is no folder", fix="make it first, or name another one with -C")
    existing = [str(path) for path in files if path.exists() or path.is_symlink()]
    if existing:
        raise UsageError(
            f"there already: {', '.join(existing)}",
            expected="a folder without them: init writes nothing over, and has written nothing now",
            fix="remove or rename them; a project that is one already goes on with `tfmatrix plan`",
        )


@dataclass(frozen=True, kw_only=True)
class _Pinned:
    """What the folder's files say of TensorFlow: the pin to start from, and what is to be told of the rest.

    `inputs` are those of the workflow's action that choose the file and its optional part.
    """

    pin: Pin | None
    keras: str = ""
    notes: tuple[str, ...] = ()
    inputs: tuple[tuple[str, str], ...] = ()


def _look(root: Path, uv: Uv) -> _Pinned:
    """Reads every file of the folder that says what is installed, and names what is there as it is."""
    found = find_files(root, uv)
    notes = list(found.notes)
    if not found.files:
        notes.append(
            "no file here names TensorFlow: the workflow has nothing to ask until one does, and ends with exit code 2 "
            "in a pull request that changes requirements"
        )
        return _Pinned(pin=None, notes=tuple(notes))
    inputs: list[tuple[str, str]] = []
    try:
        file, said = deciding(found, root)
        notes += said[len(found.notes) :]
    except UsageError:
        file = found.files[0]
        shown = "; ".join(f"{each.path.relative_to(root)} has {in_words(each)}" for each in found.files[:6])
        notes.append(f"several files name TensorFlow: {shown}. The first is asked about; change `to` in the workflow")
        inputs.append(("to", str(file.path.relative_to(root))))
    shown_path = file.path.relative_to(root)
    chosen = file.selected()
    notes += [str(note).replace(f"{root}/", "") for note in chosen.notes]
    if not chosen.tensorflow:
        option = options_for(file)[0]
        notes.append(f"{shown_path} has TensorFlow {in_words(file)}: the workflow asks with {option}")
        inputs.append(("arguments", option.replace(" ", "=")))
        word, _, name = option.removeprefix("--").partition(" ")
        chosen = file.selected((name,), ()) if word == "extra" else file.selected((), (name,))
    here = [pin for pin in chosen.tensorflow if _is_for_this_machine(pin)]
    if not here:
        notes.append(
            f"{shown_path} has TensorFlow for other machines only ({in_words(chosen)}): the workflow cannot ask here, "
            "and ends with exit code 2 in a pull request that changes requirements"
        )
        return _Pinned(pin=None, notes=tuple(notes), inputs=tuple(inputs))
    newest = [python for python in reversed(PYTHONS) if allows(SpecifierSet(chosen.python), python)]
    # Of several pins by Python, that of the newest one: so an installation takes it.
    here.sort(key=lambda pin: next((place for place, python in enumerate(newest) if _counts(pin, python)), len(newest)))
    pin = next((pin for pin in here if pin.version), here[0])
    keras = next((each.version for each in chosen.pins if each.package == "keras"), "")
    return _Pinned(pin=pin, keras=keras, notes=tuple(notes), inputs=tuple(inputs))


def _is_for_this_machine(pin: Pin) -> bool:
    """Whether a pin is installed here, with any Python that TensorFlow ever had."""
    if pin.package == "tensorflow-macos" and not host_platform().startswith("darwin"):
        return False
    return any(_counts(pin, python) for python in PYTHONS)


def _counts(pin: Pin, python: str) -> bool:
    """Whether a pin is installed with a Python here."""
    if not pin.marker:
        return True
    given = {"python_version": python, "python_full_version": f"{python}.99", "extra": ""}
    return Marker(pin.marker).evaluate(given)


def _as_it_is(pin: Pin, root: Path) -> str:
    """`as requirements.txt:1 pins it`, or what a range comes to."""
    # What another file includes, and the lock of a workspace, may lie above.
    place = os.path.relpath(pin.file.resolve(), root.resolve())
    place += f":{pin.line}" if pin.line else ""
    if pin.version:
        return f"as {place} pins it"
    what = f"a range ({pin.package}{pin.specifier})" if pin.specifier else f"any version ({pin.package})"
    return f"what {place} installs today: it asks for {what}"


def _choose(root: Path, index: Index, uv: Uv, before: str, after: str) -> _Choice:
    """The versions to compare."""
    known = _Known(index=index)
    keras = ""
    look = _look(root, uv)
    notes = list(look.notes)
    pin = look.pin
    if before:
        old = known.resolve(before)
    elif pin is not None:
        old = _pinned(pin, known)
        keras = look.keras if old != NIGHTLY and Version(old) >= Version("2.16") else ""
        notes.append(f"from: {old}{f' with Keras {keras}' if keras else ''}, {_as_it_is(pin, root)}")
    else:
        old = DEFAULT_FROM
        notes.append(f"from: {old}, the last TensorFlow with Keras 2; change it in matrix.yaml")
    new = known.resolve(after or LATEST)
    if old == new and not (before and after):
        # Pinned to the newest already: then the question is whether models of the release before still load.
        old, keras = known.before(new), ""
        notes.append(f"{new} is the newest already: compared with the release before it, {old}")
    if old == new:
        raise UsageError(f"--from and --to are both {old}", expected="two versions", fix="leave one of them out")
    if known.failure:
        notes.append(f"to: {new}, the newest that this tfmatrix knows: {known.failure}")
    elif not after:
        notes.append(f"to: {new}, the newest release")
    return _Choice(before=old, after=new, keras=keras, notes=tuple(notes), inputs=look.inputs)


class _Known:
    """The releases: of the index, or of our own table once it does not answer; `failure` then says why."""

    def __init__(self, index: Index) -> None:
        self._index = replace(index, timeout=min(index.timeout, INDEX_SECONDS))
        self.failure = ""

    def resolve(self, selector: str) -> str:
        """The newest release that a selector chooses."""
        if not self.failure:
            try:
                chosen = resolve_selector(selector, self._index)
            except InfrastructureError as error:
                self.failure = error.what.splitlines()[0]
            else:
                if not chosen:
                    raise UsageError(f"{selector} chooses no version now", fix="name a version")
                return chosen[-1]
        return self._from_table(selector)

    def _from_table(self, selector: str) -> str:
        if selector == LATEST:
            return KNOWN_RELEASES[-1]
        if selector == NIGHTLY:
            return NIGHTLY
        with contextlib.suppress(InvalidVersion):
            version = Version(selector)
            if len(version.release) > 2:
                return selector
        fitting = [each for each in KNOWN_RELEASES if each.startswith(f"{selector}.")]
        with contextlib.suppress(ValueError):
            fitting = fitting or list(SpecifierSet(selector).filter(KNOWN_RELEASES))
        if not fitting:
            raise UsageError(
                f'"{selector}" chooses none of the releases that this tfmatrix knows',
                expected=f"one of {', '.join(KNOWN_RELEASES)}; others need the package index",
                fix="name an exact version",
            )
        return fitting[-1]

    def before(self, version: str) -> str:
        """The newest patch of the minor before a version."""
        if version == NIGHTLY:
            return self.resolve(LATEST)
        minor = Version(version).release[:2]
        older = [each for each in self._all() if Version(each).release[:2] < minor]
        return older[-1]

    def _all(self) -> list[str]:
        if not self.failure:
            with contextlib.suppress(InfrastructureError):
                return [each.version for each in releases("tensorflow", self._index) if each.is_choosable]
        return list(KNOWN_RELEASES)


def _pinned(pin: Pin, known: _Known) -> str:
    """The TensorFlow that a pin means."""
    if pin.package.startswith("tf-nightly"):
        return NIGHTLY
    version = pin.version or known.resolve(pin.specifier or LATEST)
    if Version(version) < Version("2.0"):
        raise UsageError(
            f"{pin.place} pins TensorFlow {version}, which tfmatrix cannot run",
            expected="TensorFlow 2.0 or newer",
            fix="give the version to start from: tfmatrix init --from 2.0.4",
        )
    return version


def _matrix(choice: _Choice, index: Index) -> str:
    """matrix.yaml. Two environments: what there is, and what one would like to have."""
    first = f'tensorflow: "{choice.before}", python: "{_python(choice.before, index)}"'
    if choice.keras:
        first += f', keras: "{choice.keras}", as_of: today'
    second = f'tensorflow: "{choice.after}", python: "{_python(choice.after, index)}"'
    return f"""\
# The matrix: every environment saves every scenario's model, and every environment loads it. `tfmatrix plan` shows what
# follows from this file. Versions stand in quotes: YAML reads 2.10 as the number 2.1.
schema: 1
environments:
  - {{{first}}}
  - {{{second}}}
"""


def _python(version: str, index: Index) -> str:
    """The Python to run a version with; where its default has no wheel, the newest that has one."""
    chosen = default_python(version)
    if version == NIGHTLY or version in KNOWN_RELEASES:
        return chosen
    with contextlib.suppress(InfrastructureError, UsageError):
        quick = replace(index, timeout=min(index.timeout, INDEX_SECONDS))
        found = next(
            (each for each in releases("tensorflow", quick, prereleases=True) if each.version == version), None
        )
        if found is not None and found.pythons and chosen not in found.pythons and "any" not in found.pythons:
            return found.pythons[-1]
    return chosen


def _workflow(action: str, project: Path, inputs: Sequence[tuple[str, str]] = ()) -> str:
    """The workflow: on a pull request that changes what is installed, may TensorFlow be bumped?"""
    return f"""\
name: tfmatrix
on:
  pull_request:
  push: {{branches: [main, master]}}  # fills the caches: a pull request reads its base's, and no other's
permissions: {{contents: read}}
jobs:
  upgrade:
    runs-on: ubuntu-latest
    timeout-minutes: 120
    steps:
      - uses: {_CHECKOUT}
        with: {{fetch-depth: 0, persist-credentials: false}}
{_by_action(action, project, inputs) if action else _by_pip(project, inputs)}"""


def _by_action(action: str, project: Path, inputs: Sequence[tuple[str, str]]) -> str:
    given = [*([] if project == Path() else [("project", project.as_posix())]), *inputs]
    listed = ", ".join(f"{name}: {json.dumps(value)}" for name, value in given)
    inside = f"\n        with: {{{listed}}}" if given else ""
    return f"      - uses: {action}{inside}\n"


def _by_pip(project: Path, inputs: Sequence[tuple[str, str]]) -> str:
    """Without the action: its steps, but for the comment and the artifact."""
    where = ["-C", project.as_posix()] if project != Path() else []
    given = dict(inputs)
    more = [given["arguments"]] if "arguments" in given else []
    pins = given.get("to", "")
    now = ["--from", pins] if pins else ["--from-git", "HEAD"]
    asked = shlex.join(["tfmatrix", "upgrade", *where, *(["--to", pins] if pins else []), *more])
    newest = shlex.join(["tfmatrix", "upgrade", *where, *now, "--to", "latest", *more])
    store = (project / "results" / "store").as_posix()
    return f"""\
      - uses: {_SETUP_PYTHON}
        with: {{python-version: "3.12"}}
      - uses: {_CACHE}
        with:
          path: |
            ~/.cache/tfmatrix/uv
            {store}
          key: tfmatrix-${{{{ runner.os }}}}-${{{{ github.sha }}}}
          restore-keys: tfmatrix-${{{{ runner.os }}}}-
      - run: python -m pip install --quiet tfmatrix=={__version__}
      - name: May this pull request change TensorFlow as it does?
        if: github.event_name == 'pull_request'
        run: {asked}
      - name: Could the newest TensorFlow be taken?
        if: github.event_name == 'push'
        continue-on-error: true
        run: {newest}
"""


def _check(root: Path, files: dict[Path, str]) -> None:
    """Whether what is about to be written can be planned: tried in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="tfmatrix-init-") as folder:
        trial = Path(folder)
        if (root / "scenarios").is_dir():
            shutil.copytree(root / "scenarios", trial / "scenarios")
        for path, text in files.items():
            if path.is_relative_to(root):
                target = trial / path.relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
        project = Project(root=trial)
        assert project.scenarios
        assert project.config.environments


def _ignored(path: Path) -> str:
    """The text that .gitignore lacks; nothing where it ignores the results already."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", file=path) from error
    if {line.strip().strip("/") for line in text.splitlines()} & {"results", "results/*"}:
        return ""
    return ("" if not text or text.endswith("\n") else "\n") + f"{_IGNORED}\n"


def _write_all(files: dict[Path, str], ignore: Path, more: str) -> None:
    """Writes everything, or takes back what was written."""
    undo: list[Callable[[], object]] = []
    try:
        for path, text in files.items():
            for folder in reversed([each for each in path.parents if not each.exists()]):
                folder.mkdir()
                undo.append(folder.rmdir)
            with path.open("x", encoding="utf-8", newline="\n") as stream:
                undo.append(path.unlink)
                stream.write(text)
        if more:
            # Last, and one line: the file is the user's own.
            with ignore.open("a", encoding="utf-8", newline="\n") as stream:
                stream.write(more)
    except OSError as error:
        for step in reversed(undo):
            with contextlib.suppress(OSError):
                step()
        raise UsageError(
            f"{error.filename or files} cannot be written: {error.strerror}",
            expected="a folder that may be written; what was written before has been removed again",
            fix="mend what it names, or choose another folder with -C",
        ) from error
