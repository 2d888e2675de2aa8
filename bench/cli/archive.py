"""`feedrate history`, `feedrate site`, `feedrate tables` and `feedrate validate`: many records."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from feedrate.bench.cli.options import Output, local_path

Runs = Annotated[Path, typer.Argument(parser=local_path, help="Folder with runs in it, at any depth.")]


def history(
    runs: Runs,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", parser=local_path, help="Also write an HTML page to FILE."),
    ] = None,
) -> None:
    """Show how metrics moved over many runs, and at which commit."""
    from feedrate.bench.cli.terminal import out, say
    from feedrate.bench.results.whole_file import write_whole
    from feedrate.reports.analysis.history import history as read_history
    from feedrate.reports.formats import history_page, history_text

    trends = read_history(runs, say)
    history_text.print_history(trends, out)
    if output:
        write_whole(output, history_page.render(trends).encode(errors="replace"))
        say(f"wrote {output}")


def site(runs: Runs, output: Output) -> None:
    """Write a static site of many runs.

    It has an index, a page for each dataset and machine, and one for each loader. It works from disk, too. Records that cannot be
    read are named and left out.
    """
    from feedrate.bench.cli.terminal import say
    from feedrate.bench.host.lifecycle.folder_lock import only_writer
    from feedrate.reports.formats.site import build

    with only_writer(output):
        pages = build(runs, output, say)
    say(f"wrote {output / 'index.html'} and {pages} page(s) that it links to")


def tables(
    documents: Annotated[
        list[Path], typer.Argument(metavar="FILE...", parser=local_path, help="Markdown files to write.")
    ],
    records: Annotated[
        Path, typer.Option(metavar="DIR", parser=local_path, help="Folder of the records that the files name.")
    ] = Path("reports/published"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing. The exit code is 2 if a file is not up to date.")
    ] = False,
) -> None:
    """Write the tables of loaders in Markdown files from the records that they name.

    A table lies between the lines `<!-- table: RECORD -->` and `<!-- end -->`.
    """
    from feedrate.bench.cli.terminal import say
    from feedrate.bench.results.whole_file import write_whole
    from feedrate.loaders.errors import FeedrateError
    from feedrate.reports.formats.documents import rewritten

    before = {path: _text(path) for path in documents}
    after = {path: rewritten(text, path, records) for path, text in before.items()}
    changed = [path for path in documents if after[path] != before[path]]
    if check and changed:
        raise FeedrateError(f"{changed[0]} is not what the records give: run the same command without --check")
    for path in changed:
        write_whole(path, after[path].encode())
        say(f"wrote {path}")
    if not changed:
        say("all files are up to date")


def validate(
    records: Annotated[list[Path], typer.Argument(parser=local_path, help="run.json files, or folders that have one.")],
    publish: Annotated[
        bool, typer.Option("--publish", help="Also refuse a record without a commit, or with uncommitted changes.")
    ] = False,
) -> None:
    """Check that records are complete and plausible.

    Use it on a record that somebody sent. The exit code is 2 if a record is invalid.
    """
    if not show_faults(records, publish=publish):
        raise typer.Exit(2)


def show_faults(records: Iterable[Path], *, publish: bool = False) -> bool:
    """Print a line for each fault of each record. Return True if there is none."""
    from feedrate.bench.cli.terminal import out
    from feedrate.bench.results import store, validation

    all_valid = True
    for record in records:
        file = store.path_of(record)
        faults = validation.faults(file) or (validation.faults_of_publishing(file) if publish else [])
        all_valid &= not faults
        for fault in faults:
            printable = "".join(c if c.isprintable() else "?" for c in fault)
            out.print(f"{file}: {printable}", markup=False, soft_wrap=True)
        if not faults:
            out.print(f"{file}: valid", markup=False, soft_wrap=True)
    return all_valid


def _text(path: Path) -> str:
    from feedrate.bench.results import compressed
    from feedrate.loaders.errors import FeedrateError

    try:
        return compressed.read_bytes(path).decode()
    except UnicodeDecodeError:
        raise FeedrateError(f"{path} is not UTF-8 text: specify Markdown files") from None
    except FeedrateError as error:
        raise FeedrateError(f"{path} cannot be read: {error}") from error


COMMANDS = {"validate": validate, "history": history, "site": site, "tables": tables}
