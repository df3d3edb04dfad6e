"""Engine `dask`: a task is a unit as a subprocess of a dask worker.

dask moves a batch's name and nothing else: no pickles but of the function below, whose module every worker has. Its
nanny's limits and its guesses of durations do not count: a worker gets a small window of batches, those first whose
environment it has provided already; what a unit may take is limited by the unit.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from tfmatrix.core.errors import InfrastructureError, UsageError
from tfmatrix.engine.engines.base import LIMIT, TIME_OPTION, End, Sent, Setting, time_limit, unit_arguments
from tfmatrix.engine.engines.local import UnitProcess
from tfmatrix.engine.host import BYTES_PER_SLOT
from tfmatrix.engine.unit import batch_name

if TYPE_CHECKING:
    from distributed import Client, Future

OPTIONS = {
    "scheduler": "address of the scheduler, tcp://HOST:PORT or tls://HOST:PORT",
    "tls": "folder with ca.pem, cert.pem and key.pem",
    "time": TIME_OPTION,
    "lifetime": "seconds that a worker lives at most (dask-jobqueue): batches stay well below",
    "wait": "seconds to wait for a worker where there is none (60)",
}

_EXTRA = 'python -m pip install "tfmatrix[dask]"'

KEPT = frozenset({"PATH", "HOME", "LANG", "TMPDIR", "USER", "LOGNAME", "VIRTUAL_ENV", "SSL_CERT_FILE"})
"""Variables that a unit gets of its worker. Not the nanny's OMP_NUM_THREADS and its kin: they would change figures."""

KEPT_PREFIXES = (
    "TFMATRIX_", "AWS_", "GOOGLE_", "AZURE_", "FSSPEC_", "UV_", "PIP_", "DOCKER_", "HTTP", "NO_PROXY", "http",
    "no_proxy",
)  # fmt: skip
"""Of its store, its package index, its container engine."""

_SLICE = 0.2
_SHARE_OF_LIFETIME = 0.5
"""Of a worker's life that a batch may take: it may begin late, and take longer than expected."""


class DaskEngine:
    """Batches as tasks of a `distributed.Client`. `owns`: the client is closed with the engine."""

    name = "dask"
    in_rounds = False

    def __init__(
        self,
        client: Client,
        url: str,
        *,
        limit: float = LIMIT,
        lifetime: float | None = None,
        wait: float = 60.0,
        owns: bool = False,
    ) -> None:
        """Raises InfrastructureError where no worker comes within `wait` seconds, or none is fit for a batch."""
        self._client = client
        self._url = url
        self._owns = owns
        self._futures: dict[str, Future[Any]] = {}
        self._places: dict[str, str] = {}
        self._warm: dict[str, set[str]] = defaultdict(set)
        self._limit = limit
        self._wait = wait
        self.longest = _SHARE_OF_LIFETIME * min(limit, lifetime or limit)
        try:
            client.wait_for_workers(1, timeout=wait)
        except TimeoutError as error:
            raise InfrastructureError(
                f"the scheduler {self._address} has no worker after {wait:.0f} s",
                fix="start workers: dask worker ADDRESS, or scale the cluster",
            ) from error
        if not any(self._rooms().values()):
            raise InfrastructureError(
                f"no worker of {self._address} has the memory that a batch needs, {BYTES_PER_SLOT >> 30} GiB",
                fix=f"start workers with --memory-limit {BYTES_PER_SLOT >> 30}GiB or more for each thread",
            )

    @property
    def _address(self) -> str:
        return str(self._client.scheduler.address) if self._client.scheduler is not None else "that is closed"

    def _rooms(self) -> dict[str, int]:
        """How many units each worker does at once: a thread each, and the memory of a slot each."""
        info: Mapping[str, Any] = self._client.scheduler_info(n_workers=-1)["workers"]
        rooms = {}
        for address, worker in info.items():
            limit = int(worker.get("memory_limit") or 0)
            threads = int(worker["nthreads"])
            rooms[str(address)] = min(threads, limit // BYTES_PER_SLOT) if limit else threads
        return rooms

    def workers(self) -> int:
        """See Engine."""
        return max(1, sum(self._rooms().values()))

    def submit(self, batches: Sequence[Sent]) -> None:
        """See Engine. Each batch goes to the worker with the fewest, of those whose environment is warm."""
        deadline = time.monotonic() + self._wait
        while not (rooms := {address: room for address, room in self._rooms().items() if room}):
            # A cluster that scales, or whose last worker was just given up, has new ones soon.
            if time.monotonic() > deadline:
                raise InfrastructureError(f"{self._address} has no worker any more that could do a batch")
            time.sleep(_SLICE)
        load = {address: sum(place == address for place in self._places.values()) / rooms[address] for address in rooms}
        for batch in batches:
            warm = {address for name in batch.environments for address in self._warm[name]}
            # Half a batch too many is worth an import, a whole one is not worth waiting for.
            place = min(rooms, key=lambda each: (load[each] - 0.5 * (each in warm), each))
            load[place] += 1 / rooms[place]
            self._places[batch.name] = place
            for name in batch.environments:
                self._warm[name].add(place)
            self._futures[batch.name] = self._client.submit(
                run_unit,
                batch_name(batch.name),
                self._url,
                self._limit,
                key=f"tfmatrix-{batch.environments[0]}-{batch.name}-{time.monotonic_ns()}",
                pure=False,
                workers=[place],
                # Where that worker dies, another one takes it: what cannot be placed would wait for ever.
                allow_other_workers=True,
            )

    def ends(self, timeout: float) -> list[End]:
        """See Engine."""
        deadline = time.monotonic() + timeout
        while not (over := [name for name, future in self._futures.items() if future.done()]):
            if self._client.status not in ("running", "newly-created"):
                raise InfrastructureError(
                    f"the scheduler of dask is lost (the client is {self._client.status})",
                    fix="start it, and the same command again: what was measured is in the store",
                )
            if time.monotonic() >= deadline:
                return []
            time.sleep(_SLICE)
        return [self._end(name, self._futures.pop(name)) for name in over]

    def _end(self, name: str, future: Future[Any]) -> End:
        from distributed import KilledWorker

        self._places.pop(name, None)
        try:
            failure = str(future.result())
        except KilledWorker as error:
            # It has been begun as often as dask's allowed-failures says; perhaps by a neighbour's fault.
            return End(name=name, failure=f"dask lost its worker again and again: {error}", is_final=True)
        except CancelledError as error:
            if self._client.status not in ("running", "newly-created"):
                raise InfrastructureError(
                    "the scheduler of dask is lost",
                    fix="start it, and the same command again: what was measured is in the store",
                ) from error
            return End(name=name, failure="dask cancelled it")
        except Exception as error:  # noqa: BLE001  (whatever the task, or dask, raised on another machine)
            return End(name=name, failure=f"{type(error).__name__}: {error}")
        return End(name=name, failure=failure)

    def cancel(self) -> None:
        """See Engine. A task's subprocess outlives its cancellation: workers are told to end it."""
        names = list(self._futures)
        # A cluster that is gone has ended its units itself.
        with contextlib.suppress(Exception):
            self._client.cancel(list(self._futures.values()), force=True)
            self._client.run(end_units, [batch_name(name) for name in names])
        self._futures.clear()
        self._places.clear()

    def close(self) -> None:
        """See Engine."""
        if self._owns:
            self._client.close()


# On a worker


_units: dict[str, UnitProcess] = {}
_ended: set[str] = set()
_lock = threading.Lock()


def run_unit(batch: str, url: str, limit: float) -> str:
    """Does a batch in a process of its own; returns why that did not come to its end, or nothing.

    Waits in slices, so that the worker's other threads go on and its heartbeat is heard.
    """
    with _lock:
        _ended.discard(batch)
        unit = _units[batch] = UnitProcess(unit_arguments(batch, url), unit_variables(os.environ), limit=limit)
    try:
        while not unit.is_over():
            time.sleep(_SLICE)
        return "ended by its client" if batch in _ended else unit.failure()
    finally:
        with _lock:
            _units.pop(batch, None)
        unit.end()


def end_units(batches: Sequence[str]) -> None:
    """Ends units of this worker, with all that they started."""
    with _lock:
        found = [unit for batch in batches if (unit := _units.get(batch)) is not None]
        _ended.update(batches)
    for unit in found:
        unit.end()


def unit_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a unit: what this machine needs to reach store, index and container engine."""
    return {name: value for name, value in environ.items() if name in KEPT or name.startswith(KEPT_PREFIXES)}


def open_engine(setting: Setting) -> DaskEngine:
    """See Open. Raises UsageError without an address, InfrastructureError where nobody answers there."""
    address = setting.options.get("scheduler")
    if address is None:
        raise UsageError("engine dask needs a scheduler", fix="say where: --scheduler tcp://HOST:8786")
    wait = setting.number("wait", 60.0)
    lifetime = setting.number("lifetime", 0.0)
    try:
        import distributed
    except ImportError as error:
        raise UsageError("engine dask needs the package distributed", fix=_EXTRA) from error
    security = None
    if folder := setting.options.get("tls"):
        security = distributed.Security(
            tls_ca_file=f"{folder}/ca.pem",
            tls_client_cert=f"{folder}/cert.pem",
            tls_client_key=f"{folder}/key.pem",
            require_encryption=True,
        )
    try:
        client = distributed.Client(address, timeout=wait, security=security, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise InfrastructureError(
            f"no scheduler of dask answers at {address}: {error}", fix="start one: dask scheduler, then dask worker"
        ) from error
    return DaskEngine(
        client, setting.remote.url, limit=time_limit(setting), lifetime=lifetime or None, wait=wait, owns=True
    )
