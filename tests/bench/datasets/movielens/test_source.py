"""Folders, zips and single files: what is read of them, and what is refused."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest

from feedrate.bench.datasets.movielens.archive import extract
from feedrate.bench.datasets.movielens.source import read
from feedrate.loaders.errors import FeedrateError
from tests.samples.movielens import random_ratings, write_csv, write_dat, write_tsv

RATINGS = random_ratings(200)
USERS = [user for user, _, _ in RATINGS]


def _zip(path: Path, members: dict[str, Path]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for member, file in members.items():
            archive.write(file, member)
    return path


def _users(source: Path) -> list[int]:
    return read(source, "x")[0].user.tolist()


def test_a_folder_is_searched_below_for_the_one_release(tmp_path: Path) -> None:
    write_dat(tmp_path / "downloads" / "movielens" / "ml-1m", RATINGS)
    assert _users(tmp_path) == _users(tmp_path / "downloads") == USERS


@pytest.mark.parametrize("write", [write_csv, write_dat])
def test_a_folder_s_name_is_no_pattern(write, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert _users(write(tmp_path / "ml [1] *?", RATINGS)) == USERS


def test_a_release_in_a_hidden_folder_is_not_seen(tmp_path: Path) -> None:
    write_dat(tmp_path / ".cache" / "ml-1m", random_ratings(10, seed=9))
    write_dat(tmp_path / "ml-1m", RATINGS)
    assert _users(tmp_path) == USERS


def test_a_folder_called_like_a_file_is_no_file(tmp_path: Path) -> None:
    write_csv(tmp_path, RATINGS)
    (tmp_path / "ratings_parts.csv").mkdir()
    (tmp_path / "ratings_parts.csv" / "part-0000.csv").write_text("")
    assert _users(tmp_path) == USERS


def test_a_zip_is_read_whatever_macos_put_in_it(tmp_path: Path) -> None:
    folder = write_dat(tmp_path / "ml-1m", RATINGS)
    (tmp_path / "junk").write_bytes(b"\x00\x05\x16\x07")
    junk = ("__MACOSX/ml-1m/ratings.dat", "__MACOSX/ml-1m/._ratings.dat", "ml-1m/._movies.dat", "ml-1m/.DS_Store")
    members = {"ml-1m/RATINGS.DAT": folder / "ratings.dat", "ml-1m/movies.dat": folder / "movies.dat"}
    archive = _zip(tmp_path / "a.zip", {**dict.fromkeys(junk, tmp_path / "junk"), **members})
    assert _users(archive) == USERS


def test_a_zip_made_on_windows_has_backslashes_in_its_names(tmp_path: Path) -> None:
    folder = write_csv(tmp_path / "ml", RATINGS)
    archive = _zip(tmp_path / "a.zip", {f"ml\\{name}": folder / name for name in ("ratings.csv", "movies.csv")})
    assert _users(archive) == USERS


def test_a_zip_with_two_releases_is_refused_with_both_named(tmp_path: Path) -> None:
    write_dat(tmp_path / "ml-1m", RATINGS)
    write_csv(tmp_path / "ml-25m", RATINGS)
    archive = _zip(tmp_path / "both.zip", {str(file.relative_to(tmp_path)): file for file in tmp_path.glob("ml-*/*")})
    with pytest.raises(FeedrateError, match=r"both.zip has 2 files .* ml-1m/ratings.dat, ml-25m/ratings.csv"):
        _users(archive)


def test_the_folder_in_a_zip_says_which_release_it_is(tmp_path: Path) -> None:
    folder = write_dat(tmp_path / "ml-1m", RATINGS)
    archive = _zip(tmp_path / "a.zip", {f"ml-1m/{name}": folder / name for name in ("ratings.dat", "movies.dat")})
    with pytest.raises(FeedrateError, match="called ml-1m, which is movielens-1m, not movielens-20m"):
        read(archive, "movielens-20m")
    assert read(archive, "movielens-1m")[0].user.tolist() == USERS


def test_a_message_on_a_file_in_a_zip_names_the_zip(tmp_path: Path) -> None:
    folder = write_csv(tmp_path / "ml", RATINGS)
    (folder / "ratings.csv").write_text("userId,movieId,rating\n1,two,3\n")
    archive = _zip(tmp_path / "a.zip", {name: folder / name for name in ("ratings.csv", "movies.csv")})
    with pytest.raises(FeedrateError, match=r"a.zip/ratings.csv, line 2: movieId is 'two'"):
        _users(archive)


@pytest.mark.parametrize("write", [write_csv, write_dat, write_tsv])
def test_gzipped_files_are_read_as_the_plain_ones(write, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    wanted_genres = read(write(tmp_path / "plain", RATINGS), "x")[1]
    packed = write(tmp_path / "packed", RATINGS)
    for file in list(packed.iterdir()):
        Path(f"{file}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    ratings, genres = read(packed, "x")
    assert ratings.user.tolist() == USERS
    assert genres == wanted_genres


@pytest.mark.parametrize("name", ["ratings.dat.gz", "ratings.csv.gz", "movies.csv.gz"])
def test_a_gzip_file_that_was_cut_off_is_refused(name: str, tmp_path: Path) -> None:
    folder = (write_dat if name.endswith("dat.gz") else write_csv)(tmp_path, RATINGS)
    plain = folder / name.removesuffix(".gz")
    (folder / name).write_bytes(gzip.compress(plain.read_bytes())[:-200])
    plain.unlink()
    with pytest.raises(FeedrateError, match=rf"{name} (cannot be read|is not a MovieLens ratings file)"):
        read(folder, "x")


def test_a_split_of_100k_is_read_if_it_is_named(tmp_path: Path) -> None:
    folder = write_tsv(tmp_path, RATINGS)
    lines = (folder / "u.data").read_text().splitlines(keepends=True)
    (folder / "u1.base").write_text("".join(lines[:50]))
    assert _users(folder) == USERS
    assert _users(folder / "u1.base") == USERS[:50]


def test_an_archive_that_leaves_its_folder_is_refused(tmp_path: Path) -> None:
    for name in ("../ratings.csv", "/ratings.csv", "ml/../../ratings.csv", "..\\ratings.csv", "C:/ratings.csv"):
        with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
            archive.writestr(name, "userId,movieId,rating\n1,1,5\n")
        (tmp_path / "out").mkdir(exist_ok=True)
        with pytest.raises(FeedrateError, match="leaves the folder"):
            extract(tmp_path / "evil.zip", tmp_path / "out")
    assert not (tmp_path / "ratings.csv").exists()


def test_an_archive_with_a_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("ml/ratings.csv")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(FeedrateError, match="leaves the folder"):
        extract(tmp_path / "evil.zip", tmp_path)


def test_a_file_that_is_no_zip_and_a_folder_without_ratings(tmp_path: Path) -> None:
    (tmp_path / "ml.zip").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(FeedrateError, match="is incomplete, damaged or not a zip file"):
        _users(tmp_path / "ml.zip")
    with pytest.raises(FeedrateError, match=r"has no ratings.*It has ml.zip: pass a zip"):
        _users(tmp_path)
    with pytest.raises(FeedrateError, match="does not exist"):
        _users(tmp_path / "nowhere")
