"""`feedrate check`: a loader against every rule of the contract."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from feedrate.bench.cli.options import MAX_INT32, MAX_ROWS, MAX_SECONDS, MAX_WORKERS, local_path

if TYPE_CHECKING:
    from feedrate.loaders.rule_result import RuleResult


def check(
    loader: Annotated[
        str, typer.Argument(help="A loader from `feedrate list`, or your own as package.module:Factory.")
    ],
    device: Annotated[str, typer.Option(metavar="DEVICE", help="cpu, cuda or cuda:N.")] = "cpu",
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            parser=local_path,
            help="Check on the training rows of a prepared dataset. Default: generated rows.",
        ),
    ] = None,
    rows: Annotated[int, typer.Option(metavar="N", min=1, max=MAX_ROWS, help="Number of generated rows.")] = 10_007,
    batch_size: Annotated[int, typer.Option(metavar="N", min=1, max=MAX_INT32, help="Rows per batch.")] = 512,
    workers: Annotated[
        int, typer.Option(metavar="N", min=0, max=MAX_WORKERS, help="Worker processes, for loaders that use them.")
    ] = 0,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=1,
            max=MAX_SECONDS,
            help="Seconds without a sign of life after which a rule is broken.",
        ),
    ] = 60.0,
) -> None:
    """Check a loader against every rule of the contract. The exit code is 1 if a rule is broken.

    The loader runs in a process of its own. A mistake is reported once, with the other rules that it spoils.
    """
    from feedrate.bench.cli.terminal import out, say
    from feedrate.bench.host.device import choose_device_here
    from feedrate.bench.run.check import check_loader
    from feedrate.loaders.base import LoaderConfig

    results = check_loader(
        loader,
        LoaderConfig(batch_size=batch_size, device=choose_device_here(device), workers=workers),
        data=data,
        rows=rows,
        timeout_s=timeout,
        started=lambda backend: out.print(f"{loader}: {backend}", markup=False),
        printed=lambda output: say(f"the loader printed:\n{output.rstrip()}"),
    )
    if not show_rules(results):
        raise typer.Exit(1)


def show_rules(results: Iterable[RuleResult]) -> bool:
    """Print a line for each rule that holds and for each mistake. Return True if no mistake is undeclared."""
    from rich.text import Text

    from feedrate.bench.cli.terminal import out

    colours = {"passed": "green", "failed": "red", "deviates": "yellow"}
    broken, spoilt = 0, 0
    for result in results:
        broken += result.outcome == "failed"
        spoilt += len(result.spoilt) if result.outcome == "failed" else 0
        line = Text(f"  {result.outcome:<9}", style=colours[result.outcome])
        line.append(f"{result.rule:<31}{result.detail}", style="default")
        if result.spoilt:
            line.append(f"\n{'':<42}also spoils: {', '.join(result.spoilt)}", style="default")
        out.print(line, soft_wrap=True)
    if broken:
        out.print(f"{broken} rule(s) broken" + (f", which spoil {spoilt} other(s)" if spoilt else ""))
    else:
        out.print("every rule holds or is declared as a deviation")
    return not broken


COMMANDS = {"check": check}
