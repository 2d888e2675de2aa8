"""The first pass over the files: reads every value of the columns that are kept, and says what it learned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.types as types

from feedrate.bench.datasets.options import DEFAULTS, PrepareOptions
from feedrate.bench.datasets.tables.choose import Choice
from feedrate.bench.datasets.tables.declared import Transforms
from feedrate.bench.datasets.tables.facts import (
    Facts,
    floats,
    look_at_categories,
    look_at_ids,
    look_at_label,
    look_at_lists,
    look_at_numbers,
)
from feedrate.bench.datasets.tables.numbers import NumberSteps
from feedrate.loaders.parquet.arrow_types import converted, is_time
from feedrate.loaders.parquet.open_file import short
from feedrate.loaders.parquet.table_files import Tables
from feedrate.loaders.parquet.table_parts import TablePart

_SECONDS = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What is looked for in every part."""

    kept: Mapping[str, Choice]
    steps: Mapping[str, NumberSteps]
    medians: tuple[str, ...]
    """Columns whose median is wanted."""
    label_above: float | None


def first_pass(
    tables: Tables,
    kept: Mapping[str, Choice],
    transforms: Transforms,
    label_above: float | None,
    options: PrepareOptions = DEFAULTS,
) -> dict[str, Facts]:
    """Return the facts of every column that is kept. Progress counts rows, out of those of both passes."""
    facts = {name: Facts() for name in kept}
    wanted = _Wanted(
        kept=kept,
        steps={name: steps_of(name, transforms) for name in kept},
        medians=tuple(name for name in kept if transforms.fill.get(name) == "median"),
        label_above=label_above,
    )
    done = 0
    for rows, chunk in options.runner.run(_look_at_part, wanted, tables.parts(list(kept))):
        for name, of_chunk in chunk.items():
            facts[name].merge(of_chunk)
        done += rows
        options.progress(done, 2 * tables.rows)
    return facts


def _look_at_part(wanted: _Wanted, part: TablePart) -> Iterator[tuple[int, dict[str, Facts]]]:
    """Yield the rows and facts of each chunk."""
    for table in part.chunks():
        facts = {name: Facts(values=[] if name in wanted.medians else None) for name in wanted.kept}
        for name, choice in wanted.kept.items():
            try:
                values = converted(table[name], choice.read_as)
            except (pa.ArrowException, UnicodeDecodeError) as error:
                facts[name].note("unfit", 1, part.shown, f"{table[name].type}: {short(error)}")
                continue
            _look(facts[name], values, choice, wanted.steps[name], wanted.label_above, part.shown)
        yield table.num_rows, facts


def steps_of(name: str, transforms: Transforms) -> NumberSteps:
    """Return the steps of a column whose statistics are not known yet: without fill and normalizing."""
    least, greatest = transforms.clip.get(name, (None, None))
    return NumberSteps(least=least, greatest=greatest, log1p=name in transforms.log1p)


def numbers(values: pa.Array) -> np.ndarray:
    """Return float64 [B], NaN for null. Times become seconds: since 1970, since midnight, or of the duration."""
    kind = values.type
    if not is_time(kind):
        return floats(values)
    if types.is_date32(kind):
        return floats(values.view(pa.int32())) * 86_400
    unit = "ms" if types.is_date64(kind) else kind.unit
    ticks = values.view(pa.int32() if types.is_time32(kind) else pa.int64())
    return floats(ticks) / _SECONDS[unit]


def _look(
    facts: Facts, values: pa.Array, choice: Choice, steps: NumberSteps, label_above: float | None, file: Path
) -> None:
    if choice.kind == "label":
        look_at_label(facts, floats(values), label_above, file)
    elif choice.kind == "continuous":
        look_at_numbers(facts, numbers(values), values.null_count, steps, file)
    elif choice.kind == "vector":
        inner = look_at_lists(facts, values, file)
        look_at_numbers(facts, floats(inner), inner.null_count, steps, file)
    elif choice.kind == "multi-hot":
        inner = look_at_lists(facts, values, file)
        (look_at_categories if choice.categorify else look_at_ids)(facts, inner, file)
    else:
        (look_at_categories if choice.categorify else look_at_ids)(facts, values, file)
