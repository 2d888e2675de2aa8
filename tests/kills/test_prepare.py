"""A preparation or a download that is killed leaves the old one or the new one, and the next command removes what it left."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from feedrate.bench.datasets.canonical import read_dataset
from tests.kills.killing import Commands
from tests.samples.movielens import random_ratings, write_dat
from tests.samples.processes.command import FEEDRATE

ROWS = 50_000
TABLE = "--label label --categorify user,item --yes".split()
PIECES = 40
"""Pieces in which the server sends an archive."""


@pytest.mark.slow
def test_a_preparation_that_is_killed_leaves_the_old_dataset_or_the_new_one(tmp_path: Path) -> None:
    """The two datasets are of different sources. A table in a CSV file also needs a temporary folder."""
    commands, folder, table = Commands(tmp_path), tmp_path / "out" / "d", tmp_path / "table.csv"
    chance = np.random.default_rng(0)
    columns = {name: chance.integers(0, 1000, ROWS) for name in ("user", "item")} | {
        "label": chance.integers(0, 2, ROWS)
    }
    pyarrow.csv.write_csv(pa.table(columns), table)
    sources = (
        ("prepare", "synthetic-movielens", "--rows", ROWS, "--overwrite", "-o", folder),
        ("prepare", "csv", table, *TABLE, "--overwrite", "-o", folder),
    )
    wanted = {}
    for words in sources:
        commands.whole(*words)
        wanted[_fingerprint(folder)] = words
    assert len(wanted) == 2
    for number, after_s in commands.times("prepare"):
        while True:
            old = _fingerprint(folder)
            [(new, words)] = [(other, words) for other, words in wanted.items() if other != old]
            killed = commands.killed(number, after_s, *words)
            if not killed.finished:
                break
            assert _fingerprint(folder) == new
            after_s *= 0.8
        assert _fingerprint(folder) in ((new,) if killed.out else (old, new))
        assert commands.dirty or [path.name for path in folder.parent.iterdir()] == ["d"]
    commands.whole(*sources[0])
    assert [path.name for path in folder.parent.iterdir()] == ["d"]
    commands.remove_temporary()


def _fingerprint(folder: Path) -> str:
    """Fingerprint of the dataset. Fails if it is not complete."""
    dataset = read_dataset(folder)
    for split, info in dataset.info.splits.items():
        assert pq.read_table(folder / split).num_rows == info.rows
    return dataset.info.fingerprint


class _Server(ThreadingHTTPServer):
    content: bytes

    def handle_error(self, _request: object, _address: object) -> None:
        """The client may be killed at any time."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """Send the archive slowly, from where the client wants to go on."""
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        body = self.server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        size = -(-len(self.server.content) // PIECES)
        for first, last in itertools.pairwise([*range(0, len(body), size), len(body)]):
            self.wfile.write(body[first:last])
            time.sleep(1 / PIECES)

    def log_message(self, *_arguments: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[_Server]:
    """A server of a small MovieLens archive that takes a second to send it."""
    ratings = write_dat(tmp_path / "source" / "ml-1m", random_ratings(20_000)).parent
    archive = Path(shutil.make_archive(str(tmp_path / "source" / "ml-1m"), "zip", ratings, "ml-1m"))
    server = _Server(("127.0.0.1", 0), _Handler)
    server.content = archive.read_bytes()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
def test_a_download_that_is_killed_leaves_no_archive_or_a_whole_one(server: _Server, tmp_path: Path) -> None:
    digest = hashlib.sha256(server.content).hexdigest()
    program = (
        "from feedrate.bench.datasets.movielens.releases import RELEASES, Published, Release\n"
        f"published = Published(size_bytes={len(server.content)}, algorithm='sha256', digest='{digest}')\n"
        f"url = 'http://127.0.0.1:{server.server_port}/ml-1m.zip'\n"
        "RELEASES['movielens-1m'] = Release(name='movielens-1m', url=url, folder='ml-1m', published=published)\n"
    )
    command = (*FEEDRATE[:-1], f"from feedrate.__main__ import main\n{program}main()")
    commands = Commands(tmp_path, command=command, variables={"XDG_CACHE_HOME": str(tmp_path / "cache")})
    cache, folder = tmp_path / "cache" / "feedrate", tmp_path / "out" / "d"
    words = ("prepare", "movielens-1m", "--overwrite", "-o", folder)
    commands.whole(*words)
    fingerprint = _fingerprint(folder)
    for number, after_s in commands.times("prepare"):
        shutil.rmtree(cache)
        while commands.killed(number, after_s, *words).finished:
            shutil.rmtree(cache)
            after_s *= 0.8
        archive, part = cache / "ml-1m.zip", cache / "ml-1m.zip.part"
        assert not archive.exists() or archive.read_bytes() == server.content
        assert not part.exists() or server.content.startswith(part.read_bytes())
        assert _fingerprint(folder) == fingerprint
        assert commands.dirty or {path.name for path in folder.parent.iterdir()} == {"d"}
        cache.mkdir(parents=True, exist_ok=True)
    commands.whole(*words)
    assert [path.name for path in cache.iterdir()] == ["ml-1m.zip"]
    assert [path.name for path in folder.parent.iterdir()] == ["d"]
    commands.remove_temporary()
