"""Streaming a shard that does not fit in memory: which rows belong to which window, and that all arrive unchanged."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import accumulate, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.run.suite import run_suite
from feedrate.loaders import CupyLoader, registry
from feedrate.loaders.base import Categorical, LoaderConfig, Schema, Split
from feedrate.loaders.conformance import Case, check
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.packed import windows
from feedrate.loaders.packed.budget import (
    HOST_COPIES,
    READ_BUDGET_FRACTION,
    Contents,
    WindowMemory,
    device_reads,
    host_need,
    largest_window,
    pool_bytes,
)
from feedrate.loaders.packed.kernels import window_source
from feedrate.loaders.packed.packing import Ordered, layout_of
from feedrate.loaders.packed.resident import Epoch
from feedrate.loaders.packed.streaming import StreamedRows, plan_epoch
from feedrate.loaders.packed.windows import DeviceMixer, HostMixer
from feedrate.loaders.parquet.columns import Columns, columns_of_table, read_columns
from feedrate.loaders.parquet.decode import ArrowDecoder, Group, Part, Reads, read_groups, row_group_arrays, staged
from tests.samples.any_columns import any_columns, checked
from tests.samples.compiled_kernels import COMPILER, CompiledKernels

WINDOW_KERNELS = ("window_lengths", "window_rows", "pointed")
BUDGET = 1_200_000
"""Bytes that hold a few of the planted split's row groups."""


def _groups(sizes: list[int]) -> list[Group]:
    return [Group(Path("f"), number, rows, 8 * rows) for number, rows in enumerate(sizes)]


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=12),
    st.integers(1, 5),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(0, 2**40),
    st.booleans(),
)
def test_windows_of_all_ranks_cover_every_row_once(
    sizes: list[int], ranks: int, batch_size: int, batches: int, seed: int, shuffle: bool
) -> None:
    groups, seen, counts = _groups(sizes), [], []
    for rank in range(ranks):
        shard = LoaderConfig(batch_size=batch_size, shuffle=shuffle, seed=seed, rank=rank, world_size=ranks)
        plan = plan_epoch(groups, shard, batches * batch_size, epoch=3)
        windows = [plan.pieces(window) for window in range(plan.windows)]
        rows = [sum(piece.end - piece.begin for piece in pieces) for pieces in windows]
        assert all(count % batch_size == 0 for count in rows[:-1])
        assert max(rows, default=0) <= batches * batch_size
        assert all(piece.begin < piece.end for pieces in windows for piece in pieces)
        seen += [(p.group.number, row) for pieces in windows for p in pieces for row in range(p.begin, p.end)]
        counts.append(sum(rows))
        assert counts[-1] == shard.rows_of(sum(sizes))
    assert sorted(seen) == [(number, row) for number, size in enumerate(sizes) for row in range(size)]
    assert max(counts) - min(counts) <= 1


class HeldGroups:
    """A decoder whose row groups are parts of columns in memory."""

    def __init__(self, columns: Columns, sizes: list[int]) -> None:
        self.groups = _groups(sizes)
        self._parts = [Part(columns, end - size, end) for size, end in zip(sizes, accumulate(sizes), strict=True)]

    def read(self, groups: Sequence[Group]) -> list[Part]:
        return [self._parts[group.number] for group in groups]


def with_real_sizes(columns: Columns, groups: Sequence[Group]) -> list[Group]:
    """Return the row groups with the bytes that their tensors really take."""
    ends = accumulate(group.rows for group in groups)
    return [
        replace(group, nbytes=sum(tensor.nbytes for tensor in columns.slice(end - group.rows, end).tensors()))
        for group, end in zip(groups, ends, strict=True)
    ]


@pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler: g++ or clang++")
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(any_columns(), st.data())
def test_both_mixers_deliver_every_row_once_for_any_schema_and_window_size(
    tmp_path: Path, columns: Columns, data: st.DataObject
) -> None:
    rows, ids = columns.rows, {"row": torch.arange(columns.rows, dtype=torch.int32), **columns.ids}
    bags = {name: (values, offsets.int()) for name, (values, offsets) in columns.bags.items()}  # as decoders yield them
    numbered = Columns(ids, bags, columns.dense, columns.label)
    cuts = sorted(data.draw(st.lists(st.integers(0, rows), max_size=8)))
    held = HeldGroups(numbered, [end - begin for begin, end in pairwise([0, *cuts, rows])])
    size, batches, ranks = (data.draw(st.integers(1, greatest)) for greatest in (20, 4, 4))
    seed, shuffle = data.draw(st.integers(0, 2**32)), data.draw(st.booleans())
    reads = Reads(**{name: data.draw(st.integers(1, 4)) for name in ("threads", "ahead", "groups")})
    schema = Schema(
        single_hot=tuple(Categorical(name=name, cardinality=0) for name in ids),
        multi_hot=tuple(Categorical(name=name, cardinality=0) for name in columns.bags),
        continuous=tuple(columns.dense),
        label="y",
    )
    layout = layout_of(schema)
    kernels = CompiledKernels(window_source(len(layout.flat), len(layout.bags)), tmp_path, WINDOW_KERNELS)
    contents = Contents(with_real_sizes(numbered, held.groups))
    # too little memory is no error: tensors that do not fit are allocated beside it
    planned = data.draw(st.integers(1, batches)) * size
    for uploads in (None, False, True):
        seen: list[int] = []
        for rank in range(ranks):
            shard = LoaderConfig(batch_size=size, shuffle=shuffle, seed=seed, rank=rank, world_size=ranks)
            mixer: HostMixer | DeviceMixer = HostMixer(shard)
            if uploads is not None:
                memory = WindowMemory.of(contents, layout, shard, planned, uploads=uploads)
                mixer = DeviceMixer(layout, shard, "cpu", kernels, memory, uploads=uploads)
            streamed = StreamedRows(held.groups, shard, batches * size, held, mixer, reads)
            kept = list(streamed.batches(2))  # batches stay valid, even from more windows than the memory holds
            delivered = checked(iter(kept), numbered, size)
            first = data.draw(st.integers(0, len(delivered) // size))
            assert checked(streamed.batches(2, first), numbered, size) == delivered[first * size :]
            streamed.close()
            seen += delivered
        assert sorted(seen) == list(range(rows))
        assert shuffle or seen == sorted(seen)


@pytest.mark.parametrize("window", [8, 12, 20])
def test_row_groups_are_freed_with_the_last_window_that_uses_them(window: int) -> None:
    rows = 160
    columns = Columns({"row": torch.arange(rows, dtype=torch.int32)}, {}, {}, torch.zeros(rows))
    held, config = HeldGroups(columns, [8] * 20), LoaderConfig(batch_size=4)
    streamed = StreamedRows(held.groups, config, window, held, HostMixer(config), Reads(threads=1, ahead=2))
    for epoch in range(3):
        for _ in streamed.batches(epoch):
            assert streamed._windows is not None
            assert len(streamed._windows._parts) <= -(-window // 8) + 2
    streamed.close()


def test_row_groups_are_shuffled_anew_each_epoch_and_keep_file_order_without_shuffling() -> None:
    groups = _groups([10] * 30)
    shuffled = [plan_epoch(groups, LoaderConfig(batch_size=5), 50, epoch).groups for epoch in range(2)]
    assert shuffled[0] != shuffled[1]
    assert plan_epoch(groups, LoaderConfig(batch_size=5, shuffle=False), 50, 1).groups == tuple(groups)


def test_a_window_is_as_large_as_the_budget_holds() -> None:
    contents = Contents(_groups([1000] * 10))
    need, config = partial(host_need, contents), LoaderConfig(batch_size=100)
    budget = 8 * 1000 + HOST_COPIES * 8 * 730
    assert largest_window(contents, config, budget, 0, need) == 700
    assert largest_window(contents, config, 10**9, 250, need) == 200
    assert largest_window(contents, config, 10**9, 0, need) == 10_000
    large = Contents([Group(Path("f"), number, 2**28, 8 * 2**28) for number in range(32)])
    assert largest_window(large, LoaderConfig(batch_size=2**20), 10**15, 0, lambda _rows: 0) == 2**30 - 2**20
    with pytest.raises(FeedrateError, match=r"the memory budget of 8,500 bytes is too small.* need 12,800"):
        largest_window(contents, config, 8_500, 0, need)


def test_a_window_is_planned_for_the_row_groups_with_the_most_bytes_per_row() -> None:
    groups = [Group(Path("f"), 0, 100, 8 * 100), Group(Path("f"), 1, 10, 1000), Group(Path("f"), 2, 0, 4)]
    contents = Contents(groups)
    assert [contents.nbytes(rows) for rows in (5, 10, 60, 110, 200)] == [500, 1000, 1400, 1800, 1800]
    assert [contents.pieces(rows) for rows in (5, 10, 11, 110)] == [2, 2, 3, 3]


def test_a_small_budget_means_fewer_threads_and_a_large_one_more_row_groups_per_read() -> None:
    contents = Contents([Group(Path("f"), number, 1000, 10**6, 2 * 10**6) for number in range(20)])
    reads = [device_reads(contents, budget) for budget in (10**5, 12 * 10**6, 14 * 10**6, 10**8, 10**12)]
    assert [(read.threads, read.groups) for read in reads] == [(1, 1), (2, 1), (3, 1), (3, 7), (3, 32)]
    for read, budget in list(zip(reads, (10**5, 12 * 10**6, 14 * 10**6, 10**8), strict=False))[1:]:
        assert pool_bytes(contents, read, 0) <= READ_BUDGET_FRACTION * budget


def test_the_size_of_a_row_group_is_that_of_its_tensors(planted: Split) -> None:
    columns = read_columns(planted)
    nbytes = sum(tensor.nbytes for tensor in columns.slice(0, columns.rows).tensors())
    # Parquet stores an entry for an empty bag, too
    assert sum(group.nbytes for group in read_groups(planted)) == pytest.approx(nbytes, rel=0.05)


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


def _readers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith(("decode", "mix"))}


def _until(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()


@pytest.mark.parametrize("drop_last", [False, True])
def test_the_first_window_of_an_epoch_is_read_before_the_epoch_starts(
    drop_last: bool, planted: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    original = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_group", lambda self, i, **options: (read.append(i), original(self, i, **options))[1]
    )
    before = _readers()
    size = planted.rows - 1  # the last batch has one row, which drop_last leaves out
    loader = CupyLoader(
        planted, batch_size=size, device="cpu", memory_budget_bytes=9 * BUDGET, window_rows=size, drop_last=drop_last
    )
    groups, threads = len(read_groups(planted)), set()
    for epoch in range(3):
        assert sum(batch.rows for batch in loader) == planted.rows - drop_last
        assert _until(lambda epoch=epoch: len(read) > (epoch + 1) * groups)  # type: ignore[misc]
        threads |= _readers() - before
    assert len(threads) <= 2
    del loader
    assert _until(lambda: not threads & _readers())


def test_a_dropped_loader_leaves_no_thread_even_if_a_reading_thread_drops_it(
    planted: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _readers()
    held = [CupyLoader(planted, batch_size=100, device="cpu", memory_budget_bytes=BUDGET, window_rows=1500)]
    original = ArrowDecoder.read

    def drops(self: ArrowDecoder, groups: Sequence[Group]) -> list[Part]:
        held.clear()
        return original(self, groups)

    next(iter(held[0]))
    assert _readers() - before
    monkeypatch.setattr(ArrowDecoder, "read", drops)
    batches = iter(held[0])
    for batch in batches:
        assert batch.rows
        if not held:
            break
    del batches
    gc.collect()
    assert _until(lambda: not _readers() - before)


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
    with pytest.raises((OSError, pa.ArrowException)):
        list(loader)
    loader.close()
    assert _until(lambda: not _readers())


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


def test_staged_row_groups_equal_their_columns(planted: Split) -> None:
    for group in read_groups(planted):
        table = pq.ParquetFile(group.file).read_row_group(group.number, columns=list(planted.schema.columns))
        expected, part = columns_of_table(table, planted.schema), staged(table, planted.schema, pin=False)
        tensors = part.columns.slice(part.begin, part.end).tensors()
        assert all(map(torch.equal, tensors, expected.slice(0, expected.rows).tensors()))
        assert all(tensor.element_size() == 4 for tensor in tensors)


def test_a_row_group_of_several_chunks_is_read_completely() -> None:
    schema = Schema(single_hot=(Categorical(name="u", cardinality=9),), label="y")
    table = pa.table({"u": pa.chunked_array([[1, 2], [3]]), "y": pa.chunked_array([[1.0], [0.0, 1.0]])})
    (ids, _), (label, _) = row_group_arrays(table, schema)
    assert (ids.tolist(), label.tolist()) == ([1, 2, 3], [1.0, 0.0, 1.0])


class FakeEvent:
    """An event of a device that does no work until somebody waits for it."""

    def __init__(self) -> None:
        self.done = False

    def query(self) -> bool:
        return self.done

    def synchronize(self) -> None:
        self.done = True


class CopiedGroups(HeldGroups):
    """Stages each row group in a block of its own, as ArrowDecoder does for a device."""

    def __init__(self, columns: Columns, sizes: list[int], schema: Schema) -> None:
        super().__init__(columns, sizes)
        self.schema = schema
        self.read_groups: list[weakref.ref[torch.Tensor]] = []

    def read(self, groups: Sequence[Group]) -> list[Part]:
        parts = []
        for held in super().read(groups):
            batch = held.columns.slice(held.begin, held.end)
            columns = {name: ids.numpy() for name, ids in batch.ids.items()}
            for name, (values, offsets) in batch.bags.items():
                columns[name] = pa.ListArray.from_arrays(offsets.numpy(), values.numpy())
            table = pa.table({**columns, self.schema.label: batch.label.numpy()})
            parts.append(staged(table, self.schema, pin=False))
            self.read_groups.append(weakref.ref(parts[-1].columns.label))
        return parts


@pytest.fixture
def slow_device(monkeypatch: pytest.MonkeyPatch) -> list[FakeEvent]:
    """Replace the device's events by fakes. Lists them in order, two for each window."""
    events: list[FakeEvent] = []

    def record_event(_stream: object) -> FakeEvent:
        events.append(FakeEvent())
        return events[-1]

    def hand_over(rows: Epoch, _device: object) -> Ordered:
        return Ordered(rows.flat, rows.offsets, rows.values, rows.bounds.tolist())

    monkeypatch.setattr(windows, "record_event", record_event)
    monkeypatch.setattr(windows, "hand_over", hand_over)
    return events


def _streamed_on_a_device(
    tmp_path: Path, rows: int, group: int, window: int, batch: int
) -> tuple[StreamedRows[Any], CopiedGroups]:
    columns = Columns(
        {"row": torch.arange(rows, dtype=torch.int32)},
        {"tags": (torch.arange(2 * rows, dtype=torch.int32), 2 * torch.arange(rows + 1, dtype=torch.int32))},
        {},
        torch.zeros(rows),
    )
    schema = Schema(
        single_hot=(Categorical(name="row", cardinality=0),),
        multi_hot=(Categorical(name="tags", cardinality=0),),
        label="y",
    )
    held, config, layout = (
        CopiedGroups(columns, [group] * (rows // group), schema),
        LoaderConfig(batch_size=batch),
        layout_of(schema),
    )
    contents = Contents(with_real_sizes(columns, held.groups))
    memory = WindowMemory.of(contents, layout, config, window, uploads=True)
    kernels = CompiledKernels(window_source(2, 1), tmp_path, WINDOW_KERNELS)
    mixer = DeviceMixer(layout, config, "cpu", kernels, memory, uploads=True)
    return StreamedRows(held.groups, config, window, held, mixer, Reads(threads=1, ahead=4)), held


def _reads_complete(streamed: StreamedRows[Any]) -> bool:
    """Wait until all reads in progress are complete. Return whether they are."""
    windows = streamed._windows
    return windows is not None and _until(lambda: all(decoded.done() for _, decoded in windows._waiting))


@pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler: g++ or clang++")
@pytest.mark.parametrize("window", [8, 24])
def test_row_groups_stay_until_the_device_has_read_them(
    window: int, tmp_path: Path, slow_device: list[FakeEvent]
) -> None:
    streamed, held = _streamed_on_a_device(tmp_path, 96, 8, window, 8)
    rows = [batch.ids["row"].clone() for batch in streamed.batches(0)]
    assert sorted(torch.cat(rows).tolist()) == list(range(96))
    assert all(kept() is not None for kept in held.read_groups[:12])
    for event in slow_device:
        event.done = True
    streamed._mixer.advance()
    # a local variable still refers to the last one
    assert sum(kept() is not None for kept in held.read_groups[:12]) <= 1


@pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler: g++ or clang++")
def test_a_window_that_nobody_takes_is_dropped(tmp_path: Path, slow_device: list[FakeEvent]) -> None:
    streamed, _ = _streamed_on_a_device(tmp_path, 96, 8, 16, 8)
    interrupted = streamed.batches(0)
    next(interrupted)
    assert _reads_complete(streamed)
    next(interrupted)  # by now the second window is in progress
    assert streamed._windows is not None
    second, mixer = streamed._windows._begun, streamed._mixer
    assert isinstance(mixer, DeviceMixer)
    assert second in mixer._in_progress
    for epoch in (3, 1):
        batches = []
        for batch in streamed.batches(epoch):
            batches.append((batch.ids["row"].tolist(), batch.bags["tags"][0].tolist()))
            assert second not in mixer._in_progress
        rows = [row for batch_rows, _ in batches for row in batch_rows]
        assert sorted(rows) == list(range(96))
        assert [value for _, tags in batches for value in tags] == [2 * row + i for row in rows for i in (0, 1)]
    assert len(slow_device) > 4 * 6
    with pytest.raises(FeedrateError, match="another epoch was started"):
        list(interrupted)


@pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler: g++ or clang++")
def test_closing_frees_the_memory(tmp_path: Path) -> None:
    streamed, held = _streamed_on_a_device(tmp_path, 96, 8, 16, 8)
    batches = streamed.batches(0)
    next(batches)
    memory = weakref.ref(streamed._mixer._scratch.untyped_storage())  # type: ignore[attr-defined]
    streamed.close()
    del batches  # it refers to a window
    gc.collect()
    assert memory() is None
    assert not any(kept() is not None for kept in held.read_groups)


@pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler: g++ or clang++")
def test_an_epoch_after_an_aborted_one_is_complete(tmp_path: Path) -> None:
    streamed, _ = _streamed_on_a_device(tmp_path, 96, 8, 16, 8)
    batches = streamed.batches(0)
    next(batches)
    assert streamed._windows is not None
    places = streamed._windows._places

    def aborted() -> Iterator[Any]:
        yield from islice(places, 4)  # the next epoch's first window has been begun, but is not recorded yet
        raise KeyboardInterrupt

    streamed._windows._places = aborted()
    with pytest.raises(KeyboardInterrupt):
        while _reads_complete(streamed):
            next(batches)
    for epoch in (1, 2):
        assert sorted(torch.cat([batch.ids["row"] for batch in streamed.batches(epoch)]).tolist()) == list(range(96))
