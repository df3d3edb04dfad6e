"""What others measured: the outcomes of an archived run by their keys, so that a run measures only what it lacks.

Equal keys mean that nothing that decides a measurement differs: locks, base, code, settings, artifact. That the archive
says the truth is verified on a sample, which is measured nevertheless (`is_checked`).
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from tfmatrix.core.errors import InfrastructureError, UsageError
from tfmatrix.core.outcome import Outcome
from tfmatrix.core.records import CellRecord
from tfmatrix.store.artifact_class import classes_digest
from tfmatrix.store.runs import ARCHIVED_FILE, HEADER_FILE, INFERRED_FILE, Run, read_run_folder

SHARE = 0.02
"""Of what an archive holds so much is measured nevertheless."""

MAX_BYTES = 500_000_000
"""Of one file of an archive; the whole field takes a tenth."""

_TIMEOUT = 60.0


@dataclass(frozen=True, kw_only=True)
class Known:
    """An archived run: saves and loads by key, records by cell, the classes of artifacts by digest.

    `reference` is where it came from.
    """

    reference: str
    run: str
    saves: Mapping[str, Outcome] = field(default_factory=dict)
    loads: Mapping[str, CellRecord] = field(default_factory=dict)
    cells: Mapping[str, CellRecord] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)

    def load(self, cell: str, key: str) -> CellRecord | None:
        """The record of a load: the cell's own, or, of another writer's equal artifact, that of another cell."""
        if not key:  # as that of every cell that was not loaded
            return None
        own = self.cells.get(cell)
        return own if own is not None and own.key == key else self.loads.get(key)

    def is_checked(self, key: str, seed: str) -> bool:
        """Whether a load that it holds is measured nevertheless; another seed, another sample."""
        digest = hashlib.sha256(f"{seed} {key}".encode()).digest()
        return int.from_bytes(digest[:8], "big") < SHARE * 2**64


NOTHING = Known(reference="", run="")


def read_known(reference: str, *, checks: str) -> Known:
    """The archive in a folder, or at an address where its files lie (`run.json`, `cells.jsonl.gz`, `inferred.json.gz`).

    `checks` is the digest of the checks' code: what other checks judged would have to be compared again, and an
    archive has no observations. Raises UsageError for that and for what is no archive, InfrastructureError for a web
    that fails, StoreError for a damaged archive.
    """
    if urlsplit(reference).scheme in ("http", "https"):
        with tempfile.TemporaryDirectory(prefix="tfmatrix-known-") as temporary:
            for name in (HEADER_FILE, ARCHIVED_FILE, INFERRED_FILE):
                # Where cells were inferred, and the last file is not there, run.json counts more than are read.
                _download(f"{reference.rstrip('/')}/{name}", Path(temporary) / name, needed=name != INFERRED_FILE)
            run = read_run_folder(Path(temporary))
    elif (Path(reference) / HEADER_FILE).is_file():
        run = read_run_folder(Path(reference))
    else:
        raise UsageError(
            f"--known {reference} is no archived run",
            expected="a folder with run.json and cells.jsonl.gz, or the address of one",
            fix="tfmatrix report --format archive -o FOLDER writes one",
        )
    if (run.header.get("code") or {}).get("checks") != checks:
        raise UsageError(
            f"--known {reference}: its cells were judged by the checks of another version of tfmatrix",
            expected="an archive of this version",
            fix="run without --known, or with the version that wrote it",
        )
    return known_of(run, reference)


def known_of(run: Run, reference: str) -> Known:
    """What a run holds by key."""
    measured = [record for record in run.records if record.inferred is None]
    return Known(
        reference=reference,
        run=run.id,
        saves=dict(_saves(measured)),
        loads={record.key: record for record in measured if record.key and record.load.get("status") != "infra"},
        cells={record.cell: record for record in measured},
        classes=dict(_classes(measured)) if (run.header.get("code") or {}).get("classes") == classes_digest() else {},
    )


def _saves(records: Iterable[CellRecord]) -> Iterable[tuple[str, Outcome]]:
    for record in records:
        key, outcome = record.save.get("key"), _saved(record)
        if key and outcome is not None and outcome.is_lasting:
            yield str(key), outcome


def _saved(record: CellRecord) -> Outcome | None:
    """What the save of a cell came to; None where its record does not settle that.

    That what raised raises again, is taken for granted; that what died dies again, on another machine, is not.
    """
    save: Mapping[str, Any] = record.save
    told = Outcome(
        status=str(save.get("status")),
        warnings=tuple(_without_texts(each) for each in save.get("warnings") or ()),
        seconds=dict(save.get("phases") or {}),
    )
    if told.status == "ok" and record.artifact is not None:
        artifact = {name: value for name, value in record.artifact.items() if name != "class"}
        return replace(told, artifact=artifact, observation=save.get("observation"))
    if told.status == "error" and record.error is not None:
        error = {name: str(record.error.get(name) or "") for name in ("type", "message", "traceback")}
        return replace(told, phase=record.error.get("phase"), error=error)
    return None


def _classes(records: Iterable[CellRecord]) -> Iterable[tuple[str, str]]:
    for record in records:
        if record.artifact is not None and record.artifact.get("class"):
            yield str(record.artifact["digest"]), str(record.artifact["class"])


def _without_texts(warning: Mapping[str, Any]) -> dict[str, Any]:
    """A warning as a worker says it: a record adds what is made of it."""
    return {name: value for name, value in warning.items() if name not in ("text", "fingerprint")}


def _download(address: str, target: Path, *, needed: bool) -> None:
    try:
        with requests.get(address, stream=True, timeout=_TIMEOUT) as response:
            if response.status_code == requests.codes.not_found and not needed:
                return
            response.raise_for_status()
            size = 0
            with target.open("wb") as file:
                for chunk in response.iter_content(1 << 20):
                    size += len(chunk)
                    if size > MAX_BYTES:
                        raise InfrastructureError(f"{address} is larger than {MAX_BYTES / 1e6:.0f} MB")
                    file.write(chunk)
    except requests.RequestException as error:
        raise InfrastructureError(f"{address} cannot be read: {error}", fix="name a folder instead") from error
