"""`feedrate run`: time loaders on a dataset, with progress, a table and a page."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from feedrate.bench.cli.options import (
    Bottom,
    Data,
    Device,
    EmbeddingWidth,
    Hidden,
    HistoryOption,
    MemoryBudget,
    Modes,
    Numbers,
    Output,
    Overwrite,
    StepOption,
    Target,
    TaskOption,
    Words,
    numbers,
    words,
)
from feedrate.bench.cli.options import modes as read_modes
from feedrate.loaders.errors import require_over_zero

EPOCHS = 5
"""Timed epochs of a trial if the user does not fix them."""
TIMED_S = 4.0
"""Seconds that the loader-only epochs after the first must last then. A few milliseconds are no measurement: five epochs of
20 M rows at 2 G rows/s differed by 25 to 59 % between processes. A machine may be slow for a second, too: with one second on
an H200, nine processes gave 1.13 to 1.84 G rows/s, and the slow phases came and went within a process."""

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from feedrate.bench.results.messages import Progress
    from feedrate.bench.results.record import RunRecord, TrialResult
    from feedrate.bench.results.spec import TrialSpec
    from feedrate.bench.run.session import Session
    from feedrate.bench.run.stopping import StopRule


def run(
    data: Data,
    output: Output,
    loaders: Annotated[
        Words,
        typer.Option(
            metavar="A,B",
            parser=words,
            help="Loaders to compare: names from `feedrate list`, each with options as NAME:option=value, or your own as "
            "package.module:Factory.",
        ),
    ] = Words(("native", "native-batched", "nvtabular", "cupy")),
    modes: Annotated[
        Modes,
        typer.Option(
            metavar="A,B",
            parser=read_modes,
            help="What to measure. load: the loader only; replay: the model only, the ceiling; train: training with the loader.",
        ),
    ] = Modes(("load", "replay", "train")),
    repeats: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Rounds with each seed. Default: rounds go on until --precision or --budget ends them.",
        ),
    ] = None,
    precision: Annotated[
        float,
        typer.Option(
            help="Stop when the 95 % confidence interval of each ratio is narrower than this share of the ratio, "
            "and that of each rate lies within 8 % of it."
        ),
    ] = 0.04,
    budget: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time budget. No round is started that would exceed it.")
    ] = 600.0,
    baseline: Annotated[
        str, typer.Option(metavar="LOADER", help="Loader to compute ratios against. Default: the first one.")
    ] = "",
    batch_size: Annotated[
        Numbers,
        typer.Option(metavar="N,M", parser=numbers, help="Rows per batch. Several values are measured in turn."),
    ] = Numbers((32768,)),
    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Timed epochs in each trial. Default: 5, and as many more of the loader only as last four seconds in all.",
        ),
    ] = None,
    check: Annotated[
        Literal["sample", "every"],
        typer.Option(
            help="Rows of the timed epochs to compare with the dataset: those of some batches, or every row. Rates with "
            "every are not for comparison."
        ),
    ] = "sample",
    seeds: Annotated[
        Numbers,
        typer.Option(
            metavar="N,M",
            parser=numbers,
            help="Seeds for row order and weight initialization; rounds cycle through them.",
        ),
    ] = Numbers((0, 1, 2)),
    cache: Annotated[
        Literal["warm", "cold"], typer.Option(help="State of the page cache at the start of each trial.")
    ] = "warm",
    workers: Annotated[int, typer.Option(metavar="N", min=0, help="Worker processes, for loaders that use them.")] = 0,
    prefetch: Annotated[int, typer.Option(metavar="N", min=1, help="Batches that each worker prepares ahead.")] = 2,
    device: Device = "auto",
    shuffle: Annotated[
        bool, typer.Option(help="Shuffle the rows in every epoch, or keep the order of the files.")
    ] = True,
    memory_budget: MemoryBudget = None,
    task: TaskOption = "mlp",
    hidden: Hidden = None,
    embedding_width: EmbeddingWidth = None,
    bottom: Bottom = None,
    history: HistoryOption = None,
    target: Target = None,
    dropout: Annotated[
        float, typer.Option(metavar="P", help="Dropout probability after each hidden layer, at least 0 and below 1.")
    ] = 0.0,
    loss: Annotated[
        Literal["mse", "bce"] | None, typer.Option(help="Loss of the model. Default: mse for mlp, else bce.")
    ] = None,
    optimizer: Annotated[Literal["adam", "sgd", "adagrad"], typer.Option(help="Optimizer of the model.")] = "adam",
    learning_rate: Annotated[float, typer.Option(metavar="RATE", help="Learning rate of the optimizer.")] = 0.01,
    step: StepOption = "eager",
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="Stop a trial that reports nothing for this long.")
    ] = 300.0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in DIR: run what is missing or failed.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Time loaders that drive the same model on the same rows. Writes DIR/run.json and DIR/report.html.

    The exit code is 1 if a trial failed or is void, or if no trial could be run.
    """
    from feedrate.bench.cli.report import show_comparison, write_report
    from feedrate.bench.host.device import choose_device
    from feedrate.bench.host.environment import observe
    from feedrate.bench.results import store
    from feedrate.bench.results.spec import model_of
    from feedrate.bench.run import session
    from feedrate.bench.run.plan import Plan
    from feedrate.bench.run.stopping import rule_for
    from feedrate.reports.analysis.summarize import summarize

    require_over_zero("--timeout", timeout)
    environment = replace(observe(), command=_command())
    plan = Plan(
        loaders=loaders, modes=modes, repeats=repeats, batch_sizes=batch_size, seeds=seeds,
        epochs=epochs or EPOCHS, timed_s=0.0 if epochs else TIMED_S, check=check,
        device=choose_device(device, environment), workers=workers, prefetch=prefetch, shuffle=shuffle,
        memory_budget_bytes=memory_budget, cache=cache, baseline=baseline,
        model=model_of(task, {
            "hidden": hidden, "embedding_width": embedding_width, "bottom": bottom, "history": history, "target": target,
            "dropout": dropout, "loss": loss, "optimizer": optimizer, "learning_rate": learning_rate, "step": step,
        }),
    )  # fmt: skip
    rule = rule_for(plan, width=precision, budget_s=budget)
    started = session.start(data, output, plan, environment, resume=resume, overwrite=overwrite)
    record = show_run(started, rule, timeout_s=timeout)
    comparison = summarize([(output, record)])
    write_report(comparison, store.path_of(output).with_name("report.html"))
    show_comparison(comparison)
    statuses = {trial.status for trial in record.trials}
    if statuses & {"failed", "void"} or "ok" not in statuses:
        raise typer.Exit(1)


def show_run(session: Session, rule: StopRule, *, timeout_s: float) -> RunRecord:
    """Run the session. Show a bar for all trials, a bar for the current trial, and a line for each finished trial."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    from feedrate.bench.cli.terminal import Rate, err, say

    record = session.record
    before = len(record.trials)
    if before:
        say(f"{before} trial(s) exist already")
    label = TextColumn("{task.description}", markup=False)
    columns = label, BarColumn(bar_width=24), MofNCompleteColumn(), Rate(), TimeRemainingColumn()
    try:
        with Bars(*columns, console=err, transient=True, disable=not err.is_terminal) as bars:
            total = session.planned or rule.max_rounds * len(session.plan.round(0))
            trials = bars.add_task("trials" if session.planned else "trials (at most)", completed=before, total=total)
            for latest in session.run(rule, timeout_s=timeout_s, progress=_row_bar(bars)):
                if len(latest.trials) > len(record.trials):
                    bars.advance(trials)
                    say(f"[{len(latest.trials)}] {trial_line(latest.trials[-1])}")
                record = latest
    except KeyboardInterrupt:
        say(f"stopped: {session.output} keeps {len(record.trials)} trial(s); --resume continues")
        sys.exit(130)
    say(f"run ended: {record.stopped}")
    return record


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


def _command() -> str:
    """The command as typed, without the folder of the program."""
    return " ".join(["feedrate", *sys.argv[1:]])


COMMANDS = {"run": run}
