"""`python -m feedrate.rank run ...`, started once for each rank: rank 0 is `feedrate run`, and the others follow it."""

from __future__ import annotations

import os
import sys

import typer

from feedrate.bench.cli.app import app, readable_errors
from feedrate.bench.cli.usage_errors import UsageError
from feedrate.bench.host.ranks.group import Launched
from feedrate.bench.host.ranks.outer_group import outer_group
from feedrate.bench.run.ranks.outer import OuterRanks, follow
from feedrate.bench.trial.child import leave
from feedrate.loaders.errors import FeedrateError


def main() -> None:
    """Do this process's part of the run, and end without torch's own end, which aborts the process now and then."""
    try:
        take_part()
    except SystemExit as end:
        sys.stdout.flush()
        leave(end.code if isinstance(end.code, int) else 1)


def take_part() -> None:
    """Do this process's part of the run. Raises SystemExit for an error of the user's."""
    with readable_errors():
        if sys.argv[1:2] != ["run"]:
            raise FeedrateError("feedrate.rank starts ranks of `run` only: python -m feedrate.rank run DATA -o DIR")
        launched = Launched.of(os.environ)
        group = outer_group(launched)
        code = _lead(OuterRanks(group)) if launched.rank == 0 else follow(group)
        sys.stdout.flush()
        leave(code)  # at once: torchrun ends the other processes when it notices the end of one


def _lead(ranks: OuterRanks) -> int:
    """Run the command, and have the other processes end with this one. Return its exit code."""
    try:
        code = int(app(standalone_mode=False, obj=ranks) or 0)
    except typer.Abort:  # by a signal: the others notice the end of this process
        raise
    except BaseException as error:
        ranks.end(2 if isinstance(error, FeedrateError | OSError | UsageError) else 1)
        raise
    ranks.end(code)
    return code
