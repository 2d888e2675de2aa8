"""Parses and checks the conditions of `--fail-if`, which make a comparison fail in CI."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from feedrate.loaders.errors import FeedrateError
from feedrate.reports.analysis.metrics import BY_NAME
from feedrate.reports.analysis.run_comparison import (
    Line,
    Side,
    batch_sizes,
    loader_pairs,
    modes_of,
    refuse_unlike,
    samples,
)
from feedrate.reports.analysis.verdicts import change, word

GATED = ("rows_per_s", *BY_NAME)
"""Names that a condition may use. `rows_per_s` stands for both throughputs, load and train."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition of --fail-if."""

    text: str
    """The condition as the user wrote it."""
    metric: str
    """One of `GATED`."""
    sign: str
    """`<` or `>`."""
    limit: float
    """Fraction of the base if `relative`, else in the unit of the metric."""
    relative: bool
    """True if the user wrote a percentage."""


def read_gates(text: str, *, option: str = "--fail-if", metrics: Sequence[str] = GATED) -> list[Gate]:
    """Parse conditions such as "rows_per_s<-5%,auc<-0.002".

    A condition limits the change from base to head. The change is relative if the limit ends in %, else absolute.

    option: name of the option in error messages.
    metrics: names that a condition may use.

    Raises FeedrateError for a condition that cannot be parsed, or an unknown metric.
    """
    gates = []
    for condition in (part.strip() for part in text.split(",") if part.strip()):
        match = re.fullmatch(r"(\w+)\s*([<>])\s*([+-]?\d+(?:\.\d+)?)\s*(%?)", condition)
        if not match:
            raise FeedrateError(
                f"{option} has {condition!r}, but takes conditions like rows_per_s<-5% or auc<-0.002, "
                "separated by commas"
            )
        name, sign, number, percent = match.groups()
        if name not in metrics:
            raise FeedrateError(f"{option} has {name!r}, but must be one of {', '.join(metrics)}")
        gates.append(Gate(condition, name, sign, float(number) / (100 if percent else 1), bool(percent)))
    return gates


def failures(base: Side, head: Side, lines: Sequence[Line], gates: Sequence[Gate]) -> Iterator[str]:
    """Yield a sentence for each reason to fail.

    A condition fails if it is met and the 99 % confidence interval excludes "no change". A loader that the base
    measured and the head did not fails, too.

    Raises FeedrateError if neither side measured a metric, because that gate would pass forever, and if the runs come
    from two machines.
    """
    if gates:
        refuse_unlike(base.record, head.record, "machine")
    for gate in gates:
        gated = [line for line in lines if line.metric.name in _names(gate)]
        lost = list(_lost(base, head, gate))
        if not gated and not lost:
            raise FeedrateError(
                f"--fail-if has {gate.text!r}, but neither run measured {gate.metric}: remove the condition"
            )
        yield from lost
        yield from (_sentence(gate, line) for line in gated if _beyond(gate, line) and _certain(line))


def undecided(lines: Sequence[Line], gates: Sequence[Gate]) -> Iterator[str]:
    """Yield a sentence for each condition that cannot be decided.

    Either it is met, but possibly by chance, or one trial on each side gives no confidence interval.
    """
    for gate in gates:
        gated = [line for line in lines if line.metric.name in _names(gate)]
        yield from (_sentence(gate, line) for line in gated if _beyond(gate, line) and not _certain(line))
        yield from (
            f"{gate.text}: {line.head}, batch {line.batch_size}, {line.metric.title} has no confidence interval: "
            "it needs two samples or more on each side"
            for line in gated
            if line.verdict.change.low is None and not _beyond(gate, line)
        )


def _names(gate: Gate) -> tuple[str, ...]:
    return ("train_rows_per_s", "load_rows_per_s") if gate.metric == "rows_per_s" else (gate.metric,)


def _lost(base: Side, head: Side, gate: Gate) -> Iterator[str]:
    """Yield a sentence for each loader that the base measured and the head did not."""
    for metric in (BY_NAME[name] for name in _names(gate)):
        for base_loader, head_loader in loader_pairs(base, head):
            for size in sorted(batch_sizes(base.record, base_loader)):
                modes = modes_of(base.record.trials, size) & modes_of(head.record.trials, size)
                before = samples(base.record.trials, base_loader, size, metric, modes)
                after = samples(head.record.trials, head_loader, size, metric, modes)
                if before and not after:
                    reasons = {
                        f"{trial.status}: {trial.detail}"
                        for trial in head.record.trials
                        if trial.spec.loader == head_loader and trial.status != "ok"
                    }
                    reason = "; ".join(sorted(reasons)) or "not run"
                    yield f"{gate.text}: {head_loader}, batch {size}, no longer has {metric.title} ({reason})"


def _beyond(gate: Gate, line: Line) -> bool:
    size = _change(line, gate)
    return size < gate.limit if gate.sign == "<" else size > gate.limit


def _certain(line: Line) -> bool:
    """Whether the 99 % confidence interval excludes "no change"."""
    interval, unchanged = line.verdict.change, 1.0 if line.relative else 0.0
    return interval.low is not None and interval.high is not None and not interval.low <= unchanged <= interval.high


def _sentence(gate: Gate, line: Line) -> str:
    place = f"{gate.text}: {line.head}, batch {line.batch_size}, {line.metric.title}"
    return f"{place} {word(line.verdict, line.metric)}: {change(line.verdict, line.metric)}"


def _change(line: Line, gate: Gate) -> float:
    """The change in the terms of the gate: a fraction of the base, or a difference."""
    if gate.relative == line.relative:
        return line.change
    difference = line.head_mean - line.base_mean
    return difference / line.base_mean if gate.relative and line.base_mean else difference
