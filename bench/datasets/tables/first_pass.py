"""The first pass over the files: reads every value of the columns that are kept, and says what it learned."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.types as types

from feedrate.bench.datasets.options import Progress
from feedrate.bench.datasets.tables import facts as look
from feedrate.bench.datasets.tables.choose import Choice
from feedrate.bench.datasets.tables.declared import Transforms
from feedrate.bench.datasets.tables.facts import Facts
from feedrate.bench.datasets.tables.numbers import NumberSpool, NumberSteps
from feedrate.loaders.parquet.arrow_types import converted, is_time
from feedrate.loaders.parquet.open_file import short
from feedrate.loaders.parquet.table_files import Tables

_SECONDS = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}


def first_pass(
    tables: Tables,
    kept: Mapping[str, Choice],
    transforms: Transforms,
    label_above: float | None,
    progress: Progress,
) -> dict[str, Facts]:
    """Return the facts of every column that is kept. Progress counts rows, out of those of both passes."""
    facts = {name: Facts() for name in kept}
    for name, choice in kept.items():
        if choice.kind in ("continuous", "vector") and transforms.fill.get(name) == "median":
            facts[name].spool = NumberSpool()
    done = 0
    for file, table in tables.chunks(list(kept)):
        for name, choice in kept.items():
            try:
                values = converted(table[name], choice.read_as)
            except (pa.ArrowException, UnicodeDecodeError) as error:
                facts[name].note("unfit", 1, file.data.shown, f"{table[name].type}: {short(error)}")
                continue
            _look(facts[name], values, choice, steps_of(name, transforms), label_above, file.data.shown)
        done += table.num_rows
        progress(done, 2 * tables.rows)
    return facts


def steps_of(name: str, transforms: Transforms) -> NumberSteps:
    """Return the steps of a column whose statistics are not known yet: without fill and normalizing."""
    least, greatest = transforms.clip.get(name, (None, None))
    return NumberSteps(least=least, greatest=greatest, log1p=name in transforms.log1p)


def numbers(values: pa.Array) -> np.ndarray:
    """Return float64 [B], NaN for null. Times become seconds: since 1970, since midnight, or of the duration."""
    kind = values.type
    if not is_time(kind):
        return look.floats(values)
    if types.is_date32(kind):
        return look.floats(values.view(pa.int32())) * 86_400
    unit = "ms" if types.is_date64(kind) else kind.unit
    ticks = values.view(pa.int32() if types.is_time32(kind) else pa.int64())
    return look.floats(ticks) / _SECONDS[unit]


def _look(
    facts: Facts, values: pa.Array, choice: Choice, steps: NumberSteps, label_above: float | None, file: Path
) -> None:
    if choice.kind == "label":
        look.look_at_label(facts, look.floats(values), label_above, file)
    elif choice.kind == "continuous":
        look.look_at_numbers(facts, numbers(values), values.null_count, steps, file)
    elif choice.kind == "vector":
        inner = look.look_at_lists(facts, values, file)
        look.look_at_numbers(facts, look.floats(inner), inner.null_count, steps, file)
    elif choice.kind == "multi-hot":
        inner = look.look_at_lists(facts, values, file)
        (look.look_at_categories if choice.categorify else look.look_at_ids)(facts, inner, file)
    else:
        (look.look_at_categories if choice.categorify else look.look_at_ids)(facts, values, file)
