"""The loaders that README.md and docs/loaders.md show, taken from their text, keep every rule of the contract."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedrate.loaders import conformance, registry
from feedrate.loaders.base import Categorical, LoaderConfig, Schema, Split
from tests.samples import stand_in_datasets

ROOT = Path(__file__).parents[3]
SECTIONS = (
    "### A `DataLoader` of tuples",
    "### A Hugging Face dataset",
    "### A generator of Arrow tables",
    "### pandas frames",
    "### Padded bags with lengths",
    "## A loader of two methods",
)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Split:
    return conformance.planted_split(tmp_path_factory.mktemp("few"), rows=520)


@pytest.mark.parametrize("section", SECTIONS)
def test_a_loader_of_the_docs_keeps_every_rule(section: str, few: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("datasets") is None:
        monkeypatch.setitem(sys.modules, "datasets", stand_in_datasets)
    [code] = python_blocks("docs/loaders.md", section)
    assert broken_rules(run_module(code, "my_loader")["MyLoader"], few) == []


def test_every_loader_of_the_docs_is_tested() -> None:
    text = (ROOT / "docs" / "loaders.md").read_text()
    assert len(re.findall(r"^(?:MyLoader =|class MyLoader)", text, re.MULTILINE)) == len(SECTIONS)


def test_the_readme_s_dataloader_of_dicts_is_compared_with_five_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, glue = python_blocks("README.md", "## Your own DataLoader")
    assert "feedrate" not in training
    assert len([line for line in glue.splitlines() if line.strip()]) == 5
    module = ModuleType("my_training")
    module.__dict__.update(run_module(training, "my_training"))
    monkeypatch.setitem(sys.modules, "my_training", module)
    split = conformance.numbered_split(clicks(tmp_path / "clicks"), tmp_path)
    assert broken_rules(run_module(glue, "my_loader")["MyLoader"], split) == []


def clicks(folder: Path) -> Split:
    """Write rows as `feedrate prepare` makes them of the README's clicks."""
    rng, rows = np.random.default_rng(0), 520
    folder.mkdir()
    table = pa.table(
        {
            "user": rng.integers(0, 50, rows, dtype=np.int32),
            "item": rng.integers(0, 20, rows, dtype=np.int32),
            "tags": pa.array(
                [rng.integers(0, 9, count, dtype=np.int32) for count in rng.integers(0, 4, rows)], pa.list_(pa.int32())
            ),
            "price": rng.lognormal(3, 1, rows).astype(np.float32),
            "clicked": rng.integers(0, 2, rows).astype(np.float32),
        }
    )
    pq.write_table(table, folder / "part-0.parquet")
    schema = Schema(
        single_hot=(Categorical(name="user", cardinality=50), Categorical(name="item", cardinality=20)),
        multi_hot=(Categorical(name="tags", cardinality=9),),
        continuous=("price",),
        label="clicked",
    )
    return Split(files=(folder / "part-0.parquet",), rows=rows, schema=schema)


def python_blocks(file: str, heading: str) -> list[str]:
    """Return the Python blocks of a section of a page."""
    text = (ROOT / file).read_text()
    section = text.partition(f"{heading}\n")[2]
    return re.findall(r"```python\n(.*?)```", re.split(r"^#{2,3} [^#]", section, flags=re.MULTILINE)[0], re.DOTALL)


def run_module(code: str, name: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": name}
    exec(compile(code, name, "exec"), names)
    return names


def broken_rules(loader: object, split: Split) -> list[str]:
    case = conformance.Case(registry.choice_of(loader), split, LoaderConfig(batch_size=64))
    return [f"{result.rule}: {result.detail}" for result in conformance.check(case) if result.outcome != "passed"]
