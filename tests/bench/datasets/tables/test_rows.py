"""The rows come out as they went in."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa

from tests.samples.click_log import ROWS, cities, click_log, prepare, rows_of, write


def test_every_value_of_every_row_is_the_file_s(tmp_path: Path) -> None:
    city = [None if i % 7 == 0 else name for i, name in enumerate(cities())]
    table = click_log(city=pa.array(city), n=np.arange(ROWS, dtype=np.float64))
    for i in range(4):
        write(tmp_path / f"in/deep {i}/part.parquet", table.slice(100 * i, 100), row_group_size=30)
    rows = rows_of(prepare(tmp_path / "in", tmp_path / "out"), by="n")
    assert rows["n"].to_numpy().tolist() == list(range(ROWS))
    for name in ("user", "item", "tags", "clicked"):
        assert rows[name].to_pylist() == table[name].to_pylist()
    np.testing.assert_array_equal(rows["price"].to_numpy(), table["price"].to_numpy().astype(np.float32))
    counts = Counter(name for name in city if name)
    names = [None, *sorted(counts, key=lambda name: (-counts[name], name))]
    assert [names[i] for i in rows["city"].to_pylist()] == city


def test_rows_keep_their_order_within_a_split(tmp_path: Path) -> None:
    table = click_log(n=np.arange(ROWS, dtype=np.float64))
    for i in range(2):
        write(tmp_path / f"in/{i}.parquet", table.slice(200 * i, 200))
    dataset = prepare(tmp_path / "in", tmp_path / "out")
    train = dataset.info.splits["train"].rows
    n = rows_of(dataset)["n"].to_numpy()
    assert (np.diff(n[:train]) > 0).all()
    assert (np.diff(n[train:]) > 0).all()
