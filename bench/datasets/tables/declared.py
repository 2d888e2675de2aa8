"""What the user says of the columns, of their values and of the split. Everything else is inferred and said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from math import isfinite
from pathlib import Path
from typing import Any, Literal, TypeVar

from feedrate.bench.datasets.options import EtlName
from feedrate.loaders.errors import Faults, FeedrateError, repeated

Kind = Literal["single-hot", "multi-hot", "continuous", "vector", "label"]
SplitKind = Literal["auto", "random", "time", "user-last", "own"]
Value = TypeVar("Value")
Fill = float | Literal["zero", "median", "mean", "empty"]
MAX_LISTED = 140
"""Characters of column names in a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredColumns:
    """What the user says of the columns. The label is required, the rest is inferred from types and values.

    A name may be a pattern such as "I*", unless a column has that very name.
    """

    label: str
    label_above: float | None = None
    """The label is 1 if the column is above this. None: the column is 0 or 1 already."""
    single_hot: tuple[str, ...] = ()
    multi_hot: tuple[str, ...] = ()
    continuous: tuple[str, ...] = ()
    vector: tuple[str, ...] = ()
    """Lists of numbers, all of one length. Each place becomes a continuous column."""
    categorify: tuple[str, ...] = ()
    """Columns whose values become ids by frequency."""
    drop: tuple[str, ...] = ()
    """Columns to leave out."""
    keep: Mapping[str, str] = field(default_factory=dict)
    """Columns that the source leaves out and not the user, each with the option that keeps it."""

    def __post_init__(self) -> None:
        if self.label_above is not None and not isfinite(self.label_above):
            raise FeedrateError(f"--label-above is {self.label_above:g}, but must be a finite number")

    @property
    def kinds(self) -> dict[str, Kind]:
        """The kind of each column that is declared with one."""
        kinds: dict[str, Kind] = {}
        kinds.update(dict.fromkeys(self.single_hot, "single-hot"))
        kinds.update(dict.fromkeys(self.multi_hot, "multi-hot"))
        kinds.update(dict.fromkeys(self.continuous, "continuous"))
        kinds.update(dict.fromkeys(self.vector, "vector"))
        kinds[self.label] = "label"
        return kinds

    def resolved(self, names: Sequence[str]) -> DeclaredColumns:
        """Return the declarations with patterns replaced by the columns they match.

        Raises FeedrateError for columns that do not exist, and for one that is declared twice.
        """
        changed: dict[str, Any] = {}
        faults: list[str] = []
        for option in fields(self):
            if option.name not in ("label", "label_above", "keep"):
                with gathered(faults):
                    shown = f"--{option.name.replace('_', '-')}"
                    changed[option.name] = expand(shown, getattr(self, option.name), names)
        with gathered(faults):
            require_column("--label", self.label, names)
        if faults:
            raise Faults(faults)
        result = replace(self, **changed)
        kinds = [*result.single_hot, *result.multi_hot, *result.continuous, *result.vector, *result.drop, result.label]
        if duplicates := repeated(kinds):
            raise FeedrateError(f"column {duplicates[0]!r} is declared with two kinds: declare it once")
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Transforms:
    """What is done to values, by column or pattern. In this order: fill, clip, log1p, normalize."""

    fill: Mapping[str, Fill] = field(default_factory=dict)
    """What replaces missing values (null and NaN): a number, or one of the column's own. Lists: "empty"."""
    clip: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    """(least, greatest) value. None: no bound."""
    log1p: tuple[str, ...] = ()
    """Columns that are replaced by log(1 + x)."""
    normalize: tuple[str, ...] = ()
    """Columns that are shifted to mean 0 and scaled to standard deviation 1."""
    min_count: Mapping[str, int] = field(default_factory=dict)
    """Values of categorified columns that occur less often become id 0, or are hashed if the column has buckets."""
    hash_buckets: Mapping[str, int] = field(default_factory=dict)
    """Number of ids that values are hashed to: all of the column's, or those below its min_count."""

    def resolved(self, names: Sequence[str]) -> Transforms:
        """Return the transforms with patterns replaced by columns. Raises FeedrateError for columns that do not exist."""
        return Transforms(
            fill={
                name: float(fill) if isinstance(fill, int) else fill
                for name, fill in _expanded("--fill", self.fill, names).items()
            },
            clip=_expanded("--clip", self.clip, names),
            log1p=expand("--log1p", self.log1p, names),
            normalize=expand("--normalize", self.normalize, names),
            min_count=_expanded("--min-count", self.min_count, names, general=True),
            hash_buckets=_expanded("--hash-buckets", self.hash_buckets, names, general=True),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOptions:
    """Which rows are for validation."""

    kind: SplitKind = "auto"
    """auto: as files or folders called train and valid say; without them random."""
    valid_fraction: float = 0.2
    time_column: str = ""
    group_by: str = ""
    """Column of users. random: all rows of a user are in one split. user-last: the user's last row is for validation."""

    def __post_init__(self) -> None:
        if not 0 < self.valid_fraction < 1:
            raise FeedrateError(f"--valid-fraction is {self.valid_fraction}, but must be between 0 and 1")
        if self.kind == "time" and not self.time_column:
            raise FeedrateError("--split time needs --time-column")
        if self.kind == "user-last" and not self.group_by:
            raise FeedrateError("--split user-last needs --group-by, which names the column of users")
        if self.time_column and self.kind not in ("time", "user-last"):
            raise FeedrateError("--time-column needs --split time or --split user-last")
        if self.group_by and self.kind in ("time", "own"):
            raise FeedrateError(f"--group-by does not go with --split {self.kind}")

    def require_columns(self, names: Sequence[str]) -> None:
        """Raise FeedrateError if a column that decides about the split does not exist."""
        for option, name in (("--time-column", self.time_column), ("--group-by", self.group_by)):
            if name:
                require_column(option, name, names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What else may be said of a user's tables."""

    valid_paths: tuple[Path, ...] = ()
    """Files of the validation split. Empty: it is drawn, or kept if files are called train and valid."""
    null_values: tuple[str, ...] = ()
    """CSV texts that mean a missing value."""
    like: Path | None = None
    """A dataset whose columns, ids and transforms are applied instead of new ones."""
    strict: bool = False
    """Refuse an input with a column that would be left out."""
    etl: EtlName = "feedrate"


def require_column(option: str, name: str, names: Sequence[str]) -> None:
    """Raise FeedrateError if there is no column of this very name."""
    if name not in names:
        raise FeedrateError(f"there is no column {name!r} ({option}): there are {_listed(names)}")


@contextmanager
def gathered(faults: list[str]) -> Iterator[None]:
    """Add the sentences of an error to `faults` instead of raising it, so that all faults are told together."""
    try:
        yield
    except Faults as error:
        faults += error.sentences
    except FeedrateError as error:
        faults.append(str(error))


def expand(option: str, patterns: Iterable[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that are named or matched. The name of a struct stands for all its fields.

    Raises Faults for the names and patterns that match none.
    """
    found: dict[str, None] = {}
    faults: list[str] = []
    for pattern in patterns:
        matches = [pattern] if pattern in names else [name for name in names if fnmatchcase(name, pattern)]
        matches = matches or [name for name in names if name.startswith(f"{pattern}.")]
        if not matches:
            faults.append(f"there is no column {pattern!r} ({option}): there are {_listed(names)}")
        found.update(dict.fromkeys(matches))
    if faults:
        raise Faults(faults)
    return tuple(found)


def _expanded(
    option: str, values: Mapping[str, Value], names: Sequence[str], *, general: bool = False
) -> dict[str, Value]:
    """Return a value for each column. What names a column counts more than a pattern that matches it.

    general: keep the pattern "*", which stands for all columns that it can apply to.
    """
    result: dict[str, Value] = {}
    for pattern, value in values.items():
        if general and pattern == "*":
            result["*"] = value
        else:
            result.update(dict.fromkeys(expand(option, (pattern,), names), value))
    return {**result, **{name: value for name, value in values.items() if name in names}}


def _listed(names: Sequence[str]) -> str:
    shown: list[str] = []
    for name in (_shown(name) for name in names[:12]):
        if shown and len(", ".join([*shown, name])) > MAX_LISTED:
            break
        shown.append(name)
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _shown(name: str) -> str:
    """Return a name as it is, or quoted where its ends would not be seen."""
    plain = name and name == name.strip() and name.isprintable() and "," not in name
    return name if plain else repr(name)
