"""Which cells need not be measured, because others tell what they come to. Pure.

Two writers whose artifacts are of one class are read alike by any one reader: the first of a class is measured, the
others are inferred from it ("artifact"). Along the axis of versions readers come in blocks: the ends and the middle of
each family are measured, halves where two neighbours of the sample differ, and what lies between two that agree is
inferred from the nearer one ("reader"). A measured cell that contradicts what would be inferred of it splits its block,
or takes its writer out of its class; so an audit corrects what it finds.

Where writer and reader have the same Keras, everything is measured: what is compared there is judged more strictly
(measured: with 3.4.1 and 3.5.0, such cells were all that halving got wrong).
"""

from __future__ import annotations

import bisect
import itertools
import math
import random
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from packaging.version import InvalidVersion, Version

from tfmatrix.core.status import Status
from tfmatrix.engine.plan import Pair

By = Literal["artifact", "reader"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a measured cell came to, as far as cells are compared: two with equal results agree."""

    status: Status
    cause: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What of an environment decides how it reads: versions, and whether its Keras is the package tf-keras."""

    keras: str
    tensorflow: str
    is_legacy: bool = False
    others: tuple[str, ...] = ()

    @property
    def family(self) -> tuple[int, bool]:
        """Environments of one family read much alike."""
        return _version(self.keras).major, self.is_legacy


_WEIGHTS = (8, 4, 2, 1)
"""What a change means: another minor of Keras, another of TensorFlow, a patch of either, anything else."""


def distance(one: Facts, other: Facts) -> int:
    """How much two environments differ: where it is large, they are likely to read differently."""
    keras = _version(one.keras).release[:2] != _version(other.keras).release[:2]
    tensorflow = _version(one.tensorflow).release[:2] != _version(other.tensorflow).release[:2]
    patch = (one.keras, one.tensorflow) != (other.keras, other.tensorflow)
    changed = (keras, tensorflow, patch, one.others != other.others)
    return sum(weight for weight, is_changed in zip(_WEIGHTS, changed, strict=True) if is_changed)


class Axis:
    """Environments in the order in which what they read changes: by Keras, then TensorFlow, then the rest."""

    def __init__(self, facts: Mapping[str, Facts]) -> None:
        def place(name: str) -> tuple[Version, Version, tuple[str, ...], str]:
            each = facts[name]
            return _version(each.keras), _version(each.tensorflow), each.others, name

        self.names = tuple(sorted(facts, key=place))
        self.families = {name: facts[name].family for name in self.names}
        self.keras = {name: (facts[name].keras, facts[name].is_legacy) for name in self.names}
        # Where each stands: the sum of the steps before it.
        self.places: dict[str, int] = {}
        position = 0
        for before, name in zip((None, *self.names), self.names, strict=False):
            position += max(1, distance(facts[before], facts[name])) if before is not None else 0
            self.places[name] = position

    def sample(self, names: Sequence[str]) -> set[str]:
        """Of names in the order of the axis those to begin with: the ends and the middle of each family."""
        families: dict[tuple[int, bool], list[str]] = defaultdict(list)
        for name in names:
            families[self.families[name]].append(name)
        found: set[str] = set()
        for members in families.values():
            found |= {members[0], members[-1]}
            if len(members) > 2:
                found.add(self.middle(members))
        return found

    def middle(self, names: Sequence[str]) -> str:
        """Of at least three names in order the one between the first and the last that halves what changes."""
        places = [self.places[name] for name in names]
        half = bisect.bisect_left(places, (places[0] + places[-1]) / 2)
        return names[min(max(half, 1), len(names) - 2)]


@dataclass(frozen=True, kw_only=True)
class Inferred:
    """A cell that is not measured: what it comes to is what the cell of the pair `source` came to."""

    source: Pair
    by: By


@dataclass(kw_only=True)
class Inference:
    """The cells of one scenario in one format.

    `classes` maps the writers that saved it to the class of their artifact, in the order of the axis; `pairs` are those
    to be known. `results` are what was measured; `lost` are pairs that could not be, and tell nothing.
    """

    axis: Axis
    classes: Mapping[str, Hashable]
    pairs: Collection[Pair]
    results: dict[Pair, Result] = field(default_factory=dict)
    lost: set[Pair] = field(default_factory=set)

    def wanted(self) -> list[Pair]:
        """The pairs to measure next; none where all others can be inferred."""
        wanted: dict[Pair, None] = {}
        for pair in self.pairs:
            if self._is_own(pair) and pair not in self.results and pair not in self.lost:
                wanted[pair] = None
        for leader, followers in self._leaders():
            readers = self._readers(leader)
            unknown = [name for name in readers if (leader, name) not in self.results]
            first = self.axis.sample(readers)
            begin = [name for name in unknown if name in first]
            if begin:
                wanted |= dict.fromkeys((leader, name) for name in begin)
                continue
            wanted |= dict.fromkeys((leader, name) for name in self._halves(leader, readers))
            # What the leader tells nothing of is measured: readers with its own Keras, those that were lost, and those
            # that are asked of a follower alone.
            alone = [name for name in self.axis.names if name not in readers]
            for writer in followers:
                for name in alone:
                    pair = (writer, name)
                    if pair in self.pairs and pair not in self.results and pair not in self.lost:
                        wanted[pair] = None
            # A measured cell of a follower says something of its leader only where that was measured, too.
            for writer in followers:
                for name in unknown:
                    found = self.results.get((writer, name))
                    if self._is_own((writer, name)) or found is None:
                        continue
                    if found != self._between(leader, name, readers):
                        wanted[leader, name] = None
        return list(wanted)

    def inferred(self) -> Iterator[tuple[Pair, Inferred]]:
        """All pairs that were not measured, with what they are inferred from. Only where `wanted` is empty."""
        for leader, followers in self._leaders():
            readers = self._readers(leader)
            known = [name for name in readers if (leader, name) in self.results]
            nearest = {name: self._nearest(name, known) for name in readers} if known else {}
            for writer in (leader, *followers):
                for name in self.axis.names:
                    pair = (writer, name)
                    if pair not in self.pairs or pair in self.results or pair in self.lost or self._is_own(pair):
                        continue
                    source = nearest.get(name)
                    if source is not None:
                        yield pair, Inferred(source=(leader, source), by="artifact" if source == name else "reader")

    def result(self, pair: Pair) -> Result:
        """What was measured of a pair."""
        return self.results[pair]

    def _leaders(self) -> Iterator[tuple[str, list[str]]]:
        """The writers that stand for others, each with those: before all who are asked of most readers."""
        by_class: dict[Hashable, list[tuple[str, list[str]]]] = defaultdict(list)
        asked = Counter(writer for writer, _ in self.pairs)
        for writer, kind in sorted(self.classes.items(), key=lambda item: -asked[item[0]]):
            for leader, followers in by_class[kind]:
                if all(self._agree(each, writer) for each in (leader, *followers)):
                    followers.append(writer)
                    break
            else:
                by_class[kind].append((writer, []))
        for groups in by_class.values():
            yield from groups

    def _agree(self, one: str, other: str) -> bool:
        """Whether no reader was measured to read the two differently."""
        return all(
            self.results[one, name] == self.results[other, name]
            for name in self.axis.names
            if (one, name) in self.results
            and (other, name) in self.results
            and not self._is_own((one, name))
            and not self._is_own((other, name))
        )

    def _is_own(self, pair: Pair) -> bool:
        """Whether writer and reader have the same Keras: such a pair tells nothing of others, nor they of it."""
        return self.axis.keras[pair[0]] == self.axis.keras[pair[1]]

    def _readers(self, writer: str) -> list[str]:
        """Those that can tell something of a writer, in the order of the axis."""
        pairs = ((writer, name) for name in self.axis.names)
        return [pair[1] for pair in pairs if pair in self.pairs and pair not in self.lost and not self._is_own(pair)]

    def _halves(self, leader: str, readers: Sequence[str]) -> Iterator[str]:
        """Between two neighbours of the sample that differ, the one that halves what lies between them."""
        known = [index for index, name in enumerate(readers) if (leader, name) in self.results]
        for before, after in itertools.pairwise(known):
            if after - before > 1 and self.results[leader, readers[before]] != self.results[leader, readers[after]]:
                yield self.axis.middle(readers[before : after + 1])

    def _between(self, leader: str, name: str, readers: Sequence[str]) -> Result | None:
        known = [each for each in readers if (leader, each) in self.results]
        return self.results[leader, self._nearest(name, known)] if known else None

    def _nearest(self, name: str, known: Sequence[str]) -> str:
        place = self.axis.places[name]
        return min(known, key=lambda each: abs(self.axis.places[each] - place))


def audit_sample(count: int, seed: str, *, share: float, at_least: int) -> set[int]:
    """Which of `count` inferred cells are measured nevertheless, by number; another seed, others."""
    wanted = min(count, max(at_least, math.ceil(share * count)))
    return set(random.Random(seed).sample(range(count), wanted))


def upper_bound(wrong: int, of: int, confidence: float = 0.95) -> float:
    """The rate of errors that is not exceeded with that confidence, where `wrong` of a random sample were wrong.

    One-sided, exact (C. J. Clopper and E. S. Pearson, Biometrika 26, 1934). 1.0 without a sample.
    """
    if wrong >= of:
        return 1.0
    low, high = wrong / of, 1.0
    for _ in range(60):
        rate = (low + high) / 2
        if _at_most(wrong, of, rate) > 1 - confidence:
            low = rate
        else:
            high = rate
    return high


def _at_most(wrong: int, of: int, rate: float) -> float:
    """The probability of at most so many errors."""
    return sum(
        math.exp(
            math.lgamma(of + 1)
            - math.lgamma(count + 1)
            - math.lgamma(of - count + 1)
            + count * math.log(rate)
            + (of - count) * math.log1p(-rate)
        )
        for count in range(wrong + 1)
    )


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        return Version("9999")
