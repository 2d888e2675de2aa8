from __future__ import annotations

import numpy as np
import pytest

from feedrate.bench.datasets.criteo.columns import (
    KAGGLE_ROWS,
    MAX_COUNT,
    CountColumn,
    IdColumn,
    count_columns,
    id_columns,
)


def test_at_full_size_the_cardinalities_are_criteo_s() -> None:
    columns = id_columns(KAGGLE_ROWS)
    assert [column.name for column in columns] == [f"C{number}" for number in range(1, 27)]
    assert {column.name: column.cardinality for column in columns if column.name in ("C3", "C4", "C12", "C20")} == {
        "C3": 10_131_227,
        "C4": 2_202_608,
        "C12": 8_351_593,
        "C20": 4,
    }
    assert min(column.values for column in columns) == 3
    assert id_columns(10 * KAGGLE_ROWS) == columns


def test_fewer_rows_touch_fewer_values_of_large_columns_and_all_of_small_ones() -> None:
    few, many = id_columns(10_000), id_columns(KAGGLE_ROWS)
    assert all(small.values <= large.values for small, large in zip(few, many, strict=True))
    assert few[2].values < 20_000
    assert few[8].values == many[8].values == 3


@pytest.mark.parametrize("values", [3, 1000])
def test_ids_are_numbered_by_frequency_and_follow_the_power_law(values: int) -> None:
    rows = 400_000
    ids = IdColumn(name="c", values=values, gap_fraction=0.0).draw(rows, np.random.default_rng(0))
    assert (ids.dtype, ids.min(), ids.max()) == (np.int32, 1, values)
    counts = np.bincount(ids)[1:]
    expected = rows * np.diff(np.arange(1, values + 2) ** 0.1) / ((values + 1) ** 0.1 - 1)
    assert np.abs(counts - expected).max() < 6 * expected.max() ** 0.5
    blocks = [block.sum() / len(block) for block in np.array_split(counts, min(values, 8))]
    assert blocks == sorted(blocks, reverse=True)


def test_the_rarest_of_ten_million_ids_is_reached_and_not_exceeded() -> None:
    class Highest:
        def random(self, rows: int) -> np.ndarray:
            return np.full(rows, np.nextafter(1, 0))

    ids = IdColumn(name="c", values=10_131_226, gap_fraction=0.0).draw(3, Highest())  # type: ignore[arg-type]
    assert ids.tolist() == [10_131_226] * 3


def test_counts_have_criteo_s_means_and_long_tails_that_float32_holds() -> None:
    columns = count_columns()
    assert [column.name for column in columns] == [f"I{number}" for number in range(1, 14)]
    for column in columns:
        counts = column.draw(200_000, np.random.default_rng(0))
        assert counts.min() == 0
        assert 10 * column.mean < counts.max() <= MAX_COUNT
        assert counts.mean() == pytest.approx(column.mean, rel=0.25)


def test_the_largest_count_is_capped() -> None:
    class Highest:
        def random(self, rows: int) -> np.ndarray:
            return np.full(rows, np.nextafter(1, 0))

    column = CountColumn(name="i", mean=18_539.0, heavy=True, gap_fraction=0.0)
    assert column.draw(2, Highest()).tolist() == [MAX_COUNT] * 2  # type: ignore[arg-type]
    assert int(np.float32(MAX_COUNT)) == MAX_COUNT
