"""Downloads against a real HTTP server on this machine: whole, resumed, broken off, and not what was published."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from feedrate.bench.datasets.movielens.download import fetch
from feedrate.bench.datasets.movielens.releases import RELEASES, Published, Release
from feedrate.loaders.errors import FeedrateError

CONTENT = bytes(range(256)) * 20_000


class Server(ThreadingHTTPServer):
    ranges = True
    break_after: int | None = None
    requested: list[str | None]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        requested = self.headers.get("Range")
        self.server.requested.append(requested)
        start = int(requested.removeprefix("bytes=").rstrip("-")) if requested and self.server.ranges else 0
        body = CONTENT[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.server.break_after is None else body[: self.server.break_after])

    def log_message(self, *_arguments: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.requested = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _release(server: Server, digest: str = hashlib.sha256(CONTENT).hexdigest()) -> Release:
    url = f"http://127.0.0.1:{server.server_port}/ml-x.zip"
    published = Published(size_bytes=len(CONTENT), algorithm="sha256", digest=digest)
    return Release(name="movielens-x", url=url, folder="ml-x", published=published)


def test_a_download_is_verified_and_kept(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = fetch(_release(server), tmp_path, lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    fetch(_release(server), tmp_path)
    assert len(server.requested) == 1


def test_a_broken_download_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    server.break_after = 1_000_000
    with pytest.raises(FeedrateError, match="run the same command again to go on"):
        fetch(_release(server), tmp_path)
    server.break_after = None
    assert fetch(_release(server), tmp_path).read_bytes() == CONTENT
    assert server.requested == [None, "bytes=1000000-"]


def test_a_server_without_ranges_sends_it_all_again(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "ml-x.zip.part").write_bytes(CONTENT[:500])
    assert fetch(_release(server), tmp_path).read_bytes() == CONTENT


def test_another_file_than_the_published_one_is_refused_and_not_kept(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FeedrateError, match="has the sha256 .*, not the 00.* of movielens-x: delete it"):
        fetch(_release(server, "00" * 32), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_file_that_is_already_there_is_refused(server: Server, tmp_path: Path) -> None:
    (tmp_path / "ml-x.zip").write_bytes(CONTENT[:-1])
    with pytest.raises(FeedrateError, match="has 5,119,999 bytes, not the 5,120,000"):
        fetch(_release(server), tmp_path)


def test_no_server_is_said_in_a_sentence(tmp_path: Path) -> None:
    published = Published(size_bytes=1, algorithm="md5", digest="")
    release = Release(name="x", url="http://127.0.0.1:9/ml-x.zip", folder="ml-x", published=published)
    with pytest.raises(FeedrateError, match="cannot be downloaded .*pass --archive"):
        fetch(release, tmp_path)


@pytest.mark.parametrize(
    ("name", "size_bytes", "digest"),
    [
        ("movielens-10m", 65_566_137, "813c411ccb6122564edfe752e7f80c4dcc5aa25fa94c93622f6877a7ba252862"),
        ("movielens-25m", 261_978_986, "8b21cfb7eb1706b4ec0aac894368d90acf26ebdfb6aced3ebd4ad5bd1eb9c6aa"),
    ],
)
def test_a_release_is_the_one_that_is_published(name: str, size_bytes: int, digest: str) -> None:
    published = RELEASES[name].published
    assert published is not None
    assert (published.size_bytes, published.digest) == (size_bytes, digest)


def test_every_release_that_is_downloaded_has_a_sha256() -> None:
    published = [release.published for release in RELEASES.values() if release.published]
    assert [(known.algorithm, len(known.digest)) for known in published] == [("sha256", 64)] * 6


@pytest.mark.parametrize("name", ["movielens-latest-small", "movielens-latest"])
def test_a_release_that_changes_over_time_is_not_downloaded_but_its_address_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(FeedrateError, match=rf"{name} changes over time .* {RELEASES[name].url} .*--archive"):
        fetch(RELEASES[name], tmp_path)
    assert list(tmp_path.iterdir()) == []
