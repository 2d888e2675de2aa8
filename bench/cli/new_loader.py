"""`feedrate new-loader`: a small working adapter and its test, to start from."""

from __future__ import annotations

import keyword
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from feedrate.loaders.errors import FeedrateError

LOADER = '''"""A torch DataLoader of dicts: `feedrate run DATA --loaders {name}:MyLoader,cupy -o runs/{name}`."""

import pyarrow as pa
import pyarrow.parquet as pq
from torch.utils.data import DataLoader, Dataset

import feedrate


class Rows(Dataset):
    """The rows of Parquet files in memory. Put your own dataset in its place."""

    def __init__(self, files, names):
        table = pa.concat_tables([pq.read_table(file, columns=names) for file in files])
        self.columns = {{name: table[name].to_numpy() for name in names}}
        self.rows = table.num_rows

    def __len__(self):
        return self.rows

    def __getitem__(self, row):
        return {{name: column[row] for name, column in self.columns.items()}}


def collate(rows):
    """Return a dict of columns. A bag column is a list with an array for each row."""
    return {{name: [row[name] for row in rows] for name in rows[0]}}


def make(split, config):
    """Return the batches of a split. Deliver every column of split.schema.columns, every row once."""
    return DataLoader(
        Rows(split.files, list(split.schema.columns)),
        batch_size=config.batch_size,
        shuffle=config.shuffle,
        collate_fn=collate,
        num_workers=config.workers,
    )


MyLoader = feedrate.from_dataloader(make)
'''
TEST = '''"""Checks every rule of feedrate's contract, and times the loader on a small synthetic dataset."""

from {name} import MyLoader


def test_{name}(feedrate):
    result = feedrate(MyLoader, dataset="synthetic-movielens", rows=5_000, mode="load", batch_size=512, rounds=3)
    assert result["rows_per_s"] > 0
'''


def new_loader(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new module, such as my_loader.")],
) -> None:
    """Write NAME.py, a loader that wraps a torch DataLoader, and test_NAME.py to the current folder.

    The test passes as written: `python -m pytest test_NAME.py`. It needs pytest and pytest-benchmark.
    """
    module, test = Path(f"{name}.py"), Path(f"test_{name}.py")
    refuse_name(name)
    for path in (module, test):
        if path.exists():
            raise FeedrateError(f"{path} exists already: choose another name, or move the file away")
    for path, text in ((module, LOADER), (test, TEST)):
        with path.open("x") as file:
            file.write(text.format(name=name))
    print(f"wrote {module} and {test}")
    print(f"test it: python -m pytest {test}")
    print(f"compare it: feedrate run DATA --loaders {name}:MyLoader,cupy -o runs/{name}")


def refuse_name(name: str) -> None:
    """Raise FeedrateError unless a module of this name can be imported and hides no other one."""
    from feedrate.loaders import registry

    if not name.isidentifier() or keyword.iskeyword(name):
        reason = "a keyword of Python" if keyword.iskeyword(name) else "no identifier of Python"
        raise FeedrateError(
            f"NAME is {name!r}, which is {reason}: use letters, digits and underscores, as in my_loader"
        )
    if name in registry.names():
        raise FeedrateError(f"NAME is {name}, which is a registered loader: choose another name, such as my_{name}")
    if name in sys.stdlib_module_names or name == "conftest" or _is_installed(name):
        raise FeedrateError(
            f"NAME is {name}, which would hide an existing module: choose another name, such as my_{name}"
        )


def _is_installed(name: str) -> bool:
    """Return whether a module of this name can be imported from anywhere but the current folder's new file."""
    if Path(f"{name}.py").exists():
        return False  # the file that is there is the better reason
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):  # a broken module is one all the same
        return True


COMMANDS = {"new-loader": new_loader}
