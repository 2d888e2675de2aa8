"""The inputs that are mutated: small ones of every kind, valid as they are."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from feedrate.bench.datasets.synthetic import prepare_synthetic
from feedrate.bench.datasets.tables.declared import DeclaredColumns
from feedrate.bench.datasets.tables.prepare import planned, write_tables
from feedrate.bench.datasets.tables.request import TableRequest
from tests.fuzz.mutators.tables import usual_table
from tests.samples import movielens
from tests.samples.sample_record import RUN

PUBLISHED = Path(__file__).parents[2] / "reports/published"
MAX_TRIALS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """Contents of valid inputs."""

    records: tuple[bytes, ...]
    """run.json of several versions, with a few trials each."""
    profiles: tuple[bytes, ...]
    datasets: tuple[dict[str, bytes], ...]
    """The files of prepared datasets, by their path in the folder."""
    releases: tuple[dict[str, bytes], ...]
    """The files of MovieLens releases, by their path in the zip."""

    @classmethod
    def make(cls, scratch: Path) -> Templates:
        """Make them. scratch: a folder that does not exist yet."""
        runs = [PUBLISHED / name / "run.json.gz" for name in ("h200-2026-11-30/load", "h100-2026-11-26/train")]
        return cls(
            records=(msgspec.json.encode(RUN), *map(_few_trials, runs)),
            profiles=tuple(
                gzip.decompress(path.read_bytes())
                for path in sorted(PUBLISHED.rglob("profile.json.gz"))
                if path.stat().st_size < 16_000
            ),
            datasets=tuple(_datasets(scratch)),
            releases=tuple(_releases(scratch)),
        )


def zip_of(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return the files as a zip."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _few_trials(path: Path) -> bytes:
    record = json.loads(gzip.decompress(path.read_bytes()))
    trials = record["trials"]
    record["trials"] = [_short(trial) for trial in trials[:: max(1, len(trials) // MAX_TRIALS)][:MAX_TRIALS]]
    return json.dumps(record).encode()


def _short(trial: dict[str, object]) -> dict[str, object]:
    """The trial without the long lists of samples."""
    return {name: value for name, value in trial.items() if not (isinstance(value, list) and len(value) > 40)}


def _datasets(scratch: Path) -> list[dict[str, bytes]]:
    synthetic = prepare_synthetic(scratch / "synthetic", rows=2_000)
    table = scratch / "table.parquet"
    usual_table(table)
    request = TableRequest(paths=(table,), columns=DeclaredColumns(label="label", categorify=("user",)))
    with planned(request, scratch / "tables") as plan:
        write_tables(plan, scratch / "tables")
    return [_files(folder) for folder in (synthetic.folder, scratch / "tables")]


def _releases(scratch: Path) -> list[dict[str, bytes]]:
    ratings = movielens.random_ratings(300)
    whole = movielens.whole_stars(ratings)
    folders = [
        movielens.write_csv(scratch / "csv/ml-x", ratings),
        movielens.write_dat(scratch / "dat/ml-1m", whole),
        movielens.write_tsv(scratch / "tsv/ml-100k", whole),
        movielens.write_kaggle_20m(scratch / "kaggle/ml", ratings),
    ]
    return [_files(folder.parent) for folder in folders]


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
