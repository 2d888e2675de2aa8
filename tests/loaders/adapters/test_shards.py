"""Every built-in loader as 2 and as 4 ranks of uneven shards: in each epoch, their rows together are the split's, each once."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from feedrate.loaders import registry
from feedrate.loaders.base import LoaderConfig, Split
from feedrate.loaders.conformance import Case, planted_split
from feedrate.loaders.conformance.reading import Epoch, read_epoch, require_sound
from feedrate.loaders.errors import LoaderUnavailable
from feedrate.loaders.toolkit.local_ray import LocalRay

ROWS = 2_003
"""Neither 2 nor 4 divides it."""
EPOCHS = (0, 1, 731)
"""The first two, and one with a number that no loader expects."""
MARKS = {"ray-data": pytest.mark.slow, "nvtabular": pytest.mark.nvtabular}
WHOLE_PARTITIONS = {"nvtabular"}
"""Loaders whose ranks share row groups, and so differ by more than a row."""
LOADERS = [
    pytest.param(name, marks=MARKS.get(name, ()))
    for name in registry.BUILT_IN
    if name != "replay" and not registry.is_for_tests(name)
]


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Split:
    return planted_split(tmp_path_factory.mktemp("uneven"), rows=ROWS)


@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize("loader", LOADERS)
def test_ranks_together_deliver_each_row_once_in_each_epoch(loader: str, ranks: int, uneven: Split) -> None:
    case = case_of(loader, uneven)
    with contextlib.ExitStack() as stack:
        if loader == "ray-data":  # starting Ray for each rank would take minutes
            stack.enter_context(contextlib.closing(LocalRay(1, 80 * 2**20)))
        shards = [epochs_of(case, rank, ranks) for rank in range(ranks)]
    for epochs in zip(*shards, strict=True):
        delivered = np.concatenate([epoch.order for epoch in epochs])
        assert np.array_equal(np.sort(delivered), np.arange(ROWS)), f"epoch {epochs[0].index}"
        assert not any(epoch.wrong for epoch in epochs)
        rows = [len(epoch.order) for epoch in epochs]
        assert min(rows) > 0
        if loader not in WHOLE_PARTITIONS:
            assert max(rows) - min(rows) == 1


def case_of(loader: str, split: Split) -> Case:
    """Return the loader's case. Skips the test if its library is missing or lives in an environment without pytest."""
    choice = registry.choose(loader)
    try:
        choice.adapter.backend("cpu")
    except LoaderUnavailable as error:
        pytest.skip(str(error))
    return Case(choice, split, LoaderConfig(batch_size=200))


def epochs_of(case: Case, rank: int, ranks: int) -> list[Epoch]:
    """Read the epochs of one rank."""
    with case.opened(rank=rank, world_size=ranks) as loader:
        epochs = [read_epoch(case, loader, number) for number in EPOCHS]
    for epoch in epochs:
        require_sound(epoch)
    return epochs
