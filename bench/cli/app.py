"""The command `feedrate`: its subcommands, and the handling of errors. Each subcommand has a file of its own."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from feedrate.bench.cli import (
    archive,
    calibrate,
    check,
    compare,
    doctor,
    install,
    new_loader,
    profile,
    report,
    selftest,
    simulate,
)
from feedrate.bench.cli.prepare import command as prepare
from feedrate.bench.cli.run import command as run
from feedrate.bench.cli.usage_errors import UsageError, sentence
from feedrate.loaders.error_text import one_line
from feedrate.loaders.errors import Faults, FeedrateError
from feedrate.reports.formats.terminal import letters

app = typer.Typer(
    help="How fast can a data loader feed this GPU, what holds it back, and which loader should I use?",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def print_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        from feedrate import __version__

        print(__version__)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """How fast can a data loader feed this GPU, what holds it back, and which loader should I use?"""
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


for module in (
    prepare,
    run,
    report,
    compare,
    profile,
    simulate,
    check,
    new_loader,
    install,
    doctor,
    archive,
    calibrate,
    selftest,
):
    for name, command in module.COMMANDS.items():
        app.command(name)(command)


@app.command()
def version() -> None:
    """Show the version."""
    print_version(True)


def main() -> None:
    """Run the command."""
    with readable_errors():
        sys.exit(app(standalone_mode=False))


@contextlib.contextmanager
def readable_errors() -> Iterator[None]:
    """Turn an error of the user's into one line on standard error and exit code 2."""
    letters.register()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names and sparklines may have letters that its encoding lacks
            stream.reconfigure(errors=letters.HANDLER)
    try:
        yield
    except UsageError as error:
        _fail(sentence(error, sys.argv[1:]))
    except Faults as error:
        _fail(*error.lines)
    except (FeedrateError, OSError) as error:
        _fail(str(error))
    except MemoryError as error:
        why = f" ({error})" if str(error) else ""
        _fail(f"the memory does not suffice{why}: give the command more, or smaller files")
    except typer.Abort:
        _fail("aborted")


def _fail(*sentences: str) -> None:
    lines = [one_line(sentence) for sentence in sentences]
    with contextlib.suppress(OSError):  # the terminal may be gone
        print("feedrate: " + "\n  ".join(lines), file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
