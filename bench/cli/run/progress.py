"""What `feedrate run` shows while its trials run."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from feedrate.bench.cli.run.trial_bars import trial_bars
from feedrate.bench.cli.run.trial_count import TrialCount
from feedrate.bench.host.lifecycle import stop_signals
from feedrate.bench.host.lifecycle.stop_signals import Stopped
from feedrate.bench.results import store
from feedrate.bench.run.stopping import UntilPrecise

if TYPE_CHECKING:
    from feedrate.bench.results.record import RunRecord, TrialResult
    from feedrate.bench.run.session import Session
    from feedrate.bench.run.stopping import StopRule


def show_run(session: Session, rule: StopRule, *, timeout_s: float) -> tuple[RunRecord, Stopped | None]:
    """Run the session. Show the current trial's number, the time left, a bar, and a line for each finished trial.

    Return the record and the signal that ended the run early, if one did.
    """
    from feedrate.bench.cli.terminal import say

    record = session.record
    before = len(record.trials)
    if before:
        say(f"{before} trial(s) exist already")
    count = TrialCount(
        per_round=len(session.plan.round(0)), max_rounds=rule.max_rounds, planned=session.planned,
        budget_s=rule.budget_s if isinstance(rule, UntilPrecise) else None, existing=before,
    )  # fmt: skip
    store.write(session.output, record)  # what a signal finds, even before the first trial
    try:
        with trial_bars(count) as started:
            for latest in session.run(rule, timeout_s=timeout_s, progress=started):
                if len(latest.trials) > len(record.trials):
                    count.add()
                    say(f"[{count.name(count.finished)}] {trial_line(latest.trials[-1])}")
                record = latest
                stop_signals.check()
    except Stopped as stop:
        record = store.read(session.output)  # a trial may have been written just before the signal
        with contextlib.suppress(OSError):  # of a terminal that was closed
            say(f"stopped by {stop.words}: {session.output} keeps {len(record.trials)} trial(s); --resume continues")
        return record, stop
    say(f"run ended: {record.stopped}")
    return record, None


def trial_line(trial: TrialResult) -> str:
    """Describe a finished trial in one line."""
    from feedrate.reports import units

    spec = trial.spec
    ranks = f" {spec.ranks} ranks" if spec.ranks > 1 else ""
    head = f"{spec.loader} {spec.mode} #{spec.repeat} batch {spec.batch_size} seed {spec.seed}{ranks}: "
    if trial.status != "ok":
        return f"{head}{trial.status}: {trial.detail}"
    auc = f", AUC {trial.auc[-1]:.4f}" if trial.auc else ""
    flags = f" ({'; '.join(trial.flags)})" if trial.flags else ""
    return f"{head}{units.format_rate(trial.rows_per_s)}{auc}{flags}"
