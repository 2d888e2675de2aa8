"""`feedrate compare`: verdicts on two runs or two loaders, and gates for CI."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from feedrate.bench.results.record import RunRecord
    from feedrate.reports.analysis.provenance_diff import Difference
    from feedrate.reports.analysis.run_comparison import Line


def compare(
    base: Annotated[str, typer.Argument(help="A run, or RUN@LOADER for one loader of it.")],
    head: Annotated[
        str,
        typer.Argument(help="The run or RUN@LOADER to judge. Default: the other loaders of BASE against its baseline."),
    ] = "",
    fail_if: Annotated[
        str,
        typer.Option(
            "--fail-if",
            metavar="CONDITIONS",
            help="Exit with 1 if a condition is met beyond what chance explains: "
            '"rows_per_s<-5%,auc<-0.002,stall_fraction>+0.05".',
        ),
    ] = "",
    all_metrics: Annotated[
        bool, typer.Option("--all", help="Show every quantity, not only those of the report's table.")
    ] = False,
) -> None:
    """Compare HEAD with BASE: faster, slower, same or not distinguishable.

    Each line has the change with the 99 % confidence interval that decided the verdict, and the smallest change that would be visible. Other
    differences between the runs (machine, versions, settings) are listed. Runs of different tasks (dataset, device,
    model, epochs, shuffle, page cache) are refused. --fail-if is refused if the runs come from different machines.
    """
    from feedrate.reports.analysis import gates as conditions
    from feedrate.reports.analysis import run_comparison
    from feedrate.reports.analysis.provenance_diff import provenance_diff

    gates = conditions.read_gates(fail_if)
    if head:
        base_side, head_side = run_comparison.read_side(base), run_comparison.read_side(head)
    else:
        base_side, head_side = run_comparison.within(base)
    lines = run_comparison.compare_runs(base_side, head_side)
    failed = list(conditions.failures(base_side, head_side, lines, gates))
    show_differences(provenance_diff([base_side.record, head_side.record]))
    show_cautions([base_side.record] if base_side.record == head_side.record else [base_side.record, head_side.record])
    show_verdicts(lines, {gate.metric for gate in gates}, all_metrics=all_metrics)
    show_gates(failed, list(conditions.undecided(lines, gates)))
    if failed:
        raise typer.Exit(1)


def show_differences(differences: Iterable[Difference]) -> None:
    """Print a line for each thing in which the runs differ."""
    from feedrate.bench.cli.terminal import out

    for difference in differences:
        out.print(f"differs: {difference}", markup=False, soft_wrap=True)


def show_cautions(records: Sequence[RunRecord]) -> None:
    """Print a line for each lost baseline, and one if rates are not for comparison."""
    from feedrate.bench.cli.terminal import out
    from feedrate.reports.analysis.references import replaced_baseline

    sizes = [
        (record, size) for record in records for size in sorted({trial.spec.batch_size for trial in record.trials})
    ]
    lines = [sentence for record, size in sizes if (sentence := replaced_baseline(record, size))]
    if any(trial.spec.check == "every" for record in records for trial in record.trials):
        lines.append("every row was checked while the clock ran: rates are not for comparison")
    for line in dict.fromkeys(lines):
        out.print(line, markup=False, soft_wrap=True)


def show_verdicts(lines: Sequence[Line], gated: set[str], *, all_metrics: bool) -> None:
    """Print a table with a line for each quantity. Those with a gate are always shown."""
    from rich.table import Table
    from rich.text import Text

    from feedrate.bench.cli.terminal import out
    from feedrate.reports.analysis.verdicts import change, smallest_visible, word

    table = Table(
        "loader", "batch", "quantity", "base", "head", "change (99 % interval)", "verdict", "smallest visible", "n"
    )
    styles = {"faster": "green", "slower": "red", "not distinguishable": "yellow"}
    for line in lines:
        metric = line.metric
        if not (all_metrics or metric.in_table or metric.name in gated):
            continue
        verdict = word(line.verdict, metric)
        name = line.head if line.head == line.base else f"{line.head} against {line.base}"
        table.add_row(
            Text(name), str(line.batch_size), metric.title, metric.text(line.base_mean), metric.text(line.head_mean),
            change(line.verdict, metric), Text(verdict, style=styles.get(verdict, "")), smallest_visible(line.verdict, metric),
            str(line.verdict.change.n),
        )  # fmt: skip
    out.print(table)


def show_gates(failed: Sequence[str], undecided: Sequence[str]) -> None:
    """Print the conditions that are met, and those that chance could explain."""
    from feedrate.bench.cli.terminal import say

    for sentence in failed:
        say(f"failed: {sentence}")
    for sentence in undecided:
        say(f"undecided (could be chance; run more rounds): {sentence}")


COMMANDS = {"compare": compare}
