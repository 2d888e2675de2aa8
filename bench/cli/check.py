"""`feedrate check`: a loader against every rule of the contract."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from feedrate.loaders.conformance import RuleResult


def check(
    loader: Annotated[
        str, typer.Argument(help="A loader from `feedrate list`, or your own as package.module:Factory.")
    ],
    device: Annotated[str, typer.Option(metavar="DEVICE", help="cpu, cuda or cuda:N.")] = "cpu",
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Check on the training rows of a prepared dataset. Default: generated rows."),
    ] = None,
    rows: Annotated[int, typer.Option(metavar="N", min=1, help="Number of generated rows.")] = 10_007,
    batch_size: Annotated[int, typer.Option(metavar="N", min=1, help="Rows per batch.")] = 512,
    workers: Annotated[int, typer.Option(metavar="N", min=0, help="Worker processes, for loaders that use them.")] = 0,
) -> None:
    """Check a loader against every rule of the contract. The exit code is 1 if a rule is broken."""
    from feedrate.bench.cli.terminal import out
    from feedrate.bench.host import venvs
    from feedrate.bench.host.device import choose_device_here
    from feedrate.bench.run.check import check_loader
    from feedrate.loaders.base import LoaderConfig

    device = choose_device_here(device)
    results = check_loader(
        loader, LoaderConfig(batch_size=batch_size, device=device, workers=workers), data=data, rows=rows
    )
    venvs.enter(loader, ["-m", "feedrate", *sys.argv[1:]])
    out.print(f"{loader}: {venvs.backend(loader, device)}", markup=False)
    if not show_rules(results):
        raise typer.Exit(1)


def show_rules(results: Iterable[RuleResult]) -> bool:
    """Print a line for each rule. Return True if every rule holds or is declared as a deviation."""
    from rich.text import Text

    from feedrate.bench.cli.terminal import out

    colours = {"passed": "green", "failed": "red", "deviates": "yellow"}
    broken = 0
    for result in results:
        broken += result.outcome == "failed"
        line = Text(f"  {result.outcome:<9}", style=colours[result.outcome])
        line.append(f"{result.rule:<28}{result.detail}", style="default")
        out.print(line, soft_wrap=True)
    out.print(f"{broken} rule(s) broken" if broken else "every rule holds or is declared as a deviation")
    return not broken


COMMANDS = {"check": check}
