"""The command that searches versions: bisect."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tfmatrix.cli.app import app
from tfmatrix.cli.options import (
    ExecutorOption,
    JobsOption,
    JsonOption,
    OfflineOption,
    OutputOption,
    ProjectOption,
    QuietOption,
    echo_answer,
    new_below,
    open_project,
    say,
    write,
)
from tfmatrix.core.choices import AxisName, Level, MovingSide


@app.command()
def bisect(
    cells: Annotated[
        str, typer.Argument(metavar="CELL-GLOB", help="scenario/format/writer/reader; the last two may be missing.")
    ],
    good: Annotated[str, typer.Option("--good", metavar="VERSION", help="One end of the range, of the axis' package.")],
    bad: Annotated[str, typer.Option("--bad", metavar="VERSION", help="The other end.")],
    axis: Annotated[
        AxisName, typer.Option("--axis", help="The package whose versions are searched.")
    ] = AxisName.TENSORFLOW,
    side: Annotated[
        MovingSide | None,
        typer.Option(
            "--side",
            help="What moves. Default: the reader where the glob names the writer, the writer where it names only the "
            "reader, else both.",
            show_default=False,
        ),
    ] = None,
    tensorflow: Annotated[
        str,
        typer.Option(
            "--tensorflow", metavar="VERSION", help="Held fixed on another axis.", show_default="newest that fits"
        ),
    ] = "",
    by: Annotated[
        Level | None, typer.Option("--by", help="What has to change.", show_default="the coarsest that does")
    ] = None,
    prereleases: Annotated[bool, typer.Option("--prereleases", help="Also release candidates.")] = False,
    nightlies: Annotated[bool, typer.Option("--nightlies", help="Also the nightly builds that the index has.")] = False,
    every: Annotated[
        bool, typer.Option("--every", help="Every change from one end to the other, not only the first.")
    ] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Also measure the neighbours of a change.")] = False,
    exhaustive: Annotated[bool, typer.Option("--exhaustive", help="Measure every version.")] = False,
    apart: Annotated[bool, typer.Option(help="Tell packages apart that moved together.")] = True,
    python: Annotated[
        str, typer.Option("--python", metavar="X.Y", help="Python of all versions.", show_default=False)
    ] = "",
    as_of: Annotated[
        str,
        typer.Option("--as-of", metavar="release|today|DATE", help="Day of the other packages.", show_default=False),
    ] = "",
    executor: ExecutorOption = None,
    jobs: JobsOption = None,
    offline: OfflineOption = False,
    project: ProjectOption = Path(),
    quiet: QuietOption = False,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the first version in which a cell's status or figure changes, and the package that brought it.

    Measures both ends, then about log2 of the versions between them; what is in the store is not measured again. A
    version that cannot be provided is passed over, and said. Exit code 0 with an answer, 4 where only versions that
    cannot be measured are left.

    Examples: `tfmatrix bisect 'lstm/savedmodel/2.15.1/*' --good 2.15.1 --bad 2.21.0` ·
    `tfmatrix bisect lstm/keras --axis keras --good 3.3.3 --bad 3.5.0 --tensorflow 2.16.2`
    """
    from tfmatrix.commands.bisect.axis import Asked
    from tfmatrix.commands.bisect.command import BisectOptions, bisect_project, exit_code
    from tfmatrix.commands.bisect.report import to_json, to_text
    from tfmatrix.engine.run import RunOptions

    answer = bisect_project(
        open_project(project),
        cells,
        Asked(
            axis=axis,
            good=good,
            bad=bad,
            tensorflow=tensorflow,
            python=python,
            as_of=as_of,
            prereleases=prereleases,
            nightlies=nightlies,
        ),
        BisectOptions(side=side, by=by, every=every, verify=verify, exhaustive=exhaustive, apart=apart),
        RunOptions(executor=executor, jobs=jobs, offline=offline, remedies=False, quiet=True),
        (lambda _text: None) if quiet else say,
    )
    if as_json:
        echo_answer("bisect", to_json(answer), new_below(project, output))
    else:
        write(to_text(answer, colour=output is None and sys.stdout.isatty()), new_below(project, output))
    raise typer.Exit(int(exit_code(answer)))
