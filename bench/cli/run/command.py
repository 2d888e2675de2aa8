"""`feedrate run`: time loaders on a dataset, with progress, a table and a page."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from feedrate.bench.cli.options import (
    MAX_PREFETCH,
    MAX_REPEATS,
    MAX_SECONDS,
    MAX_WORKERS,
    Bottom,
    Data,
    Device,
    EmbeddingsOption,
    EmbeddingWidth,
    Hidden,
    HistoryOption,
    LimitMemory,
    MemoryBudget,
    Modes,
    Numbers,
    Output,
    Overwrite,
    StepOption,
    Target,
    TaskOption,
    Wait,
    Words,
    batch_sizes,
    rank_numbers,
    seed_numbers,
    words,
)
from feedrate.bench.cli.options import modes as read_modes
from feedrate.bench.results.spec import DEFAULT_LOADERS
from feedrate.loaders.error_text import without_secrets
from feedrate.loaders.errors import FeedrateError, require_over_zero

EPOCHS = 5
"""Timed epochs of a trial if the user does not fix them."""
TIMED_S = 4.0
"""Seconds that the loader-only epochs after the first must last then. A few milliseconds are no measurement: five epochs of
20 M rows at 2 G rows/s differed by 25 to 59 % between processes. A machine may be slow for a second, too: with one second on
an H200, nine processes gave 1.13 to 1.84 G rows/s, and the slow phases came and went within a process."""

if TYPE_CHECKING:
    from feedrate.bench.host.lifecycle.stop_signals import Stopped
    from feedrate.bench.results.record import RunRecord
    from feedrate.bench.run.ranks.launch import Launcher
    from feedrate.bench.run.ranks.outer import OuterRanks


def run(
    context: typer.Context,
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
    ] = Words(DEFAULT_LOADERS),
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
            max=MAX_REPEATS,
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
        typer.Option(metavar="N,M", parser=batch_sizes, help="Rows per batch. Several values are measured in turn."),
    ] = Numbers((32768,)),
    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=MAX_REPEATS,
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
            parser=seed_numbers,
            help="Seeds for row order and weight initialization; rounds cycle through them.",
        ),
    ] = Numbers((0, 1, 2)),
    ranks: Annotated[
        Numbers,
        typer.Option(
            metavar="N,M",
            parser=rank_numbers,
            help="Processes that run each trial together on this host, started by torchrun. Each has a shard of the rows, a GPU "
            "of its own if there are any, and --batch-size rows per batch. With several values, the report says how loaders scale.",
        ),
    ] = Numbers((1,)),
    cache: Annotated[
        Literal["warm", "cold"], typer.Option(help="State of the page cache at the start of each trial.")
    ] = "warm",
    workers: Annotated[
        int, typer.Option(metavar="N", min=0, max=MAX_WORKERS, help="Worker processes, for loaders that use them.")
    ] = 0,
    prefetch: Annotated[
        int, typer.Option(metavar="N", min=1, max=MAX_PREFETCH, help="Batches that each worker prepares ahead.")
    ] = 2,
    device: Device = "auto",
    shuffle: Annotated[
        bool, typer.Option(help="Shuffle the rows in every epoch, or keep the order of the files.")
    ] = True,
    memory_budget: MemoryBudget = None,
    limit_memory: LimitMemory = None,
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
    embeddings: EmbeddingsOption = "replicated",
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="Stop a trial that reports nothing for this long.")
    ] = 300.0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in DIR: run what is missing or failed.")
    ] = False,
    overwrite: Overwrite = False,
    wait: Wait = False,
) -> None:
    """Time loaders that drive the same model on the same rows. Writes DIR/run.json and DIR/report.html.

    The exit code is 1 if a trial failed or is void, or if no trial could be run. Ctrl-C, SIGTERM and SIGHUP keep the finished
    trials, and write the report of them: the exit code is then 130, 143 or 129.
    """
    from feedrate.bench.cli.run.progress import show_run
    from feedrate.bench.cli.terminal import say
    from feedrate.bench.datasets.canonical import read_dataset
    from feedrate.bench.host.device import choose_device, require_device
    from feedrate.bench.host.environment import observe
    from feedrate.bench.host.lifecycle.checkout import read_checkout, warning
    from feedrate.bench.host.lifecycle.folder_lock import only_writer
    from feedrate.bench.host.lifecycle.machine_lock import timing
    from feedrate.bench.host.memory.limit import require_limits
    from feedrate.bench.results import store
    from feedrate.bench.results.spec import model_of
    from feedrate.bench.run import session
    from feedrate.bench.run.plan import Plan
    from feedrate.bench.run.stopping import rule_for

    for name, value in (("--precision", precision), ("--budget", budget), ("--timeout", timeout)):
        require_over_zero(name, value, MAX_SECONDS)
    require_device(device)
    require_limits(limit_memory)
    numbers, launcher = _launcher(context, ranks, limit_memory)
    model = model_of(
        task,
        {
            "hidden": hidden, "embedding_width": embedding_width, "bottom": bottom, "history": history, "target": target, "step": step,
            "dropout": dropout, "loss": loss, "optimizer": optimizer, "learning_rate": learning_rate, "embeddings": embeddings,
        },
    )  # fmt: skip
    warnings: list[str] = []
    read_dataset(data)  # --wait may take hours, so errors come first
    with timing(wait=wait, say=say if wait else warnings.append), only_writer(store.path_of(output).parent):
        plan = Plan(
            loaders=loaders, modes=modes, repeats=repeats, batch_sizes=batch_size, seeds=seeds,
            epochs=epochs or EPOCHS, timed_s=0.0 if epochs else TIMED_S, check=check, ranks=numbers, workers=workers, prefetch=prefetch,
            shuffle=shuffle, memory_budget_bytes=memory_budget, memory_limit_bytes=limit_memory, cache=cache, baseline=baseline, model=model,
        )  # fmt: skip
        environment = replace(observe(), command=_command())  # takes seconds, so all else is checked before
        plan = replace(plan, device=choose_device(device, environment))
        rule = rule_for(plan, width=precision, budget_s=budget)
        started = session.start(data, output, plan, environment, resume=resume, overwrite=overwrite)
        started = replace(started, launcher=launcher)
        for sentence in (*warnings, *([warning(read_checkout())] if environment.dirty else [])):
            say(sentence)
        record, stop = show_run(started, rule, timeout_s=timeout)
        show_result(output, record)
    _require_results(record, stop)


def _launcher(
    context: typer.Context, ranks: Numbers, memory_limit_bytes: int | None
) -> tuple[tuple[int, ...], Launcher]:
    """Return the numbers of ranks, and how to start them: with torchrun, or on the processes that the user started."""
    from feedrate.bench.run.ranks.launch import launch

    outer: OuterRanks | None = context.obj
    if outer is not None and memory_limit_bytes is not None:
        raise FeedrateError(
            "--limit-memory is for all ranks of a trial together, which feedrate.rank starts apart: leave it out"
        )
    return (ranks, launch) if outer is None else (outer.numbers(ranks), outer.launch)


def show_result(output: Path, record: RunRecord) -> None:
    """Write the report of the trials and print their table."""
    from feedrate.bench.cli.report import show_comparison, write_report
    from feedrate.bench.results import store
    from feedrate.reports.analysis.summarize import summarize

    if not record.trials:
        return
    comparison = summarize([(output, record)])
    write_report(comparison, store.path_of(output).with_name("report.html"), [output], with_profiles=False)
    show_comparison(comparison)


def _require_results(record: RunRecord, stop: Stopped | None) -> None:
    """End by the signal that stopped the run, or with exit code 1 if a trial failed or is void, or if none has a result."""
    if stop is not None:
        raise stop
    statuses = {trial.status for trial in record.trials}
    if statuses & {"failed", "void"} or "ok" not in statuses:
        raise typer.Exit(1)


def _command() -> str:
    """The command as typed, without the folder of the program and without credentials. Started for each rank, it is a module."""
    program = "python -m feedrate.rank" if Path(sys.argv[0]).name == "rank.py" else "feedrate"
    return without_secrets(" ".join([program, *sys.argv[1:]]))


COMMANDS = {"run": run}
