"""What a command names as a run: an id, latest, previous, a folder, or a published matrix.json, here or on the web."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from tfmatrix.analysis.causes import find_causes
from tfmatrix.analysis.diff.changes import Past, PastCell, remembered
from tfmatrix.analysis.squares import Squares
from tfmatrix.analysis.warnings import WarningEntry, catalogue
from tfmatrix.core.data import parse_json
from tfmatrix.core.errors import InfrastructureError, UsageError
from tfmatrix.core.status import Status
from tfmatrix.store.runs import Run, read_run

MATRIX_SCHEMA = 1
"""The version of matrix.json that is understood; runner/tfmatrix/reports/site/matrix.schema.json describes it."""

TIMEOUT = 30.0
"""Seconds that one request may take."""

MAX_BYTES = 20_000_000
"""Of one file; a site writes none above 5 MB."""

MAX_PARTS = 200

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One side of a comparison. `header` is run.json, or as much of it as a published file has.

    `titles` maps ids of causes to what they say, `warnings` those of the catalogue to the warning; None: not told.
    """

    past: Past
    header: Mapping[str, Any]
    titles: Mapping[str, str]
    warnings: Mapping[str, WarningEntry] | None
    published: bool = False


def read_source(results: Path, reference: str) -> Source:
    """The run that a reference names. Raises UsageError, StoreError or InfrastructureError (a web that fails)."""
    if urlsplit(reference).scheme in ("http", "https"):
        return _published(reference, _from_web(reference))
    path = Path(reference)
    if path.is_dir() and (path / "matrix.json").is_file() and not (path / "run.json").is_file():
        path = path / "matrix.json"
    if path.is_file():
        return _published(str(path), lambda name: _read_file(path.with_name(name) if name else path))
    return of_run(read_run(results, reference))


def of_run(run: Run) -> Source:
    """A run with its causes and warnings."""
    squares = Squares.of(run)
    causes = find_causes(run, squares)
    return Source(
        past=remembered(run, causes, squares),
        header=run.header,
        titles={cause.id: cause.title for cause in causes},
        warnings={entry.id: entry for entry in catalogue(run, squares).entries},
    )


_Fetch = Callable[[str], bytes]
"""Bytes of the file that was named (""), or of one beside it."""


def _published(place: str, fetch: _Fetch) -> Source:
    head = _parsed(place, fetch(""))
    rows = list(head.get("cells") or ())
    parts = [str(name) for name in head.get("parts") or ()]
    for name in parts[1:MAX_PARTS]:
        if "/" in name or "\\" in name or not name.endswith(".json"):
            raise _not_a_matrix(place, f"its part {name!r} is not a file beside it")
        rows += _parsed(f"{name} beside {place}", fetch(name)).get("cells") or []
    try:
        outcomes = _outcomes(head, rows)
        environments = {
            str(each["id"]): {key: str(each.get(key) or "") for key in ("tensorflow", "keras", "python")}
            for each in head["environments"]
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _not_a_matrix(place, f"{type(error).__name__}: {error}") from error
    past = Past(
        id=str(head["run"]),
        started=str(head.get("started") or ""),
        finished=str(head.get("finished") or ""),
        set_name=str(head.get("set") or ""),
        complete=bool(head.get("complete", True)),
        counts=Counter(outcome.status.value for outcome in outcomes.values()),
        outcomes=outcomes,
    )
    header = {"environments": environments, "tfmatrix": head.get("tfmatrix") or ""}
    return Source(past=past, header=header, titles={}, warnings=None, published=True)


def _outcomes(head: Mapping[str, Any], rows: list[Mapping[str, Any]]) -> dict[str, PastCell]:
    ids = [str(each["id"]) for each in head["environments"]]
    outcomes = {}
    for row in rows:
        for reader, text in zip(ids, row["readers"], strict=True):
            if text is not None:
                status, *marks = text.split()
                cell = f"{row['scenario']}/{row['format']}/{row['writer']}/{reader}"
                outcomes[cell] = PastCell(Status(status), causes=None, known="known" in marks)
    return outcomes


def _parsed(place: str, content: bytes) -> dict[str, Any]:
    try:
        data = parse_json(content)
    except ValueError as error:
        raise _not_a_matrix(place, f"not JSON: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("run"), str):
        raise _not_a_matrix(place, "it has no `run`")
    schema = data.get("schema")
    if isinstance(schema, int) and schema > MATRIX_SCHEMA:
        raise UsageError(
            f"{place}: published by a newer tfmatrix (schema {schema}; this one reads {MATRIX_SCHEMA})",
            fix="upgrade tfmatrix: python -m pip install --upgrade tfmatrix",
        )
    if schema != MATRIX_SCHEMA:
        raise _not_a_matrix(place, f"`schema` is {schema!r}")
    return data


def _not_a_matrix(place: str, why: str) -> UsageError:
    return UsageError(
        f"{place} is not the matrix.json of a published site: {why}",
        expected="an id of a run, latest, previous, a run's folder, or matrix.json of a site (a file or its address)",
        fix="`tfmatrix publish` writes it beside index.html",
    )


def _read_file(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path} has more than {MAX_BYTES // 1_000_000} MB", expected="matrix.json of a site")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", expected="matrix.json of a site") from error


def _from_web(address: str) -> _Fetch:
    """What asks for an address, and for files beside it; a folder or a page of the site means its matrix.json."""
    parts = urlsplit(address)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise UsageError(f"{address}: not over plain http", expected="https", fix=f"https{address[4:]}")
    if not parts.path.endswith(".json"):
        address = urljoin(
            address if parts.path.rpartition("/")[2].count(".") else address.rstrip("/") + "/", "matrix.json"
        )

    def fetch(name: str) -> bytes:
        return _get(urljoin(address, name) if name else address)

    return fetch


def _get(address: str) -> bytes:
    request = urllib.request.Request(address, headers={"Accept": "application/json", "User-Agent": "tfmatrix"})
    fix = "check the address, the network, the proxy (HTTPS_PROXY) and the certificates (SSL_CERT_FILE)"
    opener = urllib.request.build_opener(_SameSafety, urllib.request.HTTPSHandler(context=ssl.create_default_context()))
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            content: bytes = answer.read(MAX_BYTES + 1)
    except urllib.error.HTTPError as error:
        raise InfrastructureError(f"{address} answers {error.code} {error.reason}", expected="200", fix=fix) from error
    except urllib.error.URLError as error:
        raise InfrastructureError(f"{address} cannot be had: {error.reason}", fix=fix) from error
    except (OSError, ValueError) as error:
        raise InfrastructureError(f"{address} cannot be had: {error or type(error).__name__}", fix=fix) from error
    if len(content) > MAX_BYTES:
        raise UsageError(f"{address} has more than {MAX_BYTES // 1_000_000} MB", expected="matrix.json of a site")
    return content


class _SameSafety(urllib.request.HTTPRedirectHandler):
    """Follows no redirect from https to anything else."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """The next request; URLError where it would leave https."""
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise urllib.error.URLError(f"it redirects to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
