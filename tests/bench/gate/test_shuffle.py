from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.checksum import row_hashes
from feedrate.bench.datasets.order_sample import MIN_SAMPLED_ROWS, OrderSample, OrderSampleWriter
from feedrate.bench.gate.shuffle import ShuffleWatch, quality
from feedrate.bench.results.record import ShuffleRecord
from feedrate.loaders.parquet.columns import read_columns

ROWS = 60_000
RNG = np.random.default_rng(5)


def _quality(order: np.ndarray, batch_size: int = 1000) -> ShuffleRecord:
    """order: the row of the files that is delivered at each moment."""
    came = np.empty(ROWS, np.int64)
    came[order] = np.arange(ROWS)
    sampled = np.arange(0, ROWS, 4)
    found = quality(sampled / ROWS, came[sampled], rows=ROWS, batch_size=batch_size)
    assert found is not None
    return found


@pytest.mark.parametrize("seed", range(5))
def test_an_ideal_shuffle_is_within_its_expected_range(seed: int) -> None:
    found = _quality(np.random.default_rng(seed).permutation(ROWS))
    assert found.expected_low <= found.quality <= 1
    assert found.expected_low > 0.97


def test_file_order_has_none() -> None:
    assert _quality(np.arange(ROWS)).quality == pytest.approx(0, abs=0.01)


def test_file_order_backwards_is_no_shuffle_either() -> None:
    found = _quality(np.arange(ROWS)[::-1])
    assert found.displacement == 1
    assert found.quality < 0.05


@pytest.mark.parametrize("chunks", [2, 5, 20])
def test_mixing_only_within_a_chunk_shows_as_its_share_of_the_rows(chunks: int) -> None:
    parts = np.split(np.arange(ROWS), chunks)
    in_order = np.concatenate([RNG.permutation(part) for part in parts])
    at_random = np.concatenate([RNG.permutation(parts[i]) for i in RNG.permutation(chunks)])
    assert _quality(in_order).quality == pytest.approx(1 / chunks, abs=0.05)
    assert _quality(at_random).diversity == pytest.approx(1 / chunks, abs=0.05)


def test_too_few_rows_have_no_quality() -> None:
    assert quality(np.zeros(10), np.arange(10), rows=10, batch_size=2) is None


def test_the_watch_finds_the_sampled_rows_of_a_prepared_dataset(small: Dataset) -> None:
    columns, order_sample = read_columns(small.split("train")), small.order_sample("train")
    assert order_sample is not None
    watch = ShuffleWatch(order_sample, columns.rows, "cpu")
    for start in range(0, columns.rows, 500):
        watch.add(row_hashes(columns.slice(start, start + 500)))
    found = watch.result(500)
    assert found is not None
    assert found.quality == pytest.approx(0, abs=0.02)
    assert found.samples > 3000


def test_a_probe_spaces_its_rows_evenly_whatever_the_length_of_the_stream(tmp_path: Path) -> None:
    rows = 5 * MIN_SAMPLED_ROWS + 123
    writer = OrderSampleWriter()
    hashes = torch.randint(2**62, (rows,), generator=torch.Generator().manual_seed(1)).numpy()
    for start in range(0, rows, 7_001):
        writer.add(hashes[start : start + 7_001], first_row=start)
    writer.write(tmp_path / "probe.npy")
    positions, kept = np.load(tmp_path / "probe.npy")
    assert MIN_SAMPLED_ROWS <= len(positions) < 2 * MIN_SAMPLED_ROWS
    assert set(np.diff(positions)) == {4}
    assert np.array_equal(kept, hashes[positions])
    order_sample = OrderSample.read(tmp_path / "probe.npy", rows)
    assert np.all(np.diff(order_sample.hashes) > 0)
    assert 0 <= order_sample.places.min() < order_sample.places.max() < 1
