"""The data of the tables: DataFrames of texts, rows writers and columns readers, both in matrix order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tfmatrix.core.packages import DISTRIBUTIONS, packages_of, version_among
from tfmatrix.core.records import CellRecord
from tfmatrix.core.text import one_line
from tfmatrix.store.runs import Run

if TYPE_CHECKING:
    import pandas as pd

CORNER = "writer↓ reader→"


def environment_order(run: Run) -> list[str]:
    """Every environment of the run: as run.json lists them (matrix order), then others that cells name."""
    listed = list(run.header.get("environments", {}))
    named = {name for record in run.records for name in (record.writer, record.reader)}
    return listed + sorted(named - set(listed))


def matrix(
    records: Sequence[CellRecord], order: Sequence[str], text: Callable[[list[CellRecord]], str]
) -> pd.DataFrame:
    """Writers × readers; each cell is `text` of the records of that pair, "" where there is none.

    Environments without any record have no row, respectively no column.
    """
    import pandas as pd

    groups: dict[tuple[str, str], list[CellRecord]] = {}
    for record in records:
        groups.setdefault((record.writer, record.reader), []).append(record)
    cells = pd.Series(
        [text(group) for group in groups.values()],
        index=pd.MultiIndex.from_tuples(list(groups), names=["writer", "reader"]),
        dtype="object",
    )
    frame = cells.unstack("reader")
    writers = [name for name in order if name in frame.index]
    readers = [name for name in order if name in frame.columns]
    frame = frame.reindex(index=writers, columns=readers).fillna("")
    return frame.set_axis([one_line(name, 60) for name in writers]).set_axis(
        [one_line(name, 60) for name in readers], axis="columns"
    )


def environments(run: Run) -> pd.DataFrame:
    """What each environment consists of; a package that no environment has gets no column."""
    import pandas as pd

    rows = {}
    for name, environment in run.header.get("environments", {}).items():
        packages = packages_of(environment)
        row = {title: one_line(version_among(packages, names), 30) for title, names in DISTRIBUTIONS.items()}
        row["TensorFlow"] = row["TensorFlow"] or one_line(environment.get("tensorflow") or "", 30)
        row["Keras"] = row["Keras"] or one_line(environment.get("keras") or "", 30)
        row["Python"] = one_line(environment.get("python") or "", 30)
        rows[one_line(name, 60)] = row
    order = ["TensorFlow", "Keras", "tf-keras", "Python", "numpy", "h5py", "protobuf"]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=None, dtype="object")
    kept = [title for title in order if title in frame and (frame[title] != "").any()]
    return frame[kept]
