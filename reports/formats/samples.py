"""Every epoch and step of every trial as a Parquet file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args, get_origin, get_type_hints

from feedrate.bench.results.record import EpochRecord, RunRecord
from feedrate.bench.results.spec import ModelSpec, TrialSpec
from feedrate.reports.analysis.metrics import METRICS
from feedrate.reports.analysis.tidy import EPOCH, MODEL, SPEC, STEPS, samples

if TYPE_CHECKING:
    import pyarrow as pa


def write_parquet(runs: Sequence[tuple[str, RunRecord]], file: Path) -> int:
    """All of it, steps included; how many lines that were."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file.parent.mkdir(parents=True, exist_ok=True)
    found = list(samples(runs, steps=True))
    pq.write_table(pa.Table.from_pylist(found, schema=schema(found[0])), file)
    return len(found)


def schema(names: Iterable[str]) -> pa.Schema:
    """Of a file with these columns, whatever is in them."""
    import pyarrow as pa

    kinds = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}

    def of(values: type, names: Sequence[str], prefix: str = "") -> Iterator[pa.Field]:
        for name, hint in get_type_hints(values).items():
            if name in names:
                said = [kind for kind in get_args(hint) if kind is not type(None)] or [hint]
                kind = kinds.get(said[0], pa.string())  # a Literal is text
                yield pa.field(f"{prefix}{name}", pa.list_(pa.int64()) if get_origin(hint) is tuple else kind)

    texts = ("run", "commit", "started_at", "gpu", "cpu", "dataset", "status", "detail")
    numbers = (*(metric.name for metric in METRICS), "epoch_rows_per_s", "epoch_auc", "epoch_loss", "epoch_train_loss")
    fields = {
        **{name: pa.field(name, pa.string()) for name in texts},
        **{name: pa.field(name, pa.int64()) for name in ("cores", "epoch")},
        "steady": pa.field("steady", pa.bool_()),
        **{field.name: field for field in of(TrialSpec, SPEC)},
        **{field.name: field for field in of(ModelSpec, MODEL, "model_")},
        **{name: pa.field(name, pa.float64()) for name in numbers},
        **{field.name: field for field in of(EpochRecord, EPOCH, "epoch_")},
        **{f"epoch_{name}": pa.field(f"epoch_{name}", pa.list_(pa.float64())) for name in STEPS},
    }
    return pa.schema([fields[name] for name in names])
