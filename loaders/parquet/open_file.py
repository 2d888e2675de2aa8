"""Opens one Parquet file, or says in a sentence what is wrong with it and what it is instead."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.stored import open_parquet
from feedrate.loaders.stores.store_path import StorePath

_MAGIC = {
    b"PARE": "is encrypted: write it without encryption",
    b"\x1f\x8b": "is compressed as a whole by gzip: unpack it",
    b"\x28\xb5\x2f\xfd": "is compressed as a whole by Zstandard: unpack it",
    b"ARROW1": "is an Arrow IPC (Feather) file: write it as Parquet",
    b"ORC": "is an ORC file: write it as Parquet",
    b"Obj\x01": "is an Avro file: write it as Parquet",
    b"version https://git-lfs": "is a Git LFS pointer, not the data: run `git lfs pull`",
    b"PK\x03\x04": "is a zip file: unpack it",
}
"""First bytes of files that are something else than plain Parquet, and what to say of them."""


def parquet_file(path: Path) -> pq.ParquetFile:
    """Open a Parquet file. Raises FeedrateError that says what is wrong with the file, or what it is instead."""
    if not isinstance(path, StorePath):
        _require_parquet(path)
    try:
        opened = open_parquet(path)
        opened.schema_arrow  # noqa: B018  (a type that Arrow does not know is found here)
    except pa.ArrowNotImplementedError as error:
        raise FeedrateError(
            f"{path} has a column of a type that Arrow does not read ({short(error)}): write that column as another type"
        ) from error
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise FeedrateError(
            f"{path} is incomplete, damaged or not a Parquet file ({short(error)}): write or copy it again"
        ) from error
    return opened


def _require_parquet(path: Path) -> None:
    """Raise FeedrateError unless the file begins and ends as Parquet does."""
    try:
        with path.open("rb") as file:
            head = file.read(24)
            if head:
                file.seek(-min(4, path.stat().st_size), 2)
            tail = file.read(4)
    except OSError as error:
        raise FeedrateError(f"{path} cannot be opened: {error.strerror or error}") from error
    if not head:
        raise FeedrateError(f"{path} is empty: 0 bytes")
    for magic, what in _MAGIC.items():
        if head.startswith(magic):
            raise FeedrateError(f"{path} {what}")
    if head.startswith(b"PAR1") and tail == b"PARE":
        raise FeedrateError(f"{path} {_MAGIC[b'PARE']}")
    if not head.startswith(b"PAR1"):
        raise FeedrateError(f"{path} is incomplete, damaged or not a Parquet file: it does not begin with PAR1")
    if tail != b"PAR1":
        raise FeedrateError(
            f"{path} is incomplete, damaged or not a Parquet file: its end is missing, so write or copy it again"
        )


def short(error: Exception) -> str:
    """Return the first line of a library's message."""
    lines = str(error).strip().splitlines()
    return lines[0][:120] if lines else type(error).__name__
