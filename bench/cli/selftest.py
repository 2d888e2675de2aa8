"""`feedrate selftest`: proof on this machine that feedrate catches faults, measures delays and gives correct verdicts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from feedrate.bench.cli.options import MAX_REPEATS, Wait

if TYPE_CHECKING:
    from feedrate.bench.selftest.proof import Proof


def selftest(
    device: Annotated[
        str,
        typer.Option(
            metavar="DEVICE",
            help="Device that planted faults run on: auto (a GPU if there is one), cpu, cuda or cuda:N.",
        ),
    ] = "auto",
    pairs: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, max=MAX_REPEATS, help="Real comparisons of a loader with itself. 0: skip the verdicts."
        ),
    ] = 20,
    rounds: Annotated[
        int, typer.Option(metavar="N", min=1, max=MAX_REPEATS, help="Processes for each side of a comparison.")
    ] = 4,
    wait: Wait = False,
) -> None:
    """Check on this machine that feedrate measures correctly.

    feedrate catches planted faults, measures planted delays and gives correct verdicts. The check takes six to fifteen
    minutes on two cores. The exit code is 1 if a proof fails.
    """
    from feedrate.bench.cli.terminal import say
    from feedrate.bench.host.device import choose_device_here
    from feedrate.bench.host.lifecycle.machine_lock import timing
    from feedrate.bench.selftest.proof import prove

    device = choose_device_here(device)
    if pairs:
        say(
            f"planted faults and delays take two to four minutes; {pairs * rounds * 2} trials of a few seconds follow, "
            "and as many again if too many differ"
        )
    with timing(wait=wait, say=say):
        proofs = prove(device, pairs=pairs, rounds=rounds, progress=lambda done, of: say(f"comparison {done} of {of}"))
        if not show_proofs(proofs):
            raise typer.Exit(1)


def show_proofs(proofs: Iterable[Proof]) -> bool:
    """Print a line for each proof. Return True if all hold."""
    from rich.text import Text

    from feedrate.bench.cli.terminal import out

    broken: list[str] = []
    for proof in proofs:
        sentence = f"{proof.part}: {proof.name}: {proof.seen}"
        if not proof.holds:
            broken.append(sentence)
        line = Text("  ok      " if proof.holds else "  BROKEN  ", style="green" if proof.holds else "red")
        line.append(sentence, style="default")
        out.print(line, soft_wrap=True)
    for sentence in broken:
        out.print(Text(f"FAILED: {sentence}"), soft_wrap=True)
    if broken:
        out.print(f"{len(broken)} proof(s) do not hold")
    else:
        out.print("all proofs hold on this machine")
    return not broken


COMMANDS = {"selftest": selftest}
