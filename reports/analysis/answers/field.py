"""The loaders that one answer ranks: those of one machine and batch size, in groups that intervals cannot tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from feedrate.bench.results.record import RunRecord
from feedrate.reports.analysis import verdicts
from feedrate.reports.analysis.provenance_diff import provenance_diff
from feedrate.reports.analysis.summarize import Comparison, Row, Samples
from feedrate.reports.analysis.verdicts import Ranking


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Loaders of one machine at one batch size. Runs of different tasks are apart, too."""

    place: str
    """The machine, with the run's name if each run is apart."""
    batch_size: int
    runs: tuple[RunRecord, ...]
    rows: tuple[Row, ...]
    """All rows. Their labels are plain loader names if these tell them apart."""
    order: Ranking
    """The rows with a result: of training, or of the loaders only if nothing was trained."""
    groups: tuple[tuple[Row, ...], ...]
    """These rows again, by descending rate. A group holds a row, and those next to it that are not proven slower than it."""
    ceiling: Samples | None
    """rows/s of the model only."""
    fixed: str
    """Why the run of these rows cannot be continued, as "is compressed"; empty if it can."""

    @property
    def without_result(self) -> tuple[Row, ...]:
        """Rows that are not ranked."""
        return tuple(row for row in self.rows if self.order.metric.name not in row.metrics)

    @property
    def data(self) -> str:
        """The datasets, in words."""
        names = (f"{run.dataset.name} ({run.dataset.train_rows:,} for training)" for run in self.runs)
        return " and ".join(dict.fromkeys(names))

    @property
    def training(self) -> bool:
        """Whether the order is that of training."""
        return self.order.metric.name == "train_rows_per_s"

    @property
    def rounds(self) -> int:
        """Most rounds that a ranked loader has."""
        return max(self._rounds, default=0)

    @property
    def measured(self) -> str:
        """The rounds of the ranked loaders, the machine and the batch size, in words."""
        least = min(self._rounds, default=0)
        counted = f"{self.rounds} round{'s' * (self.rounds != 1)}"
        rounds = counted if least == self.rounds else f"{least} to {counted}"
        return f"{rounds} on {self.place}, batch size {self.batch_size:,}"

    def perhaps_fastest(self, row: Row) -> bool:
        """Return whether a row outside the first group is not proven slower than the first row of all."""
        return verdicts.among(row, self.order.tied) and not verdicts.among(row, self.groups[0])

    @property
    def _rounds(self) -> list[int]:
        return [row.metrics[self.order.metric.name].estimate.n for row in self.order.rows]

    @property
    def rival(self) -> Row | None:
        """What the first loader is compared with: its baseline, or the second loader if it is the baseline itself."""
        if len(self.order.rows) < 2:
            return None
        best = self.order.rows[0]
        others = (row for row in self.order.rows[1:] if (row.run, row.loader) == (best.run, best.baseline))
        return next(others, self.order.rows[1])


def fields(comparison: Comparison) -> list[Field]:
    """Return the fields of a comparison, in its order. Two machines, two batch sizes or two tasks are never ranked together."""
    records = dict(comparison.runs)
    apart = any(difference.kind == "task" for difference in provenance_diff(list(records.values())))
    rows_of: dict[tuple[str, int], list[Row]] = {}
    for row in comparison.rows:
        place = place_of(records[row.run])
        rows_of.setdefault((f"{place}, run {row.run}" if apart else place, row.batch_size), []).append(row)
    return [_field(comparison, place, size, rows) for (place, size), rows in rows_of.items()]


def _field(comparison: Comparison, place: str, size: int, rows: Sequence[Row]) -> Field:
    named = shortly_named(rows)
    metric = next(
        (name for name in ("train_rows_per_s", "load_rows_per_s") if any(name in r.metrics for r in rows)), ""
    )
    order = verdicts.ranking(named, metric or "load_rows_per_s")
    runs = list(dict.fromkeys(row.run for row in rows))
    reasons = (why for (name, _), why in zip(comparison.runs, comparison.fixed, strict=False) if name in runs)
    return Field(
        place=place,
        batch_size=size,
        runs=tuple(record for name, record in comparison.runs if name in runs),
        rows=tuple(named),
        order=order,
        groups=tuple(_groups(order)),
        ceiling=next((comparison.ceilings[run, size] for run in runs if (run, size) in comparison.ceilings), None),
        fixed=next(filter(None, reasons), ""),
    )


def _groups(order: Ranking) -> list[tuple[Row, ...]]:
    left, groups = list(order.rows), []
    while left:
        ranked = verdicts.ranking(left, order.metric.name)
        size = next((n for n, row in enumerate(ranked.rows) if n and not verdicts.among(row, ranked.tied)), len(left))
        groups.append(ranked.rows[:size])
        left = list(ranked.rows[size:])
    return groups


def place_of(run: RunRecord) -> str:
    """Return the machine of a run in words, with its ranks if there are several."""
    environment, ranks = run.environment, max((trial.spec.ranks for trial in run.trials), default=1)
    machine = environment.gpu or f"{environment.cores} cores of {environment.cpu} without a GPU"
    return f"{machine}, {ranks} ranks" if ranks > 1 else machine


def shortly_named(rows: Sequence[Row]) -> list[Row]:
    """Return rows of one machine. Their labels are the loaders' plain names if these tell them apart."""
    loaders = [row.loader for row in rows]
    return [replace(row, label=row.loader) for row in rows] if len(set(loaders)) == len(loaders) else list(rows)
