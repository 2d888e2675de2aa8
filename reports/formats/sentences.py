"""A comparison in sentences: the answer, a verdict for each loader, and what a reader of the table must know."""

from __future__ import annotations

from feedrate.bench.results.record import RunRecord
from feedrate.reports import units
from feedrate.reports.analysis.provenance_diff import provenance_diff
from feedrate.reports.analysis.stall_split import CAUSES
from feedrate.reports.analysis.summarize import Comparison, Row

ENOUGH, HALF = 0.97, 0.5
"""Shares of the ceiling. From ENOUGH on, the loader feeds the model. From HALF on, a verdict says what the loader costs, below
that what it leaves."""
UNSURE = 0.25
"""Half an interval, as a share of the mean. From here on the answer says how little is known."""
WORDS = {"more": "faster", "less": "slower"}
MAIN_CAUSES = {
    "fetch": "waits for storage or locks",
    "decode": "decoding in the loader",
    "copy": "copies from host to device",
    "overhead": "overhead on the host",
    "contention": "contention for the device",
}
"""Causes of the loss, by field of `StallSplit`, in words that follow "because of"."""


def answer(comparison: Comparison) -> str:
    """Return the result in one sentence."""
    differences = provenance_diff([run for _, run in comparison.runs])
    tasks = [difference.what for difference in differences if difference.kind == "task"]
    if tasks:
        return f"These runs must not be compared, because they differ in {', '.join(tasks)}."
    places = dict.fromkeys(_place(run) for _, run in comparison.runs)
    place = " and ".join(places)
    rows = [row for row in comparison.rows if row.mean("train_rows_per_s")]
    if not rows:
        return _answer_alone(comparison, place)
    best, worst = rows[0], rows[-1]
    text = f"On {place}, {best.label} trains at {_trained(best)}"
    if worst is not best:
        text += f"; {worst.label} reaches {_trained(worst)}"
        if stalled := worst.mean("stall_fraction"):
            text += f" and leaves the device without work {units.format_percent(stalled)} of the time"
        elif waiting := worst.mean("wait_fraction"):
            text += f" and keeps the model waiting {units.format_percent(waiting)} of the time"
    return text + "."


def _trained(row: Row) -> str:
    return f"{_speed(row, 'train_rows_per_s')}{_of_ceiling(row)}"


def _speed(row: Row, metric: str) -> str:
    estimate = row.metrics[metric].estimate
    half = None if estimate.low is None else (estimate.mean - estimate.low) / estimate.mean
    unsure = half is not None and half >= UNSURE
    return units.format_rate(estimate.mean) + (f" (±{units.format_percent(half)})" if unsure else "")


def _answer_alone(comparison: Comparison, place: str) -> str:
    alone = [row for row in comparison.rows if row.mean("load_rows_per_s")]
    if not alone:
        if comparison.ceilings:
            best_ceiling = max(samples.estimate.mean for samples in comparison.ceilings.values())
            return (
                f"On {place} the ceiling (model only) is {units.format_rate(best_ceiling)}; no loader trial finished."
            )
        return f"On {place} no loader finished a trial."
    best, worst = alone[0], alone[-1]
    text = f"On {place}, {best.label} alone delivers {_speed(best, 'load_rows_per_s')}"
    if worst is not best:
        text += f", {worst.label} {_speed(worst, 'load_rows_per_s')}"
    return text + "; nothing was trained."


def verdict(row: Row) -> str:
    """Return what a loader's numbers mean for its user, in one sentence."""
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
    return f"Limits the model to {units.format_percent(share)} of its ceiling{cause}."


def _main_cause(row: Row) -> str:
    if row.stall is None:
        return ""
    name = max(CAUSES, key=lambda cause: float(getattr(row.stall, cause)))
    return f", mainly because of {MAIN_CAUSES[name]}" if getattr(row.stall, name) > 0 else ""


def _place(run: RunRecord) -> str:
    environment = run.environment
    return environment.gpu or f"{environment.cores} cores of {environment.cpu} without a GPU"


def notes(comparison: Comparison) -> list[str]:
    """Return what a reader of the table must know: where loaders worked, which rules they break, what did not run."""
    lines = [*unlike(comparison), *(f"{row.label}: {row.backend}" for row in comparison.rows if row.backend)]
    lines += [f"{row.label}: {sentence}" for row in comparison.rows if (sentence := stall_split(row))]
    for row in comparison.rows:
        lines += [f"{row.label}: {sentence}" for sentence in (auc_parity(row), *row.flags) if sentence]
        lines += [f"{row.label} deviates ({rule}): {why}" for rule, why in row.deviations.items()]
    failed = {(trial.spec.loader, trial.spec.mode, trial.status, trial.detail) for trial in comparison.not_ok}
    return lines + [f"{loader} {mode} {status}: {detail}" for loader, mode, status, detail in sorted(failed)]


def unlike(comparison: Comparison) -> list[str]:
    """Return a sentence for each thing in which the runs differ. A different task comes first: then no numbers are comparable."""
    names = [name for name, _ in comparison.runs]
    lines = []
    for difference in provenance_diff([run for _, run in comparison.runs]):
        each = ", ".join(f"{value} in {name}" for name, value in zip(names, difference.values, strict=True))
        warning = ": speeds and AUC of different runs are not comparable" if difference.kind == "task" else ""
        lines.append(f"the runs differ in {difference.what} ({each}){warning}")
    return lines


def against(row: Row) -> str:
    """Return the verdict on training compared with the baseline, with its interval if there is one."""
    verdict = row.verdicts.get("train_rows_per_s")
    if verdict is None:
        return units.NONE
    change = verdict.change
    word = WORDS.get(verdict.direction, verdict.direction)
    if change.low is None or change.high is None:
        return f"{word} {units.format_change(change.mean - 1)}"
    return f"{word} {units.format_change(change.low - 1)} .. {units.format_change(change.high - 1)}"


def stall_split(row: Row) -> str:
    """Return a sentence on where training time is lost; empty if that is not known."""
    if row.stall is None:
        return ""
    parts = [f"{name} {units.format_percent(share)}" for name in CAUSES if (share := getattr(row.stall, name)) >= 0.001]
    return (
        f"training loses {units.format_percent(row.stall.differential)} against replay "
        f"({units.format_percent(row.stall.direct)} measured as waits with an idle device)"
        f"{': ' + ', '.join(parts) if parts else '; no cause stands out'}"
    )


def auc_parity(row: Row) -> str:
    """Return a sentence if a loader's AUC differs from the baseline's; empty if seeds explain the difference."""
    verdict = row.auc_differs
    if verdict is None:
        return ""
    change = verdict.change
    return (
        f"its AUC differs from the baseline's by {change.mean:+.4f} ({change.low:+.4f} to {change.high:+.4f}, "
        f"{change.n} seeds), more than seeds explain; treat its speed with caution"
    )


def _of_ceiling(row: Row) -> str:
    if row.ceiling_fraction is None:
        return ""
    if row.ceiling_fraction >= 1:  # anything above it is noise, not praise
        return ", the model's ceiling"
    return f", {units.format_percent(row.ceiling_fraction)} of the model's ceiling"
