"""Which files are a user's data set: by the rules of Spark and Arrow."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from feedrate.bench.datasets.tables.request import NamedCsv
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.discovery import DataFiles, find_files


def touch(root: Path, *names: str, content: bytes = b"") -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def names(found: DataFiles) -> list[str]:
    return ["/".join(file.inner) for file in found.files]


@pytest.mark.parametrize(
    ("inside", "read", "skipped"),
    [
        (("b.parquet", "a.parquet"), ["a.parquet", "b.parquet"], {}),
        (("a.pq", "b.parq", "C.PARQUET", "d.parquet.gz"), ["C.PARQUET", "a.pq", "b.parq", "d.parquet.gz"], {}),
        (("a.parquet", "_SUCCESS", ".a.parquet.crc", "_metadata"), ["a.parquet"], {"hidden files": 3}),
        (("a.parquet", "_temporary/0/b.parquet", ".git/c.parquet"), ["a.parquet"], {"hidden folders": 2}),
        (("_day=1/a.parquet",), ["_day=1/a.parquet"], {}),
        (("a.parquet", "notes.txt", "a.parquet.tmp", "b.parquet~"), ["a.parquet"], {"other files": 3}),
        (("events.parquet/part-0.parquet",), ["events.parquet/part-0.parquet"], {}),
        (("a.csv", "b.TSV", "c.csv.gz", "d.tsv.zst"), ["a.csv", "b.TSV", "c.csv.gz", "d.tsv.zst"], {}),
        (("p.10.parquet", "p.9.parquet", "p.1.parquet"), ["p.1.parquet", "p.9.parquet", "p.10.parquet"], {}),
        (("b/c.parquet", "a/z.parquet", "d.parquet"), ["d.parquet", "a/z.parquet", "b/c.parquet"], {}),
    ],
)
def test_a_folder_s_files(inside: tuple[str, ...], read: list[str], skipped: Mapping[str, int], tmp_path: Path) -> None:
    found = find_files([touch(tmp_path, *inside)])
    assert names(found) == read
    assert found.skipped == skipped


def test_files_without_an_ending_are_known_by_their_first_bytes(tmp_path: Path) -> None:
    touch(tmp_path, "000000_0", "000001_0", content=b"PAR1....PAR1")
    touch(tmp_path, "README", content=b"Read me")
    found = find_files([tmp_path])
    assert names(found) == ["000000_0", "000001_0"]
    assert found.skipped == {"other files": 1}


def test_key_value_folders_are_columns(tmp_path: Path) -> None:
    touch(tmp_path, "a=1/b=x%20y/f.parquet", "a=__HIVE_DEFAULT_PARTITION__/b=/f.parquet")
    first, second = find_files([tmp_path]).files
    assert first.keys == {"a": "1", "b": "x y"}
    assert second.keys == {"a": None, "b": ""}


def test_a_key_that_stands_twice_in_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedrateError, match="lies in two folders called a="):
        find_files([touch(tmp_path, "a=1/a=2/f.parquet")])


def test_folders_above_the_path_are_no_columns_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "user=5/data/f.parquet")
    monkeypatch.chdir(tmp_path)
    for path in (Path("user=5/data"), Path("user=5/data/f.parquet"), Path("user=5/data/*.parquet")):
        found = find_files([path])
        assert not found.files[0].keys
        assert found.skipped == {"user=5, which stands in the path that you named": 1}
    monkeypatch.chdir(tmp_path / "user=5")
    assert not find_files([Path("data")]).skipped


@pytest.mark.parametrize("pattern", ["day=1 day=2", "day=1/a.parquet day=2/b.parquet", "day=*", "*/*.parquet", "**"])
def test_paths_that_a_shell_or_glob_expands_keep_their_columns(
    pattern: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "day=1/a.parquet", "day=2/b.parquet")
    monkeypatch.chdir(tmp_path)
    found = find_files([Path(part) for part in pattern.split()])
    assert [(file.path.name, file.keys) for file in found.files] == [
        ("a.parquet", {"day": "1"}),
        ("b.parquet", {"day": "2"}),
    ]


def test_a_pattern_skips_what_a_folder_skips(tmp_path: Path) -> None:
    touch(tmp_path, "a.parquet", "_SUCCESS", "_temporary/b.parquet", "readme.md")
    found = find_files([tmp_path / "*"])
    assert names(found) == ["a.parquet"]
    assert found.skipped == {"hidden files and folders": 2, "other files": 1}
    assert names(find_files([tmp_path / "_temp*/*.parquet"])) == ["_temporary/b.parquet"]


def test_a_folder_whose_name_looks_like_a_pattern_is_a_folder(tmp_path: Path) -> None:
    assert names(find_files([touch(tmp_path, "a [1]/b.parquet") / "a [1]"])) == ["b.parquet"]


def test_a_file_is_read_once_however_often_it_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.parquet", "b.parquet")
    (tmp_path / "link.parquet").symlink_to(tmp_path / "a.parquet")
    (tmp_path / "name.parquet").hardlink_to(tmp_path / "a.parquet")
    found = find_files([tmp_path, tmp_path / "a.parquet", tmp_path / "*.parquet"])
    assert [file.path.name for file in found.files] == ["a.parquet", "b.parquet"]
    assert found.skipped == {"named twice": 7}


def test_links_are_followed_and_never_for_ever(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.parquet", "elsewhere/b.parquet")
    (tmp_path / "in/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    (tmp_path / "in/gone.parquet").symlink_to(tmp_path / "nowhere")
    found = find_files([tmp_path / "in"])
    assert names(found) == ["a.parquet", "linked/b.parquet"]
    assert found.skipped == {
        "links to nothing, pipes and devices": 1,
        "links to folders that are read already": 1,
    }


def test_pipes_are_no_files(tmp_path: Path) -> None:
    touch(tmp_path, "a.parquet")
    os.mkfifo(tmp_path / "pipe.parquet")
    assert names(find_files([tmp_path])) == ["a.parquet"]
    with pytest.raises(FeedrateError, match="is neither a file nor a folder"):
        find_files([tmp_path / "pipe.parquet"])


def test_the_output_is_never_read(tmp_path: Path) -> None:
    touch(tmp_path, "a.parquet", "out/b.parquet")
    found = find_files([tmp_path], output=tmp_path / "out")
    assert names(found) == ["a.parquet"]
    assert found.skipped == {"the output folder": 1}
    for path in (tmp_path / "out", tmp_path / "out/b.parquet", tmp_path / "out/*.parquet"):
        with pytest.raises(FeedrateError, match="lies in the output folder, which is never read: choose another -o"):
            find_files([path], output=tmp_path / "out")


def test_a_prepared_folder_within_is_skipped_and_one_that_is_named_is_read(tmp_path: Path) -> None:
    touch(
        tmp_path, "a.parquet", "old/dataset.json", "old/train/b.parquet", "old/valid/c.parquet", "old/fitted/d.parquet"
    )
    found = find_files([tmp_path])
    assert names(found) == ["a.parquet"]
    assert found.skipped == {"folders that feedrate prepared": 1}
    assert names(find_files([tmp_path / "old"])) == ["train/b.parquet", "valid/c.parquet"]


@pytest.mark.parametrize(
    ("inside", "sentence"),
    [
        ((), "has no Parquet or CSV file: it is empty"),
        (("a.txt", "b.txt", "c.txt", "d.txt"), "it holds a.txt, b.txt, c.txt, 1 more; name files with other endings"),
        (("_a.parquet",), "has no Parquet or CSV file: it holds hidden files (1)"),
        (("a.parquet", "b.csv"), "has Parquet files (a.parquet) beside CSV files (b.csv)"),
        (("a.csv", "a.csv.gz"), "a.csv and a.csv.gz seem to hold the same rows"),
        (("a.parquet", "_delta_log/0.json"), "is a table of Delta, whose folder may hold deleted rows"),
        (("data/a.parquet", "metadata/v1.metadata.json"), "is a table of Iceberg"),
        (("a.parquet", ".hoodie/x"), "is a table of Hudi"),
    ],
)
def test_a_folder_that_is_no_data_set_is_refused(inside: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(FeedrateError) as caught:
        find_files([touch(tmp_path / "in", *inside)])
    assert sentence in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_paths_that_are_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link.parquet").symlink_to(tmp_path / "nowhere")
    for name, sentence in (
        ("nowhere", "does not exist"),
        ("*.parquet.x", "no file matches"),
        ("link.parquet", "is a link to a file that does not exist"),
    ):
        with pytest.raises(FeedrateError, match=sentence):
            find_files([tmp_path / name])


def test_an_address_is_no_path() -> None:
    with pytest.raises(FeedrateError, match="is no path on this machine: copy the files to it first"):
        find_files([Path("s3://bucket/data/*.parquet")])


def test_a_file_that_is_named_may_have_any_ending(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt")
    assert find_files([tmp_path / "a.txt"]).files[0].format == "parquet"
    assert find_files([tmp_path / "a.txt"], known=NamedCsv()).files[0].format == "csv"
    touch(tmp_path, "b.bin", content=b"PAR1")
    assert find_files([tmp_path / "b.bin"], known=NamedCsv()).files[0].format == "parquet"
