"""The guides word by word: each command, in the order of its page, in a folder as a reader of the page has one."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from installed import Installed
from repository import ROOT

sys.path.insert(0, str(ROOT / "docs"))

from outputs import commands

pytestmark = pytest.mark.real

OLD, NEW = "2.15.1", "2.21.0"
GUIDES = ROOT / "docs" / "guides"
_BLOCK = re.compile(
    r"(?P<run><!-- run(?:: real)? -->\n)?^```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)

MODELS = """
import tensorflow as tf


def build_model():
    model = tf.keras.Sequential([tf.keras.layers.Dense(2, input_shape=(4,))])
    model.compile(optimizer=tf.keras.optimizers.Adam(), loss=tf.keras.losses.MeanSquaredError())
    return model
"""
FILE = """
import sys
import numpy as np
import tensorflow as tf

tf.keras.utils.set_random_seed(1)
model = tf.keras.Sequential([tf.keras.layers.Dense(2, input_shape=(4,))])
model.compile(optimizer="adam", loss="mse")
model.fit(np.ones((8, 4)), np.ones((8, 2)), verbose=0)
model.save(sys.argv[1])
"""


def blocks(guide: str, kind: str) -> Iterator[str]:
    """The blocks of a page whose output no program writes: those are run where it is written."""
    for match in _BLOCK.finditer((GUIDES / f"{guide}.md").read_text(encoding="utf-8")):
        if match["kind"] == kind and not match["run"]:
            yield match["body"]


@dataclass(frozen=True)
class Place:
    """The programs, a folder, and what writes a file there with a version of TensorFlow (the fixture of that name)."""

    installed: Installed
    folder: Path
    write: Callable[[str, str, str], Path]

    def shell(self, line: str, *codes: int, variables: Mapping[str, str] | None = None) -> str:
        """What a command line prints that ends with one of `codes`, 0 without any."""
        return self.installed.shell(line, self.folder, codes=codes or (0,), variables=variables)


@dataclass(frozen=True)
class Reader:
    """Who reads a guide: what the folder holds before the first command, and where a command may end other than well.

    `variables` are those of the shell, with `{folder}` in them; `codes` has the exit codes of commands that do not end
    with 0, by how the command begins; `passes` has cells that pass afterwards.
    """

    prepare: Callable[[Place], None]
    codes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    passes: tuple[str, ...] = ()


def project(place: Place) -> None:
    """In two formats: nobody learns more from all."""
    place.installed.make_project(place.folder, (OLD, NEW))
    with (place.folder / "matrix.yaml").open("a") as matrix:
        matrix.write("formats: [h5, keras]\n")


def measured(place: Place) -> None:
    project(place)
    place.shell("tfmatrix run --quiet", 1)


def with_own_format(place: Place) -> None:
    place.installed.make_project(place.folder, (OLD, NEW))
    (own,) = blocks("extending", "python")
    (place.folder / "formats").mkdir()
    (place.folder / "formats" / "lean.py").write_text(own)


def with_package(place: Place) -> None:
    (place.folder / "requirements.txt").write_text(f"tensorflow=={OLD}\n")
    (place.folder / "app").mkdir()
    (place.folder / "app" / "__init__.py").touch()
    (place.folder / "app" / "models.py").write_text(MODELS)
    place.installed.take_locks(place.folder, (OLD,))


def with_published_runs(place: Place) -> None:
    (place.folder / "results").mkdir()
    (place.folder / "results" / "published").symlink_to(ROOT / "results" / "published")


def with_set_quick(place: Place) -> None:
    project(place)
    with (place.folder / "matrix.yaml").open("a") as matrix:
        matrix.write("sets:\n  quick:\n    formats: [keras]\n")


def of_one_environment(place: Place) -> None:
    place.installed.take_locks(place.folder, (OLD,))
    (place.folder / "scenarios").mkdir()
    (place.folder / "matrix.yaml").write_text(
        f'schema: 1\nenvironments:\n  - {{tensorflow: "{OLD}", python: "3.11"}}\nformats: [h5, keras]\n'
    )
    place.shell("tfmatrix new-scenario example")


def with_file(place: Place) -> None:
    place.write(OLD, FILE, "model.h5")


def nothing(place: Place) -> None:
    """A folder as it comes."""


READERS = {
    "disk": Reader(prepare=with_set_quick, variables={"TFMATRIX_CACHE": "{folder}/cache"}),
    "extending": Reader(prepare=with_own_format, codes={"tfmatrix run": (1,)}),
    "formats": Reader(prepare=with_published_runs),
    "h5-and-keras-3": Reader(prepare=with_file, codes={"tfmatrix check": (1,)}),
    "known-failures": Reader(prepare=measured),
    "networks": Reader(prepare=of_one_environment),
    "nightly": Reader(prepare=with_set_quick, codes={"tfmatrix nightly": (1,)}),
    "own-package": Reader(
        prepare=with_package,
        # Not every format of Keras 2 is read by Keras 3. The model is the same code in both.
        codes={"tfmatrix run": (1,)},
        passes=(f"ranker/keras/{OLD}/{OLD}", f"ranker/keras/{NEW}/{NEW}", f"ranker/weights-h5/{OLD}/{NEW}"),
    ),
    "platforms": Reader(prepare=nothing),
    "warnings": Reader(prepare=measured),
}


def test_every_guide_has_a_reader() -> None:
    assert sorted(READERS) == sorted(page.stem for page in GUIDES.glob("*.md"))


@pytest.mark.parametrize("guide", sorted(READERS))
def test_a_guide_word_by_word(
    installed: Installed, tmp_path: Path, guide: str, write: Callable[[str, str, str], Path]
) -> None:
    reader, place = READERS[guide], Place(installed=installed, folder=tmp_path, write=write)
    reader.prepare(place)
    lines = [line for block in blocks(guide, "console") for line in commands(block)]
    assert lines
    unused = set(reader.codes)
    for line in lines:
        begins = next((each for each in reader.codes if line.startswith(each)), "")
        unused.discard(begins)
        variables = {name: value.format(folder=tmp_path) for name, value in reader.variables.items()}
        place.shell(_with_ids(line, place), *reader.codes.get(begins, ()), variables=variables)
    assert not unused
    for cell in reader.passes:
        assert "\npass: " in place.shell(f"tfmatrix explain {cell}")


def _with_ids(line: str, place: Place) -> str:
    """Ids of warnings and causes as this folder's run has them, in place of those of the page."""
    for kind, source in (("W", "tfmatrix warnings"), ("C", "cat known_failures.yaml")):
        if re.search(rf"\b{kind}-\S+", line):
            found = re.search(rf"\b{kind}-[0-9a-f]+", place.shell(source))
            assert found is not None
            line = re.sub(rf"\b{kind}-\S+", found[0], line)
    return line
