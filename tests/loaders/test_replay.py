"""Tests of the replay loader."""

from __future__ import annotations

from feedrate.loaders import registry
from feedrate.loaders.base import LoaderConfig, Split


def test_replay_has_as_many_rows_and_batches_as_the_split(planted: Split) -> None:
    loader = registry.choose("replay:distinct=4").open(planted, LoaderConfig(batch_size=512))
    sizes = [batch.rows for batch in loader.epoch(0)]
    assert sum(sizes) == planted.rows
    assert len(sizes) == -(-planted.rows // 512)


def test_replay_repeats_distinct_batches(planted: Split) -> None:
    loader = registry.choose("replay:distinct=4").open(planted, LoaderConfig(batch_size=512))
    addresses = [batch.label.data_ptr() for batch in loader.epoch(0)][:-1]
    assert len(set(addresses)) == 4
    assert addresses[:4] == addresses[4:8]


def test_a_split_smaller_than_a_batch_is_one_short_batch(planted: Split) -> None:
    loader = registry.choose("replay").open(planted, LoaderConfig(batch_size=planted.rows + 1))
    assert [batch.rows for batch in loader.epoch(3)] == [planted.rows]
