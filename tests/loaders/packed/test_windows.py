"""Which rows belong to which window of a streamed epoch, and that mixers deliver each row once."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feedrate.loaders.base import Categorical, LoaderConfig, Schema
from feedrate.loaders.packed.budget import (
    Contents,
    WindowMemory,
)
from feedrate.loaders.packed.kernels import window_source
from feedrate.loaders.packed.packing import layout_of
from feedrate.loaders.packed.streaming import StreamedRows, plan_epoch
from feedrate.loaders.packed.windows import DeviceMixer, HostMixer
from feedrate.loaders.parquet.columns import Columns
from feedrate.loaders.parquet.decode import Reads
from tests.samples.any_columns import any_columns, checked
from tests.samples.compiled_kernels import COMPILER, CompiledKernels
from tests.samples.held_groups import WINDOW_KERNELS, HeldGroups, row_groups, with_real_sizes


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
    groups, seen, counts = row_groups(sizes), [], []
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
    groups = row_groups([10] * 30)
    shuffled = [plan_epoch(groups, LoaderConfig(batch_size=5), 50, epoch).groups for epoch in range(2)]
    assert shuffled[0] != shuffled[1]
    assert plan_epoch(groups, LoaderConfig(batch_size=5, shuffle=False), 50, 1).groups == tuple(groups)
