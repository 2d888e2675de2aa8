"""Facts of chunks, merged in the order of the files."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from feedrate.bench.datasets.tables.facts import Facts, look_at_ids


@pytest.mark.parametrize("dtype", [pa.uint8(), pa.uint64(), pa.int64()])
def test_the_ids_of_all_chunks_are_counted_once(dtype: pa.DataType) -> None:
    whole = Facts()
    for values in ([0, 3], [3, 7], []):
        chunk = Facts()
        look_at_ids(chunk, pa.array(values, dtype), Path("a.parquet"))
        whole.merge(chunk)
    assert whole.used_ids == 3
