"""A comparison in sentences: a verdict for each loader, and what a reader of the table must know."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from feedrate.reports import units
from feedrate.reports.analysis import verdicts
from feedrate.reports.analysis.answers.limit import ABOVE, kept, lost, noise
from feedrate.reports.analysis.answers.memory_limit import memory_limit
from feedrate.reports.analysis.answers.object_store import object_store
from feedrate.reports.analysis.answers.open_verdicts import RowKey, open_verdicts
from feedrate.reports.analysis.answers.rank_spread import rank_spread, scaling
from feedrate.reports.analysis.answers.run_concerns import run_concerns
from feedrate.reports.analysis.metrics import BY_NAME, METRICS, REPLACED_BY
from feedrate.reports.analysis.provenance_diff import provenance_diff
from feedrate.reports.analysis.references import replaced_baseline
from feedrate.reports.analysis.stall_split import CAUSES, loss_text, main_cause
from feedrate.reports.analysis.summarize import Comparison, Row, Samples

TASKS = {
    "mlp": "the reference notebook's embedding MLP",
    "dlrm": "dot products of embeddings between a bottom and a top MLP",
    "sequence": "an MLP on a history of ids and a target item",
}
"""Models of the tasks, in words."""
HISTORIES = {"pooled": "means", "attention": "weighted by attention"}
"""How a history becomes one vector, in words."""
CHANGED = ("more", "less")


def verdict(row: Row) -> str:
    """Return what a loader's numbers mean for its user, in one sentence. The interval that decided it is in the sentence."""
    state = verdicts.share_state(row.share, row.ceiling)
    if state == "none" or row.share is None:
        states = ", ".join(sorted({trial.status for trial in row.not_ok}))
        if row.metrics and row.mode == "load":
            return f"{_against_baseline(row)}Nothing was trained."
        return (
            "Its training was not measured against the model's ceiling."
            if row.metrics
            else (f"No result: {states or 'not run'}.")
        )
    share, cause = row.share.estimate, main_cause(row.stall)
    return {
        "one round": f"Not judged: {verdicts.ONE_ROUND}. In it, the loader kept {units.format_percent(share.mean)} of the ceiling.{noise(share)}",
        "above": f"Not judged: it {ABOVE}.",
        "share not known": "Not judged: its rounds differ too much. Run more rounds.",
        "ceiling not known": "Not judged: the rounds of the model without a loader are too few or differ too much. Run more rounds.",
        "feeds": f"Fast enough: it delivers {kept(share)} of what the model can take, so a faster loader would change nothing.{noise(share)}",
        "may feed": f"Perhaps fast enough: it delivers {kept(share)} of what the model can take. More rounds would tell.{noise(share)}",
        "held back": f"Limits the model to at most {units.format_percent(share.high)} of its ceiling{cause}.",
        "costs": f"Costs the model {lost(share)} of its speed{cause}.",
        "limits": f"Limits the model to {kept(share)} of its ceiling{cause}.",
    }[state]


def _against_baseline(row: Row) -> str:
    verdict = row.verdicts.get(row.headline)
    if verdict is None:
        return ""
    metric = BY_NAME[row.headline]
    word, change = verdicts.word(verdict, metric), verdicts.change(verdict, metric)
    return f"{word[:1].upper()}{word[1:]}, against {row.baseline}: {change}. "


def notes(comparison: Comparison, answered: Collection[RowKey] = ()) -> list[str]:
    """Return what a reader of the table must know: what was trained, where loaders worked, which rules they break, what did not run.

    answered: see `open_verdicts`.
    """
    lines = [sentence for sentence in (task(comparison), *cautions(comparison)) if sentence]
    lines += [f"{row.label}: {row.backend}" for row in comparison.rows if row.backend]
    for row in comparison.rows:
        lines += [f"{row.label}: {sentence}" for sentence in of_row(row, comparison, answered)]
        lines += [f"{row.label} deviates ({rule}): {why}" for rule, why in row.deviations.items()]
    return lines + without_result(comparison)


def without_result(comparison: Comparison) -> list[str]:
    """Return a sentence for each loader and mode that failed, is void or could not run, with the reason."""
    failed = {(trial.spec.loader, trial.spec.mode, trial.status, trial.detail) for trial in comparison.not_ok}
    return [f"{loader} {mode} {status}: {detail}" for loader, mode, status, detail in sorted(failed)]


def task(comparison: Comparison) -> str:
    """Return what was trained, in a sentence; empty if every trial was of a loader only."""
    models = {trial.spec.model for _, run in comparison.runs for trial in run.trials if trial.spec.mode != "load"}
    names = {model.task: TASKS[model.task] for model in models}
    histories = sorted({model.history for model in models if model.history})
    arms = f", whose histories are {' and '.join(HISTORIES[name] for name in histories)}" if histories else ""
    return "; ".join(f"Task {name}: {words}{arms}" for name, words in sorted(names.items()))


def cautions(comparison: Comparison) -> list[str]:
    """Return what limits the comparison as a whole: differences between runs, unfinished runs, a lost baseline, an open order."""
    lines = [*unlike(comparison), *(concern.text for concern in run_concerns(comparison))]
    sizes = [(name, run, row.batch_size) for name, run in comparison.runs for row in comparison.rows if row.run == name]
    lines += dict.fromkeys(sentence for _, run, size in sizes if (sentence := replaced_baseline(run, size)))
    if any(samples.estimate.n == 1 for row in comparison.rows for samples in _rates(row)):
        lines.append("some loaders have only one round (n = 1), which has no interval and proves nothing")
    return lines + list(all_in_order(comparison))


def of_row(row: Row, comparison: Comparison, answered: Collection[RowKey] = ()) -> list[str]:
    """Return what a reader must know of one loader."""
    trials = verdicts.own_trials(row)
    lines = [
        rank_spread(trials),
        scaling(row),
        memory_limit(trials),
        object_store(trials),
        stall_split(row),
        against_by_metric(row),
        *doubts(row, comparison, answered),
    ]
    return [line for line in lines if line]


def doubts(row: Row, comparison: Comparison, answered: Collection[RowKey] = ()) -> list[str]:
    """Return what speaks against a loader's figures: open verdicts, another AUC, flags, an unquiet machine."""
    lines = [*open_verdicts(row, comparison, answered), one_seed(row), auc_parity(row), *_without_likes(row.flags)]
    lines.append(verdicts.noise(row))
    if verdicts.share_state(row.share, row.ceiling) == "above":
        lines.append(f"it {ABOVE}")
    if verdicts.checked_every(row):
        lines.append("every row was checked while the clock ran: its rate is not for comparison")
    return [line for line in lines if line]


def _without_likes(lines: Sequence[str]) -> Iterator[str]:
    """Of sentences that differ in their numbers only, yield one, with the number of the others."""
    for first in verdicts.once(lines):
        others = sum(verdicts.once([first, line]) == [first] for line in lines) - 1
        yield f"{first} (and {others} more like it)" if others else first


def _rates(row: Row) -> Iterator[Samples]:
    yield from (row.metrics[name] for name in ("load_rows_per_s", "train_rows_per_s") if name in row.metrics)


def all_in_order(comparison: Comparison) -> Iterator[str]:
    """Yield a sentence for each run and batch size in which the fastest loader is slower than another one all-in."""
    for run, size in dict.fromkeys((row.run, row.batch_size) for row in comparison.rows):
        rows = [row for row in comparison.rows if (row.run, row.batch_size) == (run, size)]
        order, all_in = verdicts.ranking(rows, rows[0].headline), verdicts.ranking(rows, "all_in_rows_per_s")
        if not order.rows or not all_in.rows or order.rows[0] is all_in.rows[0]:
            continue
        first, ahead = order.rows[0], all_in.rows[0]
        judged = verdicts.compare_rows(ahead, first, "all_in_rows_per_s")
        if judged is not None and judged.direction == "more":
            change = verdicts.change(judged, all_in.metric)
            yield (
                f"all-in, with opening, closing and evaluations, {ahead.label} is faster than {first.label}: {change}"
            )


def unlike(comparison: Comparison) -> list[str]:
    """Return a sentence for each thing in which the runs differ. A different task comes first: then no numbers are comparable."""
    if len(set(comparison.records)) == 1:  # its numbers of ranks are in the names of its parts
        return []
    names = [name for name, _ in comparison.runs]
    lines = []
    for difference in provenance_diff([run for _, run in comparison.runs]):
        each = ", ".join(f"{value} in {name}" for name, value in zip(names, difference.values, strict=True))
        warning = ": speeds and AUC of different runs are not comparable" if difference.kind == "task" else ""
        lines.append(f"the runs differ in {difference.what} ({each}){warning}")
    return lines


def against(row: Row) -> str:
    """Return the verdict on the headline rate compared with the baseline, with the 99 % interval that decided it."""
    verdict = row.verdicts.get(row.headline)
    if verdict is None:
        return units.NONE
    metric = BY_NAME[row.headline]
    word, change = verdicts.word(verdict, metric), verdicts.change(verdict, metric)
    if word == verdicts.ONE_ROUND:
        return f"{change} (n = 1)"
    return f"{word}: {change}"


def against_by_metric(row: Row) -> str:
    """Return a sentence on every metric of the table that differs from the baseline's; empty if none was compared."""
    shown = [metric for metric in METRICS if metric.in_table and REPLACED_BY.get(metric.name) not in row.metrics]
    judged = [(metric, row.verdicts[metric.name]) for metric in shown if metric.name in row.verdicts]
    judged = [(metric, verdict) for metric, verdict in judged if verdict.change.low is not None]
    if not judged:
        return ""
    changed = [
        f"{metric.title} {verdicts.word(verdict, metric)}: {verdicts.change(verdict, metric)}"
        for metric, verdict in judged
        if verdict.direction in CHANGED
    ]
    alike = [metric.title for metric, verdict in judged if verdict.direction == "same"]
    unclear = [metric.title for metric, verdict in judged if verdict.direction == "inconclusive"]
    parts = [
        ", ".join(changed),
        f"same {', '.join(alike)}" if alike else "",
        f"undecided {', '.join(unclear)}" if unclear else "",
    ]
    return f"against {row.baseline} (99 % intervals): {'; '.join(part for part in parts if part)}"


def stall_split(row: Row) -> str:
    """Return a sentence on where training time is lost; empty if that is not known."""
    state = verdicts.share_state(row.share, row.ceiling)
    if row.stall is None or state in (*verdicts.NO_SHARE, "held back"):
        return ""
    parts = [f"{name} {units.format_percent(share)}" for name in CAUSES if (share := getattr(row.stall, name)) >= 0.001]
    return (
        f"training time lost against replay: {loss_text(row.stall.differential)} "
        f"({units.format_percent(row.stall.direct)} measured as waits with an idle device)"
        f"{': ' + ', '.join(parts) if parts else '; no cause stands out'}"
    )


def one_seed(row: Row) -> str:
    """Return a sentence if one seed cannot tell whether a loader's AUC differs from the baseline's."""
    verdict = row.verdicts.get("auc")
    if verdict is None or verdict.change.low is not None:
        return ""
    return f"one seed cannot show whether its AUC differs from that of {row.baseline}"


def auc_parity(row: Row) -> str:
    """Return a sentence if a loader's AUC differs from the baseline's in either direction."""
    verdict = row.auc_differs
    if verdict is None:
        return ""
    return (
        f"its AUC differs from that of {row.baseline} by {verdicts.change(verdict, BY_NAME['auc'])}, in a 99 % interval of "
        f"{verdict.change.n} seeds. Chance hardly explains this: do not rely on its speed before you know why"
    )
