"""A run whose jobs units do, over fake workers: its records are those of a local run, whatever units go through."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeExecutor
from small_world import HDF5, SCENARIO, loaded, raised, saved
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import InfrastructureError, UsageError
from tfmatrix.core.status import Status
from tfmatrix.engine.batches import BATCH_SCHEMA, Batch, Wanted
from tfmatrix.engine.dispatch import TRIES, Distribution
from tfmatrix.engine.engines.base import End, Sent
from tfmatrix.engine.estimate import Past
from tfmatrix.engine.execution import execute
from tfmatrix.engine.plan import make_plan
from tfmatrix.engine.progress import make_progress
from tfmatrix.engine.request import RunRequest
from tfmatrix.engine.subjects import ScenarioFile
from tfmatrix.engine.unit import batch_name, work
from tfmatrix.project.config import Defaults, Selection
from tfmatrix.project.formats import own_formats
from tfmatrix.project.scenario import read_scenarios
from tfmatrix.store.remote import Remote, SharedStore
from tfmatrix.store.runs import Run

FIRST, NEW = "2.12.1", "2.21.0"


class InlineEngine:
    """Does one batch after the other in this process. `before` may raise what becomes of a unit."""

    name = "inline"
    in_rounds = False
    longest = float("inf")

    def __init__(self, site: Site) -> None:
        self._site = site
        self._waiting: list[Sent] = []
        self.begun: list[str] = []
        self.cancelled = 0

    def workers(self) -> int:
        return 2

    def submit(self, batches: list[Sent]) -> None:
        self._waiting += batches

    def ends(self, timeout: float) -> list[End]:
        if not self._waiting:
            return []
        name = self._waiting.pop(0).name
        self.begun.append(name)
        remote = Remote(self._site.url)
        batch = Batch.from_json(remote.read_json(batch_name(name)), name)
        try:
            self._site.before(batch)
            self._site.unit(batch, remote)
        except InfrastructureError as error:
            return [End(name=name, failure=str(error))]
        return [End(name=name)]

    def cancel(self) -> None:
        self.cancelled += 1
        self._waiting.clear()

    def close(self) -> None:
        pass


class Site:
    """A project of two scenarios and two versions, in which some cells drift and others cannot be loaded."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = (root / "shared").as_uri()
        self.before: Callable[[Batch], None] = lambda batch: None
        self.executor = lambda: FakeExecutor(job=self.job)
        self.done: Counter[str] = Counter()
        self.pairs: tuple[str, ...] = ("all",)
        self.versions: tuple[str, ...] = (FIRST, NEW)
        self.runs = 0
        self.dated = False  # whether a save holds the time when it was made, as those of the format keras do
        self.said: list[str] = []
        (root / "scenarios").mkdir()
        for name in ("dense", "lstm"):
            (root / "scenarios" / f"{name}.py").write_text(SCENARIO.format(name=name))

    def job(self, environment: str, job: dict[str, Any]) -> dict[str, Any]:
        folder, kind = Path(job["folder"]), job["format"]["id"]
        name = Path(job["scenario"]).stem
        if job["kind"] == "save":
            self.done[f"save {name} {kind} {environment}"] += 1
            when = f" at {self.done.total()}" if self.dated else ""
            return saved(folder, job["format"]["artifact"], f"{name} {kind} {environment}{when}")
        if job["kind"] == "dismantle":
            self.done[f"dismantle {name} {kind} in {environment}"] += 1
            return raised("it has no neutral form")
        content = Path(job["artifact"]).read_bytes().removeprefix(HDF5).decode()
        self.done[f"load {content} in {environment} {job['remedies']}"] += 1
        assert (Path(job["reference"]) / "observation.json").exists()
        if kind == "keras" and environment == FIRST and not job["remedies"]:
            return raised("this version cannot")
        return loaded(folder, 2.0 if kind == "h5" and environment == NEW else 1.0)

    def unit(self, batch: Batch, remote: Remote) -> dict[str, Any]:
        return work(
            batch,
            remote,
            scratch=self.root / "scratch",
            open_executor=lambda batch, locks: (self.executor(), "fake"),
            progress=make_progress(quiet=True),
        )

    def request(self) -> RunRequest:
        self.runs += 1
        scenarios = read_scenarios(self.root / "scenarios")
        environments = tuple(Environment(id=each, tensorflow=each) for each in self.versions)
        results = self.root / f"results-{self.runs}"
        return RunRequest(
            run_id=f"run-{self.runs}",
            plan=make_plan(Selection(environments=environments, pairs=self.pairs), scenarios, formats=own_formats()),
            subjects={each.name: ScenarioFile(about=each) for each in scenarios},
            scenario_folder=self.root / "scenarios",
            results=results,
            store=results / "store",
            defaults=Defaults(),
            audit=None,
        )

    def local(self) -> Run:
        return execute(self.request(), FakeExecutor(job=self.job), make_progress(quiet=True))

    def distributed(self, engine: InlineEngine | None = None) -> Run:
        request = replace(self.request(), isolated=True)
        store = SharedStore(request.store, Remote(self.url), fetches=False)
        with make_progress(say=self.said.append) as progress:
            distribution = Distribution(
                engine or InlineEngine(self),
                store,
                executor="auto",
                wanted={each.id: Wanted(environment=each) for each in request.plan.environments},
                request=request,
                past=Past(()),
                progress=progress,
            )
            elsewhere = distribution.provide()
            return execute(request, elsewhere, progress, store=store, jobs=distribution.jobs, facts=distribution.facts)


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def told(run: Run) -> list[dict[str, Any]]:
    """The records but for the run's id, as JSON."""
    return [{**json.loads(json.dumps(each.to_json())), "run": ""} for each in run.records]


def test_records_are_those_of_a_local_run(site):
    whole = site.distributed()
    remote, site.done = site.done, Counter()
    local = site.local()
    assert Counter(each.status for each in local.records) == {"drift": 4, "load-error": 4, "pass": 8}
    assert any(each.remedies for each in local.records)
    assert told(whole) == told(local)
    assert whole.header["engine"]["name"] == "inline"
    assert whole.header["engine"]["lost"] == 0
    assert whole.header["noise"] == local.header["noise"]
    # Nothing is measured that a local run would not measure.
    assert set(remote) == set(site.done)
    assert not list((site.root / "scratch").iterdir())
    assert any("batches" in line and "2 workers" in line for line in site.said)


def test_adaptive_pairs_go_in_rounds(site):
    site.pairs = ("adaptive",)
    site.versions = ("2.12.1", "2.13.1", "2.14.1", "2.15.1", "2.21.0")
    whole, local = site.distributed(), site.local()
    assert any(each.inferred for each in local.records)
    assert told(whole) == told(local)


def test_another_client_measures_nothing_again(site):
    first = site.distributed()
    done = Counter(site.done)
    # Of the first client nothing is left, but for the store.
    second = site.distributed()
    assert site.done == done
    assert told(second) == told(first)


def test_a_client_that_died_goes_on_from_the_store(site):
    begun = 0

    def dies(batch: Batch) -> None:
        nonlocal begun
        begun += bool(batch.squares)
        if begun == 2:
            raise KeyboardInterrupt

    site.before = dies
    engine = InlineEngine(site)
    with pytest.raises(KeyboardInterrupt):
        site.distributed(engine)
    assert engine.cancelled
    site.before = lambda batch: None
    whole = site.distributed()
    done, site.done = site.done, Counter()
    assert told(whole) == told(site.local())
    assert done == site.done


def lost(environment: str, times: int) -> Callable[[Batch], None]:
    left = times

    def lose(batch: Batch) -> None:
        nonlocal left
        if batch.squares and batch.environments[0].environment.id == environment and left:
            left -= 1
            raise InfrastructureError("killed by SIGKILL")

    return lose


def test_a_batch_that_is_lost_is_begun_again(site):
    site.before = lost(NEW, TRIES - 1)
    whole = site.distributed()
    assert sum("begins again: killed by SIGKILL" in line for line in site.said) == TRIES - 1
    assert told(whole) == told(site.local())


def test_a_batch_that_is_lost_again_and_again_is_infrastructure(site):
    site.before = lost(NEW, 99)
    whole = site.distributed()
    of = [record for record in whole.records if record.reader == NEW]
    assert {record.status for record in of} == {Status.INFRA_ERROR}
    assert all("lost 3 times: killed by SIGKILL" in record.error["message"] for record in of)
    assert all(record.status is not Status.INFRA_ERROR for record in whole.records if record.reader != NEW)
    assert whole.header["engine"]["lost"] == 1


def test_of_a_lost_batch_what_was_measured_counts(site):
    def dies_behind_its_work(batch: Batch) -> None:
        if batch.squares and batch.environments[0].environment.id == NEW:
            site.unit(batch, Remote(site.url))
            raise InfrastructureError("killed by SIGKILL")

    site.before = dies_behind_its_work
    assert told(site.distributed()) == told(site.local())


def test_a_batch_that_is_done_twice_comes_to_the_same(site):
    site.before = lambda batch: site.unit(batch, Remote(site.url)) and None
    whole = site.distributed()
    done, site.done = site.done, Counter()
    assert told(whole) == told(site.local())
    assert done == site.done


def test_what_another_client_puts_in_its_place_is_not_what_cells_read(site):
    """Two clients at one work: what one has saved is replaced by what the other has, before it is loaded."""
    site.dated = True

    def another_client(batch: Batch) -> None:
        if not batch.squares:
            return
        site.before = lambda batch: None
        for path in (site.root / "shared" / "outcomes").glob("*/*.json"):
            path.unlink()
        site.distributed()

    site.before = another_client
    whole = site.distributed()
    assert [each.status for each in whole.records] == [each.status for each in site.local().records]
    assert Status.INFRA_ERROR not in {each.status for each in whole.records}


def test_an_environment_that_no_worker_provides_costs_its_own_cells(site):
    site.executor = lambda: FakeExecutor(job=site.job, broken={NEW: InfrastructureError("no such wheel")})
    whole = site.distributed()
    of = [record for record in whole.records if NEW in (record.writer, record.reader)]
    assert {record.status for record in of} == {Status.INFRA_ERROR}
    assert all("no such wheel" in record.error["message"] for record in of)
    assert any(record.status is Status.PASS for record in whole.records)


def test_a_worker_on_another_base_does_not_measure(site):
    provided = Counter()

    class Other(FakeExecutor):
        def prepare(self, environment: Environment) -> Any:
            provided[environment.id] += 1
            prepared = super().prepare(environment)
            return replace(prepared, key="0" * 64) if provided[environment.id] > 1 else prepared

    site.executor = lambda: Other(job=site.job)
    whole = site.distributed()
    assert {record.status for record in whole.records} == {Status.INFRA_ERROR}
    assert "another environment on this worker" in whole.records[0].error["message"]


def test_a_damaged_folder_of_the_store_is_measured_again(site):
    first = site.distributed()
    for path in (site.root / "shared" / "folders").glob("*/*/*"):
        if path.is_file() and path.name != "observation.json":
            path.write_bytes(path.read_bytes()[:-1])
    second = site.distributed()
    assert told(second) == told(first)
    assert told(second) == told(site.local())


def test_a_worker_of_another_version_refuses(site):
    batch = Batch(tfmatrix="0.0.1", code={}, executor="auto", defaults={}, steps=3, environments=())
    with pytest.raises(UsageError, match=r"another tfmatrix than the client: .* 0\.0\.1 there"):
        site.unit(batch, Remote(site.url))


@pytest.mark.parametrize(
    ("data", "said"),
    [([], "schema None"), ({"schema": 1}, "schema 1"), ({"schema": BATCH_SCHEMA, "tfmatrix": 3}, "is no batch: ")],
)
def test_what_is_no_batch_is_one_error(data, said):
    with pytest.raises(UsageError, match=said):
        Batch.from_json(data, "b.json")


def test_a_batch_is_json_and_named_by_what_it_holds(site):
    seen: list[Batch] = []
    site.before = seen.append
    site.distributed()
    for batch in seen:
        again = Batch.from_json(json.loads(json.dumps(batch.to_json())), "b.json")
        assert again == batch or again.to_json() == batch.to_json()
        assert again.name == batch.name
