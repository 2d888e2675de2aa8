"""`feedrate report`: runs as a page, a table, or a file of samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from feedrate.bench.cli.options import local_path
from feedrate.loaders.errors import FeedrateError, require_no_file

if TYPE_CHECKING:
    from feedrate.reports.analysis.summarize import Comparison

Format = Literal["table", "markdown", "csv", "json", "parquet"]


def report(
    runs: Annotated[list[Path], typer.Argument(parser=local_path, help="Folders of runs, or their run.json files.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            parser=local_path,
            help="HTML page to write. Default: report.html in the folder of a single run.",
        ),
    ] = None,
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="table prints a table and writes the page. markdown, csv and json print text instead. parquet writes -o FILE.",
        ),
    ] = "table",
    samples: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=local_path,
            help="Also write every epoch and step of every trial to this Parquet file.",
        ),
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(metavar="DIR", parser=local_path, help="Also write each figure to this folder.")
    ] = None,
    figure_format: Annotated[Literal["svg", "png"], typer.Option(help="File format of --figures.")] = "svg",
    wide: Annotated[bool, typer.Option("--wide", help="Print every column and all notes in the table.")] = False,
) -> None:
    """Show one or several runs as a page and a table.

    The HTML page works offline. With several runs, a page is written only if -o names it. The table fits the terminal, or
    the number of columns in COLUMNS.
    """
    from feedrate.bench.host.lifecycle.checkout import read_checkout
    from feedrate.bench.results import store
    from feedrate.reports.analysis.summarize import summarize

    _refuse_wrong_output(output, form, figures)
    comparison = summarize([(run, store.read(run)) for run in runs], read_checkout().commit)
    if samples:
        write_samples(comparison, samples)
    if figures:
        write_figures(comparison, figures, figure_format)
    if form == "parquet" and output:
        write_samples(comparison, output)
        return
    if output or (form == "table" and len(runs) == 1):
        write_report(comparison, output or store.path_of(runs[0]).with_name("report.html"), runs)
    show_comparison(comparison, form, wide=wide)


def _refuse_wrong_output(output: Path | None, form: Format, figures: Path | None) -> None:
    if output and output.is_dir():
        raise FeedrateError(f"-o is {output}, which is a folder: name a file in it")
    if output and form in ("markdown", "csv", "json") and output.suffix not in (".html", ".htm"):
        raise FeedrateError(
            f"-o names an HTML page, not {output}. To save the text: `feedrate report RUN --format {form} > {output}`"
        )
    if figures:
        require_no_file("--figures", figures)
    if form == "parquet" and output is None:
        raise FeedrateError("--format parquet needs an output file: pass -o FILE")


def show_comparison(comparison: Comparison, form: Format = "table", *, wide: bool = False) -> None:
    """Print the comparison in this format."""
    from feedrate.bench.cli.terminal import out
    from feedrate.reports.formats import markdown, numbers
    from feedrate.reports.formats.terminal import summary

    writers = {"markdown": markdown.write_markdown, "csv": numbers.write_csv, "json": numbers.write_json}
    if form == "table":
        (summary.print_all if wide else summary.print_summary)(comparison, out)
    else:
        out.print(writers[form](comparison), markup=False, soft_wrap=True, end="")


def write_report(comparison: Comparison, path: Path, runs: Sequence[Path] = (), *, with_profiles: bool = True) -> None:
    """Write the page, with links to the runs' files and with the profiles that lie in their folders."""
    from feedrate.bench.cli.terminal import say
    from feedrate.bench.results.profiles import files
    from feedrate.bench.results.whole_file import write_whole
    from feedrate.reports import units
    from feedrate.reports.formats import html
    from feedrate.reports.formats.first_screen.record_link import record_link

    folders = [run for run in runs if run.is_dir()] if with_profiles else []
    profiles = [profile for run in folders for profile in files.explained(run)]
    records = [record_link(run, path) for run in runs]
    write_whole(path, html.render(comparison, profiles=profiles, records=records).encode())
    say(f"wrote {path} ({units.format_size(path.stat().st_size)})")


def write_samples(comparison: Comparison, file: Path) -> None:
    """Write every epoch and step as Parquet."""
    from feedrate.bench.cli.terminal import say
    from feedrate.reports.formats.samples import write_parquet

    epochs = write_parquet(comparison, file)
    say(f"wrote {file} ({epochs:,} epochs)")


def write_figures(comparison: Comparison, folder: Path, form: str) -> None:
    """Write each figure as a file."""
    from feedrate.bench.cli.terminal import say
    from feedrate.reports.formats.images import write_images

    written = write_images(comparison, folder, form)
    say(f"wrote {len(written)} figures to {folder}")


COMMANDS = {"report": report}
