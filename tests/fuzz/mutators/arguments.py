"""Lists of arguments of every command, with options that exist and values that may fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer

from feedrate.bench.cli.app import app
from tests.fuzz.mutators.strange_text import strange_name

COMMANDS: Mapping[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
"""Typer's commands, by name."""
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    info.name or info.callback.__name__: info.callback for info in app.registered_commands if info.callback is not None
}
NUMBERS = (
    "0", "1", "2", "-1", "3.5", "1e3", "1e300", "-1e-300", "nan", "inf", "-inf", "2147483648", "9223372036854775808",
    "9" * 400, "0x10", "1_000", "\u0661", "", " 1", "1,2", "1,,2", "1e5", "+5", "10GB", "0GB", "1e400GB", "-5MiB", "1 GB",
)  # fmt: skip
PATHS = (
    "data", "run", "run/run.json", "profile.json", "table.parquet", "table.csv", "ratings.zip", "notes.md", "nowhere",
    "nowhere/deep", ".", "..", "", "pipe", "link", "link-out", "loop", "data/train", "data/dataset.json", "*.parquet", "[", "**",
    "x" * 300, "a\nb", "-", "--", "data/", "run/run.json.gz", "~", "$HOME", "file:///etc/passwd", "out/x", "out/deep/er",
)  # fmt: skip
WORDS = (
    "native", "native-batched", "cupy", "nvtabular", "fake", "slow", "replay", "native,native", "native:x=1", "slow:delay_s=nan",
    "sys:exit", "os:abort", "os:_exit", "math:pi", "no.module:X", "native:", ":", "::", "a:b:c", "slow:delay_s=1e999", "load", "train",
    "load,replay,train", "label", "user", "item", "tags", "price", "*", "label=zero", "price=0:1", "price=1:0", "price=nan:inf", "user=5",
    "rows_per_s<-5%", "auc<", "stall_fraction>+0.05", "rows_per_s<-1e999%", "run@fast", "run@slow", "run@", "@", "auto", "cpu", "cuda:0",
    "movielens-latest", "movielens-1m", "movielens-100k", "synthetic-movielens", "synthetic-criteo", "synthetic-sequence", "parquet",
    "csv", "criteo", "avazu", "random", "time", "user-last", "own", "table", "markdown", "json",
)  # fmt: skip
OUTPUTS = ("out", "out", "out", "out/a.html", "out/deep/b", "out/\u202ex")
OUTPUT_OPTIONS = frozenset(("output", "samples", "figures"))


def random_arguments(rng: Random) -> list[str]:
    """Return a command line that may be valid."""
    if rng.random() < 0.03:
        return [_value(rng) for _ in range(rng.randrange(6))]
    name = rng.choice(list(COMMANDS))
    words = [name]
    parameters = [parameter for parameter in COMMANDS[name].params if parameter.name != "help"]
    for parameter in parameters:
        required = parameter.required and rng.random() < 0.93
        if required or rng.random() < (0.5 if parameter.param_type_name == "argument" else 0.12):
            words += _given(rng, parameter, types_of(name)[parameter.name])
    if rng.random() < 0.3:
        words = _disturbed(rng, words)
    return words


def types_of(command: str) -> dict[str, tuple[Any, ...]]:
    """Return the types of each parameter's values, without None and lists."""
    return {name: tuple(_plain(kind)) for name, kind in get_type_hints(FUNCTIONS[command]).items()}


def _plain(kind: Any) -> list[Any]:
    if get_origin(kind) is Literal or not get_args(kind):
        return [] if kind is type(None) else [kind]
    return [plain for argument in get_args(kind) for plain in _plain(argument)]


def _given(rng: Random, parameter: Any, types: tuple[Any, ...]) -> list[str]:
    value = rng.choice(OUTPUTS) if parameter.name in OUTPUT_OPTIONS and rng.random() < 0.9 else _fitting(rng, types)
    if parameter.param_type_name == "argument":
        return [value] + ([_fitting(rng, types)] if parameter.nargs != 1 and rng.random() < 0.5 else [])
    option = rng.choice([*parameter.opts, *parameter.secondary_opts])
    if types == (bool,):
        return [option]
    return [f"{option}={value}"] if rng.random() < 0.3 else [option, value]


def _fitting(rng: Random, types: tuple[Any, ...]) -> str:
    """Return a value, most often one of the type."""
    kind = types[0]
    if rng.random() < 0.12:
        return _value(rng)
    if get_origin(kind) is Literal:
        return str(rng.choice(get_args(kind)))
    if kind in (int, float):
        return rng.choice(NUMBERS)
    if kind is Path:
        return rng.choice(PATHS)
    return rng.choice(rng.choice((WORDS, WORDS, NUMBERS, PATHS)))


def _value(rng: Random) -> str:
    return rng.choice((rng.choice(NUMBERS), rng.choice(PATHS), rng.choice(WORDS), strange_name(rng)))


def _disturbed(rng: Random, words: list[str]) -> list[str]:
    place = rng.randrange(len(words))
    kind = rng.randrange(5)
    if kind == 0:
        return words[:place] + words[place + 1 :]
    if kind == 1:
        return [*words[:place], _value(rng), *words[place:]]
    if kind == 2:
        return [*words, *words[1:]]
    if kind == 3:
        return [*words[:place], words[place] + rng.choice(("x", "=", "\u200b", "é")), *words[place + 1 :]]
    return rng.sample(words, len(words))
