"""The rules that every loader must satisfy, one function per rule, for the tests and `feedrate check`.

The rules need a single-hot column that numbers the rows. `planted_split` writes Parquet files with such a column,
several row groups, and empty and very long bags. `numbered_split` copies a user's own files and adds the column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from feedrate.loaders.base import Batch, Categorical, Loader, LoaderConfig, Schema, Split
from feedrate.loaders.parquet.columns import read_columns
from feedrate.loaders.registry import LoaderChoice

ROW = "row"
Outcome = Literal["passed", "failed", "deviates"]


class RuleBroken(Exception):
    """A rule does not hold. The message says what was observed."""


@dataclass(frozen=True, slots=True)
class RuleResult:
    """The result of checking one rule."""

    rule: str
    outcome: Outcome
    """"deviates" means that the rule is broken and that the adapter declares it."""
    detail: str
    """What was observed. Empty if the rule holds."""


@dataclass(frozen=True, slots=True)
class Case:
    """A loader, and the split and the configuration it is checked with."""

    choice: LoaderChoice
    split: Split
    config: LoaderConfig

    @contextmanager
    def opened(self, **changes: object) -> Iterator[Loader]:
        """Open the loader with these changes to the configuration, and close it at the end of the context."""
        settings = {name: getattr(self.config, name) for name in LoaderConfig.__dataclass_fields__}
        loader = self.choice.open(self.split, LoaderConfig(**{**settings, **changes}))
        try:
            yield loader
        finally:
            loader.close()


def planted_split(folder: Path, *, rows: int = 10_007, seed: int = 0) -> Split:
    """Write a split with a row-number column to `folder`, as two files of several row groups, and describe it."""
    rng = np.random.default_rng(seed)
    lengths = rng.poisson(2.7, rows)
    lengths[: rows // 10] = 0
    lengths[rows // 2] = 1000
    rng.shuffle(lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    table = pa.table(
        {
            ROW: np.arange(rows, dtype=np.int32),
            "user": rng.integers(0, 500, rows, dtype=np.int32),
            "genres": pa.ListArray.from_arrays(offsets, rng.integers(0, 21, offsets[-1], dtype=np.int32)),
            "tags": pa.ListArray.from_arrays(
                np.arange(rows + 1, dtype=np.int32), rng.integers(0, 9, rows, dtype=np.int32)
            ),
            "age": rng.standard_normal(rows).astype(np.float32),
            "label": rng.integers(0, 2, rows).astype(np.float32),
        }
    )
    files = []
    for number, part in enumerate((table.slice(0, rows // 3), table.slice(rows // 3))):
        files.append(folder / f"part-{number}.parquet")
        pq.write_table(part, files[-1], row_group_size=-(-rows // 7))
    schema = Schema(
        single_hot=(Categorical(name=ROW, cardinality=rows), Categorical(name="user", cardinality=500)),
        multi_hot=(Categorical(name="genres", cardinality=21), Categorical(name="tags", cardinality=9)),
        continuous=("age",),
        label="label",
    )
    return Split(files=tuple(files), rows=rows, schema=schema)


def numbered_split(split: Split, folder: Path) -> Split:
    """Copy the files of `split` to `folder`, with the same row groups and a new first column that numbers the rows."""
    files, begin = [], 0
    for number, source in enumerate(split.files):
        files.append(folder / f"part-{number}.parquet")
        with pq.ParquetFile(source) as parquet:
            schema = parquet.schema_arrow.insert(0, pa.field(ROW, pa.int32(), nullable=False))
            with pq.ParquetWriter(files[-1], schema) as writer:
                for group in range(parquet.num_row_groups):
                    table = parquet.read_row_group(group)
                    rows = pa.array(np.arange(begin, begin + len(table), dtype=np.int32))
                    writer.write_table(
                        pa.table([rows, *table.columns], schema=schema), row_group_size=max(1, len(table))
                    )
                    begin += len(table)
    numbered = (Categorical(name=ROW, cardinality=split.rows), *split.schema.single_hot)
    return Split(files=tuple(files), rows=split.rows, schema=replace(split.schema, single_hot=numbered))


def check(case: Case) -> Iterator[RuleResult]:
    """Check every rule, one after the other."""
    for name in RULES:
        yield check_rule(case, name)


def check_rule(case: Case, name: str) -> RuleResult:
    """Check one rule. An exception from the loader counts as breaking the rule."""
    declared = case.choice.adapter.deviations.get(name)
    try:
        RULES[name](case)
    except RuleBroken as error:
        return _broken_result(name, str(error), declared)
    except Exception as error:  # a loader may fail in any way: report it and go on
        return _broken_result(name, f"{type(error).__name__}: {error}", declared)
    return RuleResult(name, "passed", "declared as a deviation, but not seen here" if declared else "")


def every_row_once(case: Case) -> None:
    """An epoch delivers each row exactly once."""
    for shuffle in (True, False):
        with case.opened(shuffle=shuffle) as loader:
            _require_each_once(_order(loader, 0), case.split.rows, f"with shuffle={shuffle}")


def contents_intact(case: Case) -> None:
    """Every column of every row equals the file's, including empty bags and bags of 1000 values."""
    expected = read_columns(case.split)
    with case.opened() as loader:
        for batch in loader.epoch(0):
            _require_same_contents(batch.map(torch.Tensor.cpu), expected.take(batch.ids[ROW].cpu().long()))


def dtypes(case: Case) -> None:
    """Ids are int32 or int64, and so are values and offsets of a bag, both alike. Floats and the label are float32."""
    integers = (torch.int32, torch.int64)
    with case.opened() as loader:
        batch = next(iter(loader.epoch(0)))
    for name, column in batch.ids.items():
        _require(
            column.dtype in integers and column.dim() == 1,
            f"{name} is {column.dtype} {list(column.shape)}, but must be int32 or int64 [{batch.rows}]",
        )
    for name, (values, offsets) in batch.bags.items():
        _require(
            values.dtype in integers and values.dtype == offsets.dtype,
            f"{name} has {values.dtype} values and {offsets.dtype} offsets, but both must be int32 or both int64",
        )
        _require(
            offsets.shape == (batch.rows + 1,),
            f"the offsets of {name} have shape {list(offsets.shape)}, but must have [{batch.rows + 1}]",
        )
    for name, column in (*batch.dense.items(), ("the label", batch.label)):
        _require(
            column.dtype == torch.float32 and column.dim() == 1,
            f"{name} is {column.dtype} {list(column.shape)}, but must be float32 [{batch.rows}]",
        )


def columns_by_kind(case: Case) -> None:
    """A batch has all columns of the schema, each under its kind and in order, and no others."""
    schema = case.split.schema
    with case.opened() as loader:
        batch = next(iter(loader.epoch(0)))
    for kind, columns, expected in (
        ("single-hot", batch.ids, [column.name for column in schema.single_hot]),
        ("multi-hot", batch.bags, [column.name for column in schema.multi_hot]),
        ("continuous", batch.dense, list(schema.continuous)),
    ):
        _require(list(columns) == expected, f"the {kind} columns are {list(columns)}, but must be {expected}")


def device(case: Case) -> None:
    """Every tensor is on the trial's device."""
    expected = torch.device(case.config.device).type
    with case.opened() as loader:
        for batch in loader.epoch(0):
            devices = {tensor.device.type for tensor in batch.tensors()}
            _require(devices == {expected}, f"tensors are on {', '.join(sorted(devices))}, but must be on {expected}")


def only_last_batch_short(case: Case) -> None:
    """All batches have batch_size rows, except that the last one may have fewer."""
    with case.opened() as loader:
        sizes = [batch.rows for batch in loader.epoch(0)]
    full, rest = divmod(case.split.rows, case.config.batch_size)
    _require(sizes == [case.config.batch_size] * full + [rest] * (rest > 0), f"the batches have {sizes} rows")


def same_order_for_same_seed(case: Case) -> None:
    """Two loaders with the same seed agree on the order of an epoch."""
    with case.opened() as loader:
        first = _order(loader, 3)
    with case.opened() as loader:
        second = _order(loader, 3)
    _require(
        np.array_equal(first, second),
        f"{np.mean(first != second):.0%} of the rows are at another position the second time",
    )


def other_order_in_other_epoch(case: Case) -> None:
    """Another epoch or another seed gives another order."""
    with case.opened() as loader:
        first, second = _order(loader, 0), _order(loader, 1)
    with case.opened(seed=case.config.seed + 1) as loader:
        third = _order(loader, 0)
    _require(not np.array_equal(first, second), "epochs 0 and 1 have the same order")
    _require(not np.array_equal(first, third), "two seeds have the same order")


def tail_changes(case: Case) -> None:
    """Over the epochs, the rows of the last batch come from everywhere and not always from the end of the last file."""
    with case.opened() as loader:
        middles = [int(np.median(list(loader.epoch(epoch))[-1].ids[ROW].cpu().numpy())) for epoch in range(4)]
    _require(
        min(middles) < case.split.rows * 0.85,
        f"in each of four epochs, at least half of the last batch are rows from number {min(middles)} onwards",
    )


def file_order_without_shuffle(case: Case) -> None:
    """With shuffle=False, rows come in the order of the files."""
    with case.opened(shuffle=False) as loader:
        order = _order(loader, 0)
    _require(np.array_equal(order, np.arange(case.split.rows)), f"the epoch starts with rows {order[:5].tolist()}")


def abandoned_epoch(case: Case) -> None:
    """An epoch that is abandoned after two batches does not disturb the next one."""
    with case.opened() as loader:
        batches = iter(loader.epoch(0))
        next(batches), next(batches)
        del batches
        _require_each_once(_order(loader, 1), case.split.rows, "after an abandoned epoch")


def close_twice(case: Case) -> None:
    """close() may be called twice, and in the middle of an epoch."""
    loader = case.choice.open(case.split, case.config)
    next(iter(loader.epoch(0)))
    loader.close()
    loader.close()


def earlier_batches_unchanged(case: Case) -> None:
    """A batch that the consumer keeps does not change when later batches are made, in this epoch or the next."""
    with case.opened() as loader:
        kept = [(batch, [tensor.clone() for tensor in batch.tensors()]) for batch in loader.epoch(0)]
        for _ in loader.epoch(1):
            pass
        for number, (batch, copies) in enumerate(kept):
            unchanged = all(torch.equal(now, then) for now, then in zip(batch.tensors(), copies, strict=True))
            _require(unchanged, f"batch {number} changed after it was delivered")


def ranks_disjoint_and_complete(case: Case) -> None:
    """Three ranks together deliver each row exactly once."""
    _require_each_once(np.concatenate(_orders_of_ranks(case)), case.split.rows, "over three ranks")


def ranks_even(case: Case) -> None:
    """The row counts of three ranks differ by at most one."""
    sizes = [len(order) for order in _orders_of_ranks(case)]
    _require(max(sizes) - min(sizes) <= 1, f"ranks have {sizes} rows")


RULES: dict[str, Callable[[Case], None]] = {
    rule.__name__: rule
    for rule in (
        every_row_once,
        contents_intact,
        dtypes,
        columns_by_kind,
        device,
        only_last_batch_short,
        same_order_for_same_seed,
        other_order_in_other_epoch,
        tail_changes,
        file_order_without_shuffle,
        abandoned_epoch,
        close_twice,
        earlier_batches_unchanged,
        ranks_disjoint_and_complete,
        ranks_even,
    )
}


def _broken_result(rule: str, detail: str, declared: str | None) -> RuleResult:
    if declared:
        return RuleResult(rule, "deviates", f"{detail} (declared: {declared})")
    return RuleResult(rule, "failed", detail)


def _order(loader: Loader, epoch: int) -> np.ndarray:
    rows = [batch.ids[ROW].cpu().numpy() for batch in loader.epoch(epoch)]
    return np.concatenate(rows) if rows else np.zeros(0, np.int64)


def _orders_of_ranks(case: Case) -> list[np.ndarray]:
    orders = []
    for rank in range(3):
        with case.opened(rank=rank, world_size=3) as loader:
            orders.append(_order(loader, 0))
    return orders


def _require_each_once(order: np.ndarray, rows: int, when: str) -> None:
    counts = np.bincount(order, minlength=rows)
    missing, repeated = int(np.sum(counts == 0)), int(np.sum(counts > 1))
    _require(
        not missing and not repeated,
        f"{when}, {missing} of {rows} rows are missing and {repeated} are delivered more than once",
    )


def _require_same_contents(batch: Batch, expected: Batch) -> None:
    pairs: list[tuple[str, torch.Tensor, torch.Tensor]] = []
    pairs += [(name, batch.ids[name], column) for name, column in expected.ids.items()]
    for name, bag in expected.bags.items():
        pairs += [
            (f"{name} ({part})", delivered, wanted)
            for part, delivered, wanted in zip(("values", "offsets"), batch.bags[name], bag, strict=True)
        ]
    pairs += [(name, batch.dense[name], column) for name, column in expected.dense.items()]
    pairs += [("label", batch.label, expected.label)]
    for name, delivered, wanted in pairs:
        _require(torch.equal(delivered.to(wanted.dtype), wanted), f"{name} differs from the file")


def _require(holds: bool, detail: str) -> None:
    if not holds:
        raise RuleBroken(detail)
