"""Streaming a shard that does not fit in memory: all rows arrive, from interrupted and resumed epochs, too."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.run.suite import run_suite
from feedrate.loaders import CupyLoader, registry
from feedrate.loaders.base import LoaderConfig, Split
from feedrate.loaders.conformance import Case, check
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.packed.streaming import StreamedRows, plan_epoch
from feedrate.loaders.parquet.decode import ArrowDecoder, Group, Part, read_groups
from tests.samples.reading_threads import reading_threads, wait_until

BUDGET = 1_200_000
"""Bytes that hold a few of the planted split's row groups."""


def test_conformance_rules_hold(planted: Split) -> None:
    config = LoaderConfig(batch_size=512, memory_budget_bytes=BUDGET)
    loader = registry.choose("cupy").open(planted, config)
    assert isinstance(loader._rows, StreamedRows)  # type: ignore[attr-defined]
    results = check(Case(registry.choose("cupy"), planted, config))
    assert [result for result in results if result.outcome != "passed"] == []


@pytest.mark.gpu
@pytest.mark.parametrize("decode", ["pylibcudf", "pyarrow"])
def test_conformance_rules_hold_on_a_gpu(decode: str, planted: Split) -> None:
    if decode == "pylibcudf":
        pytest.importorskip("pylibcudf")
    config = LoaderConfig(batch_size=512, memory_budget_bytes=300_000_000, device="cuda")
    results = check(Case(registry.choose(f"cupy:decode={decode}:window_rows=1500"), planted, config))
    assert [result for result in results if result.outcome != "passed"] == []


def test_a_loaded_state_continues_without_reading_earlier_rows(planted: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened() -> CupyLoader:
        return CupyLoader(planted, batch_size=100, device="cpu", seed=4, memory_budget_bytes=BUDGET, window_rows=1500)

    first = opened()
    before = [batch.ids["row"] for batch in islice(first, 37)]
    state = first.state_dict()
    first.close()
    with closing(opened()) as uninterrupted:  # otherwise its threads would read the next epoch, which is counted below
        all_rows = torch.cat([batch.ids["row"] for batch in uninterrupted.epoch(0)])
    read: list[int] = []
    original = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_group", lambda self, i, **options: (read.append(i), original(self, i, **options))[1]
    )
    with closing(opened()) as rest:
        rest.load_state_dict(state)
        after = torch.cat([batch.ids["row"] for batch in rest])
    assert torch.equal(torch.cat([*before, after]), all_rows)
    plan = plan_epoch(read_groups(planted), LoaderConfig(batch_size=100, device="cpu", seed=4), 1500, epoch=0)
    remaining = [
        piece.group.number for window in range(3700 // plan.window_rows, plan.windows) for piece in plan.pieces(window)
    ]
    expected = [number for number, following in pairwise([*remaining, None]) if number != following]
    assert len(expected) < len(plan.groups)
    assert read[: len(expected)] == expected


@pytest.mark.parametrize("drop_last", [False, True])
def test_the_first_window_of_an_epoch_is_read_before_the_epoch_starts(
    drop_last: bool, planted: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    original = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_group", lambda self, i, **options: (read.append(i), original(self, i, **options))[1]
    )
    before = reading_threads()
    size = planted.rows - 1  # the last batch has one row, which drop_last leaves out
    loader = CupyLoader(
        planted, batch_size=size, device="cpu", memory_budget_bytes=9 * BUDGET, window_rows=size, drop_last=drop_last
    )
    groups, threads = len(read_groups(planted)), set()
    for epoch in range(3):
        assert sum(batch.rows for batch in loader) == planted.rows - drop_last
        assert wait_until(lambda epoch=epoch: len(read) > (epoch + 1) * groups)  # type: ignore[misc]
        threads |= reading_threads() - before
    assert len(threads) <= 2
    del loader
    assert wait_until(lambda: not threads & reading_threads())


def test_a_dropped_loader_leaves_no_thread_even_if_a_reading_thread_drops_it(
    planted: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = reading_threads()
    held = [CupyLoader(planted, batch_size=100, device="cpu", memory_budget_bytes=BUDGET, window_rows=1500)]
    original = ArrowDecoder.read

    def drops(self: ArrowDecoder, groups: Sequence[Group]) -> list[Part]:
        held.clear()
        return original(self, groups)

    next(iter(held[0]))
    assert reading_threads() - before
    monkeypatch.setattr(ArrowDecoder, "read", drops)
    batches = iter(held[0])
    for batch in batches:
        assert batch.rows
        if not held:
            break
    del batches
    gc.collect()
    assert wait_until(lambda: not reading_threads() - before)


def test_an_epoch_started_at_the_position_of_another_does_not_share_its_windows(planted: Split) -> None:
    def opened() -> CupyLoader:
        return CupyLoader(planted, batch_size=100, device="cpu", memory_budget_bytes=BUDGET, window_rows=1500)

    expected = [batch.ids["row"] for batch in opened().epoch(0)]
    loader = opened()
    first = loader.epoch(0)
    next(first)
    start = loader._rows._position[1] * loader._rows._plan(0).window_rows // 100  # type: ignore[union-attr, index]
    second = loader.epoch(0, start)
    rows = [next(second).ids["row"]]
    with pytest.raises(FeedrateError, match="another epoch was started"):
        list(first)
    rows += [batch.ids["row"] for batch in second]
    assert all(map(torch.equal, rows, expected[start:]))
    assert len(rows) == len(expected) - start


def test_continuing_an_interrupted_epoch_is_an_error_and_no_hang(planted: Split) -> None:
    loader = CupyLoader(planted, batch_size=100, device="cpu", memory_budget_bytes=BUDGET, window_rows=1500)
    first, second = loader.epoch(0), loader.epoch(1)
    next(first)
    rows = [next(second).rows]
    with pytest.raises(FeedrateError, match="another epoch was started"):
        list(first)
    rows += [batch.rows for batch in second]
    assert sum(rows) == planted.rows
    unfinished = loader.epoch(2)
    next(unfinished)
    loader.close()
    with pytest.raises(FeedrateError, match="the loader is closed"):
        list(unfinished)


def test_a_corrupt_file_is_an_error_for_the_consumer_and_no_hang(small: Dataset, tmp_path: Path) -> None:
    split = small.split("train")
    table = pq.read_table(split.files[0])
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=500)
    broken = replace(split, files=(tmp_path / "a.parquet",))
    loader = CupyLoader(broken, batch_size=100, device="cpu", memory_budget_bytes=300_000, window_rows=100)
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    content[200 : len(content) // 2] = bytes(len(content) // 2 - 200)
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(FeedrateError, match="a.parquet cannot be read to its end"):
        list(loader)
    loader.close()
    assert wait_until(lambda: not reading_threads())


def test_an_unknown_decoder_is_refused(small: Dataset) -> None:
    with pytest.raises(FeedrateError, match="decode is 'cudf', but must be one of auto, pylibcudf, pyarrow"):
        CupyLoader(small.folder, device="cpu", decode="cudf")


def test_a_streamed_trial_is_correct_and_reports_its_shuffle_quality(small: Dataset, tmp_path: Path) -> None:
    spec = TrialSpec(
        loader="cupy:window_rows=1024", mode="load", repeat=0, seed=0, batch_size=256, epochs=1, device="cpu",
        memory_budget_bytes=10**6,
    )  # fmt: skip
    [result] = run_suite([spec], small.folder)
    assert result.status == "ok", result.detail
    assert result.shuffle is not None
    # one row group of 4,000 rows becomes four windows in file order, so rows are mixed only within each of them
    assert result.shuffle.quality < 0.6
    assert any("only partly shuffled" in flag for flag in result.flags)


def test_the_order_is_fixed_by_seed_and_epoch(planted: Split) -> None:
    def rows(seed: int, epoch: int) -> np.ndarray:
        loader = CupyLoader(planted, batch_size=512, device="cpu", seed=seed, memory_budget_bytes=BUDGET)
        order = np.concatenate([batch.ids["row"].numpy() for batch in loader.epoch(epoch)])
        loader.close()
        return order

    assert np.array_equal(rows(1, 2), rows(1, 2))
    assert not np.array_equal(rows(1, 2), rows(1, 3))
    assert not np.array_equal(rows(1, 2), rows(2, 2))
