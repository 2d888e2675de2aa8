"""The kinds of input: for each, a function that writes the files of a case to the current folder and returns its command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

from tests.fuzz.case import Case
from tests.fuzz.mutators.arguments import OUTPUT_OPTIONS, random_arguments
from tests.fuzz.mutators.damaged_bytes import damaged
from tests.fuzz.mutators.json_text import gzipped, mutated_json
from tests.fuzz.mutators.strange_files import put_strange_file
from tests.fuzz.mutators.strange_text import strange_name
from tests.fuzz.mutators.tables import odd_csv, odd_parquet, usual_table
from tests.fuzz.mutators.zips import mutated_zip
from tests.fuzz.templates import Templates, zip_of

RECORD_COMMANDS = (
    "report run --format markdown",
    "report run --format csv",
    "report run --format json",
    "report run -o out/report.html",
    "report run good -o out/report.html",
    "report run good",
    "report run --format parquet -o out/samples.parquet",
    "compare run",
    "compare run good",
    "compare good run --all --fail-if rows_per_s<-5%",
    "compare run@fast run@slow",
    "validate run",
    "history .",
    "history . -o out/history.html",
    "site . -o out",
    "tables out/notes.md --records .",
    "explain run",
)
NOTES = "<!-- table: run -->\n<!-- end -->\n<!-- answer: run good -->\n<!-- end -->\n"


def run_json(rng: Random, templates: Templates) -> Case:
    """A strange run.json, alone or beside a good one, for every command that reads records."""
    good = rng.choice(templates.records)
    _write("good/run.json", templates.records[0])
    _write("out/notes.md", NOTES.encode())
    content = mutated_json(rng, good)
    packed = rng.random() < 0.05
    path = _write("run/run.json.gz" if packed else "run/run.json", gzipped(rng, content) if packed else content)
    if rng.random() < 0.03:
        put_strange_file(rng, path)
    if rng.random() < 0.05:
        _write("run/profile.json", rng.choice(templates.profiles))
    words = rng.choice(RECORD_COMMANDS).split()
    if words[0] == "site":
        (Path("out/notes.md")).unlink()
        Path("out").rmdir()
    return Case(argv=tuple(words))


def profile_json(rng: Random, templates: Templates) -> Case:
    """A strange profile.json, read by itself, with its folder, or with the report of a run."""
    content = mutated_json(rng, rng.choice(templates.profiles))
    packed = rng.random() < 0.05
    path = _write(f"run/p/profile.json{'.gz' * packed}", gzipped(rng, content) if packed else content)
    if rng.random() < 0.03:
        put_strange_file(rng, path)
    if rng.random() < 0.5:
        _write("run/run.json", templates.records[0])
    words = rng.choice(("explain run/p", f"explain {path}", "explain run", "report run -o out/report.html")).split()
    return Case(argv=tuple(words))


def dataset_json(rng: Random, templates: Templates) -> Case:
    """A prepared dataset with a strange dataset.json, or with other strange files, up to the first process."""
    files = dict(rng.choice(templates.datasets))
    strange = "dataset.json" if rng.random() < 0.8 else rng.choice(list(files))
    files[strange] = mutated_json(rng, files[strange]) if strange.endswith(".json") else damaged(rng, files[strange])
    for name, content in files.items():
        _write(f"data/{name}", content)
    if rng.random() < 0.05:
        put_strange_file(rng, Path("data", rng.choice(list(files))))
    usual_table(Path("table.parquet"), 50)
    words = rng.choice(
        (
            "run data -o out --loaders native --modes load --batch-size 64",
            "run data -o out --loaders native --task sequence --batch-size 64",
            "run data -o out --loaders native --task dlrm --batch-size 64",
            "profile native data -o out --device cpu",
            "check native --data data --batch-size 64",
            "prepare parquet table.parquet --like data -o out --yes",
            "prepare synthetic-movielens --rows 2000 -o data --if-missing",
            "prepare parquet table.parquet --label label -o data --if-missing --yes",
        )
    ).split()
    return Case(argv=tuple(words))


def movielens(rng: Random, templates: Templates) -> Case:
    """A strange zip of MovieLens, or its files in a folder."""
    release = rng.choice(templates.releases)
    source = "a.zip"
    kind = rng.random()
    if kind < 0.75:
        _write(source, mutated_zip(rng, release))
    elif kind < 0.97:
        source = "folder"
        for name, content in release.items():
            _write(f"folder/{name}", damaged(rng, content) if rng.random() < 0.6 else content)
        if rng.random() < 0.2:
            put_strange_file(rng, Path("folder", rng.choice(list(release))))
    else:
        put_strange_file(rng, _write(source, zip_of(release)))
    name = rng.choice(("movielens-latest", "movielens-latest-small", "movielens-1m", "movielens-100k", "movielens-20m"))
    return Case(argv=("prepare", name, "--archive", source, "-o", "out/d"))


def tables(rng: Random, templates: Templates) -> Case:
    """Strange Parquet or CSV files, with options that name their columns."""
    form = rng.choice(("parquet", "csv"))
    make = odd_parquet if form == "parquet" else odd_csv
    names: list[str] = []
    for number in range(rng.choice((1, 1, 1, 2))):
        content, names = make(rng)
        content = damaged(rng, content) if rng.random() < 0.25 else content
        path = _write(f"in/{number}.{form}", content)
        if rng.random() < 0.03:
            put_strange_file(rng, path)
    words = ["prepare", form, "in", "--label", rng.choice(("label", "label", "label", *names[:5])), "-o", "out/d"]
    if rng.random() < 0.9:
        words.append("--yes")
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        name = rng.choice((*names[:6], *names[:6], strange_name(rng)))
        words += _table_option(rng, name)
    return Case(argv=tuple(words))


def _table_option(rng: Random, name: str) -> list[str]:
    option = rng.choice(
        ("single-hot", "multi-hot", "continuous", "vector", "categorify", "drop", "log1p", "normalize", "group-by")
    )
    valued = ("fill=0", "fill=median", "fill=empty", "clip=0:1", "min-count=2", "hash-buckets=7", "null-values=NA")
    if rng.random() < 0.3:
        option, value = rng.choice(valued).split("=")
        return [f"--{option}", value if option == "null-values" else f"{name}={value}"]
    return [f"--{option}", name.replace(",", "\\,")]


def arguments(rng: Random, templates: Templates) -> Case:
    """A random command line, in a folder with valid and strange inputs."""
    for name, content in templates.datasets[0].items():
        _write(f"data/{name}", content)
    _write("run/run.json", templates.records[0])
    _write("profile.json", templates.profiles[0])
    _write("table.csv", b"label,user\n0,1\n1,2\n")
    _write("ratings.zip", zip_of(templates.releases[0]))
    _write("notes.md", NOTES.encode())
    usual_table(Path("table.parquet"), 50)
    os.mkfifo("pipe")
    Path("link").symlink_to("/etc/passwd")
    Path("link-out").symlink_to("out/elsewhere")
    Path("loop").symlink_to("loop")
    words = random_arguments(rng)
    return Case(argv=tuple(words), outputs=tuple(_outputs(words)))


def _outputs(words: list[str]) -> list[str]:
    """Every path that the words may name as one to write to."""
    names = ["out"]
    options = ("-o", *(f"--{name}" for name in OUTPUT_OPTIONS))
    for place, word in enumerate(words):
        for option in options:
            if word == option and place + 1 < len(words):
                names.append(words[place + 1])
            elif word.startswith(option) and word != option:
                names.append(word.removeprefix(option).removeprefix("=" if option != "-o" else ""))
    if "new-loader" in words:
        names += [f"{prefix}{word}.py" for word in words for prefix in ("", "test_")]
    if "tables" in words:
        names += words
    if "report" in words:
        names += ["run/report.html", "report.html"]
    return [name.rstrip("/") for name in names]


def _write(name: str, content: bytes) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


TARGETS: Mapping[str, Callable[[Random, Templates], Case]] = {
    "run.json": run_json,
    "profile.json": profile_json,
    "dataset.json": dataset_json,
    "movielens": movielens,
    "tables": tables,
    "arguments": arguments,
}
