"""Every epoch and step of every trial as a Parquet file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

from feedrate.bench.results.record import EpochRecord
from feedrate.bench.results.spec import ModelSpec, TrialSpec
from feedrate.bench.results.whole_file import replacing
from feedrate.reports.analysis.metrics import METRICS
from feedrate.reports.analysis.summarize import Comparison
from feedrate.reports.analysis.tidy import EPOCH, MODEL, SPEC, STEPS, tidy_rows

if TYPE_CHECKING:
    import pyarrow as pa


def write_parquet(comparison: Comparison, file: Path) -> int:
    """Write every epoch with its steps. Return the number of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = list(tidy_rows(comparison, "step"))
    with replacing(file) as scratch:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema(rows[0])), scratch)
    return len(rows)


def schema(names: Iterable[str]) -> pa.Schema:
    """Return the Arrow schema of a file with these columns, whatever they hold."""
    import pyarrow as pa

    texts = ("run", "commit", "started_at", "gpu", "cpu", "dataset", "status", "detail")
    numbers = (*(metric.name for metric in METRICS), "epoch_rows_per_s", "epoch_auc", "epoch_loss", "epoch_train_loss")
    fields = {
        **{name: pa.field(name, pa.string()) for name in texts},
        **{name: pa.field(name, pa.int64()) for name in ("cores", "epoch")},
        "steady": pa.field("steady", pa.bool_()),
        **{field.name: field for field in _fields(TrialSpec, SPEC)},
        **{field.name: field for field in _fields(ModelSpec, MODEL, "model_")},
        **{name: pa.field(name, pa.float64()) for name in numbers},
        **{field.name: field for field in _fields(EpochRecord, EPOCH, "epoch_")},
        **{f"epoch_{name}": pa.field(f"epoch_{name}", pa.list_(pa.float64())) for name in STEPS},
    }
    return pa.schema([fields[name] for name in names])


def _fields(kind: type, names: Sequence[str], prefix: str = "") -> Iterator[pa.Field]:
    """The Arrow fields of a dataclass's fields."""
    import pyarrow as pa

    types = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}
    for name, hint in get_type_hints(kind).items():
        if name in names:
            arrow = pa.list_(pa.int64()) if get_origin(hint) is tuple else types.get(_plain(hint), pa.string())
            yield pa.field(f"{prefix}{name}", arrow)


def _plain(hint: Any) -> Any:
    """int for int, for int | None, and for either with bounds. Anything else is text."""
    if get_origin(hint) is Annotated:
        return _plain(get_args(hint)[0])
    parts = [part for part in get_args(hint) if part is not type(None)]
    return _plain(parts[0]) if parts and get_origin(hint) is not tuple and not isinstance(parts[0], str) else hint
