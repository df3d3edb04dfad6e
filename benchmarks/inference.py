"""What `pairs: adaptive` would have measured of a complete run, what it would have got wrong, and what an audit finds.

    python benchmarks/inference.py results/runs/RUN results/store [AUDITS]

The run must have measured every pair (`pairs: all`); the store must still have its artifacts. For each scenario and
format the inference of `tfmatrix.engine.inference` is played against the measured truth; then so many audits (default
200), each with another seed, of a tenth of the inferred cells: how many of the wrong ones do they find, and how many
are left when what they contradict was measured?
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "runner"))

from tfmatrix.checks.verdict import Verdict  # noqa: E402
from tfmatrix.core.records import CellRecord  # noqa: E402
from tfmatrix.core.status import Status  # noqa: E402
from tfmatrix.core.versions import versions_of  # noqa: E402
from tfmatrix.engine.inference import Axis, Facts, Inference, Result, audit_sample, upper_bound  # noqa: E402
from tfmatrix.engine.plan import Pair  # noqa: E402
from tfmatrix.engine.remedies import cause_of  # noqa: E402
from tfmatrix.store.artifact_class import artifact_class  # noqa: E402
from tfmatrix.store.content import Store  # noqa: E402
from tfmatrix.store.runs import Run, read_run_folder  # noqa: E402

_LOST = (Status.INFRA_ERROR, Status.SKIPPED)


@dataclass(frozen=True, kw_only=True)
class _Square:
    """A scenario and format that was measured completely: what each load came to, and its seconds."""

    name: str
    inference: Inference
    truth: Mapping[Pair, Result]
    seconds: Mapping[Pair, float]

    def measure(self, inference: Inference) -> None:
        while wanted := inference.wanted():
            inference.results.update((pair, self.truth[pair]) for pair in wanted)

    def wrong(self, inference: Inference) -> Iterator[tuple[Pair, str]]:
        """The pairs that come to something else than is inferred, and by what they are inferred."""
        for pair, found in inference.inferred():
            if inference.results[found.source] != self.truth[pair]:
                yield pair, found.by


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument("store", type=Path, help="results/store")
    parser.add_argument("audits", nargs="?", type=int, default=200)
    given = parser.parse_args()
    run = read_run_folder(given.run)
    squares = _squares(run, Store(given.store))
    classes = [len(set(each.inference.classes.values())) / len(each.inference.classes) for each in squares]
    total = sum(len(each.truth) for each in squares)
    print(f"{len(squares)} squares, {total} cells; {sum(classes) / len(classes):.2f} classes for each writer")
    inferred: Counter[str] = Counter()
    wrong: list[tuple[str, str]] = []
    measured, cost = 0, 0.0
    for square in squares:
        square.measure(square.inference)
        measured += len(square.inference.results)
        cost += sum(square.seconds[pair] for pair in square.inference.results)
        inferred.update(found.by for _, found in square.inference.inferred())
        wrong += [(by, f"{square.name}/{'/'.join(pair)}") for pair, by in square.wrong(square.inference)]
    whole = sum(sum(each.seconds.values()) for each in squares)
    print(f"measured {measured} of {total} ({measured / total:.0%})")
    print(f"which took {cost:.0f} of {whole:.0f} s of all loads ({cost / whole:.0%})")
    for by, count in sorted(inferred.items()):
        mistakes = [cell for how, cell in wrong if how == by]
        print(f"inferred by {by}: {count}, of which wrong {len(mistakes)} ({len(mistakes) / count:.2%})")
        for cell in mistakes:
            print(f"  {cell}")
    _audit(squares, given.audits)


def _squares(run: Run, store: Store) -> list[_Square]:
    """Each scenario and format with its truth."""
    axis = Axis({name: _facts(described) for name, described in run.header["environments"].items()})
    groups: dict[tuple[str, str], list[CellRecord]] = defaultdict(list)
    for record in run.records:
        if record.artifact is not None and record.load and record.status not in _LOST:
            groups[record.scenario, record.format].append(record)
    squares = []
    for names, records in groups.items():
        artifacts = {record.writer: str((record.artifact or {})["digest"]) for record in records}
        classes = {name: artifact_class(store.folder(artifacts[name])) for name in axis.names if name in artifacts}
        truth = {(record.writer, record.reader): _result(record) for record in records}
        seconds = {(record.writer, record.reader): float(record.load["seconds"]) for record in records}
        inference = Inference(axis=axis, classes=classes, pairs=set(truth))
        squares.append(_Square(name="/".join(names), inference=inference, truth=truth, seconds=seconds))
    return squares


def _facts(described: dict[str, object]) -> Facts:
    packages = described["packages"]
    assert isinstance(packages, dict)
    versions = versions_of(described)
    others = tuple(f"{name} {packages.get(name, '')}" for name in ("numpy", "h5py", "protobuf"))
    python = f"python {described.get('python')}"
    return Facts(keras=versions.keras, tensorflow=versions.tensorflow, others=(python, *others))


def _result(record: CellRecord) -> Result:
    checks = {name: dict(check) for name, check in record.checks.items()}
    verdict = Verdict(status=record.status, checks=checks, failed_checks=record.failed_checks, error=record.error)
    return Result(status=record.status, cause=cause_of(verdict))


def _audit(squares: Sequence[_Square], audits: int) -> None:
    """How audits of a tenth of the inferred cells go on average."""
    cells = [(square, pair) for square in squares for pair, _ in square.inference.inferred()]
    wrong = {(square.name, pair) for square in squares for pair, _ in square.wrong(square.inference)}
    found = left = covered = audited = 0
    for seed in range(audits):
        chosen = [cells[number] for number in audit_sample(len(cells), str(seed), share=0.1, at_least=0)]
        bad = sum((square.name, pair) in wrong for square, pair in chosen)
        for square in squares:
            own = square.inference
            copy = Inference(axis=own.axis, classes=own.classes, pairs=own.pairs, results=dict(own.results))
            copy.results.update((pair, square.truth[pair]) for each, pair in chosen if each is square)
            square.measure(copy)
            left += sum(1 for _ in square.wrong(copy))
        found += bad
        audited = len(chosen)
        covered += upper_bound(bad, audited) >= len(wrong) / len(cells)
    print(
        f"{audits} audits of {audited} cells: {found / audits:.1f} of {len(wrong)} wrong ones found, "
        f"{left / audits:.1f} left after what they contradict was measured; "
        f"the 95 % bound held in {covered / audits:.0%}"
    )


if __name__ == "__main__":
    main()
