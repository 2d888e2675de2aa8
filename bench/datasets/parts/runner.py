"""Who does the work of a dataset's parts. Each part is a function of its own, so its result does not depend on who calls it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from feedrate.bench.datasets.part_files import PartFiles, RowFiles
from feedrate.loaders.scratch.temporary_folder import TemporaryFolder

if TYPE_CHECKING:
    import pyarrow as pa

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Made = TypeVar("Made")
Work = Callable[[Shared, Item], Iterator[Made]]
"""Called with what all parts of a stage share, and with one part. Yields what it makes, piece by piece. A function of a module."""


class PartRunner(Protocol):
    """Does the work of parts."""

    def run(self, work: Work[Shared, Item, Made], shared: Shared, items: Iterable[Item]) -> Iterator[Made]:
        """Yield what the work makes of each item, in the order of the items. Raises what the work raises."""
        ...

    def scratch(self) -> AbstractContextManager[Path]:
        """Yield a folder for files that parts hand to later ones. They may stay there until the dataset is complete."""
        ...

    def row_files(self, folder: Path, schema: pa.Schema, group_rows: int) -> RowFiles:
        """Return what writes a split's rows, as run() yields them, to Parquet files."""
        ...

    def require_visible(self, files: Sequence[Path]) -> None:
        """Raise FeedrateError unless everyone who works sees these files."""
        ...


class InProcess:
    """Does one part after the other in this process."""

    def run(self, work: Work[Shared, Item, Made], shared: Shared, items: Iterable[Item]) -> Iterator[Made]:
        """Yield what the work makes of each item."""
        for item in items:
            yield from work(shared, item)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Yield a temporary folder."""
        with TemporaryFolder() as folder:
            yield folder.path

    def row_files(self, folder: Path, schema: pa.Schema, group_rows: int) -> RowFiles:
        """Return what writes rows in a thread of this process."""
        return PartFiles(folder, schema, group_rows)

    def require_visible(self, files: Sequence[Path]) -> None:
        """Do nothing: this process has found the files."""


IN_PROCESS = InProcess()
