"""Columns of any name are delivered as themselves: names that meet the label's, a bag's parts, or a word of ours."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from feedrate.loaders import CupyLoader, registry
from feedrate.loaders.base import Batch, Categorical, LoaderConfig, Schema
from feedrate.loaders.conformance import Case, check, numbered_split
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.nvtabular_compat import refuse_names_of_parts
from tests.samples.any_columns import assert_equal
from tests.samples.odd_names import GROUP_ROWS, ROWS, odd_split, odd_table


@pytest.mark.parametrize("label", ["target", "label of all", "#target"])
@pytest.mark.parametrize("loader", ["native", "native-batched", "cupy", "cupy:window_rows=100"])
def test_a_loader_delivers_columns_of_any_name(loader: str, label: str, tmp_path: Path) -> None:
    split, whole = odd_split(tmp_path, label)
    budget = 2 << 20 if "window_rows" in loader else None
    config = LoaderConfig(batch_size=ROWS // 20, shuffle=False, memory_budget_bytes=budget)
    opened = registry.choose(loader).open(split, config)
    batches = list(opened.epoch(0))
    opened.close()
    assert_equal(_joined(batches), whole)


@pytest.mark.parametrize("budget", [None, 2 << 20], ids=["resident", "streamed"])
def test_a_feature_called_label_is_not_the_label(budget: int | None, tmp_path: Path) -> None:
    table, whole = odd_table("target")
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=GROUP_ROWS)
    with CupyLoader(
        tmp_path, label="target", device="cpu", shuffle=False, batch_size=100, memory_budget_bytes=budget,
        window_rows=100 if budget else 0,
    ) as loader:  # fmt: skip
        batches = list(loader)
    assert torch.equal(torch.cat([batch.ids["label"] for batch in batches]), whole.ids["label"])
    assert torch.equal(torch.cat([batch.label for batch in batches]), whole.label)


@pytest.mark.parametrize("loader", ["native-batched", "cupy"])
def test_the_rules_hold_on_columns_of_any_name(loader: str, tmp_path: Path) -> None:
    """One of the columns has the name of the one that numbers the rows."""
    split, _whole = odd_split(tmp_path, "target")
    (tmp_path / "numbered").mkdir()
    numbered = numbered_split(split, tmp_path / "numbered")
    assert numbered.schema.columns == ("row_", *split.schema.columns)
    results = check(Case(registry.choose(loader), numbered, LoaderConfig(batch_size=128)))
    assert [result for result in results if result.outcome != "passed"] == []


@pytest.mark.parametrize("part", ["tags__values", "tags__offsets"])
def test_nvtabular_refuses_a_column_that_it_would_mix_with_a_part_of_a_bag(part: str) -> None:
    schema = Schema(multi_hot=(Categorical(name="tags", cardinality=9),), continuous=(part,), label="label")
    with pytest.raises(FeedrateError, match=f"a part of the column 'tags' under the name '{part}'.*: rename one"):
        refuse_names_of_parts(schema)


def _joined(batches: list[Batch]) -> Batch:
    bags = {}
    for name in batches[0].bags:
        lengths = torch.cat([batch.bags[name][1].diff() for batch in batches])
        offsets = torch.cat([torch.zeros(1, dtype=torch.int32), lengths.cumsum(0, dtype=torch.int32)])
        bags[name] = torch.cat([batch.bags[name][0] for batch in batches]), offsets
    return Batch(
        {name: torch.cat([batch.ids[name] for batch in batches]) for name in batches[0].ids},
        bags,
        {name: torch.cat([batch.dense[name] for batch in batches]) for name in batches[0].dense},
        torch.cat([batch.label for batch in batches]),
    )
