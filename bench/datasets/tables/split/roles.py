"""Files that are a split already: those called train, valid and test, or lying in folders of these names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from feedrate.bench.datasets.canonical import Decision
from feedrate.bench.datasets.tables.declared import SplitOptions
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.discovery import DataFile, DataFiles, KnownFiles, common_root, find_files

Role = Literal["train", "valid", "test"]
_WORDS = "train|training|valid|validation|val|dev|eval|test|testing"
_ROLE = re.compile(rf"({_WORDS})(?=$|[-_. \d])", re.IGNORECASE)
_LAST_ROLE = re.compile(rf"[^.]*[-_ ]({_WORDS})\d*(?=$|\.)", re.IGNORECASE)
"""The first and the last word of a name: train-00000.parquet, clicks_train.csv."""
_ROLE_OF_WORD: dict[str, Role] = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "eval": "valid",
    "test": "test",
    "testing": "test",
}


_SPLIT_KEYS = ("split", "set", "subset", "partition")
"""Columns in the names of folders, such as split=train, that say the split. If the split is kept, they are no features."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """The files that are read, and the split of each if files are split already."""

    found: DataFiles
    files: tuple[Mapping[str, Any], ...] = ()
    """What tells later whether the files are still the same: see made_of.identity()."""
    of_file: dict[Path, Role] | None
    """The split of each file's rows. None: rows are drawn."""
    decision: Decision


def find_roles(
    paths: Sequence[Path],
    valid_paths: Sequence[Path],
    options: SplitOptions,
    output: Path | None,
    known: KnownFiles | None = None,
) -> Roles:
    """Find the files and their roles. Raises FeedrateError for a path without data and a split that is not there."""
    if valid_paths:
        root = common_root([*paths, *valid_paths])
        train, valid = (find_files(part, output=output, root=root, known=known) for part in (paths, valid_paths))
        return _given(train, valid, valid_paths, options)
    found = find_files(paths, output=output, known=known)
    roles = {file.path: role_of(file) for file in found.files}
    named = sorted({role for role in roles.values() if role})
    complete = all(roles.values()) and "train" in named and len(named) > 1
    if options.kind == "own" and not complete:
        raise FeedrateError(
            "--split own needs files or folders called train and valid (or test), and every file in one of them: "
            "name the valid ones with --valid PATH"
        )
    if options.kind not in ("auto", "own") or options.group_by or not complete:
        return Roles(found=found, of_file=None, decision=_drawn(options, named))
    return _own(found, {path: role for path, role in roles.items() if role}, named)


def role_of(file: DataFile) -> Role | None:
    """Return what the name of the file, or of a folder that it lies in below the user's path, says."""
    for part in file.inner:
        key, equals, value = part.partition("=")
        if equals and key.lower() not in _SPLIT_KEYS:
            continue
        word = value if equals else part
        match = _ROLE.match(word) or _LAST_ROLE.match(word)
        if match:
            return _ROLE_OF_WORD[match[1].lower()]
    return None


def _given(train: DataFiles, valid: DataFiles, valid_paths: Sequence[Path], options: SplitOptions) -> Roles:
    if options.kind not in ("auto", "own"):
        raise FeedrateError(f"--valid does not go with --split {options.kind}: the rows are split by their files")
    if options.group_by:
        raise FeedrateError(
            f"--valid does not go with --group-by {options.group_by}: the rows are split by their files"
        )
    shared = {file.path.resolve() for file in train.files} & {file.path.resolve() for file in valid.files}
    files = [file for file in train.files if file.path.resolve() not in shared]
    if not files:
        raise FeedrateError(f"every training file is also in --valid {valid_paths[0]}: name different files")
    reasons = {*train.skipped, *valid.skipped}
    skipped = {reason: train.skipped.get(reason, 0) + valid.skipped.get(reason, 0) for reason in sorted(reasons)}
    roles: dict[Path, Role] = {file.path: "train" for file in files}
    roles.update({file.path: "valid" for file in valid.files})
    what = f"{len(files)} file(s) for training, {len(valid.files)} for validation, as --valid says"
    found = DataFiles(files=(*files, *valid.files), skipped=skipped)
    return Roles(found=found, of_file=roles, decision=Decision(subject="split", what=what))


def _own(found: DataFiles, roles: dict[Path, Role], named: Sequence[str]) -> Roles:
    """Keep the user's split. Without valid files the test files take their place."""
    if "valid" not in named:
        roles = {path: ("valid" if role == "test" else role) for path, role in roles.items()}
    tests = [file.shown.name for file in found.files if roles[file.path] == "test"]
    kept = DataFiles(
        files=tuple(_without_split_keys(file) for file in found.files if roles[file.path] != "test"),
        skipped={**found.skipped, **({"test files": len(tests)} if tests else {})},
    )
    what = (
        "kept as the files are called train and valid" if "valid" in named else "kept: test files are the valid split"
    )
    if tests:
        what += f", {len(tests)} test file(s) left out ({', '.join(tests[:3])})"
    return Roles(
        found=kept, of_file=roles, decision=Decision(subject="split", what=what, keep="--split random mixes all files")
    )


def _without_split_keys(file: DataFile) -> DataFile:
    return replace(file, keys={name: value for name, value in file.keys.items() if name.lower() not in _SPLIT_KEYS})


def _drawn(options: SplitOptions, named: Sequence[str]) -> Decision:
    share = f"{options.valid_fraction:.0%} of the rows for validation"
    if options.kind == "time":
        share = f"the last {options.valid_fraction:.0%} of the rows by {options.time_column}"
        what = f"{share} for validation, as nearly as rows of one time allow, which stay together"
    elif options.kind == "user-last":
        order = f"by {options.time_column}" if options.time_column else "in the order of the files"
        what = f"the last row {order} of each {options.group_by} with several rows for validation"
    elif options.group_by:
        what = f"{options.valid_fraction:.0%} of the {options.group_by}s, with all their rows, for validation, drawn at random"
    else:
        what = f"{share}, drawn at random"
    mixed = f", from files called {' and '.join(named)} alike" if len(named) > 1 else ""
    keep = "--split own keeps them apart" if mixed else "--split, --valid"
    return Decision(subject="split", what=what + mixed, keep=keep)
