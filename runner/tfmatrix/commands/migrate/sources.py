"""Which model files are meant: files, SavedModel folders, globs, and folders of them; where each result goes."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tfmatrix.core.errors import NothingSelectedError, UsageError
from tfmatrix.project.modelfiles.hdf5 import look_ahead
from tfmatrix.project.modelfiles.modelfile import ModelFile, read_model
from tfmatrix.project.project import Project

ENDINGS: Final = (".h5", ".hdf5", ".keras")
"""Files that a folder is searched for, beside SavedModels."""

SUFFIXES: Final = {"keras": ".keras", "h5": ".h5", "savedmodel": "", "tf-savedmodel-raw": ""}
"""What the results of a format are called behind the model's name."""

PROOF: Final = ".proof.json"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A model file and where what is made of it goes: `name`, the results' name without suffix, in `folder`.

    `problem` says why it cannot be one, where it was found in a folder: there, one that is damaged stops nobody else.
    """

    path: Path
    folder: Path
    name: str
    model: ModelFile | None
    problem: str = ""

    @property
    def proof(self) -> Path:
        """The proof of the result."""
        return self.folder / f"{self.name}{PROOF}"

    def result(self, format_id: str) -> Path:
        """The new file in a format."""
        return self.folder / f"{self.name}{SUFFIXES[format_id]}"


def find_sources(project: Project, given: Sequence[str], output: Path) -> list[Source]:
    """What the command line means, each file once; results keep the folders below a folder that was given.

    Raises UsageError where something is missing or two results would have one name, NothingSelectedError where a folder
    or a glob holds no model.
    """
    found: dict[Path, Source] = {}
    look_ahead(Path(text) for text in given)
    for text in given:
        for source in _meant(project, text, output):
            found.setdefault(source.path.resolve(), source)
    sources = list(found.values())
    _refuse_clashes(sources, output)
    return sources


def _meant(project: Project, text: str, output: Path) -> list[Source]:
    path = Path(text)
    if not path.exists() and glob.has_magic(text):
        matches = sorted(Path(each) for each in glob.glob(text, recursive=True))  # noqa: PTH207  (the pattern may be absolute)
        # What lies inside of a SavedModel is a part of it.
        models = [each for each in matches if each.is_dir() or each.suffix in ENDINGS]
        look_ahead(models)
        listed = [source for each in models for source in _meant(project, str(each), output)]
        if not listed:
            raise NothingSelectedError(f"no model fits {text}", expected=f"SavedModel folders, {', '.join(ENDINGS)}")
        return listed
    if path.is_dir() and not (path / "saved_model.pb").is_file():
        models = _below(path)
        look_ahead(models)
        listed = [_source(project, each, output / each.parent.relative_to(path), strict=False) for each in models]
        if not listed:
            raise NothingSelectedError(
                f"{path} holds no model", expected=f"SavedModel folders, or files that end in {', '.join(ENDINGS)}"
            )
        return listed
    return [_source(project, path, output, strict=True)]


def _below(folder: Path) -> list[Path]:
    """The models in a folder and below, SavedModels as one each."""
    found: list[Path] = []
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        for each in sorted(here.iterdir()):
            if each.name.startswith(".") or each.is_symlink():
                continue
            if each.is_dir():
                (found if (each / "saved_model.pb").is_file() else waiting).append(each)
            elif each.suffix in ENDINGS:
                found.append(each)
    return sorted(found)


def _source(project: Project, path: Path, folder: Path, *, strict: bool) -> Source:
    try:
        model = read_model(path, project.formats)
        if project.formats[model.loader].kind != "keras" or model.needs_builder:
            raise UsageError(
                f"{path} is {model.what}, which no Keras model is made of",
                expected="a whole model: .h5, .keras, or a SavedModel of Keras",
            )
    except UsageError as error:
        if strict:
            raise
        return Source(path=path, folder=folder, name=_name(path), model=None, problem=error.what)
    return Source(path=path, folder=folder, name=_name(path), model=model)


def _name(path: Path) -> str:
    path = path.absolute()
    return path.name.removesuffix(path.suffix) if path.suffix in ENDINGS else path.name


def _refuse_clashes(sources: Sequence[Source], output: Path) -> None:
    """Raises UsageError for two files whose results would have one name, and for a result that is an original."""
    places: dict[str, Source] = {}
    originals = {source.path.resolve() for source in sources}
    for source in sources:
        # A file system may not tell capitals.
        place = str(source.folder / source.name).lower()
        if place in places:
            raise UsageError(
                f"{places[place].path} and {source.path} would both become {source.folder / source.name}",
                expected="a name of its own for each",
                fix="migrate them to different folders: -o",
            )
        places[place] = source
        for suffix in set(SUFFIXES.values()):
            if (source.folder / f"{source.name}{suffix}").resolve() in originals:
                raise UsageError(
                    f"the result of {source.path} would lie where an original lies",
                    fix=f"choose another folder than {output}: -o",
                )
