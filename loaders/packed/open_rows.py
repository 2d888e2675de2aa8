"""Opens a shard: in memory, or streamed if the memory budget is too small for that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from feedrate.loaders.base import LoaderConfig, Split
from feedrate.loaders.packed import kernels
from feedrate.loaders.packed.launch import CupyKernels
from feedrate.loaders.packed.packing import choose_layout
from feedrate.loaders.packed.resident import DeviceRows
from feedrate.loaders.packed.stream_builders import StreamRequest, open_stream
from feedrate.loaders.packed.streaming import StreamedRows
from feedrate.loaders.parquet.columns import read_columns
from feedrate.loaders.parquet.decode import read_groups

if TYPE_CHECKING:
    from feedrate.loaders.packed.host_rows import HostRows

RESIDENT_COPIES = 4
"""Copies of the columns that a resident shard holds at its peak: as read, packed, and two epochs."""


def open_rows(
    split: Split, config: LoaderConfig, *, window_rows: int, decode: str, max_rows: int
) -> HostRows | DeviceRows | StreamedRows[Any]:
    """Hold the shard in memory, or stream it if it does not fit the memory budget or if window_rows is not 0.

    decode, window_rows: as in CupyOptions. max_rows: rows of the shard that an epoch delivers at most.
    """
    if config.memory_budget_bytes is not None:
        groups = read_groups(split)
        resident_bytes = RESIDENT_COPIES * sum(group.nbytes for group in groups)
        if resident_bytes > config.memory_budget_bytes or window_rows:
            request = StreamRequest(
                groups=groups, schema=split.schema, config=config, budget_bytes=config.memory_budget_bytes,
                window_rows=window_rows, max_rows=max_rows,
            )  # fmt: skip
            return open_stream(request, decode)
    columns = read_columns(split)
    if config.device == "cpu":
        from feedrate.loaders.packed.host_rows import HostRows  # imports Numba, which nothing else needs

        return HostRows(columns, config)
    device_columns = columns.to(config.device)
    layout = choose_layout(device_columns)
    compiled = CupyKernels(kernels.source(layout), config.device)
    return DeviceRows(device_columns, layout, config, config.device, compiled)
