"""A user's Parquet files: found, opened, and read a chunk of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feedrate.loaders.errors import FeedrateError

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_ROWS = 262_144


def find_files(path: Path) -> list[Path]:
    """Return the file itself, or every *.parquet file below a folder, in order. Raises FeedrateError if there is none."""
    if not path.exists():
        raise FeedrateError(f"{path} does not exist")
    files = sorted(path.glob("**/*.parquet")) if path.is_dir() else [path]
    if not files:
        raise FeedrateError(f"{path} has no *.parquet file")
    return files


def open_file(file: Path) -> Any:
    """Return a pyarrow ParquetFile. Raises FeedrateError for an empty or damaged file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if file.stat().st_size == 0:
        raise FeedrateError(f"{file} is empty: 0 bytes")
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise FeedrateError(
            f"{file} is incomplete, damaged or not a Parquet file ({_short(error)}): write or copy it again"
        ) from error


def common_schema(files: Sequence[Path]) -> pa.Schema:
    """Return the schema that all files share. Raises FeedrateError for the first column that differs."""
    first = open_file(files[0]).schema_arrow
    for file in files[1:]:
        schema = open_file(file).schema_arrow
        for name in {*first.names, *schema.names}:
            types = [str(s.field(name).type) if name in s.names else "missing" for s in (first, schema)]
            if types[0] != types[1]:
                raise FeedrateError(
                    f"files differ: column {name!r} is {types[0]} in {files[0]} and {types[1]} in {file}"
                )
    return first


def read_chunks(files: Sequence[Path], names: Sequence[str]) -> Iterator[tuple[Path, pa.Table]]:
    """Yield the columns `names` of all files, up to CHUNK_ROWS rows at a time, with the file that they are from."""
    import pyarrow as pa

    for file in files:
        try:
            for batch in open_file(file).iter_batches(batch_size=CHUNK_ROWS, columns=list(names)):
                yield file, pa.Table.from_batches([batch])
        except (pa.ArrowException, OSError) as error:
            raise FeedrateError(
                f"{file} cannot be read to its end ({_short(error)}): write or copy it again"
            ) from error


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
