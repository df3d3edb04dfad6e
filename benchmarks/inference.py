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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument("store", type=Path, help="results/store")
    parser.add_argument("audits", nargs="?", type=int, default=200)
    given = parser.parse_args()
    run = read_run_folder(given.run)
    squares = _squares(run, Store(given.store))
    classes = [len(set(inference.classes.values())) / len(inference.classes) for inference, _ in squares]
    total = sum(len(truth) for _, truth in squares)
    print(f"{len(squares)} squares, {total} cells; {sum(classes) / len(classes):.2f} classes for each writer")
    wrong: Counter[str] = Counter()
    inferred: Counter[str] = Counter()
    measured = 0
    for inference, truth in squares:
        _measure(inference, truth)
        measured += len(inference.results)
        for pair, found in inference.inferred():
            inferred[found.by] += 1
            wrong[found.by] += inference.results[found.source] != truth[pair]
    print(f"measured {measured} of {total} ({measured / total:.0%})")
    for by, count in sorted(inferred.items()):
        print(f"inferred by {by}: {count}, of which wrong {wrong[by]} ({wrong[by] / count:.2%})")
    _audit(squares, inferred.total(), wrong.total(), given.audits)


def _squares(run: Run, store: Store) -> list[tuple[Inference, dict[Pair, Result]]]:
    """Each scenario and format with its truth."""
    axis = Axis({name: _facts(described) for name, described in run.header["environments"].items()})
    groups: dict[tuple[str, str], list[CellRecord]] = defaultdict(list)
    for record in run.records:
        if record.artifact is not None and record.load and record.status not in _LOST:
            groups[record.scenario, record.format].append(record)
    squares = []
    for records in groups.values():
        artifacts = {record.writer: str((record.artifact or {})["digest"]) for record in records}
        classes = {name: artifact_class(store.folder(artifacts[name])) for name in axis.names if name in artifacts}
        truth = {(record.writer, record.reader): _result(record) for record in records}
        squares.append((Inference(axis=axis, classes=classes, pairs=set(truth)), truth))
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


def _measure(inference: Inference, truth: dict[Pair, Result]) -> None:
    while wanted := inference.wanted():
        inference.results.update((pair, truth[pair]) for pair in wanted)


def _audit(squares: list[tuple[Inference, dict[Pair, Result]]], inferred: int, wrong: int, audits: int) -> None:
    """How audits of a tenth of the inferred cells go on average."""
    found = left = 0
    covered = 0
    for number in range(audits):
        chosen = audit_sample(inferred, str(number), share=0.1, at_least=0)
        position = bad = remaining = 0
        for inference, truth in squares:
            copy = Inference(
                axis=inference.axis, classes=inference.classes, pairs=inference.pairs, results=dict(inference.results)
            )
            audited = []
            for pair, source in inference.inferred():
                if position in chosen:
                    audited.append(pair)
                    bad += inference.results[source.source] != truth[pair]
                position += 1
            copy.results.update((pair, truth[pair]) for pair in audited)
            _measure(copy, truth)
            remaining += sum(copy.results[each.source] != truth[pair] for pair, each in copy.inferred())
        found += bad
        left += remaining
        covered += upper_bound(bad, len(chosen)) >= wrong / inferred
    print(
        f"{audits} audits of {len(audit_sample(inferred, '', share=0.1, at_least=0))} cells: "
        f"{found / audits:.1f} of {wrong} wrong ones found, {left / audits:.1f} left after what they contradict was "
        f"measured; the 95 % bound held in {covered / audits:.0%}"
    )


if __name__ == "__main__":
    main()
