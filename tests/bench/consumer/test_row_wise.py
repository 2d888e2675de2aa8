"""Tables shared over ranks. What several ranks learn with them is tested in tests/bench/run/test_ranks.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from feedrate.bench.consumer.row_wise import RowWiseTables


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[None]:
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'meet'}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("wrong", [-1, 5])
def test_the_rank_that_asks_for_a_row_that_no_table_has_fails_itself(wrong: int) -> None:
    tables = RowWiseTables([torch.eye(3), torch.eye(5)], rank=0, ranks=1)
    bags = torch.tensor([4, 1, 1], dtype=torch.int32), torch.tensor([0, 1, 1, 3], dtype=torch.int32)
    got = tables([(torch.tensor([2, 0, 2]), None), bags])
    assert torch.equal(got[0], torch.eye(3)[[2, 0, 2]])
    assert torch.equal(got[1], torch.stack([torch.eye(5)[4], torch.zeros(5), 2 * torch.eye(5)[1]]))
    with pytest.raises(IndexError, match=f"a batch has the id {wrong} in a column of 5 ids"):
        tables([(torch.tensor([2, 0]), None), (torch.tensor([4, wrong]), torch.tensor([0, 1, 2]))])
