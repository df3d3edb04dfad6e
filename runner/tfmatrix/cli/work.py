"""The command that engines start on other machines: work."""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tfmatrix.cli.app import app
from tfmatrix.cli.options import QuietOption
from tfmatrix.core.errors import UsageError

if TYPE_CHECKING:
    from tfmatrix.engine.batches import Batch
    from tfmatrix.executors.base import Executor
    from tfmatrix.store.remote import Remote

INDEX = ("JOB_COMPLETION_INDEX", "SLURM_ARRAY_TASK_ID")
"""Variables that say to a unit of an array which entry is its own."""


@app.command()
def work(
    batch: Annotated[
        str,
        typer.Argument(
            metavar="BATCH.json",
            help="The batch: a file, or an address below the store. {index} stands for the entry of an array.",
            show_default=False,
        ),
    ],
    store: Annotated[
        str, typer.Option("--store", metavar="URL", help="Where everything measured goes: file:///FOLDER, s3://…")
    ],
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Jobs at once.")] = 1,
    quiet: QuietOption = False,
) -> None:
    """Do one batch of a run on this machine, and write what it came to into the store. Engines start this.

    It provides the environments of the batch, saves, loads and judges as a local run does. Done twice, or half and
    again, it comes to the same. It ends with the process that started it, and everything that it started with it.

    Example: `tfmatrix work s3://bucket/tfmatrix/batches/4f0c.json --store s3://bucket/tfmatrix`
    """
    from tfmatrix.engine.progress import make_progress
    from tfmatrix.engine.unit import ending_with_the_parent, work
    from tfmatrix.envs.provision import default_cache_root
    from tfmatrix.store.remote import Remote

    with ending_with_the_parent(), make_progress(quiet=quiet) as progress:
        remote = Remote(store, say=progress.warning)
        for each in _read(batch, remote):
            result = work(
                each,
                remote,
                scratch=default_cache_root() / "units",
                open_executor=lambda batch, locks: _open_executor(batch, locks, progress.message),
                progress=progress,
                slots=jobs,
            )
            progress.message(
                f"batch {each.name}: {len(result['outcomes'])} outcomes, {len(result['lost'])} not measured, "
                f"{result['seconds']:.1f} s"
            )


def _read(place: str, remote: Remote) -> list[Batch]:
    """The batches of a file, or of a document below the store: one, or a list of names."""
    from tfmatrix.core.data import parse_json
    from tfmatrix.engine.batches import Batch
    from tfmatrix.engine.unit import batch_name

    if "{index}" in place:
        index = next((os.environ[name] for name in INDEX if os.environ.get(name)), "")
        if not re.fullmatch(r"[0-9]+", index):
            raise UsageError(
                f"{place}: no array says which entry this is", expected=f"a number in {' or '.join(INDEX)}"
            )
        place = place.replace("{index}", index)

    def stored(name: str) -> Any:
        content = remote.read_json(name)
        if content is None:
            raise UsageError(f"{remote.url} has no batch {name}", fix="start the client again: it writes it anew")
        return content

    if place.startswith(f"{remote.url}/"):
        content = stored(place.removeprefix(f"{remote.url}/"))
        if "batches" in content:
            return [
                Batch.from_json(stored(batch_name(str(name))), batch_name(str(name))) for name in content["batches"]
            ]
        return [Batch.from_json(content, place)]
    try:
        return [Batch.from_json(parse_json(Path(place).read_bytes()), place)]
    except OSError as error:
        raise UsageError(
            f"{place} cannot be read: {error.strerror}", expected="a batch as an engine writes it"
        ) from error
    except ValueError as error:
        raise UsageError(f"{place} is not JSON: {error}", expected="a batch as an engine writes it") from error


def _open_executor(batch: Batch, locks: Path, say: Any) -> tuple[Executor, str]:
    """The executor of this machine for the environments of a batch."""
    from tfmatrix.engine.batches import load_defaults
    from tfmatrix.envs.provision import EnvironmentCache, default_cache_root
    from tfmatrix.executors.choose import choose_executor
    from tfmatrix.executors.supply import EnvironmentSupply
    from tfmatrix.project.network import make_uv

    defaults = load_defaults(batch.defaults)
    supply = EnvironmentSupply(
        locks=locks, cache=EnvironmentCache(root=default_cache_root()), uv=make_uv(defaults), say=say
    )
    environments = [each.environment for each in batch.environments]
    return choose_executor(
        batch.executor, environments, defaults=defaults, supply=supply, say=say, run=f"unit-{uuid.uuid4().hex[:12]}"
    )
