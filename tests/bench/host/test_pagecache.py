from __future__ import annotations

from pathlib import Path

from feedrate.bench.host import pagecache


def test_files_are_warmed_and_dropped_and_the_fraction_is_measured(tmp_path: Path) -> None:
    file = (
        Path(__file__).parent / "scratch-of-the-page-cache-test"
    )  # tmp_path may be in memory, which has no page cache
    file.write_bytes(bytes(3_000_000))
    try:
        assert pagecache.make([file], "warm") == 1.0
        cold = pagecache.make([file], "cold")
        assert cold is not None
        assert cold < 0.5
        with file.open("rb") as stream:
            stream.read(1_500_000)
        half = pagecache.resident_fraction([file])
        assert half is not None
        assert cold < half
    finally:
        file.unlink()


def test_empty_files_have_no_fraction(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert pagecache.resident_fraction([tmp_path / "empty"]) is None
