"""The comparison as text: a terminal table, Markdown, CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from feedrate.bench.results.record import RunRecord
from feedrate.reports import units
from feedrate.reports.analysis.metrics import METRICS, Metric
from feedrate.reports.analysis.provenance_diff import provenance_diff
from feedrate.reports.analysis.stall_split import CAUSES
from feedrate.reports.analysis.summarize import Comparison, Row, Samples
from feedrate.reports.names import in_markdown, plain

if TYPE_CHECKING:
    from rich.console import Console

SHARE = "Share of ceiling"
AGAINST = "Against baseline"
BETTER = {"wait_fraction": "stall_fraction", "peak_rss_bytes": "peak_pss_bytes"}
ENOUGH, HALF = 0.97, 0.5
"""Shares of the ceiling from which a loader is called enough, and from which what it costs is said rather than what it leaves."""
UNSURE = 0.25
"""Half an interval, as a share of the mean, from which the sentence on top says how little is known."""
WORDS = {"more": "faster", "less": "slower"}


def answer(comparison: Comparison) -> str:
    """The result in a sentence."""
    others = [one for one in provenance_diff([run for _, run in comparison.runs]) if one.kind == "task"]
    if others:
        return f"These runs must not be compared, for they differ in {', '.join(one.what for one in others)}."
    places = dict.fromkeys(_place(run) for _, run in comparison.runs)
    place = " and ".join(places)
    rows = [row for row in comparison.rows if row.mean("train_rows_per_s")]
    if not rows:
        return _answer_alone(comparison, place)
    best, worst = rows[0], rows[-1]
    text = f"On {place}, {best.label} trains at {_trained(best)}"
    if worst is not best:
        waiting = worst.mean("wait_fraction")
        slow = f"; {worst.label} reaches {_trained(worst)}"
        stalled = worst.mean("stall_fraction")
        if stalled:
            slow += f" and leaves the device without work {units.format_percent(stalled)} of the time"
        elif waiting:
            slow += f" and keeps the model waiting {units.format_percent(waiting)} of the time"
        text += slow
    return text + "."


def _trained(row: Row) -> str:
    return f"{_speed(row, 'train_rows_per_s')}{_of_ceiling(row)}"


def _speed(row: Row, metric: str) -> str:
    found = row.metrics[metric].estimate
    half = None if found.low is None else (found.mean - found.low) / found.mean
    unsure = half is not None and half >= UNSURE
    return units.format_rate(found.mean) + (f" (known to within {units.format_percent(half)} only)" if unsure else "")


def _answer_alone(comparison: Comparison, place: str) -> str:
    alone = [row for row in comparison.rows if row.mean("load_rows_per_s")]
    if not alone:
        if comparison.ceilings:
            best_ceiling = max(samples.estimate.mean for samples in comparison.ceilings.values())
            return f"On {place} the model alone takes {units.format_rate(best_ceiling)}; no loader was run, or none has finished."
        return f"On {place} no loader has finished a trial."
    best, worst = alone[0], alone[-1]
    text = f"On {place}, {best.label} alone delivers {_speed(best, 'load_rows_per_s')}"
    if worst is not best:
        text += f", {worst.label} {_speed(worst, 'load_rows_per_s')}"
    return text + "; nothing was trained."


def verdict(row: Row) -> str:
    """What a loader's numbers mean for its user, in a sentence."""
    share = row.ceiling_fraction
    if share is None:
        states = ", ".join(sorted({trial.status for trial in row.not_ok}))
        measured = "Its training was not measured against the model's ceiling." if row.metrics else ""
        return measured or f"No result: {states or 'not run'}."
    if share >= ENOUGH:
        return "Feeds the model: a faster loader would change nothing."
    cause = _main_cause(row)
    if share >= HALF:
        return f"Costs the model {units.format_percent(1 - share)} of its speed{cause}."
    return f"Holds the model back to {units.format_percent(share)} of its speed{cause}."


def _main_cause(row: Row) -> str:
    if row.stall is None:
        return ""
    name = max(CAUSES, key=lambda cause: float(getattr(row.stall, cause)))
    return f", mostly by {CAUSES[name].lower()}" if getattr(row.stall, name) > 0 else ""


def _place(run: RunRecord) -> str:
    environment = run.environment
    return environment.gpu or f"{environment.cores} cores of {environment.cpu} without a GPU"


def print_table(comparison: Comparison, console: Console) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    head, *body = cells(comparison)
    console.print(Text(plain(answer(comparison)), style="bold"))
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(head):
        table.add_column(
            plain(name),
            justify="left" if i == 0 else "right",
            no_wrap=i > 0,
            min_width=max(len(line[0]) for line in body) if i == 0 else len(name),
        )
    for line in body:
        table.add_row(*(Text(plain(cell)) for cell in line))
    console.print(table)
    for note in notes(comparison):
        console.print(plain(note), markup=False, soft_wrap=True)


def markdown(comparison: Comparison) -> str:
    head, *body = ([in_markdown(cell) for cell in line] for line in cells(comparison))
    lines = [
        in_markdown(answer(comparison)),
        "",
        _markdown_line(head),
        _markdown_line(["---"] + ["---:"] * (len(head) - 1)),
    ]
    lines += [_markdown_line(line) for line in body]
    lines += ["", *(f"- <!-- -->{in_markdown(note)}" for note in notes(comparison))]
    return "\n".join(lines).rstrip() + "\n"


def csv_text(comparison: Comparison) -> str:
    """Plain numbers in SI units, a line for each loader; empty where nothing was measured."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    numbers = [
        part
        for metric in METRICS
        for part in (metric.name, f"{metric.name}_low", f"{metric.name}_high", f"{metric.name}_n")
    ]
    writer.writerow(["run", "loader", "batch_size", "backend", "ceiling_rows_per_s", "ceiling_fraction", *numbers])
    for row in comparison.rows:
        ceiling = row.ceiling.estimate.mean if row.ceiling else None
        values: list[object] = [
            row.run,
            row.loader,
            row.batch_size,
            row.backend,
            ceiling,
            row.ceiling_fraction,
        ]
        for metric in METRICS:
            samples = row.metrics.get(metric.name)
            estimate = samples.estimate if samples else None
            values += [estimate.mean, estimate.low, estimate.high, estimate.n] if estimate else [None] * 4
        writer.writerow(values)
    return stream.getvalue()


def json_text(comparison: Comparison) -> str:
    """The same numbers as JSON: for each loader each metric with mean, 95 % interval, n, unit and what is better."""
    rows = []
    for row in comparison.rows:
        metrics = {}
        for metric in METRICS:
            if samples := row.metrics.get(metric.name):
                found = samples.estimate
                metrics[metric.name] = {
                    "mean": found.mean, "low": found.low, "high": found.high, "n": found.n, "unit": metric.unit,
                    "better": metric.better,
                }  # fmt: skip
        rows.append(
            {
                "run": row.run, "loader": row.loader, "batch_size": row.batch_size, "backend": row.backend,
                "ceiling_rows_per_s": row.ceiling.estimate.mean if row.ceiling else None, "ceiling_fraction": row.ceiling_fraction,
                "metrics": metrics, "flags": list(row.flags), "deviations": dict(row.deviations),
            }
        )  # fmt: skip
    failed = [
        {"loader": trial.spec.loader, "mode": trial.spec.mode, "status": trial.status, "detail": trial.detail}
        for trial in comparison.not_ok
    ]
    return json.dumps({"answer": answer(comparison), "loaders": rows, "without_result": failed}, indent=1) + "\n"


WRITERS: dict[str, Callable[[Comparison], str]] = {"markdown": markdown, "csv": csv_text, "json": json_text}


def cells(comparison: Comparison) -> list[list[str]]:
    """The table: a head and a line for each loader, then the ceiling. Columns that nobody has are left out."""
    shown = shown_metrics(comparison)
    ceilings = comparison.ceilings
    judged = any("train_rows_per_s" in row.verdicts for row in comparison.rows)
    head = ["Loader"]
    for metric in shown:
        head.append(metric.title)
        if metric.name == "train_rows_per_s":
            head += [AGAINST] * judged + [SHARE] * bool(ceilings)
    lines = [head]
    for row in comparison.rows:
        line = [row.label]
        for metric in shown:
            line.append(_cell(row, metric))
            if metric.name == "train_rows_per_s":
                line += [against(row)] * judged + [units.format_percent(row.ceiling_fraction)] * bool(ceilings)
        lines.append(line)
    for (run, size), ceiling in ceilings.items():
        parts = [run] * (len(comparison.runs) > 1) + [f"batch {size}"] * (len({size for _, size in ceilings}) > 1)
        line = [", ".join(["replay (ceiling)", *parts])] + [units.NONE] * (len(head) - 1)
        if "Training" in head:
            line[head.index("Training")] = interval_text(ceiling, units.format_rate)
            line[head.index(SHARE)] = units.format_percent(1.0)
        lines.append(line)
    return lines


def shown_metrics(comparison: Comparison) -> list[Metric]:
    """Those of the table that anybody has, without those that a better one stands for (records of version 1 lack it)."""
    found = [m for m in METRICS if m.in_table and any(m.name in row.metrics for row in comparison.rows)]
    names = {metric.name for metric in found}
    return [metric for metric in found if BETTER.get(metric.name) not in names]


def notes(comparison: Comparison) -> list[str]:
    """What a reader of the table has to know: where loaders worked, what they are known to break, what did not run."""
    found = [f"{row.label}: {row.backend}" for row in comparison.rows if row.backend]
    found[:0] = unlike(comparison)
    found += [f"{row.label}: {sentence}" for row in comparison.rows if (sentence := stall_split(row))]
    for row in comparison.rows:
        found += [f"{row.label}: {sentence}" for sentence in (auc_parity(row), *row.flags) if sentence]
        found += [f"{row.label} deviates ({rule}): {why}" for rule, why in row.deviations.items()]
    failed = {(trial.spec.loader, trial.spec.mode, trial.status, trial.detail) for trial in comparison.not_ok}
    return found + [f"{loader} {mode} {status}: {detail}" for loader, mode, status, detail in sorted(failed)]


def unlike(comparison: Comparison) -> list[str]:
    """A sentence for each thing in which the runs differ, the task first: then their numbers say nothing about each other."""
    found = provenance_diff([run for _, run in comparison.runs])
    names = [name for name, _ in comparison.runs]
    said = []
    for one in found:
        each = ", ".join(f"{value} in {name}" for name, value in zip(names, one.values, strict=True))
        warning = ": speeds and AUC of different runs are not comparable" if one.kind == "task" else ""
        said.append(f"the runs differ in {one.what} ({each}){warning}")
    return said


def interval_text(samples: Samples, text: Callable[[float | None], str]) -> str:
    """The mean, with half the width of its interval as a share of it."""
    estimate = samples.estimate
    if estimate.low is None or not estimate.mean:
        return text(estimate.mean)
    return f"{text(estimate.mean)} ±{(estimate.mean - estimate.low) / estimate.mean * 100:.0f} %"


def against(row: Row) -> str:
    """Training against the baseline: a verdict, with its interval where there is one."""
    verdict = row.verdicts.get("train_rows_per_s")
    if verdict is None:
        return units.NONE
    change = verdict.change
    word = WORDS.get(verdict.direction, verdict.direction)
    if change.low is None or change.high is None:
        return f"{word} {units.format_change(change.mean - 1)}"
    return f"{word} {units.format_change(change.low - 1)} .. {units.format_change(change.high - 1)}"


def stall_split(row: Row) -> str:
    """A sentence on where training time is lost; empty where it is not known."""
    if row.stall is None:
        return ""
    parts = [f"{name} {units.format_percent(share)}" for name in CAUSES if (share := getattr(row.stall, name)) >= 0.001]
    return (
        f"lost to the loader: {units.format_percent(row.stall.differential)} by speed against replay, {units.format_percent(row.stall.direct)} by "
        f"waiting on an idle device, {units.format_change(row.stall.difference)} apart; {', '.join(parts) or 'nothing'}"
    )


def auc_parity(row: Row) -> str:
    """A sentence where a loader's AUC is not the baseline's; empty where seeds explain the difference."""
    verdict = row.auc_differs
    if verdict is None:
        return ""
    change = verdict.change
    return (
        f"its AUC differs from the baseline's by {change.mean:+.4f} ({change.low:+.4f} to {change.high:+.4f}, "
        f"{change.n} seeds): more than seeds explain, whatever its speed"
    )


def _cell(row: Row, metric: Metric) -> str:
    samples = row.metrics.get(metric.name)
    if samples is None:
        states = {trial.status for trial in row.not_ok if trial.spec.mode == metric.mode}
        return ", ".join(sorted(states)) or units.NONE
    return interval_text(samples, metric.text) if metric.unit == "rows/s" else metric.text(samples.estimate.mean)


def _of_ceiling(row: Row) -> str:
    if row.ceiling_fraction is None:
        return ""
    if row.ceiling_fraction >= 1:  # past it is noise, and no praise
        return ", the model's ceiling"
    return f", {units.format_percent(row.ceiling_fraction)} of the model's ceiling"


def _markdown_line(words: list[str]) -> str:
    return f"| {' | '.join(words)} |"
