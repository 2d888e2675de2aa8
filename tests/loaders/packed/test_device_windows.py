"""Windows on a device that works behind the host: what stays in memory, and what is dropped."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch

from feedrate.loaders.base import Categorical, LoaderConfig, Schema
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.packed import windows
from feedrate.loaders.packed.budget import (
    Contents,
    WindowMemory,
)
from feedrate.loaders.packed.kernels import window_source
from feedrate.loaders.packed.packing import Ordered, layout_of
from feedrate.loaders.packed.resident import Epoch
from feedrate.loaders.packed.streaming import StreamedRows
from feedrate.loaders.packed.windows import DeviceMixer
from feedrate.loaders.parquet.columns import Columns
from feedrate.loaders.parquet.decode import Group, Part, Reads, staged
from tests.samples.compiled_kernels import COMPILER, CompiledKernels
from tests.samples.held_groups import WINDOW_KERNELS, HeldGroups, with_real_sizes
from tests.samples.reading_threads import wait_until


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
    return windows is not None and wait_until(lambda: all(decoded.done() for _, decoded in windows._waiting))


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
