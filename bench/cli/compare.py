"""`feedrate compare`: verdicts on two runs or two loaders, and gates for CI."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from feedrate.bench.cli.options import local_text

if TYPE_CHECKING:
    from feedrate.bench.results.record import RunRecord
    from feedrate.reports.analysis.provenance_diff import Difference


def compare(
    base: Annotated[str, typer.Argument(parser=local_text, help="A run, or RUN@LOADER for one loader of it.")],
    head: Annotated[
        str,
        typer.Argument(
            parser=local_text,
            help="The run or RUN@LOADER to judge. Default: the other loaders of BASE against its baseline.",
        ),
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
    wide: Annotated[
        bool, typer.Option("--wide", help="Show every column, also if the table is then too wide for the terminal.")
    ] = False,
) -> None:
    """Compare HEAD with BASE: faster, slower, same or undecided.

    If both come from one machine, the answers of `feedrate report` on their loaders stand first.
    Each line has the change with the 99 % confidence interval that decided the verdict, and the smallest change that would be visible. Other
    differences between the runs (machine, versions, settings) are listed. Runs of different tasks (dataset, device,
    model, epochs, shuffle, page cache) are refused. --fail-if is refused if the runs come from different machines.
    """
    from feedrate.bench.cli.terminal import out
    from feedrate.bench.host.lifecycle.checkout import read_checkout
    from feedrate.reports.analysis import gates as conditions
    from feedrate.reports.analysis import run_comparison
    from feedrate.reports.analysis.answers.open_verdicts import leaders
    from feedrate.reports.analysis.answers.sides import comparison_of
    from feedrate.reports.analysis.provenance_diff import provenance_diff
    from feedrate.reports.formats.terminal.answers import print_answers
    from feedrate.reports.formats.terminal.verdict_table import print_verdicts

    gates = conditions.read_gates(fail_if)
    if head:
        base_side, head_side = run_comparison.read_side(base), run_comparison.read_side(head)
    else:
        base_side, head_side = run_comparison.within(base)
    lines = run_comparison.compare_runs(base_side, head_side)
    failed = list(conditions.failures(base_side, head_side, lines, gates))
    comparison = comparison_of(base_side, head_side, read_checkout().commit)
    if comparison is not None:
        print_answers(comparison, out)
        out.print()
    show_differences(provenance_diff([base_side.record, head_side.record]))
    show_cautions([base_side.record] if base_side.record == head_side.record else [base_side.record, head_side.record])
    gated = {gate.metric for gate in gates}
    shown = [line for line in lines if all_metrics or line.metric.in_table or line.metric.name in gated]
    answered = frozenset() if comparison is None else leaders(comparison)
    print_verdicts(base_side, head_side, shown, out, wide=wide, answered=answered)
    show_gates(failed, list(conditions.undecided(lines, gates)))
    if failed:
        raise typer.Exit(1)


def show_differences(differences: Iterable[Difference]) -> None:
    """Print a line for each thing in which the runs differ."""
    from feedrate.bench.cli.terminal import out
    from feedrate.reports.formats.terminal.paragraphs import print_paragraph

    for difference in differences:
        print_paragraph(out, f"differs: {difference}")


def show_cautions(records: Sequence[RunRecord]) -> None:
    """Print a line for each lost baseline, and one if rates are not for comparison."""
    from feedrate.bench.cli.terminal import out
    from feedrate.reports.analysis.references import replaced_baseline
    from feedrate.reports.formats.terminal.paragraphs import print_paragraph

    sizes = [
        (record, size) for record in records for size in sorted({trial.spec.batch_size for trial in record.trials})
    ]
    lines = [sentence for record, size in sizes if (sentence := replaced_baseline(record, size))]
    if any(trial.spec.check == "every" for record in records for trial in record.trials):
        lines.append("every row was checked while the clock ran: rates are not for comparison")
    for line in dict.fromkeys(lines):
        print_paragraph(out, line)


def show_gates(failed: Sequence[str], undecided: Sequence[str]) -> None:
    """Print the conditions that are met, and those that chance could explain."""
    from feedrate.bench.cli.terminal import say

    for sentence in failed:
        say(f"failed: {sentence}")
    for sentence in undecided:
        say(f"undecided (could be chance; run more rounds): {sentence}")


COMMANDS = {"compare": compare}
