"""The CuPy batcher: its packed rows, its kernels (compiled for the CPU), and its use in a training script."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feedrate.bench.datasets.canonical import Dataset
from feedrate.loaders import CupyLoader
from feedrate.loaders.base import LoaderConfig, Split
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.packed.host_rows import HostRows, pack
from feedrate.loaders.packed.kernels import order_words, positions, source
from feedrate.loaders.packed.packing import INLINE_BYTES, choose_layout
from feedrate.loaders.packed.resident import DeviceRows
from feedrate.loaders.parquet.columns import Columns, read_columns
from tests.samples.any_columns import any_columns, assert_equal, checked
from tests.samples.compiled_kernels import COMPILER, CompiledKernels


@given(any_columns(), st.data())
def test_packed_rows_hold_every_column_to_the_bit(whole: Columns, data: st.DataObject) -> None:
    order = np.array(data.draw(st.lists(st.integers(0, whole.rows - 1), min_size=1, max_size=20)), np.int64)
    packed = pack(whole)
    [batch] = packed.take(order, len(order)).cut(packed.layout, len(order), 0, 1)
    assert_equal(batch, whole.take(torch.from_numpy(order)))


@given(any_columns(), st.integers(1, 70), st.integers(0, 2**32), st.integers(1, 4), st.booleans())
def test_every_row_comes_once_whatever_the_schema_batch_size_and_ranks(
    whole: Columns, batch_size: int, seed: int, ranks: int, shuffle: bool
) -> None:
    numbered = Columns(
        {"row": torch.arange(whole.rows, dtype=torch.int32), **whole.ids}, whole.bags, whole.dense, whole.label
    )
    seen: list[int] = []
    for rank in range(ranks):
        shard = LoaderConfig(batch_size=batch_size, shuffle=shuffle, seed=seed, rank=rank, world_size=ranks)
        rows = HostRows(numbered, shard)
        seen += checked(rows.batches(1), numbered, batch_size)
        rows.close()
    assert sorted(seen) == list(range(whole.rows))


def test_between_epochs_no_thread_of_its_own_is_left() -> None:
    """A second team of OpenMP threads would make those of the model sleep between its operations."""

    def tasks() -> set[str]:
        return {task.name for task in Path("/proc/self/task").iterdir()}

    rows = 100_000  # torch draws so many in parallel
    columns = Columns({"row": torch.arange(rows, dtype=torch.int32)}, {}, {}, torch.randperm(rows).float())
    before = tasks()
    loader = HostRows(columns, LoaderConfig(batch_size=10_000))
    assert sum(batch.rows for batch in loader.batches(0)) == rows
    end_s = monotonic() + 10
    while (left := tasks() - before) and monotonic() < end_s:
        sleep(0.01)
    assert not left
    loader.close()


@pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler: g++ or clang++")
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(any_columns(), st.integers(1, 70), st.integers(0, 2**32), st.integers(1, 4), st.booleans())
def test_the_kernels_do_the_same(
    tmp_path: Path, whole: Columns, batch_size: int, seed: int, ranks: int, shuffle: bool
) -> None:
    numbered = Columns(
        {"row": torch.arange(whole.rows, dtype=torch.int32), **whole.ids}, whole.bags, whole.dense, whole.label
    )
    layout = choose_layout(numbered)
    kernels = CompiledKernels(source(layout), tmp_path)
    seen: list[int] = []
    for rank in range(ranks):
        shard = LoaderConfig(batch_size=batch_size, shuffle=shuffle, seed=seed, rank=rank, world_size=ranks)
        seen += checked(DeviceRows(numbered, layout, shard, "cpu", kernels).batches(1), numbered, batch_size)
        wanted = positions(
            order_words(whole.rows, shuffle=shuffle, seed=seed, epoch=1), np.arange(rank, whole.rows, ranks)
        )
        assert seen[len(seen) - len(wanted) :] == wanted.tolist()
    assert sorted(seen) == list(range(whole.rows))


@pytest.mark.parametrize("rows", [1, 2, 3, 97, 10_007, 65_536])
def test_the_computed_order_is_a_permutation(rows: int) -> None:
    orders = [positions(order_words(rows, shuffle=True, seed=1, epoch=epoch), np.arange(rows)) for epoch in range(2)]
    assert all(sorted(order.tolist()) == list(range(rows)) for order in orders)
    if rows > 90:
        assert not np.array_equal(*orders)


def test_the_computed_order_is_as_mixed_as_a_drawn_one() -> None:
    """Pearson's chi-square of (place, row) on a grid of 50 x 50, and of the differences of neighbours: each within five
    standard deviations of what chance gives."""
    rows = 200_000
    order = positions(order_words(rows, shuffle=True, seed=7, epoch=3), np.arange(rows))
    grid = np.histogram2d(np.arange(rows) * 50 // rows, order * 50 // rows, bins=50)[0]
    for counts, freedom in ((grid.ravel(), 49 * 49), (np.bincount(np.diff(order) % 499, minlength=499), 498)):
        expected = counts.sum() / len(counts)
        chi_square = float(((counts - expected) ** 2 / expected).sum())
        assert abs(chi_square - freedom) < 5 * (2 * freedom) ** 0.5
    assert abs(float(np.corrcoef(np.arange(rows), order)[0, 1])) < 5 / rows**0.5


def test_movielens_rows_take_sixteen_bytes(small: Dataset) -> None:
    layout = choose_layout(read_columns(small.split("train")))
    assert layout.row_bytes == 16
    assert [bag.name for bag in layout.inline] == ["genres"]
    assert 8 * layout.inline[0].words <= INLINE_BYTES


def test_three_lines_in_a_training_script(small: Dataset) -> None:
    rows = 0
    for batch in CupyLoader(small.folder, batch_size=512, device="cpu"):
        rows += batch.rows
    assert rows == 4_000


def test_plain_parquet_is_read_by_its_types(tmp_path: Path) -> None:
    table = pa.table({"user": [1, 2, 3], "tags": [[1], [], [2, 3]], "age": [0.5, 1.5, 2.5], "y": [0.0, 1.0, 0.0]})
    pq.write_table(table, tmp_path / "a.parquet")
    loader = CupyLoader(tmp_path, label="y", batch_size=2, shuffle=False, device="cpu")
    first, last = loader
    assert first.ids["user"].tolist() == [1, 2]
    assert first.bags["tags"][1].tolist() == [0, 1, 1]
    assert last.dense["age"].tolist() == [2.5]
    assert last.label.tolist() == [0.0]


def test_each_pass_is_another_epoch_and_has_its_length(small: Dataset) -> None:
    loader = CupyLoader(small.folder, batch_size=600, device="cpu")
    passes = [torch.cat([batch.ids["userId"] for batch in loader]) for _ in range(2)]
    assert not torch.equal(*passes)
    assert len(loader) == len(list(loader)) == 7
    assert torch.equal(passes[1], torch.cat([batch.ids["userId"] for batch in loader.epoch(1)]))


def test_a_loaded_state_goes_on_behind_its_batch(small: Dataset) -> None:
    first = CupyLoader(small.folder, batch_size=600, device="cpu", seed=5)
    list(first)
    before = [batch.ids["userId"] for batch in islice(first, 3)]
    state = first.state_dict()
    assert (state["epoch"], state["batches"]) == (1, 3)
    rest = CupyLoader(small.folder, batch_size=600, device="cpu", seed=5)
    rest.load_state_dict(state)
    after = [batch.ids["userId"] for batch in rest]
    whole = [batch.ids["userId"] for batch in first.epoch(1)]
    assert torch.equal(torch.cat(before + after), torch.cat(whole))
    assert rest.state_dict()["epoch"] == 2
    with pytest.raises(FeedrateError, match="the state lacks batch_size, batches, device"):
        rest.load_state_dict({"epoch": 1})
    with pytest.raises(FeedrateError, match="the state is None: pass what state_dict"):
        rest.load_state_dict(None)  # type: ignore[arg-type]
    for wrong in ({"epoch": -1}, {"epoch": "x"}, {"batches": -3}, {"batches": 8}):
        with pytest.raises(FeedrateError, match="but an epoch has 7 batches"):
            rest.load_state_dict({**state, **wrong})
    resumed = CupyLoader(small.folder, batch_size=500, device="cpu", seed=5)
    with pytest.raises(FeedrateError, match="another order of rows: batch_size was 600, now 500"):
        resumed.load_state_dict(state)


def test_drop_last_gives_every_rank_the_same_number_of_whole_batches(small: Dataset) -> None:
    counts = []
    for rank in range(3):
        loader = CupyLoader(small.folder, batch_size=1333, device="cpu", rank=rank, world_size=3, drop_last=True)
        counts.append([batch.rows for batch in loader])
    assert counts == [[1333]] * 3
    kept = [CupyLoader(small.folder, batch_size=1333, device="cpu", rank=rank, world_size=3) for rank in range(3)]
    assert [sum(batch.rows for batch in loader) for loader in kept] == [1334, 1333, 1333]


def test_with_closes_it(small: Dataset) -> None:
    with CupyLoader(small.folder, batch_size=600, device="cpu") as loader:
        assert len(list(loader)) == 7
    with pytest.raises(FeedrateError, match="the loader is closed"):
        next(iter(loader))


def test_a_split_that_is_not_there_is_said(small: Dataset) -> None:
    with pytest.raises(FeedrateError, match="has no split 'test': choose from train, valid"):
        CupyLoader(small.folder, split="test", device="cpu")


def test_the_package_is_imported_without_torch() -> None:
    import subprocess
    import sys

    code = "import sys, feedrate.loaders; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.gpu
def test_the_real_kernels_do_the_same_on_a_gpu(planted: Split) -> None:
    whole = read_columns(planted)
    for batch_size in (1, 512, 20_000):
        for ranks in (1, 3):
            seen: list[int] = []
            for rank in range(ranks):
                loader = CupyLoader(planted, batch_size=batch_size, device="cuda", rank=rank, world_size=ranks, seed=3)
                for batch in loader.epoch(2):
                    there = batch.map(torch.Tensor.cpu)
                    assert_equal(there, whole.take(there.ids["row"].long()))
                    seen += there.ids["row"].tolist()
            assert sorted(seen) == list(range(whole.rows))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"batch_size": "many"}, "batch_size is 'many', but must be a whole number"),
        ({"batch_size": True}, "batch_size is True, but must be a whole number"),
        ({"batch_size": 2.5}, "batch_size is 2.5, but must be a whole number"),
        ({"shuffle": "no"}, "shuffle is 'no', but must be True or False"),
        ({"drop_last": "no"}, "drop_last is 'no', but must be True or False"),
        ({"seed": -1}, "seed is -1, but must be at least 0"),
        ({"memory_budget_bytes": "1GB"}, "memory_budget_bytes is '1GB', but must be a whole number"),
        ({"window_rows": "5"}, "window_rows is '5', but must be a whole number"),
        ({"decode": "pylibcudf"}, "decode is 'pylibcudf', which needs a GPU, but the device is the CPU"),
        ({"device": "tpu"}, "device is 'tpu': choose from auto, cpu, cuda, cuda:N"),
        ({"device": "cuda:00"}, "device is 'cuda:00': choose from auto"),
        ({"device": "cuda:99"}, "device is 'cuda:99', but torch sees"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(options: dict[str, Any], sentence: str, small: Dataset) -> None:
    with pytest.raises(FeedrateError, match=sentence):
        CupyLoader(small.folder, **{"device": "cpu", **options})


@pytest.mark.parametrize("options", [{}, {"memory_budget_bytes": 1_000_000, "window_rows": 128}])
def test_a_closed_loader_says_so(options: dict[str, Any], small: Dataset) -> None:
    loader = CupyLoader(small.folder, batch_size=64, device="cpu", **options)
    under_way, not_begun = iter(loader), loader.epoch(0)
    next(under_way)
    state = loader.state_dict()
    loader.close()
    loader.close()
    for epoch in (under_way, not_begun, iter(loader), loader.epoch(0)):
        with pytest.raises(FeedrateError, match="the loader is closed: open another one"):
            next(epoch)
    assert loader.state_dict() == state
