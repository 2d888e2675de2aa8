from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.rows.checksum import row_hashes
from feedrate.bench.datasets.rows.order_sample import MIN_SAMPLED_ROWS, OrderSample, OrderSampleWriter
from feedrate.bench.gate.shuffle import ShuffleWatch, quality
from feedrate.bench.results.record import ShuffleRecord
from feedrate.loaders.parquet.columns import read_columns

ROWS = 60_000
RNG = np.random.default_rng(5)


def _quality(order: np.ndarray, batch_size: int = 1000) -> ShuffleRecord:
    """Return the quality of an epoch. order: the row of the files that is delivered at each position."""
    arrivals = np.empty(ROWS, np.int64)
    arrivals[order] = np.arange(ROWS)
    sampled = np.arange(0, ROWS, 4)
    record = quality(sampled / ROWS, arrivals[sampled], rows=ROWS, batch_size=batch_size)
    assert record is not None
    return record


@pytest.mark.parametrize("seed", range(5))
def test_an_ideal_shuffle_is_within_its_expected_range(seed: int) -> None:
    record = _quality(np.random.default_rng(seed).permutation(ROWS))
    assert record.expected_low <= record.quality <= 1
    assert record.expected_low > 0.97


@pytest.mark.parametrize("epoch", [180, 195, 722, 1059, 1182])
def test_an_unlucky_ideal_shuffle_is_within_its_expected_range_too(epoch: int) -> None:
    """These are of 1,500 orders. A range from the spread of the smaller measure left them out: 1 ideal shuffle of 375."""
    rows = 4_000
    arrivals = np.argsort(np.random.default_rng((0, epoch)).permutation(rows))
    record = quality(np.arange(rows) / rows, arrivals, rows=rows, batch_size=256)
    assert record is not None
    assert record.quality < 0.9735
    assert record.expected_low <= record.quality


def test_file_order_has_a_quality_of_zero() -> None:
    assert _quality(np.arange(ROWS)).quality == pytest.approx(0, abs=0.01)


def test_reversed_file_order_is_no_shuffle_either() -> None:
    record = _quality(np.arange(ROWS)[::-1])
    assert record.displacement == 1
    assert record.quality < 0.05


@pytest.mark.parametrize("chunks", [2, 5, 20])
def test_shuffling_only_within_chunks_scores_a_chunk_s_share_of_the_rows(chunks: int) -> None:
    parts = np.split(np.arange(ROWS), chunks)
    in_order = np.concatenate([RNG.permutation(part) for part in parts])
    at_random = np.concatenate([RNG.permutation(parts[i]) for i in RNG.permutation(chunks)])
    assert _quality(in_order).quality == pytest.approx(1 / chunks, abs=0.05)
    assert _quality(at_random).diversity == pytest.approx(1 / chunks, abs=0.05)


def test_too_few_rows_have_no_quality() -> None:
    assert quality(np.zeros(10), np.arange(10), rows=10, batch_size=2) is None


def test_the_watch_recognises_the_sampled_rows_of_a_prepared_dataset(small: Dataset) -> None:
    columns, order_sample = read_columns(small.split("train")), small.order_sample("train")
    assert order_sample is not None
    watch = ShuffleWatch(order_sample, columns.rows, "cpu")
    for start in range(0, columns.rows, 500):
        watch.add(row_hashes(columns.slice(start, start + 500)))
    record = watch.result(500)
    assert record is not None
    assert record.quality == pytest.approx(0, abs=0.02)
    assert record.samples > 3000


def test_an_order_sample_spaces_its_rows_evenly_for_any_length_of_the_stream(tmp_path: Path) -> None:
    rows = 5 * MIN_SAMPLED_ROWS + 123
    writer = OrderSampleWriter()
    hashes = torch.randint(2**62, (rows,), generator=torch.Generator().manual_seed(1)).numpy()
    for start in range(0, rows, 7_001):
        writer.add(hashes[start : start + 7_001], first_row=start)
    writer.write(tmp_path / "train.npy")
    positions, kept = np.load(tmp_path / "train.npy")
    assert MIN_SAMPLED_ROWS <= len(positions) < 2 * MIN_SAMPLED_ROWS
    assert set(np.diff(positions)) == {4}
    assert np.array_equal(kept, hashes[positions])
    order_sample = OrderSample.read(tmp_path / "train.npy", rows)
    assert np.all(np.diff(order_sample.hashes) > 0)
    assert 0 <= order_sample.places.min() < order_sample.places.max() < 1
