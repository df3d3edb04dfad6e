"""Pictures of a run for notebooks: what `tfmatrix.plot` is. Needs matplotlib: `pip install "tfmatrix[plot]"`.

Each function takes the DataFrame of `load_run`, whole or filtered, draws into `ax` (default: a new
one), and returns it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfmatrix.core.errors import UsageError
from tfmatrix.core.status import WORST_FIRST, Status

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from pandas.io.formats.style import Styler

COLOURS = {
    Status.PASS: "#dcedf8", Status.DRIFT: "#b84a00", Status.LOAD_ERROR: "#8e2a6b", Status.SAVE_ERROR: "#4a3f9f",
    Status.CRASH: "#23262b", Status.TIMEOUT: "#6b5900", Status.INFRA_ERROR: "#8f949b", Status.UNSUPPORTED: "#f0f1f3",
    Status.SKIPPED: "#f0f1f3",
}  # fmt: skip
"""Those of the site: Okabe and Ito's hues, which are told apart without red and green."""

MAX_LINES = 8
"""Lines of a plot that can still be told apart."""


def heat_map(cells: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Writers down, readers across, the share of measured cells that pass."""
    shares = _shares(cells)
    axes = _axes(ax, len(shares.columns), len(shares.index))
    image = axes.imshow(shares.to_numpy(dtype=float), vmin=0, vmax=1, cmap="cividis", aspect="auto")
    _label(axes, list(shares.columns), list(shares.index))
    axes.set(xlabel="reader", ylabel="writer", title="Share of cells that pass")
    axes.figure.colorbar(image, ax=axes)
    return axes


def strips(cells: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """A line for each scenario, format and writer, a field for each reader, coloured by the worst status."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    order = {status.value: place for place, status in enumerate(WORST_FIRST)}
    names = cells.scenario + " / " + cells.format + " / " + cells.writer.astype(str)
    worst = cells.assign(line=names, place=cells.status.map(order)).pivot_table(
        index="line", columns="reader", values="place", aggfunc="min", observed=True, sort=True
    )
    axes = _axes(ax, len(worst.columns), len(worst.index))
    colours = ListedColormap([COLOURS[status] for status in WORST_FIRST])
    axes.pcolormesh(
        worst.to_numpy(dtype=float), cmap=colours, vmin=-0.5, vmax=len(WORST_FIRST) - 0.5, edgecolors="white"
    )
    _label(axes, list(worst.columns), list(worst.index), offset=0.5)
    axes.invert_yaxis()
    present = [status for status in WORST_FIRST if (cells.status == status.value).any()]
    axes.legend(
        handles=[Patch(facecolor=COLOURS[status], label=status.value) for status in present],
        loc="upper left",
        bbox_to_anchor=(1, 1),
    )
    axes.set(xlabel="reader")
    return axes


def drift(cells: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """The largest absolute difference of the outputs over readers, a line for each format and writer.

    Of more than eight lines those that drift most are drawn. UsageError where no output differs.
    """
    there = cells.dropna(subset=["outputs_max_abs"]) if "outputs_max_abs" in cells else cells.iloc[:0]
    there = there[there.outputs_max_abs.astype(float) > 0] if len(there) else there
    if there.empty:
        raise UsageError("no cell has outputs that differ", fix="take more of the run: tfmatrix.load_run(PATH)")
    lines = there.assign(line=there.format + " of " + there.writer.astype(str)).pivot_table(
        index="reader", columns="line", values="outputs_max_abs", aggfunc="max", observed=True
    )
    chosen = lines.max().sort_values(ascending=False).index[:MAX_LINES]
    axes = _axes(ax, len(lines.index), 12)
    for name in chosen:
        axes.plot([str(each) for each in lines.index], lines[name], marker="o", label=name)
    axes.set(yscale="log", xlabel="reader", ylabel="largest absolute difference", title="Drift of the outputs")
    axes.tick_params(axis="x", rotation=90)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return axes


def styled(cells: pd.DataFrame) -> Styler:
    """A table for a notebook: writers down, readers across, `passed/measured`, coloured by the share. No matplotlib."""
    measured = _measured(cells)
    counts = measured.assign(ok=measured.status == Status.PASS.value).groupby(["writer", "reader"], observed=True).ok
    text = (counts.sum().astype(str) + "/" + counts.count().astype(str)).unstack(fill_value="")
    shares = _shares(cells).reindex(index=text.index, columns=text.columns)

    def colours(_table: Any) -> Any:
        return shares.map(
            lambda share: (
                ""
                if share != share
                else f"background-color: rgba(10, 92, 143, {0.08 + 0.5 * float(share):.2f})"
                if share
                else "background-color: #b84a00; color: white"
            )
        )

    return text.style.apply(colours, axis=None).set_caption("Cells that pass, of those measured")


def _measured(cells: pd.DataFrame) -> pd.DataFrame:
    return cells[cells.status.isin([status.value for status in Status if status.is_measured])]


def _shares(cells: pd.DataFrame) -> pd.DataFrame:
    measured = _measured(cells)
    return measured.assign(ok=measured.status == Status.PASS.value).pivot_table(
        index="writer", columns="reader", values="ok", aggfunc="mean", observed=True
    )


def _axes(ax: Axes | None, columns: int, rows: int) -> Axes:
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise UsageError("matplotlib is not installed", fix='pip install "tfmatrix[plot]"') from error
    size = (3 + 0.3 * columns, 2 + 0.25 * rows)
    return pyplot.subplots(figsize=size, layout="constrained")[1]


def _label(axes: Axes, columns: list[object], rows: list[object], offset: float = 0.0) -> None:
    axes.set_xticks([place + offset for place in range(len(columns))], [str(each) for each in columns], rotation=90)
    axes.set_yticks([place + offset for place in range(len(rows))], [str(each) for each in rows])
