"""The command `feedrate`: parse, call, print. No logic; heavy libraries are imported by the command that needs them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from feedrate.loaders.errors import FeedrateError, require_no_file, require_over_zero

if TYPE_CHECKING:
    from feedrate.bench.datasets.canonical import Dataset

app = typer.Typer(
    help="How fast can a data loader feed this GPU, what holds it back, and which loader should I use?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Out = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where to write.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]


def main() -> None:
    """Entry point: an error of the user is one sentence and exit code 2. Loaders may be in a module of the current folder."""
    sys.path.append("")
    try:
        app()
    except (FeedrateError, OSError) as error:
        from feedrate.reports.names import plain

        print(f"feedrate: {plain(' '.join(str(error).split()))}", file=sys.stderr)
        sys.exit(2)


@app.command()
def prepare(
    source: Annotated[
        str, typer.Argument(help="movielens-100k, -1m, -20m, -25m, -32m, synthetic-movielens, or parquet.")
    ],
    path: Annotated[Optional[Path], typer.Argument(help="parquet: a file, or a folder of files.")] = None,  # noqa: UP045
    *,
    output: Out,
    archive: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            metavar="ZIP_OR_DIR",
            help="movielens: a zip or folder that is already here, instead of a download.",
        ),
    ] = None,
    rows: Annotated[int, typer.Option(help="synthetic: rows, train and valid together.")] = 25_000_000,
    seed: Annotated[int, typer.Option(help="Of the split, and of all that is synthetic.")] = 0,
    label: Annotated[str, typer.Option(help="parquet: the column to predict, 0 or 1.")] = "",
    label_above: Annotated[Optional[float], typer.Option(help="parquet: the label is 1 above this.")] = None,  # noqa: UP045
    single_hot: Annotated[str, typer.Option(metavar="A,B", help="parquet: columns of one id a row.")] = "",
    multi_hot: Annotated[str, typer.Option(metavar="A,B", help="parquet: columns of a list of ids a row.")] = "",
    continuous: Annotated[str, typer.Option(metavar="A,B", help="parquet: columns of numbers.")] = "",
    categorify: Annotated[
        str, typer.Option(metavar="A,B", help="parquet: columns whose values become ids; text always does.")
    ] = "",
    drop: Annotated[str, typer.Option(metavar="A,B", help="parquet: columns to leave out.")] = "",
    etl: Annotated[
        str, typer.Option(help="movielens: feedrate, or nvtabular: its own Workflow, saved to DIR/workflow.")
    ] = "feedrate",
    workflow: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="DIR", help="--etl nvtabular: a saved workflow to use instead of fitting one."),
    ] = None,
    trust_workflow: Annotated[
        bool, typer.Option("--trust-workflow", help="Load it, though a saved workflow is code that is run.")
    ] = False,
    row_group_rows: Annotated[
        int, typer.Option(help="Rows a Parquet row group; NVTabular's ranks share whole ones.")
    ] = 262_144,
    valid_fraction: Annotated[float, typer.Option(help="parquet: share of the rows kept for validation.")] = 0.2,
    yes: Annotated[bool, typer.Option("--yes", help="parquet: take the inferred kinds without asking.")] = False,
    overwrite: Overwrite = False,
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="Do nothing where the dataset is there already.")
    ] = False,
) -> None:
    """Bring a dataset to the one form that all loaders read: Parquet and dataset.json."""
    from feedrate.bench.cli import terminal
    from feedrate.bench.datasets import canonical, sources, synthetic

    brought_by = sources.etl_for(source, etl, workflow=workflow, trusted=trust_workflow)
    if if_missing and sources.is_there(
        output, source, rows=rows, seed=seed, row_group_rows=row_group_rows, etl=etl, workflow=workflow
    ):
        terminal.dataset(canonical.read_dataset(output))
        return
    if source == "synthetic-movielens":
        dataset = terminal.with_bar(
            "rows",
            synthetic.prepare_synthetic,
            output,
            rows=rows,
            seed=seed,
            overwrite=overwrite,
            row_group_rows=row_group_rows,
        )
    elif source == "parquet":
        dataset = _prepare_parquet(
            path,
            output,
            label,
            label_above,
            (single_hot, multi_hot, continuous, categorify, drop),
            valid_fraction,
            seed,
            yes,
            overwrite,
            row_group_rows,
        )
    else:
        found = archive or terminal.with_bar("bytes", sources.download, source)
        dataset = terminal.with_bar(
            "rows",
            sources.movielens,
            found,
            output,
            name=source,
            seed=seed,
            etl=brought_by,
            overwrite=overwrite,
            row_group_rows=row_group_rows,
        )
    terminal.dataset(dataset)


def _prepare_parquet(
    path: Path | None,
    output: Path,
    label: str,
    label_above: float | None,
    kinds: tuple[str, str, str, str, str],
    valid_fraction: float,
    seed: int,
    yes: bool,
    overwrite: bool,
    row_group_rows: int,
) -> Dataset:
    from feedrate.bench.cli import terminal
    from feedrate.bench.datasets import parquet

    if path is None or not label:
        raise FeedrateError("`feedrate prepare parquet` needs a PATH and --label COLUMN")
    single_hot, multi_hot, continuous, categorify, drop = (_words(text) for text in kinds)
    columns = parquet.infer(
        path,
        label=label,
        single_hot=single_hot,
        multi_hot=multi_hot,
        continuous=continuous,
        categorify=categorify,
        drop=drop,
    )
    terminal.confirm_columns(columns, {*single_hot, *multi_hot, *continuous, *drop}, yes=yes)
    return terminal.with_bar(
        "rows",
        parquet.prepare_parquet,
        path,
        output,
        columns,
        seed=seed,
        valid_fraction=valid_fraction,
        label_above=label_above,
        overwrite=overwrite,
        row_group_rows=row_group_rows,
    )


@app.command()
def run(
    data: Annotated[Path, typer.Argument(help="A folder that `feedrate prepare` made.")],
    output: Out,
    loaders: Annotated[
        str,
        typer.Option(
            metavar="A,B",
            help="Loaders, each with options as NAME:option=value; your own as package.module:Factory.",
        ),
    ] = "native,native-batched,nvtabular,cupy",
    modes: Annotated[
        str, typer.Option(metavar="A,B", help="load: the loader alone; replay: the model alone; train: both.")
    ] = "load,replay,train",
    repeats: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Rounds with each seed; else until ratios are known to --precision, or --budget ends."),
    ] = None,
    precision: Annotated[
        float, typer.Option(help="Width of the 95 % interval of each ratio to the baseline that is narrow enough.")
    ] = 0.04,
    budget: Annotated[
        float, typer.Option(metavar="SECONDS", help="No new round is begun that would end after it.")
    ] = 600.0,
    baseline: Annotated[str, typer.Option(metavar="LOADER", help="That ratios are taken to; else the first.")] = "",
    batch_size: Annotated[str, typer.Option(metavar="N,M", help="Rows a batch; several are an axis.")] = "32768",
    epochs: Annotated[int, typer.Option(help="Timed epochs a trial.")] = 5,
    seeds: Annotated[
        str, typer.Option(metavar="N,M", help="Of order and first weights: each round has the next one.")
    ] = "0,1,2",
    cache: Annotated[str, typer.Option(help="State of the page cache to start from: warm or cold.")] = "warm",
    workers: Annotated[int, typer.Option(help="Worker processes for loaders that use them.")] = 0,
    prefetch: Annotated[int, typer.Option(help="Batches each worker prepares ahead.")] = 2,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    shuffle: Annotated[bool, typer.Option(help="Another order each epoch, or the files' order.")] = True,
    memory_budget: Annotated[
        str, typer.Option(metavar="SIZE", help="Memory a loader may hold, as 2GB: of the GPU, or the host without one.")
    ] = "",
    hidden: Annotated[str, typer.Option(metavar="N,M", help="Units of the model's layers.")] = "128,128,128",
    embedding_width: Annotated[Optional[int], typer.Option(help="Of every table; else by NVTabular's rule.")] = None,  # noqa: UP045
    dropout: Annotated[float, typer.Option(help="After each layer.")] = 0.0,
    loss: Annotated[str, typer.Option(help="mse or bce.")] = "mse",
    optimizer: Annotated[str, typer.Option(help="adam, sgd or adagrad.")] = "adam",
    learning_rate: Annotated[float, typer.Option(help="Of the optimizer.")] = 0.01,
    step: Annotated[
        str,
        typer.Option(
            help="eager, as the notebook's; or fast: the same mathematics, fused, for a consumer that needs a fast loader."
        ),
    ] = "eager",
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="Silence after which a trial is stopped.")] = 300.0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what is missing or failed in DIR.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Time the loaders, each driving the same model on the same rows; write DIR/run.json and DIR/report.html.

    Exit code 1 where a trial failed or is void, or none could be run.
    """
    from feedrate.bench.cli import terminal
    from feedrate.bench.results import store
    from feedrate.bench.results.spec import ModelSpec
    from feedrate.bench.run import session
    from feedrate.bench.run.plan import Plan
    from feedrate.bench.run.stopping import rule_for
    from feedrate.reports.analysis.summarize import summarize

    def plan(found_device: str) -> Plan:
        return Plan(
            loaders=_words(loaders),
            modes=_words(modes),  # type: ignore[arg-type]  # TrialSpec refuses what is none
            repeats=repeats,
            batch_sizes=_numbers("--batch-size", batch_size),
            seeds=_numbers("--seeds", seeds),
            epochs=epochs,
            device=found_device,
            workers=workers,
            prefetch=prefetch,
            shuffle=shuffle,
            memory_budget_bytes=_size("--memory-budget", memory_budget),
            cache=cache,  # type: ignore[arg-type]  # TrialSpec refuses what is none
            baseline=baseline,
            model=ModelSpec(
                hidden=_numbers("--hidden", hidden),
                embedding_width=embedding_width,
                dropout=dropout,
                loss=loss,  # type: ignore[arg-type]  # ModelSpec refuses what is none
                optimizer=optimizer,  # type: ignore[arg-type]
                learning_rate=learning_rate,
                step=step,  # type: ignore[arg-type]
            ),
        )

    require_over_zero("--timeout", timeout)
    rule_for(plan("cpu"), width=precision, budget_s=budget)  # refuses what is wrong before anything slow happens
    started = session.start(data, output, device, plan, command=_command(), resume=resume, overwrite=overwrite)
    rule = rule_for(started.plan, width=precision, budget_s=budget)
    record = terminal.show_run(started, rule, timeout_s=timeout)
    comparison = summarize([(output, record)])
    terminal.write_report(comparison, store.path_of(output).with_name("report.html"))
    terminal.show_comparison(comparison)
    statuses = {trial.status for trial in record.trials}
    if statuses & {"failed", "void"} or "ok" not in statuses:
        raise typer.Exit(1)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, or their run.json.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="HTML file; of one run else report.html in its folder."),
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="table, or print markdown, csv or json and write no page unless -o names it; parquet: -o FILE.",
        ),
    ] = "table",
    samples: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every epoch and step of every trial there, as Parquet.")
    ] = None,
    figures: Annotated[Path | None, typer.Option(metavar="DIR", help="Write each figure there, as a file.")] = None,
    figure_format: Annotated[str, typer.Option(help="svg or png.")] = "svg",
) -> None:
    """Draw one or several runs: an HTML page that works offline, and the same table here.

    Of several runs the page is written where -o says, and nowhere without it.
    """
    from feedrate.bench.cli import terminal
    from feedrate.bench.results import store
    from feedrate.reports.analysis.summarize import summarize

    terminal.check_format(form)
    if output and output.is_dir():
        raise FeedrateError(f"-o is {output}, which is a folder: name a file in it")
    if output and form in ("markdown", "csv", "json") and output.suffix not in (".html", ".htm"):
        raise FeedrateError(
            f"-o is {output}, but names the page: `feedrate report RUN --format {form} > {output}` writes the text"
        )
    if figures:
        require_no_file("--figures", figures)
    if form == "parquet" and output is None:
        raise FeedrateError("--format parquet is no text: name a file with -o FILE")
    comparison = summarize([(run, store.read(run)) for run in runs])
    if samples:
        terminal.write_samples(comparison, samples)
    if figures:
        terminal.write_figures(comparison, figures, figure_format)
    if form == "parquet" and output:
        terminal.write_samples(comparison, output)
        return
    if output or (form == "table" and len(runs) == 1):
        terminal.write_report(comparison, output or store.path_of(runs[0]).with_name("report.html"), runs)
    terminal.show_comparison(comparison, form)


@app.command()
def profile(
    loaders: Annotated[str, typer.Argument(metavar="LOADER[,LOADER]", help="As in `feedrate run --loaders`.")],
    data: Annotated[Path, typer.Argument(help="A folder that `feedrate prepare` made.")],
    *,
    output: Out,
    steps: Annotated[int, typer.Option(help="Steps of a warm training that are recorded.")] = 50,
    profiler: Annotated[
        str, typer.Option(help="nsys, torch, or auto: nsys where there is a GPU and it, else torch.")
    ] = "auto",
    batch_size: Annotated[int, typer.Option(metavar="N", help="Rows a batch.")] = 32768,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    step: Annotated[str, typer.Option(help="eager or fast.")] = "eager",
    hidden: Annotated[str, typer.Option(metavar="N,M", help="Units of the model's layers.")] = "128,128,128",
    memory_budget: Annotated[str, typer.Option(metavar="SIZE", help="As in `feedrate run`.")] = "",
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="After which a profile is given up.")] = 300.0,
) -> None:
    """Record some steps of a training and say why they take as long as they do: DIR/LOADER/profile.json and a trace.

    What is measured here explains; headline numbers come from `feedrate run`, which no profiler disturbs.
    """
    from feedrate.bench.cli import terminal
    from feedrate.bench.profiling import session
    from feedrate.bench.results.spec import ModelSpec

    request = session.ProfileRequest(
        steps=steps, profiler=profiler, batch_size=batch_size, device=device,
        model=ModelSpec(hidden=_numbers("--hidden", hidden), step=step),  # type: ignore[arg-type]  # it refuses what is none
        memory_budget_bytes=_size("--memory-budget", memory_budget), timeout_s=timeout,
    )  # fmt: skip
    terminal.print_profiles(session.run(loaders.split(","), data, output, request))


@app.command()
def explain(
    run: Annotated[
        Path, typer.Argument(help="A folder that `feedrate profile` or `feedrate run` wrote, or one profile.json.")
    ],
) -> None:
    """Why each profiled loader is as fast as it is: the cause, the evidence and a remedy."""
    from feedrate.bench.cli import terminal
    from feedrate.bench.results.profiles import files

    found = list(files.explained(run))
    if not found:
        raise FeedrateError(f"{run} has no profile: `feedrate profile LOADER DATA -o {run}` makes one")
    terminal.print_profiles(found)


@app.command()
def validate(
    records: Annotated[list[Path], typer.Argument(help="run.json files, or folders that have one.")],
) -> None:
    """Say whether records are whole and sane: before one that somebody sent is taken into a site. Exit code 2 where one is not."""
    from feedrate.bench.cli import terminal

    if not terminal.show_faults(records):
        raise typer.Exit(2)


@app.command("compare")
def compare_command(
    base: Annotated[str, typer.Argument(help="A run, or RUN@LOADER for one loader of it.")],
    head: Annotated[
        str, typer.Argument(help="The same; left out: the other loaders of BASE against its baseline.")
    ] = "",
    fail_if: Annotated[
        str,
        typer.Option(
            "--fail-if",
            metavar="CONDITIONS",
            help='Exit code 1 where one is met beyond what chance explains: "rows_per_s<-5%,auc<-0.002,stall_fraction>+0.05".',
        ),
    ] = "",
    all_metrics: Annotated[bool, typer.Option("--all", help="Every quantity, not only those of the table.")] = False,
) -> None:
    """Say what is faster, slower, the same, or cannot be told: HEAD against BASE, with interval and smallest visible effect.

    What else differs between the runs (machine, versions, settings) is listed. Runs of another task (dataset, device, model,
    epochs, shuffle, page cache) are refused, and gates over two machines.
    """
    from feedrate.bench.cli import terminal
    from feedrate.reports.analysis import gates as conditions
    from feedrate.reports.analysis import run_comparison
    from feedrate.reports.analysis.provenance_diff import provenance_diff

    gates = conditions.read_gates(fail_if)
    one, other = (
        (run_comparison.read_side(base), run_comparison.read_side(head)) if head else run_comparison.within(base)
    )
    lines = run_comparison.compare_runs(one, other)
    failed = list(conditions.failures(one, other, lines, gates))
    terminal.show_differences(provenance_diff([one.record, other.record]))
    terminal.show_versus(lines, {gate.metric for gate in gates}, all_metrics=all_metrics)
    terminal.show_gates(failed, list(conditions.undecided(lines, gates)))
    if failed:
        raise typer.Exit(1)


@app.command()
def history(
    runs: Annotated[Path, typer.Argument(help="A folder with runs in it, at any depth.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Also write an HTML page there.")
    ] = None,
) -> None:
    """Show how each loader's metrics moved over many runs, and the commit at which they changed for good."""
    from feedrate.bench.cli import terminal
    from feedrate.reports.analysis.history import history as read_history
    from feedrate.reports.formats import history_page, history_text

    found = read_history(runs, terminal.say)
    history_text.print_history(found, terminal.out)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(history_page.render(found), encoding="utf-8", errors="replace")
        terminal.say(f"wrote {output}")


@app.command()
def site(
    runs: Annotated[Path, typer.Argument(help="A folder with runs in it, at any depth.")],
    output: Out,
) -> None:
    """Write a static site of many runs: an index, and a page for each data set and machine. Works from disk, too.

    A record that cannot be read is named and left out.
    """
    from feedrate.bench.cli import terminal
    from feedrate.reports.formats.site import build

    pages = build(runs, output, terminal.say)
    terminal.say(f"wrote {output / 'index.html'} and {pages} page(s) that it links to")


@app.command()
def calibrate(
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    sampling: Annotated[
        bool, typer.Option("--sampling", help="Measure what looking at a trial costs it, too.")
    ] = False,
) -> None:
    """Measure what feedrate itself costs a step, with a loader and a model that do nothing. Each run records the same.

    And with --sampling, what is lost while a trial's memory and device are looked at ten times a second: about two minutes.
    """
    from feedrate.bench.calibration.harness_cost import measure
    from feedrate.bench.cli import terminal
    from feedrate.bench.run import session

    found = session.found_device(device)
    terminal.calibration(measure(found))
    if sampling:
        terminal.show_sampling(found)


@app.command()
def selftest(
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N: where planted faults are run.")] = "auto",
    pairs: Annotated[int, typer.Option(help="Real comparisons of a loader with itself; 0 leaves verdicts out.")] = 20,
    rounds: Annotated[int, typer.Option(help="Processes for each side of a comparison.")] = 4,
) -> None:
    """Prove on this machine that feedrate catches planted faults, measures planted delays and gives right verdicts.

    Six to fifteen minutes on two cores; exit code 1 where something is not as it should be.
    """
    from feedrate.bench.cli import terminal
    from feedrate.bench.run import session

    if not terminal.show_selftest(session.found_device(device), pairs, rounds):
        raise typer.Exit(1)


@app.command()
def check(
    loader: Annotated[str, typer.Argument(help="A loader's name, or package.module:Factory.")],
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    data: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="DIR", help="Check on the training rows of a prepared dataset instead of planted ones."),
    ] = None,
    rows: Annotated[int, typer.Option(help="Of the planted dataset.")] = 10_007,
    batch_size: Annotated[int, typer.Option(help="Rows a batch.")] = 512,
    workers: Annotated[int, typer.Option(help="Worker processes for loaders that use them.")] = 0,
) -> None:
    """Check a loader against every rule of the contract; exit code 1 where one is broken."""
    from feedrate.bench.cli import terminal

    if not terminal.check_loader(loader, device, data, rows, batch_size, workers):
        raise typer.Exit(1)


@app.command()
def install(
    loader: Annotated[str, typer.Argument(help="A loader whose library cannot live beside the others: nvtabular.")],
    isolated: Annotated[
        bool,
        typer.Option(
            "--isolated", help="Everything of its own (old numpy and pandas, torch again), not laid over this one."
        ),
    ] = False,
    find_links: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="DIR", help="Take every package from this folder of wheels, without a network."),
    ] = None,
) -> None:
    """Make the environment in which a loader's trials are run; an old one is replaced."""
    from feedrate.bench.cli import terminal

    terminal.install(loader, isolated=isolated, find_links=find_links)


@app.command("list")
def list_loaders() -> None:
    """The loaders there are."""
    from feedrate.bench.cli import terminal

    terminal.list_loaders()


@app.command()
def doctor() -> None:
    """What is available on this machine, and how to get what is not."""
    from feedrate.bench.cli import terminal

    terminal.doctor()


@app.command()
def version() -> None:
    """The version of feedrate."""
    from feedrate.bench.host.environment import metadata_version

    print(metadata_version("feedrate"))


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _numbers(option: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in _words(text))
    except ValueError as error:
        raise FeedrateError(f"{option} is {text!r}, but takes whole numbers, with commas between") from error


def _size(option: str, text: str) -> int | None:
    from feedrate.loaders.registry import read_bytes

    try:
        return read_bytes(text) if text else None
    except ValueError as error:
        raise FeedrateError(f"{option} is {text!r}, but takes a size as 2GB, 512MiB or 1000000") from error


def _command() -> str:
    """The command as typed, without the folder the program lies in."""
    return " ".join(["feedrate", *sys.argv[1:]])


if __name__ == "__main__":
    main()
