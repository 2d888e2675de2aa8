"""Files that are a split already."""

from __future__ import annotations

from pathlib import Path

import pytest

from feedrate.bench.datasets.tables.declared import SplitOptions
from feedrate.bench.datasets.tables.split.roles import find_roles
from feedrate.loaders.errors import FeedrateError

AUTO = SplitOptions()


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def roles(root: Path, *names: str, options: SplitOptions = AUTO) -> dict[str, str] | None:
    result = find_roles([touch(root, *names)], (), options, None)
    if result.of_file is None:
        return None
    kept = {file.path for file in result.found.files}
    return {str(path.relative_to(root)): role for path, role in result.of_file.items() if path in kept}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("train.parquet", "valid.parquet"), {"train.parquet": "train", "valid.parquet": "valid"}),
        (("train/a.parquet", "val/a.parquet"), {"train/a.parquet": "train", "val/a.parquet": "valid"}),
        (("Train.csv", "Test.csv"), {"Train.csv": "train", "Test.csv": "valid"}),
        (
            ("train-00000-of-00002.parquet", "train-00001-of-00002.parquet", "validation-00000-of-00001.parquet"),
            {
                "train-00000-of-00002.parquet": "train",
                "train-00001-of-00002.parquet": "train",
                "validation-00000-of-00001.parquet": "valid",
            },
        ),
        (("clicks_train.csv", "clicks_eval.csv"), {"clicks_train.csv": "train", "clicks_eval.csv": "valid"}),
        (("x/training/1.parquet", "x/dev/1.parquet"), {"x/training/1.parquet": "train", "x/dev/1.parquet": "valid"}),
        (("train.parquet", "valid.parquet", "more.parquet"), None),
        (("train.parquet", "train_2.parquet"), None),
        (("trainer.parquet", "validity.parquet"), None),
        (("constrain.parquet", "latest.parquet"), None),
    ],
)
def test_names_tell_the_split(names: tuple[str, ...], expected: dict[str, str] | None, tmp_path: Path) -> None:
    assert roles(tmp_path, *names) == expected


def test_test_files_are_left_out_beside_valid_ones_and_said(tmp_path: Path) -> None:
    result = find_roles([touch(tmp_path, "train.csv", "valid.csv", "test.csv")], (), AUTO, None)
    assert [file.path.name for file in result.found.files] == ["train.csv", "valid.csv"]
    assert "1 test file(s) left out (test.csv)" in result.decision.what
    assert "--split random" in result.decision.keep


def test_folders_that_are_named_one_by_one_are_a_split_too(tmp_path: Path) -> None:
    touch(tmp_path, "train/a.parquet", "valid/a.parquet")
    result = find_roles([tmp_path / "train", tmp_path / "valid"], (), AUTO, None)
    assert result.of_file == {tmp_path / "train/a.parquet": "train", tmp_path / "valid/a.parquet": "valid"}


def test_valid_names_the_files_for_validation(tmp_path: Path) -> None:
    touch(tmp_path, "all/a.parquet", "all/late/b.parquet", "c.parquet")
    result = find_roles([tmp_path / "all"], [tmp_path / "all/late", tmp_path / "c.parquet"], AUTO, None)
    assert result.of_file == {
        tmp_path / "all/a.parquet": "train",
        tmp_path / "all/late/b.parquet": "valid",
        tmp_path / "c.parquet": "valid",
    }
    assert result.decision.what == "1 file(s) for training, 2 for validation, as --valid says"


def test_a_split_that_is_not_there_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a.parquet")
    with pytest.raises(FeedrateError, match="--split own needs files or folders called train and valid"):
        roles(tmp_path, "a.parquet", options=SplitOptions(kind="own"))
    with pytest.raises(FeedrateError, match="every training file is also in --valid"):
        find_roles([tmp_path], [tmp_path], AUTO, None)
    with pytest.raises(FeedrateError, match="--valid does not go with --split time"):
        find_roles([tmp_path], [tmp_path], SplitOptions(kind="time", time_column="t"), None)
    with pytest.raises(FeedrateError, match="--valid does not go with --group-by user"):
        find_roles([tmp_path], [tmp_path], SplitOptions(group_by="user"), None)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"valid_fraction": 0}, "--valid-fraction is 0, but must be between 0 and 1"),
        ({"valid_fraction": float("nan")}, "--valid-fraction is nan"),
        ({"kind": "time"}, "--split time needs --time-column"),
        ({"kind": "user-last"}, "--split user-last needs --group-by"),
        ({"time_column": "t"}, "--time-column needs --split time"),
        ({"kind": "own", "group_by": "u"}, "--group-by does not go with --split own"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(words: dict[str, object], sentence: str) -> None:
    with pytest.raises(FeedrateError, match=sentence):
        SplitOptions(**words)  # type: ignore[arg-type]


def test_folders_that_name_the_split_as_a_column_keep_it_and_are_no_feature(tmp_path: Path) -> None:
    names = ("split=train/day=1/a.parquet", "split=valid/day=1/a.parquet")
    assert roles(tmp_path, *names) == {names[0]: "train", names[1]: "valid"}
    kept = find_roles([tmp_path], (), AUTO, None).found.files
    assert [dict(file.keys) for file in kept] == [{"day": "1"}] * 2
    mixed = find_roles([tmp_path], (), SplitOptions(kind="random"), None).found.files
    assert [file.keys["split"] for file in mixed] == ["train", "valid"]


def test_other_columns_in_the_names_of_folders_are_no_split(tmp_path: Path) -> None:
    assert roles(tmp_path, "kind=train/a.parquet", "kind=test/a.parquet") is None
