"""What planning a large matrix takes, and what measuring one would: `python benchmarks/batches.py [CELLS]`.

Nothing is started. Plans about a million cells into batches, and prints cells, batches, and CPU seconds for the plan
and for the batches. Then prints what all patch releases would take (120 environments, 500 scenarios, 9 formats) on 2,
64 and 1,000 workers, where every cell is measured and with adaptive pairs: the cost of a few scenarios, as often as it
takes, because the model knows scenarios by their number alone.
"""

from __future__ import annotations

import argparse
import time

from tfmatrix.core.environment import Environment
from tfmatrix.core.scenario import Scenario
from tfmatrix.engine.batches import split, target_seconds
from tfmatrix.engine.costs import cost, parts_of
from tfmatrix.engine.estimate import Past
from tfmatrix.engine.plan import Plan, make_plan
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
ENVIRONMENTS, SCENARIOS = 120, 500
"""All patch releases, and what there may be to ask of each."""

WORKERS = (2, 64, 1000)
PER_HOUR = 0.05
"""Price of a worker, in whatever money."""


def planned(scenarios: int, pairs: tuple[str, ...] = ("all",)) -> Plan:
    """That many scenarios in every format, in all environments."""
    versions = [f"2.{minor}.{patch}" for minor in range(2, 22) for patch in range(6)][:ENVIRONMENTS]
    environments = tuple(Environment(id=each, tensorflow=each) for each in versions)
    asked = [
        Scenario(
            name=f"s{number:04}", path="", digest=str(number), title="", description="", formats=None, has_training=True
        )
        for number in range(scenarios)
    ]
    selection = Selection(environments=environments, formats=FORMATS, pairs=pairs)
    return make_plan(selection, asked, formats=own_formats())


def planning(cells: int) -> None:
    """Prints what it takes to plan that many cells."""
    start = time.process_time()
    plan = planned(max(1, round(cells / (ENVIRONMENTS**2 * len(FORMATS)))))
    ready = time.process_time()
    parts = list(parts_of(plan, plan.saves, plan.loads, Past(())))
    batches = split(parts, target_seconds(sum(part.seconds for part in parts), 64))
    done = time.process_time()
    assert sum(map(len, batches)) == len(plan.saves) + len(plan.loads), "none is left out"
    print(f"cells    {plan.size}\nsaves    {len(plan.saves)}\nloads    {len(plan.loads)}\nbatches  {len(batches)}")
    print(f"plan     {ready - start:.1f} CPU seconds\nbatching {done - ready:.1f} CPU seconds\n")


def field(few: int = 4) -> None:
    """Prints what all patch releases take."""
    times = SCENARIOS / few
    print("| pairs | workers | cells | hours | CPU hours | in the store | moved | price |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for pairs in (("all",), ("adaptive",)):
        plan = planned(few, pairs)
        # On one worker: there are more batches of all scenarios than of these, so that none of a thousand would wait.
        found = cost(plan, plan.saves, plan.loads, Past(()), workers=1, per_hour=PER_HOUR, installed=True)
        for workers in WORKERS:
            hours = times * found.seconds / 3600 / workers
            figures = f"{times * found.cpu_hours:,.0f} | {times * found.bytes / 1e12:.1f} TB"
            print(
                f"| {pairs[0]} | {workers:,} | {times * plan.size / 1e6:.1f} million | {hours:,.0f} | {figures} "
                f"| {times * found.moved / 1e12:.1f} TB | {hours * workers * PER_HOUR:,.0f} |"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cells", nargs="?", type=int, default=1_000_000)
    planning(parser.parse_args().cells)
    field()
