"""The faults of a column: what no loader could use, and what only an option of the user's may change. A sentence for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import psutil
import pyarrow.types as types

from feedrate.bench.consumer.models.embeddings import embedding_width
from feedrate.bench.datasets.tables.choose import Choice
from feedrate.bench.datasets.tables.declared import Fill, Transforms
from feedrate.bench.datasets.tables.facts import MAX_USED_IDS, Facts
from feedrate.bench.datasets.tables.first_pass import steps_of
from feedrate.bench.datasets.tables.numbers import MAX_FLOAT32

MAX_ID = 2**31 - 2
SMALL_TABLE_IDS = 10_000
"""A table of so many ids or fewer is kept however few of them occur: it takes some megabytes."""
MIN_USED_FRACTION = 0.01
"""Share of the ids below the greatest that must occur, so that integers are ids rather than times, prices or hashes."""


def faults_of(choice: Choice, facts: Facts, transforms: Transforms, label_above: float | None = None) -> Iterator[str]:
    """Yield a sentence for everything that no loader could use, or that would change a value unasked."""
    if "unfit" in facts.found:
        yield _unfit(choice, facts)
    elif choice.kind == "label":
        yield from _label_faults(choice, facts, transforms, label_above)
    elif choice.kind == "continuous":
        yield from _number_faults(choice, facts, transforms)
    elif choice.kind == "vector":
        yield from _vector_faults(choice, facts, transforms)
    else:
        yield from _list_faults(choice, facts, transforms)
        if not choice.categorify:
            yield from _id_faults(choice, facts, transforms)


def _unfit(choice: Choice, facts: Facts) -> str:
    found, name = facts.found["unfit"], choice.name
    if "UTF8" in found.value:
        return (
            f"column {name!r} in {found.file} has text that is not UTF-8: write it as UTF-8 or as binary, "
            f"or leave it out with --drop {name}"
        )
    differing = choice.mixed or f"is {choice.stored}"
    option = "--vector" if types.is_large_list(choice.read_as) else "--continuous"
    return (
        f"column {name!r} {differing}, and {found.file.name} has {found.value}: "
        f"pass {option} {name} if it holds numbers, or --drop {name}"
    )


def _label_faults(choice: Choice, facts: Facts, transforms: Transforms, label_above: float | None) -> Iterator[str]:
    name, missing, other = choice.name, facts.found.get("missing"), facts.found.get("not 0 or 1")
    if missing and name not in transforms.fill:
        yield (
            f"label {name!r} in {missing.file} has {missing.count} missing or NaN values: drop these rows, "
            f"or pass --fill {name}=0 if a missing label means 0"
        )
    if other:
        yield f"label {name!r} in {other.file} has the value {other.value}, not 0 or 1: pass --label-above to make it binary"
    fill = transforms.fill.get(name)
    if isinstance(fill, float | int) and label_above is None and fill not in (0, 1):
        yield f"--fill {name}={fill:g} gives the label another value than 0 and 1: fill it with 0 or 1"


def _number_faults(choice: Choice, facts: Facts, transforms: Transforms) -> Iterator[str]:
    name, fill = choice.name, transforms.fill.get(choice.name)
    missing = facts.count_of("missing") + facts.count_of("nan")
    if missing and fill is None:
        first = facts.found.get("missing") or facts.found["nan"]
        ids = "--multi-hot" if choice.kind == "vector" else "--single-hot"
        yield (
            f"column {name!r} in {first.file} has {missing} missing or NaN values: if it is a number, fill them with "
            f"--fill {name}=zero (or median, mean, a number), and if it is an id, pass {ids} {name} --categorify {name}"
        )
    if log := facts.found.get("log"):
        yield (
            f"column {name!r} in {log.file} has the value {log.value}, which is too small for --log1p: "
            f"pass --clip {name}=0: to raise such values to 0"
        )
    if infinite := facts.found.get("infinite"):
        yield (
            f"column {name!r} in {infinite.file} has the value {infinite.value}, which float32 does not hold: "
            f"pass --clip {name}=LOW:HIGH, or leave it out with --drop {name}"
        )
    if fill in ("median", "mean") and missing == facts.rows:
        yield f"column {name!r} has no value to take the {fill} of: leave it out with --drop {name}"
    if isinstance(fill, float):
        yield from _fill_faults(name, fill, transforms)


def _fill_faults(name: str, fill: float, transforms: Transforms) -> Iterator[str]:
    clipped = float(steps_of(name, transforms).clipped(np.array([fill]))[0])
    if name not in transforms.log1p and abs(clipped) > MAX_FLOAT32:
        yield f"--fill {name}={fill:g} does not fit in float32: fill with a number up to {MAX_FLOAT32:g}"
    if name in transforms.log1p and clipped <= -1:
        yield f"--fill {name}={fill:g} is too small for --log1p {name}: fill with a number above -1"


def _vector_faults(choice: Choice, facts: Facts, transforms: Transforms) -> Iterator[str]:
    nulls, lengths = facts.count_of("missing lists"), facts.lengths or (0, 0)
    if nulls or lengths[0] != lengths[1]:
        yield (
            f"column {choice.name!r} has {nulls} null lists and lists of {lengths[0]} to {lengths[1]} numbers, but a vector "
            f"needs equally many in every row: leave it out with --drop {choice.name}"
        )
    elif lengths == (0, 0):
        yield (
            f"column {choice.name!r} has only empty lists, of which no vector can be made: "
            f"leave it out with --drop {choice.name}"
        )
    yield from _number_faults(choice, facts, transforms)


def _list_faults(choice: Choice, facts: Facts, transforms: Transforms) -> Iterator[str]:
    lists = facts.found.get("missing lists")
    if lists and transforms.fill.get(choice.name) != "empty":
        yield (
            f"list column {choice.name!r} in {lists.file} has {lists.count} null rows: pass --fill {choice.name}=empty "
            "to make them empty lists"
        )


def _id_faults(choice: Choice, facts: Facts, transforms: Transforms) -> Iterator[str]:
    name, missing, negative = choice.name, facts.found.get("missing"), facts.found.get("negative")
    if missing and (choice.kind == "multi-hot" or name not in transforms.fill):  # lists are filled, not their values
        where = "nulls within its lists" if choice.kind == "multi-hot" else "missing values"
        number = "" if choice.kind == "multi-hot" else f", or --continuous {name} and --fill if it is a number"
        yield (
            f"column {name!r} in {missing.file} has {missing.count} {where}: "
            f"pass --categorify {name}, which gives them id 0{number}"
        )
    if negative:
        yield (
            f"column {name!r} in {negative.file} has the id {negative.value}, but ids start at 0: "
            f"pass --categorify {name} to make ids of any values"
        )
    elif facts.greatest is not None and facts.greatest > MAX_ID:
        number = "" if choice.kind == "multi-hot" else f", or --continuous {name} if it is a number"
        yield f"column {name!r} has the id {facts.greatest}, over the largest, {MAX_ID}: pass --categorify {name}{number}"
    elif not choice.declared and (doubt := doubt_of_ids(facts)):
        number = "" if choice.kind == "multi-hot" else f"--continuous {name} for a number, "
        yield (
            f"column {name!r} has {doubt}: pass --categorify {name} for ids by frequency, {number}"
            f"--{choice.kind} {name} to keep them, or --drop {name}"
        )


def doubt_of_ids(facts: Facts) -> str:
    """Say in numbers why integers are hardly ids; empty if they may well be."""
    if facts.greatest is None:
        return ""
    ids = int(facts.greatest) + 1
    table_bytes = 4 * ids * embedding_width(ids)
    memory = psutil.virtual_memory().total
    size = f"a table of {table_bytes / 1e9:,.1f} GB"
    if facts.used_ids is None or ids > MAX_USED_IDS:
        return f"integers from {facts.least:,} to {facts.greatest:,}, as ids {size}"
    if ids > SMALL_TABLE_IDS and facts.used_ids < MIN_USED_FRACTION * ids:
        return f"{facts.used_ids:,} different integers up to {facts.greatest:,}, as ids {size} with {facts.used_ids / ids:.2%} in use"
    return (
        f"ids up to {facts.greatest:,}: {size}, and this machine has {memory / 1e9:,.1f} GB"
        if table_bytes > memory
        else ""
    )


def misplaced(kept: Mapping[str, Choice], transforms: Transforms) -> Iterator[str]:
    """Yield a sentence for each transform that its column cannot have."""
    numbers = {name for name, choice in kept.items() if choice.kind in ("continuous", "vector")}
    by_option = {"--clip": transforms.clip, "--log1p": transforms.log1p, "--normalize": transforms.normalize}
    for option, names in by_option.items():
        for name in sorted({*names} - numbers):
            yield f"{option} {name} needs a continuous column, and {_kind_of(kept, name)}"
    ids = {name for name, choice in kept.items() if choice.categorify}
    for option, numbers_of in (("--min-count", transforms.min_count), ("--hash-buckets", transforms.hash_buckets)):
        for name in sorted({*numbers_of} - ids - {"*"}):
            yield f"{option} {name} needs a column whose values become ids: add --categorify {name}"
        if "*" in numbers_of and not ids:
            yield f"{option} needs a column whose values become ids, and there is none: add --categorify COLUMN"
    for name, fill in transforms.fill.items():
        if not _fits(kept.get(name), fill):
            yield f"--fill {name}={fill} does not fit, since {_kind_of(kept, name)}"


def _fits(choice: Choice | None, fill: Fill) -> bool:
    """Whether a column can be filled so: lists with empty lists, ids and labels with a number, numbers with anything else."""
    if choice is None or choice.kind == "multi-hot" or fill == "empty":
        return choice is not None and choice.kind == "multi-hot" and fill == "empty"
    if choice.kind == "single-hot":
        whole = fill == "zero" or (isinstance(fill, float) and fill.is_integer() and 0 <= fill <= MAX_ID)
        return whole and not choice.categorify
    return choice.kind != "label" or isinstance(fill, float) or fill == "zero"


def _kind_of(kept: Mapping[str, Choice], name: str) -> str:
    if name not in kept:
        return f"{name!r} is left out"
    ids = " with ids by frequency, of which 0 is for missing values" if kept[name].categorify else ""
    return f"{name!r} is {kept[name].kind}{ids}"
