"""Conditions on a comparison for CI: --fail-if."""

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
    change_text,
    loader_pairs,
    refuse_unlike,
    samples,
)

GATED = ("rows_per_s", *BY_NAME)


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition of --fail-if."""

    text: str
    metric: str
    sign: str
    limit: float
    relative: bool


def read_gates(text: str, *, option: str = "--fail-if", metrics: Sequence[str] = GATED) -> list[Gate]:
    """ "rows_per_s<-5%,auc<-0.002": change of the head, relative with %, else absolute. Raises FeedrateError."""
    gates = []
    for word in (word.strip() for word in text.split(",") if word.strip()):
        found = re.fullmatch(r"(\w+)\s*([<>])\s*([+-]?\d+(?:\.\d+)?)\s*(%?)", word)
        if not found:
            raise FeedrateError(
                f"{option} has {word!r}, but takes conditions as rows_per_s<-5% or auc<-0.002, with commas between"
            )
        name, sign, number, percent = found.groups()
        if name not in metrics:
            raise FeedrateError(f"{option} has {name!r}, but must be one of {', '.join(metrics)}")
        gates.append(Gate(word, name, sign, float(number) / (100 if percent else 1), bool(percent)))
    return gates


def failures(base: Side, head: Side, lines: Sequence[Line], gates: Sequence[Gate]) -> Iterator[str]:
    """A sentence for each condition that is met beyond what chance explains (the 99 % interval holds no change), and for each
    loader that the base has measured and the head has not. Raises FeedrateError for a gate on what neither has measured, which
    would otherwise pass for ever, and for runs of two machines."""
    if gates:
        refuse_unlike(base.record, head.record, "machine")
    for gate in gates:
        of = [line for line in lines if line.metric.name in _names(gate)]
        lost = list(_lost(base, head, gate))
        if not of and not lost:
            raise FeedrateError(f"--fail-if has {gate.text!r}, but both sides together have no {gate.metric}")
        yield from lost
        yield from (_sentence(gate, line) for line in of if _beyond(gate, line) and _certain(line))


def undecided(lines: Sequence[Line], gates: Sequence[Gate]) -> Iterator[str]:
    """A sentence for each condition that is met, but could be so by chance, and for each that one trial a side cannot meet."""
    for gate in gates:
        of = [line for line in lines if line.metric.name in _names(gate)]
        yield from (_sentence(gate, line) for line in of if _beyond(gate, line) and not _certain(line))
        yield from (
            f"{gate.text}: {line.head}, batch {line.batch_size}, {line.metric.title} has one trial a side, and no interval"
            for line in of
            if line.verdict.change.low is None and not _beyond(gate, line)
        )


def _names(gate: Gate) -> tuple[str, ...]:
    return ("train_rows_per_s", "load_rows_per_s") if gate.metric == "rows_per_s" else (gate.metric,)


def _lost(base: Side, head: Side, gate: Gate) -> Iterator[str]:
    for metric in (BY_NAME[name] for name in _names(gate)):
        for one, other in loader_pairs(base, head):
            for size in sorted(batch_sizes(base.record, one)):
                had = samples(base.record.trials, one, size, metric)
                has = samples(head.record.trials, other, size, metric)
                if had and not has:
                    why = {
                        f"{t.status}: {t.detail}"
                        for t in head.record.trials
                        if t.spec.loader == other and t.status != "ok"
                    }
                    yield f"{gate.text}: {other}, batch {size}, has no {metric.title} any more ({'; '.join(sorted(why)) or 'not run'})"


def _beyond(gate: Gate, line: Line) -> bool:
    change = _change(line, gate)
    return change < gate.limit if gate.sign == "<" else change > gate.limit


def _certain(line: Line) -> bool:
    """A change at all, at 99 %."""
    sure, same = line.verdict.sure, 1.0 if line.relative else 0.0
    return sure.low is not None and sure.high is not None and not sure.low <= same <= sure.high


def _sentence(gate: Gate, line: Line) -> str:
    return f"{gate.text}: {line.head}, batch {line.batch_size}, {line.metric.title} {change_text(line)}"


def _change(line: Line, gate: Gate) -> float:
    if gate.relative == line.relative:
        return line.change
    absolute = line.head_mean - line.base_mean
    return absolute / line.base_mean if gate.relative and line.base_mean else absolute
