"""Embedding tables that no device holds whole: row r of each table lies on rank r % ranks.

Each rank looks rows up for its own batch. It asks their owners for them, and sends the gradients back the same way. The
numbers are those of tables that every rank holds, except for the order in which gradients are added.
The exchange is an all-to-all, as in Naumov et al. 2019, "Deep learning recommendation model for personalization and
recommendation systems", arXiv:1906.00091, section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from feedrate.bench.consumer.models.embeddings import EmbeddingModel
from feedrate.bench.consumer.moments import Moments
from feedrate.bench.consumer.steps import table_columns
from feedrate.loaders.base import Batch

Column = tuple[Tensor, Tensor | None]
"""The ids of a single-hot column and None, or the values and the offsets of bags."""


class RowWiseTables(nn.Module):
    """This rank's rows of every table, and the way to all others. Every rank must make the same calls in the same order."""

    def __init__(self, weights: Sequence[Tensor], rank: int, ranks: int) -> None:
        """Keep this rank's rows of the tables. weights: float32 [C, D] for each table, equal on every rank."""
        super().__init__()
        self._ranks = ranks
        self._rows = [len(weight) for weight in weights]
        self._widths = [weight.shape[1] for weight in weights]
        self.shards = nn.ParameterList(nn.Parameter(weight.detach()[rank::ranks].clone()) for weight in weights)
        for shard in self.shards:
            shard.register_hook(lambda gradient: gradient / ranks)  # the loss is a mean over the ranks
        self.moments = Moments()
        """When rows and gradients were being exchanged."""

    def forward(self, columns: Sequence[Column]) -> list[Tensor]:
        """Return for each table the batch's rows or the sums of its bags, float32 [B, D]. Waits for the device.

        Raises IndexError for an id that its table does not have.
        """
        ids = [values.long() for values, _ in columns]
        route = _Route.of(ids, self._rows, self._ranks, self.moments)
        asked = route.ask()
        rows = [shard.index_select(0, wanted) for shard, wanted in zip(self.shards, asked, strict=True)]
        got = route.answer(rows, self._widths)
        return [own if offsets is None else _sums(own, offsets) for own, (_, offsets) in zip(got, columns, strict=True)]


class RowWiseModel(nn.Module):
    """A model whose tables lie row by row on several ranks."""

    def __init__(self, model: EmbeddingModel, rank: int, ranks: int) -> None:
        """Take the tables out of the model, whose `head` alone works from then on."""
        super().__init__()
        assert model.sums_bags
        self.tables = RowWiseTables(model.tables(), rank, ranks)
        model.single_hot, model.multi_hot = nn.ModuleDict(), nn.ModuleDict()
        self.head = _Head(model)
        self._averaging: list[nn.Module] = []
        """What averages the head's gradients, in a list, so that its parameters do not count twice."""

    def average_with(self, wrap: Callable[[nn.Module], nn.Module]) -> None:
        """Average the gradients of all parameters but the tables with the other ranks. wrap: DistributedDataParallel."""
        self._averaging = [wrap(self.head)]

    def forward(self, batch: Batch) -> Tensor:
        """Return the raw scores of the batch, float32 [B]."""
        learns = self._averaging and torch.is_grad_enabled()
        scores: Tensor = (self._averaging[0] if learns else self.head)(self.tables(table_columns(batch)), batch)
        return scores


class _Head(nn.Module):
    """A model without its tables, called with what these return."""

    def __init__(self, model: EmbeddingModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, embedded: Sequence[Tensor], batch: Batch) -> Tensor:
        """Return the raw scores, float32 [B]."""
        return self.model.head(embedded, batch)


class _Route:
    """Where the ids of one batch come from and go to. Every list of counts is by rank, then by table."""

    def __init__(self, order: Tensor, sent: Tensor, counts: tuple[Tensor, Tensor], moments: Moments) -> None:
        """order: places of the ids, int64 [N], sorted by owner and then by table. sent: the ids in this order, as rows of the owner.

        counts: int64 [ranks, tables], the ids that this rank asks for and those that it is asked for.
        """
        self._sent, self._moments = sent, moments
        self._mine, self._theirs = torch.stack(counts).tolist()
        self._places = order

    @classmethod
    def of(cls, ids: Sequence[Tensor], rows: Sequence[int], ranks: int, moments: Moments) -> _Route:
        """Sort the ids, int64 [n] for each table, by their owners, and tell these how many will come.

        rows: of each table. Raises IndexError.
        """
        tables = len(ids)
        together = torch.cat(list(ids))
        table = torch.repeat_interleave(
            torch.arange(tables, device=together.device),
            torch.tensor([len(own) for own in ids], device=together.device),
        )
        key, order = torch.sort(together % ranks * tables + table, stable=True)
        mine = torch.bincount(key, minlength=ranks * tables).view(ranks, tables)
        theirs = torch.empty_like(mine)
        outside = (together < 0) | (together >= torch.tensor(rows, device=together.device)[table])
        with moments.noted(mine.is_cuda):
            dist.all_to_all_single(theirs, mine)
        if outside.any():  # the owner of such a row would fail instead of the rank that asks for it
            first = int(outside.nonzero()[0])
            raise IndexError(f"a batch has the id {together[first]} in a column of {rows[int(table[first])]:,} ids")
        return cls(order, (together // ranks)[order], (mine, theirs), moments)

    def ask(self) -> list[Tensor]:
        """Send every id to its owner. Return the rows of each table that others want from this rank, int64 [m]."""
        counts = [sum(by_table) for by_table in self._theirs]
        asked = self._sent.new_empty(sum(counts))
        with self._moments.noted(asked.is_cuda):
            dist.all_to_all_single(asked, self._sent, counts, [sum(by_table) for by_table in self._mine])
        return _by_table(asked, self._theirs)

    def answer(self, rows: Sequence[Tensor], widths: Sequence[int]) -> list[Tensor]:
        """Send the rows that were asked for, float32 [m, D] of each table. Return what this rank asked for, [n, D], in its order."""
        given = [torch.split(table, counts) for table, counts in zip(rows, _columns(self._theirs), strict=True)]
        flat = torch.cat([part.flatten() for by_table in zip(*given, strict=True) for part in by_table])
        to = [_values(by_table, widths) for by_table in self._theirs]
        come = [_values(by_table, widths) for by_table in self._mine]
        received: Tensor = _Exchange.apply(flat, come, to, self._moments)  # type: ignore[no-untyped-call]
        sizes = [count * width for by_table in self._mine for count, width in zip(by_table, widths, strict=True)]
        parts = torch.split(received, sizes)
        got, before = [], 0
        for table, (width, places) in enumerate(zip(widths, _by_table(self._places, self._mine), strict=True)):
            own = torch.cat(parts[table :: len(widths)]).view(-1, width)
            got.append(own.index_select(0, torch.argsort(places - before)))
            before += len(own)
        return got


class _Exchange(torch.autograd.Function):
    """An all-to-all of values, whose gradients go the way back."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor, come: list[int], to: list[int], moments: Moments) -> Tensor:
        ctx.counts = to, come, moments
        received = flat.new_empty(sum(come))
        with moments.noted(flat.is_cuda):
            dist.all_to_all_single(received, flat, come, to)
        return received

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        come, to, moments = ctx.counts
        returned = gradients[0].new_empty(sum(come))
        with moments.noted(returned.is_cuda):
            dist.all_to_all_single(returned, gradients[0].contiguous(), come, to)
        return returned, None, None, None


def _sums(rows: Tensor, offsets: Tensor) -> Tensor:
    """Return the sum of each bag's rows, float32 [B, D]."""
    places = torch.arange(len(rows), device=rows.device)
    return embedding_bag(places, rows, offsets.long(), mode="sum", include_last_offset=True)


def _by_table(values: Tensor, counts: Sequence[Sequence[int]]) -> list[Tensor]:
    """Split what is sorted by rank and then by table. Return the values of each table, sorted by rank."""
    parts = torch.split(values, [count for by_table in counts for count in by_table])
    tables = len(counts[0])
    return [torch.cat(parts[table::tables]) for table in range(tables)]


def _columns(counts: Sequence[Sequence[int]]) -> list[list[int]]:
    return [list(by_rank) for by_rank in zip(*counts, strict=True)]


def _values(counts: Sequence[int], widths: Sequence[int]) -> int:
    return sum(count * width for count, width in zip(counts, widths, strict=True))
