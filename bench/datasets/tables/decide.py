"""Decides, from what the first pass found, whether the columns can be prepared, and says what is done to them.

Nothing is changed unless an option asks for it: whatever cannot be kept as it is becomes a fault, which names the options.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from feedrate.bench.datasets.canonical import Decision
from feedrate.bench.datasets.tables.choose import Choice, Choices, LeftOut
from feedrate.bench.datasets.tables.declared import Transforms
from feedrate.bench.datasets.tables.facts import Facts
from feedrate.bench.datasets.tables.faults import doubt_of_ids, faults_of, misplaced

MAX_EXACT_FLOAT32 = 2**24
"""Whole numbers above this are rounded by float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The columns that are written, and what was decided about them."""

    kept: Mapping[str, Choice]
    left_out: tuple[LeftOut, ...]
    decisions: tuple[Decision, ...]
    faults: tuple[str, ...]


def decide(
    choices: Choices,
    facts: Mapping[str, Facts],
    transforms: Transforms,
    label_above: float | None = None,
    *,
    missing_id: int = 0,
) -> Decided:
    """Judge every column that was looked at. missing_id: the id that missing values will have."""
    kept, left_out = dict(choices.kept), list(choices.left_out)
    faults: list[str] = []
    decisions: list[Decision] = []
    for name, choice in choices.kept.items():
        reason = _empty(choice, facts[name])
        if reason is not None:
            left_out.append(reason)
            del kept[name]
            continue
        problems = list(faults_of(choice, facts[name], transforms, label_above))
        faults += problems
        if not problems:
            decisions += _decisions(choice, facts[name], transforms, missing_id)
    faults += misplaced(kept, transforms)
    if not (faults or choices.faults) and all(choice.kind == "label" for choice in kept.values()):
        faults.append("there is no column with values besides the label to learn from")
    decisions += [
        Decision(subject=column.name, what=f"left out ({column.why})", keep=column.keep) for column in left_out
    ]
    return Decided(kept=kept, left_out=tuple(left_out), decisions=tuple(decisions), faults=tuple(faults))


def _empty(choice: Choice, facts: Facts) -> LeftOut | None:
    """Leave out an undeclared column if it has no value at all, or bytes that are no text."""
    if choice.declared or not choice.categorify or "unfit" in facts.found:
        return None
    option = f"--{choice.kind} {choice.name}"
    if "not utf-8" in facts.found:
        return LeftOut(
            name=choice.name, why=f"{choice.stored} that is not text", keep=f"{option} --categorify {choice.name}"
        )
    if choice.kind == "single-hot" and facts.rows and facts.count_of("missing") == facts.rows:
        return LeftOut(name=choice.name, why=f"{choice.stored} without a value", keep=option)
    return None


def _decisions(choice: Choice, facts: Facts, transforms: Transforms, missing_id: int) -> Iterator[Decision]:
    name = choice.name
    missing, nan = facts.count_of("missing"), facts.count_of("nan")
    if not choice.declared:
        guess = f"{choice.kind}, guessed from its type {choice.stored}"
        yield Decision(subject=name, what=guess, keep="--single-hot, --multi-hot, --continuous, --vector or --drop")
    if choice.categorify and missing:
        yield Decision(subject=name, what=f"{missing} missing values have id {missing_id}")
    if choice.categorify and nan:
        yield Decision(subject=name, what=f"{nan} NaN values are one category")
    fill = transforms.fill.get(name)
    if fill is not None:
        filled = missing + (0 if choice.categorify else nan) + facts.count_of("missing lists")
        yield Decision(subject=name, what=f"{filled} missing values are filled with {fill}")
    rounded = choice.kind in ("continuous", "vector") and name not in {*transforms.normalize, *transforms.log1p}
    farthest = max(facts.least or 0, facts.greatest or 0, key=abs)
    if rounded and abs(farthest) > MAX_EXACT_FLOAT32:
        what = f"values up to {farthest:g} are rounded to float32, which has 7 digits"
        yield Decision(subject=name, what=what, keep=f"--normalize {name} or --categorify {name}")
    small = facts.found.get("too small")
    if small and name not in transforms.normalize:
        what = f"{small.count} values as small as {small.value} become 0, since float32 holds none so small"
        yield Decision(subject=name, what=what, keep=f"--normalize {name}")
    as_they_are = choice.kind in ("single-hot", "multi-hot") and not choice.categorify
    if as_they_are and choice.declared and (doubt := doubt_of_ids(facts)):
        yield Decision(subject=name, what=f"kept as ids, though it has {doubt}", keep=f"--categorify {name}")
