from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from feedrate.loaders.error_text import one_line, without_secrets
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.stores.store_path import StorePath, address_of, path_of

SIGNED = "https://anna:geheim@host:8443/some/data?sv=2024&sig=ab/c%2Bd"


def test_an_address_works_like_a_path() -> None:
    folder = path_of("s3://bucket/some/data")
    file = folder / "train" / "part-0000.parquet"
    assert isinstance(file, StorePath)
    assert (str(file), file.name, file.parent.parent) == ("s3://bucket/some/data/train/part-0000.parquet", "part-0000.parquet", folder)  # fmt: skip
    assert folder.absolute() == folder
    assert file.url == str(file)


@pytest.mark.parametrize("text", ["data", "/data/of mine", "C:/data"])
def test_other_text_is_a_local_path(text: str) -> None:
    assert path_of(text) == Path(text)
    assert not isinstance(path_of(text), StorePath)


def test_an_address_of_a_local_file_is_a_local_path() -> None:
    assert path_of("file:///some/data%20here") == Path("/some/data here")


def test_only_the_url_has_credentials() -> None:
    file = path_of(SIGNED) / "train" / "a.parquet"
    assert isinstance(file, StorePath)
    assert file.url == "https://anna:geheim@host:8443/some/data/train/a.parquet?sv=2024&sig=ab%2Fc%2Bd"
    for text in (str(file), repr(file), f"{file}", file.as_posix(), f"{file.parent!r}"):
        assert text.replace("StorePath('", "").startswith("https://host:8443/some/data/train")
        assert not any(secret in text for secret in ("anna", "geheim", "sig"))


def test_another_process_gets_the_same_path() -> None:
    file = path_of(SIGNED) / "train"
    assert pickle.loads(pickle.dumps(file)) == file
    assert path_of(address_of(file)) == file
    assert {file: 1} == {path_of(address_of(file)): 1}
    assert path_of(SIGNED.replace("geheim", "other")) / "train" != file
    assert address_of(Path("some/data")) == "some/data"


def test_an_address_is_not_opened_as_a_local_file() -> None:
    with pytest.raises(FeedrateError, match=r"^s3://bucket/a is in an object store and cannot be read as a local file"):
        os.stat(path_of("s3://bucket/a"))


@pytest.mark.parametrize("text", ["s3://", "s3:///data", "https://anna:geheim@/data"])
def test_an_address_without_a_bucket_is_refused(text: str) -> None:
    with pytest.raises(FeedrateError, match=r"is followed by no bucket or host") as refused:
        path_of(text)
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"403, url='{SIGNED}'", "403, url='https://host:8443/some/data'"),
        ("at s3://key:secret@bucket/data.", "at s3://bucket/data."),
        ("retries exceeded with url: /b/k?X-Amz-Signature=abc&a=1", "retries exceeded with url: /b/k?X-Amz-Signature=...&a=1"),
        ("see https://example.org/a: it says why", "see https://example.org/a: it says why"),
        ("mail anna@example.org, a=b?c", "mail anna@example.org, a=b?c"),
    ],
)  # fmt: skip
def test_no_text_has_credentials(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
    assert one_line(text) == shown


@pytest.mark.parametrize("text", ["s3://AKIA:gehe/im@bucket/data", "gs://anna@bucket/data", "s3a://AKIA:gehe/im"])
def test_credentials_in_front_of_a_bucket_are_refused_and_not_shown(text: str) -> None:
    with pytest.raises(FeedrateError, match="has a user or password in front of the bucket") as refused:
        path_of(text)
    assert not any(secret in str(refused.value) for secret in ("AKIA", "gehe", "anna", "im@"))
    assert len(str(refused.value)) <= 300


def test_an_access_point_is_no_password() -> None:
    assert str(path_of("s3://arn:aws:s3:us-east-1:123:accesspoint/one/data")).endswith("accesspoint/one/data")
