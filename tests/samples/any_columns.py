"""A hypothesis strategy for columns of any schema, and checks that batches hold their values unchanged."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from hypothesis import strategies as st

from feedrate.loaders.base import Batch
from feedrate.loaders.parquet.columns import Columns

ODD_NAMES = ("label", "#tags", "tags", "the label", "", "rows", "ids", "0", "user.id", "user", "tags (values)", "at 0")
ODD_FLOATS = [0.0, -0.0, 1.0, 255.0, 256.0, 65_535.0, 0.5, float("nan"), float("inf"), -3.0]


@st.composite
def any_columns(draw: st.DrawFn) -> Columns:
    """Draw columns of any schema and names: up to three columns of each kind, and bags of 0 to 10,000 values."""
    names = iter(draw(st.permutations(ODD_NAMES)))
    rows = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    greatest = st.sampled_from([1, 254, 255, 256, 65_534, 65_535, 65_536, 2**31 - 1])

    def ids(size: int) -> torch.Tensor:
        return torch.from_numpy(rng.integers(0, draw(greatest), size, endpoint=True).astype(np.int32))

    def bag() -> tuple[torch.Tensor, torch.Tensor]:
        lengths = rng.integers(0, draw(st.sampled_from([0, 1, 3, 8, 9, 17, 40])), rows, endpoint=True)
        if draw(st.booleans()):
            lengths[rng.integers(rows)] = draw(st.sampled_from([16, 17, 10_000]))
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return ids(int(offsets[-1])), torch.from_numpy(offsets.astype(draw(st.sampled_from([np.int32, np.int64]))))

    def floats() -> torch.Tensor:
        kinds = (ODD_FLOATS, [0.0, 1.0], [0.0, 300.0])
        return torch.tensor(rng.choice(draw(st.sampled_from(kinds)), rows), dtype=torch.float32)

    return Columns(
        {next(names): ids(rows) for _ in range(draw(st.integers(0, 3)))},
        {next(names): bag() for _ in range(draw(st.integers(0, 3)))},
        {next(names): floats() for _ in range(draw(st.integers(0, 2)))},
        floats(),
    )


def assert_equal(first: Batch, second: Batch) -> None:
    """Assert that two batches are equal to the bit, including NaN and the sign of zero."""
    assert list(first.ids) == list(second.ids)
    assert list(first.bags) == list(second.bags)
    for a, b in zip(first.tensors(), second.tensors(), strict=True):
        assert a.dtype == b.dtype
        assert torch.equal(a.contiguous().view(torch.int32), b.contiguous().view(torch.int32))


def checked(batches: Iterator[Batch], numbered: Columns, batch_size: int) -> list[int]:
    """Return the numbers of the delivered rows.

    Asserts that every row equals the row of `numbered` with its number, and that only the last batch is short.
    """
    delivered: list[int] = []
    sizes = []
    for batch in batches:
        rows = batch.ids["row"]
        assert_equal(batch, numbered.take(rows.long()))
        delivered += rows.tolist()
        sizes.append(batch.rows)
    assert all(size == batch_size for size in sizes[:-1])
    return delivered
