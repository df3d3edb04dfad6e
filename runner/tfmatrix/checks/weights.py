"""Check `weights`: same variables, shapes, dtypes and bits; renamed and reordered ones are named and are no loss."""

from __future__ import annotations

from dataclasses import dataclass, field

from tfmatrix.checks.distance import Distance, distance
from tfmatrix.checks.matching import Matching, Pair, Variable, match
from tfmatrix.checks.observation import Array, Observation
from tfmatrix.checks.result import Check, judged, not_applicable, text


@dataclass(kw_only=True)
class _Findings:
    """What the pairs came to, while they are walked through."""

    identical: int = 0
    changed: int = 0
    shapes: int = 0
    dtypes: int = 0
    worst: str = ""
    figures: Distance = field(default_factory=lambda: Distance(elements=0))
    losses: list[str] = field(default_factory=list)


def check_weights(writer: Observation, reader: Observation, matching: Matching | None = None) -> Check:
    """Figures: counts by what became of the writer's variables, and the largest difference of those that changed.

    The `trainable` flag of a variable belongs to the check `config`; only where the writer has no config (a plain
    tf.Module) is it judged here.
    """
    matching = matching or match(writer, reader)
    if not (matching.pairs or matching.missing or matching.extra):
        return not_applicable("the model has no weights")
    found = _Findings()
    for pair in matching.pairs:
        _compare(pair, found)
    losses = found.losses
    losses += [f"{variable.path} {_shape(variable)} is missing" for variable in matching.missing]
    added = [f"{variable.path} {_shape(variable)} is there but was not in the writer" for variable in matching.extra]
    notes = [f"{pair.writer.path} is now called {pair.reader.path}" for pair in matching.renamed]
    notes += [f"{pair.writer.path} moved from {pair.writer.index} to {pair.reader.index}" for pair in matching.moved]
    anonymous = sum(pair.is_anonymous for pair in matching.pairs)
    if anonymous:
        notes.append(f"{anonymous} variables have no names there; they were found by their values")
    flags = [pair for pair in matching.pairs if _flag_changed(pair)]
    sentences = [f"{pair.writer.path} is {'' if pair.reader.trainable else 'not '}trainable any more" for pair in flags]
    (notes if writer.section("config") is not None else losses).extend(
        sentence.replace("is trainable any more", "is trainable now") for sentence in sentences
    )
    # A function graph keeps variables that are no weights of the model (copies, seeds, counters of training).
    (losses if writer.kind == reader.kind else notes).extend(added)
    seeds = max(len(side) for side in matching.seeds)
    if seeds:
        notes.append(f"{seeds} seed states set aside: {_seed_sentence(matching)}")
    return judged(
        losses,
        notes,
        variables=len(matching.pairs) + len(matching.missing),
        identical=found.identical,
        changed=found.changed,
        missing=len(matching.missing),
        extra=len(matching.extra),
        shape_changed=found.shapes,
        dtype_changed=found.dtypes,
        renamed=len(matching.renamed),
        moved=len(matching.moved),
        anonymous=anonymous,
        trainable_changed=len(flags),
        seed_states=seeds,
        worst=found.worst,
        **{key: value for key, value in found.figures.to_json().items() if key.startswith("max_")},
    )


def _compare(pair: Pair, found: _Findings) -> None:
    name = pair.writer.path
    if pair.writer.shape != pair.reader.shape:
        found.shapes += 1
        found.losses.append(f"{name} has shape {list(pair.reader.shape)}, was {list(pair.writer.shape)}")
        return
    if pair.writer.dtype != pair.reader.dtype:
        found.dtypes += 1
        found.losses.append(f"{name} is {pair.reader.dtype}, was {pair.writer.dtype}")
        return
    ours, theirs = pair.writer.array(), pair.reader.array()
    if ours.same_bits(theirs):
        found.identical += 1
        return
    found.changed += 1
    figures = distance(ours, theirs)
    if not found.worst or figures.max_abs >= found.figures.max_abs:
        found.worst = name
    found.figures += figures
    found.losses.append(f"{name}: {describe_change(ours, theirs, figures)}")


def describe_change(before: Array, after: Array, figures: Distance) -> str:
    """How values changed, in words: a reset to one value is told apart from other changes."""
    constant = after.constant()
    # One element is always constant: there only zero looks like a reset.
    if constant is not None and (before.constant() is None or (constant == 0.0 and figures.unequal)):
        return f"all {after.size} values are {text(constant)} now"
    if not figures.unequal:
        return "only the signs of zeros or the payloads of NaNs differ"
    where = f"{figures.unequal} of {figures.elements} values differ"
    if not before.is_float and before.stored.dtype.kind not in "iu":
        return where
    if figures.nan_mismatches:
        where += f", {figures.nan_mismatches} of them are NaN on one side only"
    return f"{where}, by up to {text(figures.max_abs)} ({figures.max_ulp} ULP)"


def _flag_changed(pair: Pair) -> bool:
    flags = pair.writer.trainable, pair.reader.trainable
    return None not in flags and flags[0] != flags[1]


def _seed_sentence(matching: Matching) -> str:
    ours, theirs = matching.seeds
    if len(ours) != len(theirs):
        return f"the writer had {len(ours)}, the loaded model has {len(theirs)}"
    same = sum(a.shape == b.shape and a.digest == b.digest for a, b in zip(ours, theirs, strict=True))
    return "equal" if same == len(ours) else f"{len(ours) - same} differ"


def _shape(variable: Variable) -> str:
    return f"{variable.dtype}{list(variable.shape)}"
