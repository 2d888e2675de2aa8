"""Checks every loader against every rule, and every rule against a loader that breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import torch

from feedrate.bench.datasets.movielens.prepare import prepare_movielens
from feedrate.bench.selftest.expected_orders import ORDER_FAULTS
from feedrate.loaders import registry
from feedrate.loaders.base import Adapter, Batch, LoaderConfig, NoOptions, Split
from feedrate.loaders.conformance import RULES, Case, RuleResult, check, check_rule, numbered_split, planted_split
from feedrate.loaders.parquet.columns import epoch_order, read_columns
from feedrate.loaders.registry import LoaderChoice

CPU = LoaderConfig(batch_size=512)
Edit = Callable[[Batch, int], Batch]


@pytest.mark.parametrize("loader", ["native", "native-batched", "cupy", "fake"])
def test_our_loaders_keep_every_rule_without_a_deviation(loader: str, planted: Split) -> None:
    assert _not_passed(loader, planted, CPU) == []


@pytest.mark.slow
@pytest.mark.parametrize("loader", ["native", "native-batched"])
def test_worker_processes_change_nothing(loader: str, planted: Split) -> None:
    assert _not_passed(loader, planted, replace(CPU, workers=2)) == []


@pytest.mark.gpu
@pytest.mark.parametrize("loader", ["native", "native-batched", "cupy", "fake"])
def test_our_loaders_keep_every_rule_on_a_gpu(loader: str, planted: Split) -> None:
    assert _not_passed(loader, planted, replace(CPU, device="cuda")) == []


@pytest.mark.nvtabular
@pytest.mark.parametrize(
    "loader", ["nvtabular", "nvtabular:part_size_bytes=30KB", "nvtabular:defaults:parts_per_chunk=2"]
)
def test_nvtabular_breaks_only_declared_rules(loader: str, planted: Split) -> None:
    results = _not_passed(loader, planted, CPU)
    assert {result.rule for result in results} == {"tail_changes", "ranks_even"}
    assert {result.outcome for result in results} == {"deviates"}


@pytest.mark.gpu
@pytest.mark.nvtabular
@pytest.mark.parametrize("loader", ["nvtabular", "nvtabular:part_size_bytes=30KB"])
def test_nvtabular_breaks_only_declared_rules_on_a_gpu(loader: str, planted: Split) -> None:
    results = _not_passed(loader, planted, replace(CPU, device="cuda"))
    assert {result.rule for result in results} <= {"tail_changes", "ranks_even", "same_order_for_same_seed"}
    assert {result.outcome for result in results} == {"deviates"}


@pytest.mark.realdata
@pytest.mark.nvtabular
@pytest.mark.slow
def test_nvtabular_breaks_only_declared_rules_on_real_ratings(real_data: Path, tmp_path: Path) -> None:
    dataset = prepare_movielens(real_data / "ml-1m", tmp_path / "d", name="movielens-1m")
    split = numbered_split(dataset.split("train"), tmp_path)
    results = _not_passed("nvtabular", split, replace(CPU, batch_size=4096))
    assert {result.rule for result in results} == {"tail_changes", "ranks_even"}
    assert {result.outcome for result in results} == {"deviates"}


@pytest.mark.parametrize("batch_size", [1, 1006, 1007, 2000])
@pytest.mark.parametrize("loader", ["native-batched", "cupy"])
def test_every_row_is_delivered_once_at_odd_batch_sizes(loader: str, batch_size: int, tmp_path: Path) -> None:
    split = planted_split(tmp_path, rows=1007)
    case = Case(registry.choose(loader), split, replace(CPU, batch_size=batch_size))
    RULES["every_row_once"](case)
    RULES["contents_intact"](case)
    RULES["only_last_batch_short"](case)


class Faulty:
    """A correct loader that is made faulty: `edit` changes its batches, `order` says what is wrong with its row order."""

    def __init__(self, split: Split, config: LoaderConfig, edit: Edit, order: str) -> None:
        self._columns, self._config, self._edit, self._order = read_columns(split), config, edit, order
        self.closed = False
        if order == "does not open":
            raise ValueError("no loader today")

    def epoch(self, index: int) -> Iterator[Batch]:
        config = self._config
        shuffle = config.shuffle if self._order != "always shuffled" else True
        seed = config.seed if self._order != "unseeded" else id(self)
        epoch = index if self._order != "same every epoch" else 0
        rank, world = (config.rank, config.world_size) if self._order != "every rank all rows" else (0, 1)
        order = epoch_order(
            self._columns.rows, shuffle=shuffle, seed=seed, epoch=epoch, rank=rank, world_size=world
        ).copy()
        if self._order == "the first rank most rows":
            order = order if config.rank == 0 else order[:-2]
        if self._order == "file's tail last":
            order = order[(order >= len(order) * 0.9).argsort(kind="stable")]
        starts = range(0, len(order), config.batch_size)
        for number, start in enumerate(cycle(starts) if self._order == "never ends" else starts):
            rows = torch.from_numpy(order[start : start + config.batch_size])
            yield self._edit(self._columns.take(rows), number)

    def close(self) -> None:
        if self.closed and self._order == "closes once":
            raise RuntimeError("already closed")
        self.closed = True


def _keep(batch: Batch, _number: int) -> Batch:
    return batch


def _drop_a_row(batch: Batch, number: int) -> Batch:
    return batch if number else _first_rows(batch, batch.rows - 1)


def _shift_labels(batch: Batch, _number: int) -> Batch:
    return replace(batch, label=batch.label.roll(1))


def _double_label(batch: Batch, _number: int) -> Batch:
    return replace(batch, label=batch.label.double())


def _shift_offsets(batch: Batch, _number: int) -> Batch:
    values, offsets = batch.bags["genres"]
    moved = torch.clamp(offsets + 1, max=len(values))
    moved[0] = 0
    return replace(batch, bags={**batch.bags, "genres": (values, moved)})


def _truncate_ids(batch: Batch, _number: int) -> Batch:
    return replace(batch, ids={**batch.ids, "user": batch.ids["user"].to(torch.int8).to(torch.int32)})


def _short_batches(batch: Batch, number: int) -> Batch:
    return _first_rows(batch, 100) if number == 3 else batch


def _as_tuple(batch: Batch, _number: int) -> Any:
    return batch.ids, batch.bags, batch.dense, batch.label


def _without_age(batch: Batch, _number: int) -> Batch:
    return replace(batch, dense={})


def _on_meta(batch: Batch, _number: int) -> Batch:
    return replace(batch, label=batch.label.to("meta"))


class _Reused:
    """Uses the same buffer for every label."""

    def __init__(self) -> None:
        self._buffer = torch.zeros(CPU.batch_size)

    def __call__(self, batch: Batch, _number: int) -> Batch:
        buffer = self._buffer[: batch.rows]
        buffer.copy_(batch.label)
        return replace(batch, label=buffer)


@pytest.mark.parametrize(
    ("rule", "edit", "order"),
    [
        ("opens", _keep, "does not open"),
        ("epochs_end", _keep, "never ends"),
        ("plain_batches", _as_tuple, ""),
        ("every_row_once", _drop_a_row, ""),
        ("contents_intact", _shift_labels, ""),
        ("contents_intact", _shift_offsets, ""),
        ("contents_intact", _truncate_ids, ""),
        ("dtypes", _double_label, ""),
        ("columns_by_kind", _without_age, ""),
        ("device", _on_meta, ""),
        ("only_last_batch_short", _short_batches, ""),
        ("same_order_for_same_seed", _keep, "unseeded"),
        ("other_order_in_other_epoch", _keep, "same every epoch"),
        ("tail_changes", _keep, "file's tail last"),
        ("file_order_without_shuffle", _keep, "always shuffled"),
        ("close_twice", _keep, "closes once"),
        ("earlier_batches_unchanged", "reused", ""),
        ("ranks_disjoint_and_complete", _keep, "every rank all rows"),
        ("ranks_even", _keep, "the first rank most rows"),
    ],
)
def test_each_rule_catches_the_loader_that_breaks_it(rule: str, edit: Edit | str, order: str, planted: Split) -> None:
    change: Edit = _Reused() if isinstance(edit, str) else edit
    choice = LoaderChoice(
        Adapter(
            open=lambda split, config, _options: Faulty(split, config, change, order),
            options=NoOptions,
            backend=lambda _device: "",
        ),
        NoOptions(),
    )
    assert check_rule(Case(choice, planted, CPU), rule).outcome == "failed"


def test_every_rule_has_a_faulty_loader() -> None:
    marks = test_each_rule_catches_the_loader_that_breaks_it.pytestmark
    planted = {fault.pattern[1:].partition(":")[0] for fault in ORDER_FAULTS}
    assert {case[0] for case in marks[0].args[1]} | planted == set(RULES)


def _not_passed(loader: str, split: Split, config: LoaderConfig) -> list[RuleResult]:
    return [result for result in check(Case(registry.choose(loader), split, config)) if result.outcome != "passed"]


def _first_rows(batch: Batch, rows: int) -> Batch:
    def cut(bag: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        return bag[0][: int(bag[1][rows])], bag[1][: rows + 1]

    return Batch(
        {name: ids[:rows] for name, ids in batch.ids.items()},
        {name: cut(bag) for name, bag in batch.bags.items()},
        {name: column[:rows] for name, column in batch.dense.items()},
        batch.label[:rows],
    )
