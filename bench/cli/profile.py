"""`feedrate profile` and `feedrate explain`: what limits a loader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from feedrate.bench.cli.options import (
    MAX_INT32,
    MAX_RANKS,
    MAX_REPEATS,
    MAX_SECONDS,
    Data,
    Device,
    Hidden,
    HistoryOption,
    MemoryBudget,
    Numbers,
    Output,
    StepOption,
    Target,
    TaskOption,
    Wait,
    Words,
    local_path,
    numbers,
    words,
)
from feedrate.loaders.errors import FeedrateError, require_over_zero

if TYPE_CHECKING:
    from feedrate.bench.results.profiles.explained import Explained
    from feedrate.bench.results.profiles.record import Profile
    from feedrate.reports.formats.terminal.columns import Column


TOP = 3
"""Kernels or functions that the terminal names for each part of the step."""
MIN_SHARE = 0.001
"""Fraction of the time that a kernel or function must take to be named."""
Open = Annotated[
    bool,
    typer.Option("--open", help="Open the traces in Perfetto's viewer, in the browser. They stay on this machine."),
]


def profile(
    loaders: Annotated[
        Words, typer.Argument(metavar="LOADER[,LOADER]", parser=words, help="Loaders, as in `feedrate run --loaders`.")
    ],
    data: Data,
    *,
    output: Output,
    steps: Annotated[
        int, typer.Option(metavar="N", min=1, max=MAX_REPEATS, help="Training steps to record, after a warm-up.")
    ] = 50,
    profiler: Annotated[
        Literal["auto", "nsys", "torch"],
        typer.Option(help="Profiler to use. auto: nsys on a GPU if it is installed, otherwise torch."),
    ] = "auto",
    batch_size: Annotated[int, typer.Option(metavar="N", min=1, max=MAX_INT32, help="Rows per batch.")] = 32768,
    device: Device = "auto",
    ranks: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=MAX_RANKS, help="Processes that train together on this host. See --profile-ranks."
        ),
    ] = 1,
    profile_ranks: Annotated[
        Numbers,
        typer.Option(
            metavar="N,M",
            parser=numbers(0, MAX_RANKS - 1),
            help="The ranks to record, one after the other, each into a folder of its own.",
        ),
    ] = Numbers((0,)),
    step: StepOption = "eager",
    task: TaskOption = "mlp",
    hidden: Hidden = None,
    history: HistoryOption = None,
    target: Target = None,
    memory_budget: MemoryBudget = None,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="Stop a profile that takes longer than this.")
    ] = 300.0,
    wait: Wait = False,
    open_viewer: Open = False,
) -> None:
    """Record some training steps and explain what limits them. Writes DIR/LOADER/profile.json and a trace.

    A profile explains. The numbers to quote come from `feedrate run`, which no profiler disturbs.
    """
    require_over_zero("--timeout", timeout, MAX_SECONDS)
    from feedrate.bench.cli.terminal import say
    from feedrate.bench.datasets.canonical import read_dataset
    from feedrate.bench.host.lifecycle.folder_lock import only_writer
    from feedrate.bench.host.lifecycle.machine_lock import timing
    from feedrate.bench.profiling import session
    from feedrate.bench.results.spec import model_of

    model = model_of(task, {"hidden": hidden, "history": history, "target": target, "step": step})
    request = session.ProfileRequest(
        steps=steps, profiler=profiler, batch_size=batch_size, device=device, model=model,
        memory_budget_bytes=memory_budget, timeout_s=timeout, ranks=ranks, profiled_ranks=profile_ranks,
    )  # fmt: skip
    read_dataset(data)  # --wait may take hours, so errors come first
    warnings: list[str] = []
    with timing(wait=wait, say=say if wait else warnings.append), only_writer(output):
        profiles = session.run(loaders, data, output, request)
        for warning in warnings:
            say(warning)
        print_profiles(profiles)
    if open_viewer:
        open_in_viewer(output)


def explain(
    run: Annotated[
        Path,
        typer.Argument(
            parser=local_path, help="Folder that `feedrate profile` or `feedrate run` wrote, or a profile.json file."
        ),
    ],
    *,
    open_viewer: Open = False,
) -> None:
    """Explain what limits each profiled loader.

    Each cause comes with its evidence and a remedy.
    """
    from feedrate.bench.results.profiles import files

    profiles = list(files.explained(run))
    if not profiles:
        raise FeedrateError(f"{run} has no profile: create one with `feedrate profile LOADER DATA -o {run}`")
    print_profiles(profiles)
    if open_viewer:
        open_in_viewer(run)


def open_in_viewer(path: Path) -> None:
    """Open the traces of a profile, or of all profiles in a folder, in Perfetto's viewer."""
    from feedrate.bench.cli.terminal import say
    from feedrate.bench.profiling.perfetto import open_traces, traces_in

    open_traces(traces_in(path), say)


def print_profiles(profiles: Iterable[Explained]) -> None:
    """Print each loader's causes with their evidence and remedies, then where its step goes."""
    from feedrate.bench.cli.terminal import out
    from feedrate.bench.results.profiles.record import settings
    from feedrate.reports import units
    from feedrate.reports.formats.terminal.columns import print_columns
    from feedrate.reports.formats.terminal.paragraphs import print_paragraph

    for number, explained in enumerate(profiles):
        recorded = explained.profile
        step = units.format_seconds(recorded.window_s / max(recorded.steps, 1))
        share = recorded.device_busy_fraction
        busy = f", device busy {units.format_percent(share)}" if share else ""
        head = (
            f"{recorded.title}: {recorded.steps} steps of {step} ({settings(recorded.spec, recorded.rank)}){busy}; "
            f"recorded by {recorded.profiler} {recorded.version}"
        )
        if number:
            out.print()
        print_paragraph(out, head, style="bold")
        if not explained.findings:
            print_paragraph(out, "  no cause found")
        for finding in explained.findings:
            print_paragraph(out, f"  {finding.cause}: {finding.sentence}")
            print_paragraph(out, f"    seen: {finding.evidence}")
            print_paragraph(out, f"    try: {finding.remedy}")
        for source in explained.busy:
            print_paragraph(out, f"  busy {units.format_percent(source.share)}: {source.source}")
        if recorded.ranges:
            out.print()
            print_columns(out, _ranges(recorded))
            out.print()
        for line in _top_lines(recorded):
            print_paragraph(out, line)


def _top_lines(recorded: Profile) -> Iterator[str]:
    """Yield a line for each part of the step with its costliest kernels, or without a device its costliest functions."""
    from feedrate.bench.results.profiles.record import PARTS
    from feedrate.reports import units
    from feedrate.reports.names import short

    kind = "kernel" if any(row.kind == "kernel" for row in recorded.parts) else "function"
    rows = [row for row in recorded.parts if row.kind == kind and row.name]
    if rows:
        yield f"  Costliest {kind}s of each part, per step:"
    for part in PARTS:
        costs = [
            f"{short(row.name)} {units.format_seconds(row.seconds / max(recorded.steps, 1))} "
            f"({units.format_percent(row.seconds / recorded.window_s)})"
            for row in rows
            if row.part == part and row.seconds >= MIN_SHARE * recorded.window_s
        ]
        if costs:
            yield f"  {part}: {', '.join(costs[:TOP])}"


def _ranges(recorded: Profile) -> list[Column]:
    """Return the ranges of a profile as columns: where the time of the host and of the device went."""
    from feedrate.bench.results.range_names import UNITS
    from feedrate.reports import units
    from feedrate.reports.formats.terminal.columns import Column

    rows, window_s = recorded.ranges, recorded.window_s
    per_s = [None if row.amount is None else units.quotient(row.amount, row.seconds) for row in rows]
    rates = [
        units.NONE if rate is None else f"{units.format_count(rate)} {UNITS.get(row.name, '')}/s"
        for row, rate in zip(rows, per_s, strict=True)
    ]
    columns = [
        Column(title="Range", cells=[row.name for row in rows]),
        Column(title="Thread", cells=[row.thread for row in rows], left=True),
        Column(title="Times", cells=[f"{row.count:,}" for row in rows], rank=1),
        Column(title="Host", cells=[units.format_seconds(row.seconds) for row in rows]),
        Column(title="Share", cells=[units.format_percent(row.seconds / window_s) for row in rows]),
        Column(title="Device", cells=[units.format_seconds(row.device_s) for row in rows]),
        Column(title="Rate", cells=rates, rank=1),
    ]
    return [column for column in columns if any(cell != units.NONE for cell in column.cells)]


COMMANDS = {"profile": profile, "explain": explain}
