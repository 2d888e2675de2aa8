"""What the commands show in a terminal: progress, tables, questions. Standard output is for results, standard error for the rest."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from feedrate.loaders.errors import FeedrateError, require_whole
from feedrate.reports import units

if TYPE_CHECKING:
    from feedrate.bench.datasets.canonical import Dataset
    from feedrate.bench.datasets.parquet import Columns
    from feedrate.bench.results import messages
    from feedrate.bench.results.profiles.explained import Explained
    from feedrate.bench.results.profiles.record import Profile
    from feedrate.bench.results.record import HarnessRecord, RunRecord, TrialResult
    from feedrate.bench.results.spec import TrialSpec
    from feedrate.bench.run.session import Session
    from feedrate.bench.run.stopping import StopRule
    from feedrate.reports.analysis.provenance_diff import Difference
    from feedrate.reports.analysis.run_comparison import Line
    from feedrate.reports.analysis.summarize import Comparison

out = Console(emoji=False, highlight=False, width=None if sys.stdout.isatty() else 220)
err = Console(stderr=True, highlight=False)
Result = TypeVar("Result")


def say(line: str) -> None:
    """A line beside the results: one line, however narrow the terminal, and no markup of Rich's in it."""
    err.print(line, markup=False, soft_wrap=True)


class Rate(ProgressColumn):
    """Rows or bytes a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{units.format_count(task.speed)}/s")


def with_bar(unit: str, function: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
    """Call `function` with a `progress(done, total)` that moves a bar."""
    with Progress(
        TextColumn(unit),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    ) as bars:
        bar = bars.add_task(unit, total=None)
        return function(
            *arguments, **options, progress=lambda done, total: bars.update(bar, completed=done, total=total)
        )


def dataset(made: Dataset) -> None:
    info = made.info
    out.print(f"{made.folder}: {info.name}", markup=False)
    for split, part in info.splits.items():
        out.print(f"  {split}: {part.rows:,} rows in {len(part.files)} file(s)")
    schema = info.schema
    for kind, columns in (("single-hot", schema.single_hot), ("multi-hot", schema.multi_hot)):
        if columns:
            out.print(
                f"  {kind}: " + ", ".join(f"{column.name} ({column.cardinality:,})" for column in columns),
                markup=False,
            )
    if schema.continuous:
        out.print(f"  continuous: {', '.join(schema.continuous)}", markup=False)
    best = f", best reachable AUC {info.best_auc:.4f}" if info.best_auc is not None else ""
    out.print(f"  label: {schema.label}{best}", markup=False)


def confirm_columns(columns: Columns, said: set[str], *, yes: bool) -> None:
    """Show what was inferred, and ask. Raises FeedrateError where nobody can answer or the answer is no."""
    table = Table("column", "kind", "ids", "from", title=None)
    for name, kind in columns.kinds().items():
        ids = (
            ""
            if kind in ("continuous", "label")
            else ("made from its values" if name in columns.categorify else "as they are")
        )
        table.add_row(Text(name), kind, ids, "you" if name in said or kind == "label" else "its type")
    for name, type_name in columns.left_out.items():
        table.add_row(Text(name), f"left out ({type_name})", "", "you" if name in said else "its type")
    err.print(table)
    inferred = {*columns.kinds(), *columns.left_out} - said - {columns.label}
    if not inferred or yes:
        return
    if not sys.stdin.isatty():
        raise FeedrateError(
            f"the kinds of {', '.join(sorted(inferred))} are inferred: pass --yes to take them as shown, or say them"
        )
    if input("Prepare it like this? [y/N] ").strip().lower() not in ("y", "yes"):
        raise FeedrateError(
            "nothing was written: say the kinds with --single-hot, --multi-hot, --continuous and --drop"
        )


def show_run(session: Session, rule: StopRule, *, timeout_s: float) -> RunRecord:
    """Run it with a bar for all trials and one for the trial under way; a line for each trial that ends."""
    record = session.record
    before = len(record.trials)
    if before:
        say(f"{before} trial(s) are there already")
    a_round = len(session.plan.round(0))
    most = session.planned or rule.most * a_round
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
    )
    try:
        with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bars:
            trials = bars.add_task("trials" if session.planned else "trials (at most)", completed=before, total=most)
            rows = bars.add_task("", total=None)

            def progress(spec: TrialSpec) -> messages.Progress:
                def show(phase: str, done: int, total: int) -> None:
                    if done == 0:
                        bars.reset(rows)
                    bars.update(rows, description=f"{spec.loader} {spec.mode}: {phase}", completed=done, total=total)

                return show

            for found in session.run(rule, timeout_s=timeout_s, progress=progress):
                if len(found.trials) > len(record.trials):
                    bars.advance(trials)
                    say(f"[{len(found.trials)}] {_trial_line(found.trials[-1])}")
                record = found
    except KeyboardInterrupt:
        say(f"stopped: {session.output} keeps {len(record.trials)} trial(s); --resume goes on")
        sys.exit(130)
    say(f"no further round: {record.stopped}")
    return record


def show_comparison(comparison: Comparison, form: str = "table") -> None:
    from feedrate.reports.formats import text

    if form == "table":
        text.print_table(comparison, out)
    else:
        out.print(text.WRITERS[form](comparison), markup=False, soft_wrap=True, end="")


def show_differences(found: Iterable[Difference]) -> None:
    for one in found:
        out.print(f"differs: {one}", markup=False, soft_wrap=True)


def show_versus(lines: list[Line], gated: set[str], *, all_metrics: bool) -> None:
    """A line for each quantity; those of gates always."""
    from feedrate.reports.analysis import run_comparison

    table = Table(
        "loader", "batch", "quantity", "base", "head", "change (95 % interval)", "verdict", "smallest visible", "n"
    )
    styles = {"faster": "green", "slower": "red", "inconclusive": "yellow"}
    for line in lines:
        if not (all_metrics or line.metric.in_table or line.metric.name in gated):
            continue
        smallest = line.verdict.smallest_seen
        least = (
            units.NONE if smallest is None else units.format_percent(smallest) if line.relative else f"{smallest:.4f}"
        )
        name = line.head if line.head == line.base else f"{line.head} against {line.base}"
        table.add_row(
            Text(name), str(line.batch_size), line.metric.title, line.metric.text(line.base_mean),
            line.metric.text(line.head_mean), run_comparison.change_text(line), Text(line.word, style=styles.get(line.word, "")),
            least, str(line.verdict.change.n),
        )  # fmt: skip
    out.print(table)


def show_gates(failed: list[str], undecided: list[str]) -> None:
    for sentence in failed:
        say(f"failed: {sentence}")
    for sentence in undecided:
        say(f"cannot be told from chance, more rounds would help: {sentence}")


def print_profiles(profiles: Iterable[Explained]) -> None:
    """Each loader's causes, with their evidence and remedies, then where its step goes."""
    from feedrate.bench.results.profiles.record import settings

    for found in profiles:
        made, findings = found.profile, found.findings
        step = units.format_seconds(made.window_s / max(made.steps, 1))
        busy = f", device busy {units.format_percent(made.device_busy_fraction)}" if made.device_busy_fraction else ""
        head = f"{made.spec.loader}: {made.steps} steps of {step} ({settings(made.spec)}){busy}; recorded by {made.profiler} {made.version}"
        out.print(Text(head, style="bold"))
        if not findings:
            out.print("  no rule finds a cause: nothing stands out")
        for finding in findings:
            out.print(Text(f"  {finding.cause}: ", style="bold"), Text(finding.sentence), sep="", soft_wrap=True)
            out.print(f"    seen: {finding.evidence}", markup=False, soft_wrap=True)
            out.print(f"    try:  {finding.remedy}", markup=False, soft_wrap=True)
        for source in found.busy:
            out.print(f"  busy {units.format_percent(source.share)}: {source.source}", markup=False, soft_wrap=True)
        out.print(_ranges(made))


def _ranges(made: Profile) -> Table:
    from feedrate.bench.results.range_names import UNITS

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("  Thread", "Range", "Times", "Host", "Share", "Device", "Rate"):
        table.add_column(name, justify="left" if name in ("  Thread", "Range") else "right")
    for row in made.ranges:
        share = units.format_percent(row.seconds / made.window_s)
        table.add_row(
            f"  {row.thread}",
            row.name,
            f"{row.count:,}",
            units.format_seconds(row.seconds),
            share,
            units.format_seconds(row.device_s),
            units.NONE if row.amount is None else f"{units.format_count(row.amount / row.seconds)} {UNITS[row.name]}/s",
        )
    return table


def calibration(found: HarnessRecord) -> None:
    out.print(
        f"feedrate itself costs {units.format_seconds(found.step_s)} a step ({found.steps:,} steps, least of several rounds)"
    )
    out.print(f"so a loader at no cost would reach {units.format_rate(found.null_rows_per_s)} at batch 32768")


def show_sampling(device: str) -> None:
    """What looking at a trial costs it, for each kind of work."""
    from feedrate.bench.calibration import sampling
    from feedrate.bench.host.watch import WATCH_EVERY_S

    for work in sampling.WORKS:
        say(f"{work}: {2 * sampling.PAIRS + 1} blocks of {sampling.BLOCK_S:g} s")
        speed = sampling.cost(work, device)
        out.print(
            f"{work}: {speed.mean:.2%} of its speed while looked at every {WATCH_EVERY_S:g} s (95 % interval {speed.low:.2%} to "
            f"{speed.high:.2%}; {sampling.PAIRS} pairs of blocks of {sampling.BLOCK_S:g} s)",
            soft_wrap=True,
        )


def show_selftest(device: str, pairs: int, rounds: int) -> bool:
    """A line for each proof; True where all hold."""
    from feedrate.bench.selftest.proof import prove

    require_whole("--pairs", pairs, 0)
    require_whole("--rounds", rounds, 1)
    broken: list[str] = []
    total = pairs * rounds * 2
    if pairs:
        say(
            f"planted faults and delays take two to four minutes, then {total} trials of a few seconds follow; as many again where too many differ"
        )
    for proof in prove(device, pairs=pairs, rounds=rounds, progress=lambda done, of: say(f"comparison {done} of {of}")):
        found = f"{proof.part}: {proof.name}: {proof.seen}"
        if not proof.holds:
            broken.append(found)
        line = Text("  ok      " if proof.holds else "  BROKEN  ", style="green" if proof.holds else "red")
        line.append(found, style="default")
        out.print(line, soft_wrap=True)
    for lost in broken:
        out.print(Text(f"does not hold: {lost}"), soft_wrap=True)
    out.print(
        f"{len(broken)} proof(s) do not hold" if broken else "feedrate catches, measures and judges as it should here"
    )
    return not broken


def check_format(form: str) -> None:
    from feedrate.reports.formats import text

    forms = ("table", *text.WRITERS, "parquet")
    if form not in forms:
        raise FeedrateError(f"--format is {form!r}, but must be one of {', '.join(forms)}")


def write_samples(comparison: Comparison, file: Path) -> None:
    from feedrate.reports.analysis.tidy import write_parquet

    lines = write_parquet(comparison.runs, file)
    say(f"wrote {file} ({lines:,} epochs)")


def write_figures(comparison: Comparison, folder: Path, form: str) -> None:
    from feedrate.reports.formats.images import write_images

    written = write_images(comparison, folder, form)
    say(f"wrote {len(written)} figures into {folder}")


def show_faults(records: Iterable[Path]) -> bool:
    """A line for each fault of each record; True where there is none."""
    from feedrate.bench.results import store, validation

    right = True
    for record in records:
        file = store.path_of(record)
        found = validation.faults(file)
        right &= not found
        for fault in found:
            shown = "".join(c if c.isprintable() else "?" for c in fault)
            out.print(f"{file}: {shown}", markup=False, soft_wrap=True)
        if not found:
            out.print(f"{file}: right", markup=False, soft_wrap=True)
    return right


def write_report(comparison: Comparison, path: Path, runs: Iterable[Path] = ()) -> None:
    """runs: whose profiles are drawn, too."""
    from feedrate.bench.results.profiles import files
    from feedrate.reports.formats import html

    profiles = [found for run in runs if run.is_dir() for found in files.explained(run)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html.render(comparison, profiles=profiles), encoding="utf-8")
    say(f"wrote {path} ({units.format_size(path.stat().st_size)})")


def check_loader(loader: str, device: str, data: Path | None, rows: int, batch_size: int, workers: int) -> bool:
    """Run every rule; True where none is broken that the adapter does not declare.

    data: a prepared dataset, whose training rows are taken instead of `rows` planted ones.
    """
    import tempfile

    from feedrate.bench.datasets.canonical import read_dataset
    from feedrate.bench.host import venvs
    from feedrate.bench.run.session import found_device
    from feedrate.loaders import conformance, registry
    from feedrate.loaders.base import LoaderConfig

    real = read_dataset(data).split("train") if data else None
    rows = real.rows if real else rows
    if rows < 4 * batch_size:
        raise FeedrateError(
            f"{data or '--rows'} is {rows} rows, but the rules need at least four batches of {batch_size}: {4 * batch_size}"
        )
    choice = registry.choose(loader)
    device = found_device(device)
    venvs.enter(loader, ["-m", "feedrate.bench.cli.app", *sys.argv[1:]])
    out.print(f"{loader}: {choice.adapter.backend(device)}", markup=False)
    if choice.adapter.replays:
        raise FeedrateError(f"{loader} replays a few batches and is no loader of a dataset: there is nothing to check")
    colours = {"passed": "green", "failed": "red", "deviates": "yellow"}
    failed = 0
    with tempfile.TemporaryDirectory(prefix="feedrate-") as folder:
        split = (
            conformance.numbered_split(real, Path(folder))
            if real
            else conformance.planted_split(Path(folder), rows=rows)
        )
        config = LoaderConfig(batch_size=batch_size, device=device, workers=workers)
        for result in conformance.check(conformance.Case(choice, split, config)):
            failed += result.outcome == "failed"
            line = Text(f"  {result.outcome:<9}", style=colours[result.outcome])
            line.append(f"{result.rule:<28}{result.detail}", style="default")
            out.print(line, soft_wrap=True)
    out.print("every rule holds, or is declared as a deviation" if not failed else f"{failed} rule(s) broken")
    return not failed


def list_loaders() -> None:
    from feedrate.loaders import registry

    table = Table("loader", "options", "what it is", box=None, pad_edge=False)
    for name in registry.names():
        try:
            choice = registry.choose(name)
        except FeedrateError as error:  # somebody else's loader may be broken: the list goes on
            table.add_row(Text(name), "", Text(str(error)))
            continue
        options = {field: getattr(choice.options, field) for field in choice.adapter.options.__dataclass_fields__}
        options |= dict.fromkeys(registry.TUNABLE, "as in the run")
        module = sys.modules[choice.adapter.open.__module__]
        about = (module.__doc__ or "").strip().splitlines()[0] if module.__doc__ else ""
        table.add_row(Text(name), Text("\n".join(f"{field}={value}" for field, value in options.items())), Text(about))
    out.print(table)


def doctor() -> None:
    """This machine, and each loader on it."""
    from feedrate.bench.host import venvs
    from feedrate.bench.host.environment import observe
    from feedrate.loaders import registry

    environment = observe()
    out.print(f"python {environment.python}, {environment.platform}", markup=False)
    out.print(
        f"{environment.cores} cores of {environment.cpu}, {units.format_size(environment.memory_bytes)} memory",
        markup=False,
    )
    if environment.gpu:
        out.print(
            f"{environment.gpu}, {units.format_size(environment.gpu_memory_bytes)}, driver {environment.driver}, CUDA {environment.cuda}"
        )
    else:
        out.print(
            "no CUDA device: loaders run on the CPU (torch is built for "
            + (f"CUDA {environment.cuda})" if environment.cuda else "the CPU)")
        )
    out.print(", ".join(f"{name} {version}" for name, version in environment.packages.items()), markup=False)
    for name in registry.names():
        for device in ("cpu", "cuda"):
            if device == "cuda" and not environment.gpu:
                continue
            try:
                out.print(
                    Text.assemble(
                        ("  ok       ", "green"),
                        f"{name} on {device}: {venvs.backend(name, device)}",
                    )
                )
            except FeedrateError as error:  # somebody else's loader may be broken: the list goes on
                out.print(Text.assemble(("  missing  ", "yellow"), f"{name} on {device}: {error}"), soft_wrap=True)
    for line in _environments(registry.names()):
        out.print(line, soft_wrap=True)


def _environments(loaders: Iterable[str]) -> Iterator[Text]:
    from feedrate.bench.host import venvs

    for name in loaders:
        try:
            environment = venvs.of(name)
        except FeedrateError:  # said above already
            continue
        if environment is None:
            continue
        path = venvs.folder(environment)
        found = venvs.made(path)
        if found is None:
            yield Text(f"environment {environment.name}: not made; `feedrate install {environment.name}` makes {path}")
            continue
        brought = ", ".join(f"{package} {version}" for package, version in venvs.packages(path).items())
        yield Text(f"environment {environment.name} ({found.kind}) in {path}: {brought}")


def install(loader: str, *, isolated: bool, find_links: Path | None) -> None:
    """Make a loader's environment and show that its import works in there."""
    from feedrate.bench.host import venvs

    with err.status(f"installing {loader}: about a minute"):
        path = venvs.install(loader, isolated=isolated, find_links=find_links)
        found = venvs.backend(loader, "cpu")
    out.print(Text(f"{found}; {len(venvs.packages(path))} packages in {path}"), soft_wrap=True)


def _trial_line(trial: TrialResult) -> str:
    spec = trial.spec
    head = f"{spec.loader} {spec.mode} #{spec.repeat} batch {spec.batch_size} seed {spec.seed}: "
    if trial.status != "ok":
        return f"{head}{trial.status}: {trial.detail}"
    auc = f", AUC {trial.auc[-1]:.4f}" if trial.auc else ""
    flagged = f" ({'; '.join(trial.flags)})" if trial.flags else ""
    return f"{head}{units.format_rate(trial.rows_per_s)}{auc}{flagged}"
