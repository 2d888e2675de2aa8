"""What every loader must satisfy: one function a rule, used by the tests and by `feedrate check`.

The rules run on a planted split: real Parquet with several row groups, empty and very long bags, and a single-hot column
that numbers the rows; or on a copy of a user's own files with such a column.
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


class Broken(Exception):
    """A rule does not hold; the sentence says what was seen."""


@dataclass(frozen=True, slots=True)
class RuleResult:
    rule: str
    outcome: Outcome
    """"deviates": broken, and the adapter says so."""
    detail: str


@dataclass(frozen=True, slots=True)
class Case:
    """A loader and the split it is checked on."""

    choice: LoaderChoice
    split: Split
    config: LoaderConfig

    @contextmanager
    def opened(self, **changes: object) -> Iterator[Loader]:
        settings = {name: getattr(self.config, name) for name in LoaderConfig.__dataclass_fields__}
        loader = self.choice.open(self.split, LoaderConfig(**{**settings, **changes}))
        try:
            yield loader
        finally:
            loader.close()


def planted_split(folder: Path, *, rows: int = 10_007, seed: int = 0) -> Split:
    """Write the split that the rules are checked on, and describe it."""
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
    """A copy of real files, row groups as they are, with a first column that numbers the rows."""
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
    """Run every rule, one after the other."""
    for name in RULES:
        yield check_rule(case, name)


def check_rule(case: Case, name: str) -> RuleResult:
    """Run one rule; whatever the loader raises is a rule broken."""
    declared = case.choice.adapter.deviations.get(name)
    try:
        RULES[name](case)
    except Broken as error:
        return _broken(name, str(error), declared)
    except Exception as error:  # a loader may fail in any way; the check goes on and says how
        return _broken(name, f"{type(error).__name__}: {error}", declared)
    return RuleResult(name, "passed", "declared as a deviation, not seen here" if declared else "")


def every_row_once(case: Case) -> None:
    """An epoch delivers each row exactly once."""
    for shuffle in (True, False):
        with case.opened(shuffle=shuffle) as loader:
            _same_rows(_order(loader, 0), case.split.rows, f"shuffle={shuffle}")


def contents_intact(case: Case) -> None:
    """Every column of every row holds what the file holds, empty and 1000-long bags included."""
    truth = read_columns(case.split)
    with case.opened() as loader:
        for batch in loader.epoch(0):
            _same_contents(batch.map(torch.Tensor.cpu), truth.take(batch.ids[ROW].cpu().long()))


def dtypes(case: Case) -> None:
    """Integer columns int32 or int64, a bag's values and offsets alike; float32 for continuous columns and label."""
    integers = (torch.int32, torch.int64)
    with case.opened() as loader:
        batch = next(iter(loader.epoch(0)))
    for name, column in batch.ids.items():
        _require(column.dtype in integers and column.dim() == 1, f"{name} is {column.dtype} {list(column.shape)}")
    for name, (values, offsets) in batch.bags.items():
        _require(
            values.dtype in integers and values.dtype == offsets.dtype,
            f"{name} is {values.dtype} with {offsets.dtype}",
        )
        _require(
            offsets.shape == (batch.rows + 1,),
            f"offsets of {name} are {list(offsets.shape)}, not [{batch.rows + 1}]",
        )
    for name, column in (*batch.dense.items(), ("the label", batch.label)):
        _require(
            column.dtype == torch.float32 and column.dim() == 1,
            f"{name} is {column.dtype} {list(column.shape)}",
        )


def columns_by_kind(case: Case) -> None:
    """All columns of the schema, each under its kind, and no other."""
    schema = case.split.schema
    with case.opened() as loader:
        batch = next(iter(loader.epoch(0)))
    for kind, found, wanted in (
        ("single-hot", batch.ids, [column.name for column in schema.single_hot]),
        ("multi-hot", batch.bags, [column.name for column in schema.multi_hot]),
        ("continuous", batch.dense, list(schema.continuous)),
    ):
        _require(list(found) == wanted, f"{kind} columns are {list(found)}, not {wanted}")


def device(case: Case) -> None:
    """Every tensor is on the trial's device."""
    wanted = torch.device(case.config.device).type
    with case.opened() as loader:
        for batch in loader.epoch(0):
            found = {tensor.device.type for tensor in batch.tensors()}
            _require(found == {wanted}, f"tensors are on {', '.join(sorted(found))}, not on {wanted}")


def only_last_batch_short(case: Case) -> None:
    """All batches have batch_size rows, but for the last."""
    with case.opened() as loader:
        sizes = [batch.rows for batch in loader.epoch(0)]
    full, rest = divmod(case.split.rows, case.config.batch_size)
    _require(sizes == [case.config.batch_size] * full + [rest] * (rest > 0), f"sizes are {sizes}")


def same_order_for_same_seed(case: Case) -> None:
    """Two loaders with the same seed agree on the order of an epoch."""
    with case.opened() as loader:
        first = _order(loader, 3)
    with case.opened() as loader:
        second = _order(loader, 3)
    _require(
        np.array_equal(first, second),
        f"{np.mean(first != second):.0%} of the rows are elsewhere the second time",
    )


def other_order_in_other_epoch(case: Case) -> None:
    """Another epoch, or another seed, has another order."""
    with case.opened() as loader:
        first, second = _order(loader, 0), _order(loader, 1)
    with case.opened(seed=case.config.seed + 1) as loader:
        third = _order(loader, 0)
    _require(not np.array_equal(first, second), "epochs 0 and 1 have the same order")
    _require(not np.array_equal(first, third), "two seeds have the same order")


def tail_changes(case: Case) -> None:
    """Rows of the last batch come from everywhere over the epochs, not always from the end of the last file."""
    with case.opened() as loader:
        middles = [int(np.median(list(loader.epoch(epoch))[-1].ids[ROW].cpu().numpy())) for epoch in range(4)]
    _require(
        min(middles) < case.split.rows * 0.85,
        f"in each of four epochs half of the last batch are rows from {min(middles)} on",
    )


def file_order_without_shuffle(case: Case) -> None:
    """shuffle=False keeps the order of the files."""
    with case.opened(shuffle=False) as loader:
        order = _order(loader, 0)
    _require(np.array_equal(order, np.arange(case.split.rows)), f"the first rows are {order[:5].tolist()}")


def abandoned_epoch(case: Case) -> None:
    """An epoch left after two batches does not disturb the next."""
    with case.opened() as loader:
        left = iter(loader.epoch(0))
        next(left), next(left)
        del left
        _same_rows(_order(loader, 1), case.split.rows, "after an abandoned epoch")


def close_twice(case: Case) -> None:
    """close() may be called twice, and in the middle of an epoch."""
    loader = case.choice.open(case.split, case.config)
    next(iter(loader.epoch(0)))
    loader.close()
    loader.close()


def earlier_batches_unchanged(case: Case) -> None:
    """A batch the consumer keeps is not written to when later ones are made, nor in the next epoch."""
    with case.opened() as loader:
        kept = [(batch, [tensor.clone() for tensor in batch.tensors()]) for batch in loader.epoch(0)]
        for _ in loader.epoch(1):
            pass
        for number, (batch, copies) in enumerate(kept):
            same = all(torch.equal(now, then) for now, then in zip(batch.tensors(), copies, strict=True))
            _require(same, f"batch {number} changed after it was delivered")


def ranks_disjoint_and_complete(case: Case) -> None:
    """Three ranks share the rows among them: each row once."""
    _same_rows(np.concatenate(_orders_of_ranks(case)), case.split.rows, "over three ranks")


def ranks_even(case: Case) -> None:
    """No rank of three has more than a row over another's."""
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


def _broken(rule: str, seen: str, declared: str | None) -> RuleResult:
    return (
        RuleResult(rule, "deviates", f"{seen} (declared: {declared})") if declared else RuleResult(rule, "failed", seen)
    )


def _order(loader: Loader, epoch: int) -> np.ndarray:
    rows = [batch.ids[ROW].cpu().numpy() for batch in loader.epoch(epoch)]
    return np.concatenate(rows) if rows else np.zeros(0, np.int64)


def _orders_of_ranks(case: Case) -> list[np.ndarray]:
    orders = []
    for rank in range(3):
        with case.opened(rank=rank, world_size=3) as loader:
            orders.append(_order(loader, 0))
    return orders


def _same_rows(order: np.ndarray, rows: int, when: str) -> None:
    counts = np.bincount(order, minlength=rows)
    missing, twice = int(np.sum(counts == 0)), int(np.sum(counts > 1))
    _require(
        not missing and not twice,
        f"{when}: {missing} of {rows} rows are missing and {twice} come more than once",
    )


def _same_contents(found: Batch, wanted: Batch) -> None:
    pairs: list[tuple[str, torch.Tensor, torch.Tensor]] = []
    pairs += [(name, found.ids[name], column) for name, column in wanted.ids.items()]
    for name, bag in wanted.bags.items():
        pairs += [
            (f"{name} ({part})", a, b) for part, a, b in zip(("values", "offsets"), found.bags[name], bag, strict=True)
        ]
    pairs += [(name, found.dense[name], column) for name, column in wanted.dense.items()]
    pairs += [("label", found.label, wanted.label)]
    for name, a, b in pairs:
        _require(torch.equal(a.to(b.dtype), b), f"{name} differs from the file's")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Broken(otherwise)
