"""Loops over libraries that read files, written without feedrate for the best speed. They mix windows of a million rows."""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from feedrate.loaders.base import Split
from tests.samples.bare.tensors import WINDOW, Epoch, Tensors, mixed, slices, tensors_of_arrow

RANGE = 2**17
"""Rows of a fragment or range in formats whose size is free."""


def windows(groups: Sequence[Any], read: Callable[[Any], pa.Table], index: int, batch_size: int) -> Iterator[Tensors]:
    """Read the groups in random order and mix them as soon as there are enough rows. The rest goes with the next window."""
    order, tables, number = list(groups), [], 0
    random.Random(index).shuffle(order)
    for group in order:
        tables.append(read(group))
        rows = sum(map(len, tables))
        if rows >= WINDOW:
            table, number = mixed(tables, [index, number]), number + 1
            full = rows - rows % batch_size
            yield from slices(table.slice(0, full), batch_size)
            tables = [table.slice(full)]
    if tables:
        yield from slices(mixed(tables, [index, number]), batch_size)


def row_groups(split: Split) -> list[tuple[Path, int]]:
    return [(file, number) for file in split.files for number in range(pq.read_metadata(file).num_row_groups)]


@contextlib.contextmanager
def arrow(split: Split, batch_size: int) -> Iterator[Epoch]:
    def read(group: tuple[Path, int]) -> pa.Table:
        return pq.ParquetFile(group[0]).read_row_group(group[1])

    groups = row_groups(split)
    yield lambda index: windows(groups, read, index, batch_size)


@contextlib.contextmanager
def lance(split: Split, batch_size: int) -> Iterator[Epoch]:
    import lance as library

    with tempfile.TemporaryDirectory() as folder:
        rows = pa.concat_tables(map(pq.read_table, split.files))
        fragments = library.write_dataset(rows, f"{folder}/rows", max_rows_per_file=RANGE).get_fragments()
        yield lambda index: windows(fragments, lambda fragment: fragment.to_table(), index, batch_size)


@contextlib.contextmanager
def vortex(split: Split, batch_size: int) -> Iterator[Epoch]:
    import vortex as library

    with tempfile.TemporaryDirectory() as folder:
        library.io.write(pa.concat_tables(map(pq.read_table, split.files)), f"{folder}/rows.vortex")
        scan = library.open(f"{folder}/rows.vortex", memory_map=True).to_repeated_scan()
        ranges = [(begin, min(begin + RANGE, split.rows)) for begin in range(0, split.rows, RANGE)]

        def read(rows: tuple[int, int]) -> pa.Table:
            return scan.execute(row_range=rows).to_arrow().read_all()

        yield lambda index: windows(ranges, read, index, batch_size)


@contextlib.contextmanager
def spdl(split: Split, batch_size: int) -> Iterator[Epoch]:
    from spdl.pipeline import PipelineBuilder

    groups = row_groups(split)
    groups_of_window = -(-WINDOW // pq.read_metadata(split.files[0]).row_group(0).num_rows)

    def read(group: tuple[Path, int]) -> pa.Table:
        return pq.ParquetFile(group[0]).read_row_group(group[1], use_threads=False)

    def epoch(index: int) -> Iterator[Tensors]:
        order = list(groups)
        random.Random(index).shuffle(order)
        pipeline = (
            PipelineBuilder()
            .add_source(order)
            .pipe(read, concurrency=2)
            .aggregate(groups_of_window)
            .pipe(lambda tables: mixed(tables, [index]))
            .add_sink(1)
            .build(num_threads=3, max_failures=0)
        )
        with pipeline.auto_stop():
            for table in pipeline:
                yield from slices(table, batch_size)

    yield epoch


@contextlib.contextmanager
def ray_data(split: Split, batch_size: int) -> Iterator[Epoch]:
    import ray
    from ray.data.collate_fn import ArrowBatchCollateFn

    class ToTensors(ArrowBatchCollateFn):
        def __call__(self, batch: pa.Table) -> Any:
            return [tensors_of_arrow(batch)]

    def epoch(index: int) -> Iterator[Tensors]:
        rows = ray.data.read_parquet([str(file) for file in split.files]).randomize_block_order(seed=index)
        for [batch] in rows.iter_torch_batches(
            batch_size=batch_size,
            collate_fn=ToTensors(),
            local_shuffle_buffer_size=WINDOW,
            local_shuffle_seed=index,
            prefetch_batches=2,
        ):
            yield batch

    from feedrate.loaders.toolkit.local_ray import LocalRay

    with contextlib.closing(LocalRay(2, 2**30)):
        yield epoch
