"""A dataset on a web server, whose address has a password and a signature."""

from __future__ import annotations

import base64
import threading
from pathlib import Path

import pytest

from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.loaders import registry
from feedrate.loaders.base import LoaderConfig
from feedrate.loaders.parquet.files import read_split
from feedrate.loaders.stores.attempts import StoreError
from feedrate.loaders.stores.store_path import path_of
from tests.samples.stores.local_s3 import LocalS3

pytestmark = pytest.mark.slow


def test_an_address_with_credentials_is_used_and_not_shown(small: Dataset, s3: LocalS3, tmp_path: Path) -> None:
    s3.put(small.folder)
    server = s3.endpoint.removeprefix("http://")
    address = f"http://anna:geheim@{server}/{s3.bucket}/data?sig=ab%2Fcd"
    split = read_split(address)
    assert [str(file) for file in split.files] == [f"http://{server}/{s3.bucket}/data/train/part-0000.parquet"]
    loader = registry.choose("arrow").open(split, LoaderConfig(batch_size=500))
    s3.faults.cut = 1
    assert sum(batch.label.numel() for batch in loader.epoch(0)) == small.split("train").rows
    loader.close()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("asyncio")]
    assert all("?sig=ab%2Fcd" in asked for asked in s3.faults.requests)
    assert set(s3.faults.authorizations) == {f"Basic {base64.b64encode(b'anna:geheim').decode()}"}
    assert read_dataset(path_of(address)).info == small.info
    s3.faults.refuse, s3.faults.status = 1000, 403
    with pytest.raises(StoreError, match=rf"^http://{server}/{s3.bucket}/data/dataset.json may not be read") as refused:
        read_split(address)
    assert not any(secret in str(refused.value) for secret in ("anna", "geheim", "sig"))
