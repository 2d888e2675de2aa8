"""From the facts of the first pass to what the second pass does: ids by frequency, fills, means and deviations."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.types as types

from feedrate.bench.datasets.canonical import Decision
from feedrate.bench.datasets.tables.categories import Categories, CategoryCounts, keys
from feedrate.bench.datasets.tables.choose import Choice
from feedrate.bench.datasets.tables.declared import Transforms
from feedrate.bench.datasets.tables.facts import Facts
from feedrate.bench.datasets.tables.fitted import Fitted, FittedColumn
from feedrate.bench.datasets.tables.numbers import Moments, NumberSteps
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.arrow_types import BYTES, NUMBER, TEXT, is_numeric
from feedrate.loaders.parquet.table_files import Tables


def fit(
    kept: Mapping[str, Choice],
    facts: Mapping[str, Facts],
    transforms: Transforms,
    label_above: float | None,
    *,
    rare_id: int = 0,
) -> tuple[Fitted, tuple[Decision, ...]]:
    """Return what converts the columns, and what that merges. The facts have no faults. rare_id: the id of rare values."""
    columns: list[FittedColumn] = []
    categories: dict[str, Categories] = {}
    decisions: list[Decision] = []
    for name, choice in kept.items():
        buckets = 0
        if choice.categorify:
            categories[name], merged = _categories(choice, facts[name], transforms, rare_id)
            buckets = categories[name].buckets
            decisions += merged
        columns.append(
            FittedColumn(
                name=name,
                kind=choice.kind,
                categorified=choice.categorify,
                cardinality=_cardinality(choice, facts[name], categories.get(name), transforms),
                buckets=buckets,
                steps=_steps(choice, facts[name], transforms),
                fill_empty=transforms.fill.get(name) == "empty",
                width=(facts[name].lengths or (0, 0))[1] if choice.kind == "vector" else 0,
            )
        )
    read_as = {name: choice.read_as for name, choice in kept.items()}
    fitted = Fitted(columns=tuple(columns), read_as=read_as, label_above=label_above, categories=categories)
    return fitted, tuple(decisions)


def different_kinds(fitted: Fitted, tables: Tables) -> tuple[str, ...]:
    """Return a sentence for each column of new files whose values mean something else than the dataset's, such as times."""
    faults = []
    for name, read_as in fitted.read_as.items():
        column = tables.columns.get(name)
        if column is None or column.kind is None or types.is_null(column.kind):
            continue
        if not _means_the_same(column.kind, read_as):
            faults.append(
                f"column {name!r} is {column.stored}, but the dataset of --like was made of {read_as}: write it as that"
            )
    return tuple(faults)


def _means_the_same(kind: pa.DataType, read_as: pa.DataType) -> bool:
    """Whether values of the one meaning can be read as the other: a number is no time, and Arrow would cast it to one."""
    if types.is_large_list(kind) or types.is_large_list(read_as):
        both = types.is_large_list(kind) and types.is_large_list(read_as)
        return both and (types.is_null(kind.value_type) or _means_the_same(kind.value_type, read_as.value_type))
    if types.is_decimal(read_as) and types.is_floating(kind):
        return False  # Arrow would round
    if types.is_boolean(kind) and read_as == NUMBER:
        return True
    return _family(kind) == _family(read_as)


def _family(kind: pa.DataType) -> str:
    if is_numeric(kind):
        return "number"
    if kind in (TEXT, BYTES):
        return "text"
    if types.is_timestamp(kind):
        return "timestamp" if kind.tz is None else "timestamp in UTC"
    tests = {"date": types.is_date, "time": types.is_time, "duration": types.is_duration}
    return next((name for name, test in tests.items() if test(kind)), str(kind))


def refit(fitted: Fitted, facts: Mapping[str, Facts]) -> tuple[str, ...]:
    """Return a sentence for each column of new files that what was fitted on others does not hold."""
    faults = []
    for column in fitted.columns:
        greatest = facts[column.name].greatest
        categorical = column.kind in ("single-hot", "multi-hot") and not column.categorified
        if categorical and greatest is not None and greatest >= column.cardinality:
            faults.append(
                f"column {column.name!r} has the id {greatest}, but the dataset of --like has ids below {column.cardinality}"
            )
        lengths = facts[column.name].lengths
        if column.kind == "vector" and lengths and lengths[1] != column.width:
            faults.append(
                f"column {column.name!r} has lists of {lengths[1]} numbers, but the dataset of --like has {column.width}"
            )
    return tuple(faults)


def _categories(
    choice: Choice, facts: Facts, transforms: Transforms, rare_id: int
) -> tuple[Categories, list[Decision]]:
    counts = facts.counts
    if counts is None:  # no chunk had values
        counts = CategoryCounts()
        counts.add(keys(_no_values(choice)))
    table = counts.by_frequency()
    name = choice.name
    buckets = transforms.hash_buckets.get(name, transforms.hash_buckets.get("*", 0))
    least = transforms.min_count.get(name, transforms.min_count.get("*", 0))
    frequent = table.filter(pl.col("count") >= least) if least or not buckets else table.clear()
    rare = table.height - frequent.height
    decisions = []
    if rare:
        where = f"are hashed to {buckets} ids" if buckets else f"have id {rare_id}"
        which = f"values that occur less than {least} times" if least else "values"
        decisions.append(Decision(subject=name, what=f"{rare} {which} {where}", keep="--min-count and --hash-buckets"))
    return Categories.of(frequent["value"], buckets=buckets), decisions


def _no_values(choice: Choice) -> pa.Array:
    kind = choice.read_as
    return pa.nulls(0, kind.value_type if choice.kind == "multi-hot" else kind)


def _cardinality(choice: Choice, facts: Facts, categories: Categories | None, transforms: Transforms) -> int:
    if choice.kind not in ("single-hot", "multi-hot"):
        return 0
    if categories is not None:
        return categories.cardinality
    fill = transforms.fill.get(choice.name)
    greatest = -1 if facts.greatest is None else int(facts.greatest)
    return max(greatest, int(fill) if isinstance(fill, float) else -1, 0) + 1


def _steps(choice: Choice, facts: Facts, transforms: Transforms) -> NumberSteps:
    if choice.kind == "multi-hot":
        return NumberSteps()
    name = choice.name
    least, greatest = transforms.clip.get(name, (None, None))
    fill = _fill(name, facts, transforms)
    steps = NumberSteps(fill=fill, least=least, greatest=greatest, log1p=name in transforms.log1p)
    if name not in transforms.normalize:
        return steps
    moments = Moments(facts.moments.count, facts.moments.mean, facts.moments.squares)
    missing = facts.count_of("missing") + facts.count_of("nan")
    if fill is not None and missing:
        moments.merge(Moments(missing, float(steps.apply(np.array([fill]))[0]), 0.0))
    return NumberSteps(
        fill=fill,
        least=least,
        greatest=greatest,
        log1p=steps.log1p,
        mean=moments.mean,
        deviation=moments.deviation,
    )


def _fill(name: str, facts: Facts, transforms: Transforms) -> float | None:
    fill = transforms.fill.get(name)
    if fill == "zero":
        return 0.0
    if fill == "mean":
        return facts.raw.mean if facts.raw.count else 0.0
    if fill == "median":
        median = facts.spool.median() if facts.spool else None
        if median is None:
            raise FeedrateError(f"column {name!r} has no value to take the median of")
        return median
    return fill if isinstance(fill, float) else None
