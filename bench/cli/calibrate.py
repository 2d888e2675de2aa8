"""`feedrate calibrate`: what the harness itself costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from feedrate.bench.cli.options import Device, Wait

if TYPE_CHECKING:
    from feedrate.bench.calibration.sampling import Work
    from feedrate.bench.results.record import HarnessRecord
    from feedrate.bench.results.stats import Estimate


def calibrate(
    device: Device = "auto",
    sampling: Annotated[
        bool,
        typer.Option(
            "--sampling",
            help="Also measure how much sampling memory and the GPU ten times a second slows a trial down. Takes two minutes.",
        ),
    ] = False,
    wait: Wait = False,
) -> None:
    """Measure what feedrate itself costs per step.

    The loader and the model do nothing here. Every run records this cost, too.
    """
    from feedrate.bench.calibration import harness_cost
    from feedrate.bench.calibration import sampling as watch_cost
    from feedrate.bench.cli.terminal import say
    from feedrate.bench.host.device import choose_device_here
    from feedrate.bench.host.lifecycle.machine_lock import timing

    device = choose_device_here(device)
    with timing(wait=wait, say=say):
        show_cost(harness_cost.measure(device))
        for work in watch_cost.WORKS if sampling else ():
            say(f"{work}: {2 * watch_cost.PAIRS + 1} blocks of {watch_cost.BLOCK_S:g} s")
            show_watch_cost(work, watch_cost.cost(work, device))


def show_cost(cost: HarnessRecord) -> None:
    """Print what the harness costs per step, and the ceiling that follows."""
    from feedrate.bench.cli.terminal import out
    from feedrate.reports import units

    step = units.format_seconds(cost.step_s)
    out.print(f"feedrate itself costs {step} per step ({cost.steps:,} steps, minimum of several rounds)")
    out.print(f"ceiling for a loader without any cost: {units.format_rate(cost.null_rows_per_s)} at batch 32768")


def show_watch_cost(work: Work, speed: Estimate) -> None:
    """Print the speed that is left while this kind of work is watched."""
    from feedrate.bench.calibration.sampling import BLOCK_S, PAIRS
    from feedrate.bench.cli.terminal import out
    from feedrate.bench.host.watch import WATCH_EVERY_S

    out.print(
        f"{work}: keeps {_percent(speed.mean)} of its speed with sampling every {WATCH_EVERY_S:g} s "
        f"(95 % interval {_percent(speed.low)} to {_percent(speed.high)}; {PAIRS} pairs of blocks of {BLOCK_S:g} s)",
        soft_wrap=True,
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.2f} %"


COMMANDS = {"calibrate": calibrate}
