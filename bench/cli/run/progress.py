"""What `feedrate run` shows while its trials run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from feedrate.bench.host.lifecycle import stop_signals
from feedrate.bench.host.lifecycle.stop_signals import Stopped
from feedrate.bench.results import store

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from feedrate.bench.results.messages import Progress
    from feedrate.bench.results.record import RunRecord, TrialResult
    from feedrate.bench.results.spec import TrialSpec
    from feedrate.bench.run.session import Session
    from feedrate.bench.run.stopping import StopRule


def show_run(session: Session, rule: StopRule, *, timeout_s: float) -> tuple[RunRecord, Stopped | None]:
    """Run the session. Show a bar for all trials, a bar for the current trial, and a line for each finished trial.

    Return the record and the signal that ended the run early, if one did.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    from feedrate.bench.cli.terminal import Rate, err, say

    record = session.record
    before = len(record.trials)
    if before:
        say(f"{before} trial(s) exist already")
    label = TextColumn("{task.description}", markup=False)
    columns = label, BarColumn(bar_width=24), MofNCompleteColumn(), Rate(), TimeRemainingColumn()
    store.write(session.output, record)  # what a signal finds, even before the first trial
    try:
        with Bars(*columns, console=err, transient=True, disable=not err.is_terminal) as bars:
            total = session.planned or rule.max_rounds * len(session.plan.round(0))
            trials = bars.add_task("trials" if session.planned else "trials (at most)", completed=before, total=total)
            for latest in session.run(rule, timeout_s=timeout_s, progress=_row_bar(bars)):
                finished, record = len(latest.trials) > len(record.trials), latest
                if finished:
                    bars.advance(trials)
                    say(f"[{len(latest.trials)}] {trial_line(latest.trials[-1])}")
                stop_signals.check()
    except Stopped as stop:
        record = store.read(session.output)  # a trial may have been written just before the signal
        with contextlib.suppress(OSError):  # of a terminal that was closed
            say(f"stopped by {stop.words}: {session.output} keeps {len(record.trials)} trial(s); --resume continues")
        return record, stop
    say(f"run ended: {record.stopped}")
    return record, None


def _row_bar(bars: Bars) -> Callable[[TrialSpec], Progress]:
    """A bar for the rows of the current trial."""
    rows = bars.add_task("", total=None)

    def progress(spec: TrialSpec) -> Any:
        def show(phase: str, done: int, total: int) -> None:
            if done == 0:
                bars.reset(rows)
            bars.update(rows, description=f"{spec.loader} {spec.mode}: {phase}", completed=done, total=total)

        return show

    return progress


def trial_line(trial: TrialResult) -> str:
    """Describe a finished trial in one line."""
    from feedrate.reports import units

    spec = trial.spec
    head = f"{spec.loader} {spec.mode} #{spec.repeat} batch {spec.batch_size} seed {spec.seed}: "
    if trial.status != "ok":
        return f"{head}{trial.status}: {trial.detail}"
    auc = f", AUC {trial.auc[-1]:.4f}" if trial.auc else ""
    flags = f" ({'; '.join(trial.flags)})" if trial.flags else ""
    return f"{head}{units.format_rate(trial.rows_per_s)}{auc}{flags}"
