"""Finds which variable of a loaded model is which variable of the writer's, by meaning.

Names alone do not do: Keras 2 says `dense/kernel:0`, Keras 3 says `sequential/dense/kernel`, layers inside layers get
counters that depend on what the process built before (`lstm_cell_1`), and a model rebuilt from code may be called
`dense_3` where the writer's was `dense`. Values alone do not do either: two weights that a loader swapped have the
right values at the wrong place, and that is a loss.

So, in this order:

1. the path, as it is, then without what is presentation only; a reading under which every path is unique and both sides
   have the same ones settles it;
2. otherwise the path where it leads to one variable on either side, and for the rest the order of layers, the
   variable's role in its layer (`kernel`) and its shape. Where names partly agree by accident (writer `dense`,
   `dense_1`, reader `dense_1`, `dense_2`), the order alone is tried as well, and taken if it finds more identical
   values;
3. identical bits, for what is left.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tfmatrix.checks.observation import Array, Observation
from tfmatrix.checks.seeds import is_seed_state

_UNIQUIFIER = re.compile(r"(_\d+|#\d+)$")
_TENSOR_SUFFIX = re.compile(r":\d+$")


@dataclass(frozen=True, kw_only=True, eq=False)
class Variable:
    """One variable of an observation. `index` is its place in the section `weights`."""

    observation: Observation
    index: int
    entry: Mapping[str, Any]

    @cached_property
    def path(self) -> str:
        """Its path without the tensor suffix of Keras 2 (`:0`)."""
        return _TENSOR_SUFFIX.sub("", str(self.entry["path"]))

    @cached_property
    def inner_path(self) -> str:
        """The path without the counters below its first layer (`lstm/lstm_cell_1`): they depend on the process."""
        first, _, rest = self.path.partition("/")
        return "/".join([first, *map(without_counter, rest.split("/"))]) if rest else first

    @property
    def tail(self) -> str:
        """The last two parts of the path, a layer and a role: without the models around it, which not all name."""
        return "/".join(self.path.split("/")[-2:])

    @property
    def flat(self) -> str:
        """The path in one part, as Keras 3 names the variables of a SavedModel that it holds: `dense_kernel`."""
        return self.path.replace("/", "_")

    @cached_property
    def role(self) -> str:
        """What it is in its layer (`kernel`, `moving_mean`), without a counter. A number where it has no name."""
        return without_counter(str(self.entry.get("role") or self.path.rpartition("/")[2]))

    @property
    def is_anonymous(self) -> bool:
        """Whether its path says nothing but a position: `_variables/3`, in what Keras 3 exports."""
        return self.role.isdigit()

    @property
    def shape(self) -> tuple[int, ...]:
        """The dimensions."""
        return tuple(self.entry["array"]["shape"])

    @property
    def dtype(self) -> str:
        """The dtype's name."""
        return str(self.entry["array"]["dtype"])

    @property
    def trainable(self) -> bool | None:
        """The flag, where the observer could tell."""
        flag = self.entry.get("trainable")
        return None if flag is None else bool(flag)

    def array(self) -> Array:
        """The values, read from the observation."""
        return self.observation.array(self.entry["array"])

    @cached_property
    def digest(self) -> tuple[str, tuple[int, ...], str]:
        """Equal for variables with the same dtype, shape and bits."""
        array = self.array()
        if array.stored.dtype.kind == "O":
            return array.dtype, array.shape, repr(array.stored.tolist())
        return array.dtype, array.shape, hashlib.blake2b(array.raw.data).hexdigest()

    @cached_property
    def is_constant(self) -> bool:
        """Whether all elements are one value, so that identical bits say little about identity."""
        return self.array().constant() is not None


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The writer's variable and the loaded one that it became."""

    writer: Variable
    reader: Variable

    @property
    def is_anonymous(self) -> bool:
        """Whether one side has only a position for a name."""
        return self.writer.is_anonymous != self.reader.is_anonymous

    @property
    def is_renamed(self) -> bool:
        """Whether more than presentation of the name changed; not where there is no name."""
        if self.is_anonymous:
            return False
        return all(name(self.writer) != name(self.reader) for name in _NAMES)


@dataclass(frozen=True, kw_only=True)
class Matching:
    """What became of every variable. `moved` are pairs whose place among the others changed; seeds are left out."""

    pairs: tuple[Pair, ...]
    missing: tuple[Variable, ...]
    extra: tuple[Variable, ...]
    seeds: tuple[tuple[Variable, ...], tuple[Variable, ...]]

    @cached_property
    def renamed(self) -> tuple[Pair, ...]:
        """Pairs with another name."""
        return tuple(pair for pair in self.pairs if pair.is_renamed)

    @cached_property
    def moved(self) -> tuple[Pair, ...]:
        """Pairs that are not where they were: as few as explain the new order."""
        named = [pair for pair in self.pairs if not pair.is_anonymous]
        kept = _longest_increasing([pair.reader.index for pair in named])
        return tuple(pair for position, pair in enumerate(named) if position not in kept)

    @cached_property
    def reader_index(self) -> Mapping[int, int]:
        """The writer's index to the reader's."""
        return {pair.writer.index: pair.reader.index for pair in self.pairs}


def without_counter(name: str) -> str:
    """A name without the counter that Keras appends to make it unique: `dense_3` is `dense`."""
    return _UNIQUIFIER.sub("", name) or name


def variables(observation: Observation) -> tuple[Variable, ...]:
    """The section `weights`, in its order."""
    return tuple(
        Variable(observation=observation, index=index, entry=entry)
        for index, entry in enumerate(observation.section("weights") or ())
    )


def match(writer: Observation, reader: Observation) -> Matching:
    """Matches the variables of two observations; see the module's docstring for the order of evidence."""
    ours, theirs = variables(writer), variables(reader)
    seeds = tuple(v for v in ours if is_seed_state(v.path)), tuple(v for v in theirs if is_seed_state(v.path))
    ours = tuple(v for v in ours if v not in seeds[0])
    theirs = tuple(v for v in theirs if v not in seeds[1])
    found = _settled(ours, theirs) or _searched(ours, theirs)
    pairs = tuple(
        Pair(writer=mine, reader=theirs_of) for mine, theirs_of in sorted(found, key=lambda pair: pair[0].index)
    )
    used = {pair.reader.index for pair in pairs}
    matched = {pair.writer.index for pair in pairs}
    return Matching(
        pairs=pairs,
        missing=tuple(v for v in ours if v.index not in matched),
        extra=tuple(v for v in theirs if v.index not in used),
        seeds=seeds,
    )


_Pairs = list[tuple[Variable, Variable]]
_NAMES: tuple[Callable[[Variable], str], ...] = (
    lambda variable: variable.path,
    lambda variable: variable.inner_path,
    lambda variable: variable.tail,
    lambda variable: variable.flat,
)


def _settled(ours: Sequence[Variable], theirs: Sequence[Variable]) -> _Pairs | None:
    """The matching by name, where one reading of the names is one to one over all variables."""
    for name in _NAMES:
        mine, others = {name(v): v for v in ours}, {name(v): v for v in theirs}
        if len(mine) == len(ours) and len(others) == len(theirs) and mine.keys() == others.keys():
            return [(variable, others[key]) for key, variable in mine.items()]
    return None


def _searched(ours: Sequence[Variable], theirs: Sequence[Variable]) -> _Pairs:
    """The matching where names do not settle it."""
    by_name = _by_name(ours, theirs)
    by_order = _by_order(ours, theirs)
    if by_order is not None and _identical(by_order) > _identical(by_name):
        return by_order
    return by_name


def _identical(pairs: _Pairs) -> int:
    return sum(mine.shape == other.shape and mine.digest == other.digest for mine, other in pairs)


def _by_order(ours: Sequence[Variable], theirs: Sequence[Variable]) -> _Pairs | None:
    """One to one in order, where roles and shapes agree all along; else None."""
    pairs = list(zip(ours, theirs, strict=False))
    if len(ours) == len(theirs) and all(a.role == b.role and a.shape == b.shape for a, b in pairs):
        return pairs
    return None


def _by_name(ours: Sequence[Variable], theirs: Sequence[Variable]) -> _Pairs:
    """By path where it is unique, then by layer, role and shape in order, then by identical bits."""
    found: _Pairs = []
    left, right = list(ours), list(theirs)

    def take(pairs: _Pairs) -> None:
        found.extend(pairs)
        used = {variable for pair in pairs for variable in pair}
        left[:] = [variable for variable in left if variable not in used]
        right[:] = [variable for variable in right if variable not in used]

    for name in _NAMES:
        take(_groups(left, right, name, lambda mine, others: len(mine) == len(others) == 1))
    for name in _NAMES:
        # Several variables of one name (raw tf.Variables are all called "Variable"): the same values are the same
        # variable in whatever order; the rest go by their order.
        for group in _split(_groups(left, right, name, _same_count), name):
            take(_by_bits_then_order(group))
    for key in (_layer_role_shape, _role_shape):
        take(_groups(left, right, key, _same_count))
    # A constant (zeros of a bias) is found in too many places to say by itself what it is.
    take(_groups(left, right, lambda v: (v.digest, v.role if v.is_constant else ""), _same_count))
    if all(variable.is_anonymous for variable in left) or all(variable.is_anonymous for variable in right):
        # What has no names goes by its values, as often as they are there, and then by its order.
        take(_groups(left, right, lambda v: v.digest, _any_count))
        take(_groups(left, right, lambda v: v.shape, _same_count))
    return found


def _layer_role_shape(variable: Variable) -> Hashable:
    layers = variable.path.split("/")[:-1]
    return tuple(map(without_counter, layers)), variable.role, variable.shape


def _role_shape(variable: Variable) -> Hashable:
    return variable.role, variable.shape


def _same_count(mine: Sequence[Variable], others: Sequence[Variable]) -> bool:
    return len(mine) == len(others)


def _any_count(mine: Sequence[Variable], others: Sequence[Variable]) -> bool:
    return bool(mine and others)


def _groups(
    ours: Sequence[Variable],
    theirs: Sequence[Variable],
    key: Callable[[Variable], Hashable],
    accept: Callable[[Sequence[Variable], Sequence[Variable]], bool],
) -> _Pairs:
    """Pairs in order within each group of equal keys that is accepted."""
    mine, others = _grouped(ours, key), _grouped(theirs, key)
    return [
        pair
        for value, group in mine.items()
        if value in others and accept(group, others[value])
        for pair in zip(group, others[value], strict=False)
    ]


def _grouped(variables: Iterable[Variable], key: Callable[[Variable], Hashable]) -> dict[Hashable, list[Variable]]:
    groups: dict[Hashable, list[Variable]] = defaultdict(list)
    for variable in variables:
        groups[key(variable)].append(variable)
    return groups


def _split(pairs: _Pairs, name: Callable[[Variable], str]) -> Iterable[_Pairs]:
    groups: dict[str, _Pairs] = defaultdict(list)
    for mine, other in pairs:
        groups[name(mine)].append((mine, other))
    return groups.values()


def _by_bits_then_order(group: _Pairs) -> _Pairs:
    """Pairs up a group anew: identical values first, the rest in order."""
    if len(group) == 1:
        return group
    mine, others = [a for a, _ in group], [b for _, b in group]
    found: _Pairs = []
    for variable in list(mine):
        same = next((other for other in others if other.digest == variable.digest), None)
        if same is not None:
            found.append((variable, same))
            mine.remove(variable)
            others.remove(same)
    return found + list(zip(mine, others, strict=True))


def _longest_increasing(numbers: Sequence[int]) -> set[int]:
    """Positions of a longest increasing subsequence."""
    best: list[int] = []
    before: list[int | None] = [None] * len(numbers)
    for position, value in enumerate(numbers):
        low, high = 0, len(best)
        while low < high:
            middle = (low + high) // 2
            if numbers[best[middle]] < value:
                low = middle + 1
            else:
                high = middle
        before[position] = best[low - 1] if low else None
        best[low : low + 1] = [position]
    kept: set[int] = set()
    current = best[-1] if best else None
    while current is not None:
        kept.add(current)
        current = before[current]
    return kept
