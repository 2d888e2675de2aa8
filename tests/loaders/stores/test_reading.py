"""Files in fsspec's store of this process's memory, whose requests are counted and fail on demand."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from feedrate.loaders.parquet.stored import group_range, open_parquet, read_footer
from feedrate.loaders.stores import attempts, range_file
from feedrate.loaders.stores.attempts import ATTEMPTS, FileChanged, MissingFile, StoreError
from feedrate.loaders.stores.range_file import RangeFile
from feedrate.loaders.stores.store_path import StorePath, path_of
from feedrate.loaders.stores.stored_object import StoredObject, state_of
from feedrate.loaders.stores.traffic import traffic

CONTENT = np.random.default_rng(0).bytes(1_000_003)


@dataclass
class Store:
    path: StorePath
    errors: list[Exception] = field(default_factory=list)
    """Raised by the next requests, the last one first."""
    asked: list[tuple[int, int]] = field(default_factory=list)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Store]:
    path = path_of(f"memory://{tmp_path.name}/a.bin")
    assert isinstance(path, StorePath)
    fsspec.filesystem("memory").pipe(path.url, CONTENT)
    store, cat_file = Store(path), MemoryFileSystem.cat_file

    def failing(self: Any, path: str, start: int | None = None, end: int | None = None, **options: Any) -> bytes:
        store.asked.append((start or 0, end or 0))
        if store.errors:
            raise store.errors.pop()
        return bytes(cat_file(self, path, start=start, end=end, **options))

    monkeypatch.setattr(MemoryFileSystem, "cat_file", failing)
    monkeypatch.setattr(attempts, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(range_file, "PART_BYTES", 100_000)
    yield store
    fsspec.filesystem("memory").rm(path.parent.url, recursive=True)


def test_what_is_announced_is_fetched_in_parts_and_once(store: Store) -> None:
    file = RangeFile(StoredObject(store.path))
    before = traffic().use()
    file.ahead(50_000, 500_000)
    for begin, end in [(50_000, 60_000), (100_000, 420_000), (0, 0), (55_000, 70_000), (499_999, 500_000)]:
        file.seek(begin)
        assert file.read(end - begin) == CONTENT[begin:end]
    assert sorted(store.asked) == [(a, min(a + 100_000, 500_000)) for a in range(50_000, 500_000, 100_000)]
    used = traffic().use().since(before)
    assert (used.requests, used.retries, used.bytes) == (5, 0, 450_000)


@pytest.mark.parametrize(
    ("begin", "nbytes"), [(0, 10), (40_000, 300_000), (999_990, 100), (1_000_003, 5), (0, 2_000_000)]
)
def test_what_is_not_announced_is_read_as_well(begin: int, nbytes: int, store: Store) -> None:
    file = RangeFile(StoredObject(store.path))
    file.ahead(50_000, 60_000)
    file.seek(begin)
    assert file.read(nbytes) == CONTENT[begin : begin + nbytes]
    assert file.tell() == min(begin + nbytes, len(CONTENT))


def test_a_whole_file_is_read_in_any_way(store: Store) -> None:
    with store.path.open("rb") as file:
        assert file.read() == CONTENT
        assert file.seek(-3, io.SEEK_END) == len(CONTENT) - 3
        assert file.read() == CONTENT[-3:]
    assert store.path.read_bytes() == CONTENT


def test_failed_requests_are_sent_again_and_counted(store: Store) -> None:
    stored, before = StoredObject(store.path), traffic().use()
    store.errors = [OSError("busy"), TimeoutError(), ConnectionResetError()]
    assert stored.fetch(10, 20) == CONTENT[10:20]
    used = traffic().use().since(before)
    assert (used.requests, used.retries, used.bytes) == (4, 3, 10)


def test_a_store_that_never_answers_is_given_up_sooner(store: Store) -> None:
    stored = StoredObject(store.path)
    store.errors = [TimeoutError("no answer")] * ATTEMPTS
    with pytest.raises(StoreError, match="could not be read in 3 attempts .TimeoutError: no answer"):
        stored.fetch(0, 10)


def test_what_does_not_recover_is_said_in_a_sentence_without_credentials(store: Store) -> None:
    stored = StoredObject(store.path)
    store.errors = [OSError("no way to https://anna:geheim@host/a?sig=x1")] * ATTEMPTS
    with pytest.raises(StoreError, match=rf"^{store.path} could not be read in 6 attempts") as failed:
        stored.fetch(0, 10)
    assert "OSError: no way to https://host/a)" in str(failed.value)
    assert failed.value.__cause__ is None
    assert len(str(failed.value)) <= 300


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (PermissionError("Access Denied"), StoreError, "may not be read with the credentials of this process"),
        (type("NoCredentialsError", (Exception,), {})("none"), StoreError, "may not be read with the credentials"),
        (type("FileExpired", (OSError,), {})("gone"), FileChanged, "changed while it was read"),
        (FileNotFoundError("gone"), MissingFile, "does not exist"),
        (NotImplementedError("no"), StoreError, "cannot be read"),
        (type("InvalidRegionError", (ValueError,), {})("no"), StoreError, "check the address, and the region and"),
        (ValueError("Invalid endpoint: nonsense"), StoreError, "cannot be read .ValueError: Invalid endpoint: nonsense"),
    ],
)  # fmt: skip
def test_what_cannot_recover_is_not_tried_again(
    error: Exception, kind: type[StoreError], sentence: str, store: Store
) -> None:
    stored = StoredObject(store.path)
    store.errors = [error]
    with pytest.raises(kind, match=sentence):
        stored.fetch(0, 10)
    assert len(store.asked) == 1


def test_a_short_answer_is_asked_for_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    stored, answers = StoredObject(store.path), [b"12", b"1234"]
    monkeypatch.setattr(MemoryFileSystem, "cat_file", lambda *_arguments, **_options: answers.pop(0))
    assert stored.fetch(0, 4) == b"1234"


def test_a_row_group_is_one_range(store: Store) -> None:
    table = pa.table({"id": np.arange(60_000) % 7, "x": np.random.default_rng(0).random(60_000, np.float32)})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=20_000)
    fsspec.filesystem("memory").pipe(store.path.url, sink.getvalue())
    footer = read_footer(store.path)
    with open_parquet(store.path) as opened:
        store.asked.clear()
        assert opened.read_row_group(1).equals(table.slice(20_000, 20_000))
        assert (min(store.asked)[0], max(store.asked)[1]) == group_range(footer, 1)
        assert opened.read(columns=["x"]).equals(table.select(["x"]))
        batches = [batch.num_rows for batch in opened.iter_batches(15_000)]
        assert batches == [15_000, 5_000] * 3


def test_the_state_of_a_file_changes_with_it(store: Store) -> None:
    before = state_of(store.path)
    assert before[0] == len(CONTENT)
    fsspec.filesystem("memory").pipe(store.path.url, CONTENT[::-1])
    assert state_of(store.path) != before
    with pytest.raises(MissingFile):
        state_of(store.path.parent / "b.bin")
    assert store.path.is_file()
    assert not (store.path.parent / "b.bin").is_file()


def test_an_unknown_scheme_is_refused_by_name() -> None:
    with pytest.raises(StoreError, match=r"^foo://bucket/a has the scheme 'foo', which fsspec does not know"):
        path_of("foo://bucket/a").read_bytes()


def test_the_package_of_another_scheme_is_not_said_to_be_in_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_scheme: str, **_options: object) -> None:
        raise ImportError("Install the package of this scheme")

    monkeypatch.setattr(fsspec, "filesystem", missing)
    for address, remedy in [
        ("s3://a/b", r"run `pip install 'feedrate\[stores\]'`"),
        ("abfs://a/b", "install that package"),
    ]:
        with pytest.raises(StoreError, match=rf"Install the package of this scheme\): {remedy}$"):
            path_of(address).read_bytes()
