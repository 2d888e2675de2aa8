"""An S3 server of this process's own, behind a proxy that can make it fail."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.samples.stores.faulty_proxy import Faults, faulty_proxy

SECRET = "wJalrXUtnFEMI-not-to-be-printed"
_buckets = itertools.count()


@dataclass
class LocalS3:
    """A bucket. The environment of this process points to it."""

    bucket: str
    faults: Faults
    endpoint: str
    """Address of the proxy."""
    client: Any
    """boto3's, which does not go through the proxy."""

    def put(self, folder: Path, name: str = "data") -> str:
        """Upload a folder and return its address."""
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            self.client.upload_file(str(file), self.bucket, f"{name}/{file.relative_to(folder)}")
        return f"s3://{self.bucket}/{name}"

    def names(self) -> list[str]:
        """Return the names of all files in the bucket."""
        return [entry["Key"] for entry in self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])]

    def rewrite(self, name: str) -> None:
        """Write a file again, of the same size and with another last byte."""
        content = self.client.get_object(Bucket=self.bucket, Key=name)["Body"].read()
        self.client.put_object(Bucket=self.bucket, Key=name, Body=content[:-1] + bytes([content[-1] ^ 1]))


@contextmanager
def s3_server() -> Iterator[tuple[str, int]]:
    """Start the server and yield its host and port. Skips the test if moto or s3fs is not installed."""
    pytest.importorskip("s3fs")
    server_module = pytest.importorskip("moto.server")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield server.get_host_and_port()
    finally:
        server.stop()


@contextmanager
def local_s3(server: tuple[str, int], patch: pytest.MonkeyPatch) -> Iterator[LocalS3]:
    """Make a bucket that is reached through a proxy of its own."""
    import boto3
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()  # those of another test have the address of its proxy
    with faulty_proxy(*server) as (address, faults):
        patch.setenv("AWS_ENDPOINT_URL", address)
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        host, port = server
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
        bucket = f"bucket-{next(_buckets)}"
        client.create_bucket(Bucket=bucket)
        yield LocalS3(bucket, faults, address, client)
