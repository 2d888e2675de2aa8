"""The three ways to stream a shard: on the host, decoded by PyArrow for a GPU, or decoded by pylibcudf on the GPU."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from feedrate.loaders.base import LoaderConfig, Schema
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.packed import kernels
from feedrate.loaders.packed.budget import (
    SLACK_BYTES,
    Contents,
    WindowMemory,
    device_reads,
    host_need,
    host_reads,
    largest_window,
    pool_bytes,
)
from feedrate.loaders.packed.launch import CupyKernels
from feedrate.loaders.packed.packing import layout_of
from feedrate.loaders.packed.streaming import StreamedRows
from feedrate.loaders.packed.windows import DeviceMixer, HostMixer
from feedrate.loaders.parquet.decode import ArrowDecoder, CudfDecoder, Group, Reads, has_pylibcudf
from feedrate.loaders.parquet.raw import column_for_pyarrow
from feedrate.loaders.parquet.stored import are_stored, reading_threads

MIN_CUDF_GROUPS = 6
"""Row groups at a time from which pylibcudf is faster than PyArrow in HOST_THREADS. With 4 they are equally fast (H100, 16 cores)."""
HOST_THREADS = 12
"""Maximum number of host threads that decode row groups for a GPU. Two cores are left for the consumer, which must keep up."""
HOST_GROUPS = 2
"""Row groups that each of them reads in a row, so that they take turns at the interpreter's lock less often."""
HOST_WAITING = 4
"""Finished reads that wait to be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRequest:
    """What to stream, and within which memory."""

    groups: Sequence[Group]
    schema: Schema
    config: LoaderConfig
    budget_bytes: int
    """Memory on the device, or on the host if there is none."""
    window_rows: int
    """Rows that are mixed together, rounded to whole batches. 0: as many as the budget holds."""
    max_rows: int
    """Rows of an epoch; those of a last batch that nobody wants are not read."""

    @property
    def in_store(self) -> bool:
        """Whether the files are in an object store."""
        return are_stored(self.groups)

    @property
    def contents(self) -> Contents:
        """What the row groups hold."""
        return Contents(self.groups)


def open_stream(request: StreamRequest, decode: str) -> StreamedRows[Any]:
    """Open the stream that fits the device and the decoder: "auto", "pylibcudf" or "pyarrow".

    Raises FeedrateError if the budget is too small or the decoder does not read a type, LoaderUnavailable without CuPy, and without pylibcudf if it is named.
    """
    if request.config.device == "cpu":
        return stream_on_host(request)
    if request.in_store:
        if decode == "pylibcudf":
            raise FeedrateError(
                f"decode is 'pylibcudf', which does not read from object stores, and {request.groups[0].file} is in one: use decode=pyarrow"
            )
        return stream_with_arrow(request)
    unusual = (
        column_for_pyarrow({group.file for group in request.groups}, request.schema) if decode != "pyarrow" else ""
    )
    if unusual and decode == "pylibcudf":
        raise FeedrateError(
            f"decode is 'pylibcudf', which does not read the type of column {unusual!r}: use decode=pyarrow"
        )
    if decode == "auto" and unusual:
        decode = "pyarrow"
    if decode == "auto":
        reads = device_reads(request.contents, request.budget_bytes)
        enough = reads.threads * reads.groups >= MIN_CUDF_GROUPS
        decode = "pylibcudf" if enough and has_pylibcudf() else "pyarrow"
    return stream_with_cudf(request) if decode == "pylibcudf" else stream_with_arrow(request)


def stream_on_host(request: StreamRequest) -> StreamedRows[Any]:
    """Decode with PyArrow and mix in host memory."""
    config, contents = request.config, request.contents
    rows = largest_window(contents, config, request.budget_bytes, request.window_rows, partial(host_need, contents))
    decoder, mixer = ArrowDecoder(request.schema, pinned=False), HostMixer(config)
    reads = host_reads(contents, rows)
    reads = replace(reads, threads=reading_threads(request.groups, reads.ahead))
    return StreamedRows(request.groups, config, rows, decoder, mixer, reads, request.max_rows)


def stream_with_arrow(request: StreamRequest) -> StreamedRows[Any]:
    """Decode with PyArrow in host threads, into pinned memory, and mix on the GPU."""
    config, contents = request.config, request.contents
    memory = partial(WindowMemory.of, contents, layout_of(request.schema), config, uploads=True)
    threads = min(HOST_THREADS, max(1, (os.cpu_count() or 1) - 2))
    reads = Reads(threads=threads, ahead=threads + HOST_WAITING, groups=HOST_GROUPS)

    def need(rows: int) -> int:
        return SLACK_BYTES + memory(rows).nbytes

    rows = largest_window(contents, config, request.budget_bytes, request.window_rows, need)
    decoder = ArrowDecoder(request.schema, pinned=True)
    mixer = _device_mixer(request, memory(rows), uploads=True)
    return StreamedRows(request.groups, config, rows, decoder, mixer, reads, request.max_rows)


def stream_with_cudf(request: StreamRequest) -> StreamedRows[Any]:
    """Decode with pylibcudf and mix, both on the GPU."""
    config, contents = request.config, request.contents
    memory = partial(WindowMemory.of, contents, layout_of(request.schema), config, uploads=False)
    reads = device_reads(contents, request.budget_bytes)

    def need(rows: int) -> int:
        return SLACK_BYTES + memory(rows).nbytes + pool_bytes(contents, reads, rows)

    rows = largest_window(contents, config, request.budget_bytes, request.window_rows, need)
    decoder = CudfDecoder(request.schema, config.device)
    mixer = _device_mixer(request, memory(rows), uploads=False)
    return StreamedRows(request.groups, config, rows, decoder, mixer, reads, request.max_rows)


def _device_mixer(request: StreamRequest, memory: WindowMemory, *, uploads: bool) -> DeviceMixer:
    layout, device = layout_of(request.schema), request.config.device
    compiled = CupyKernels(kernels.window_source(len(layout.flat), len(layout.bags)), device)
    return DeviceMixer(layout, request.config, device, compiled, memory, uploads=uploads)
