"""How long it takes to plan a matrix of a million cells into batches: `python benchmarks/batches.py [CELLS]`.

Nothing is started. Prints cells, batches, CPU seconds for the plan and for the batches, and the cost on 2, 64 and 1,000
workers.
"""

from __future__ import annotations

import sys
import time

from tfmatrix.core.environment import Environment
from tfmatrix.core.scenario import Scenario
from tfmatrix.engine.batches import split, target_seconds
from tfmatrix.engine.costs import cost, parts_of
from tfmatrix.engine.estimate import Past
from tfmatrix.engine.plan import make_plan
from tfmatrix.project.config import Selection
from tfmatrix.project.formats import own_formats

FORMATS = (
    "h5",
    "keras",
    "weights-h5-legacy",
    "weights-h5",
    "checkpoint",
    "tf-savedmodel",
    "savedmodel",
    "export",
    "tflite",
)
ENVIRONMENTS = 120


def main(cells: int) -> None:
    versions = [f"2.{minor}.{patch}" for minor in range(2, 22) for patch in range(6)][:ENVIRONMENTS]
    environments = tuple(Environment(id=each, tensorflow=each) for each in versions)
    scenarios = [
        Scenario(
            name=f"s{number:04}", path="", digest=str(number), title="", description="", formats=None, has_training=True
        )
        for number in range(max(1, round(cells / (ENVIRONMENTS**2 * len(FORMATS)))))
    ]
    start = time.process_time()
    plan = make_plan(Selection(environments=environments, formats=FORMATS), scenarios, formats=own_formats())
    planned = time.process_time()
    past = Past(())
    parts = list(parts_of(plan, plan.saves, plan.loads, past))
    total = sum(part.seconds for part in parts)
    batches = split(parts, target_seconds(total, 64))
    done = time.process_time()
    assert sum(map(len, batches)) == len(plan.saves) + len(plan.loads), "none is left out"
    print(f"cells    {plan.size}\nsaves    {len(plan.saves)}\nloads    {len(plan.loads)}\nbatches  {len(batches)}")
    print(f"plan     {planned - start:.1f} CPU seconds\nbatching {done - planned:.1f} CPU seconds")
    for workers in (2, 64, 1000):
        print(cost(plan, plan.saves, plan.loads, past, workers=workers, per_hour=0.05))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
