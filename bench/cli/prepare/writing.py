"""Holds the output folder of `feedrate prepare` while it writes, and decides who does the work: this process or a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from feedrate.loaders.errors import FeedrateError

if TYPE_CHECKING:
    from feedrate.bench.datasets.options import EtlName, PrepareOptions

Dask = Annotated[
    str | None,
    typer.Option(
        metavar="local[:N]|ADDRESS",
        help="Prepare on a Dask cluster: local:4 starts 4 workers here, local one per core, tcp://HOST:8786 is a scheduler.",
    ),
]


def require_parts(dask: str | None, etl: EtlName) -> None:
    """Raise FeedrateError if a cluster is to do what is not done in parts."""
    if dask is not None and etl == "nvtabular":
        raise FeedrateError(
            "--dask does not go with --etl nvtabular, whose workflow runs in one process of its own: leave out one of them"
        )


@contextmanager
def writing(output: Path, options: PrepareOptions, dask: str | None) -> Iterator[PrepareOptions]:
    """Hold the output folder, and remove what a killed `prepare` has left beside it and among temporary files.

    Yield the options with who does the work. dask: "local", "local:N", the address of a scheduler, or None for this process.
    """
    from feedrate.bench.host.lifecycle.folder_lock import only_writer
    from feedrate.bench.host.lifecycle.replaced_folder import clear_up
    from feedrate.loaders.scratch.temporary_folder import remove_abandoned

    with only_writer(output, replaced=True):
        complete = (output / "dataset.json").exists() and not options.overwrite
        clear_up(output, keep_parts=dask is not None and not complete)
        remove_abandoned()
        if dask is None:
            yield options
            return
        with _on_dask(output, options, dask) as on_dask:
            yield on_dask


@contextmanager
def _on_dask(output: Path, options: PrepareOptions, dask: str) -> Iterator[PrepareOptions]:
    """Yield the options with a runner on the cluster. Parts that are finished are kept until the dataset is."""
    from feedrate.bench.cli.terminal import say
    from feedrate.bench.datasets.parts.cluster import dask_runner
    from feedrate.bench.datasets.parts.finished_part import finished_parts
    from feedrate.bench.datasets.writer import require_free
    from feedrate.bench.host.lifecycle.replaced_folder import parts_of
    from feedrate.loaders.scratch.removal import remove_folder

    require_free(output, overwrite=options.overwrite)
    folder, complete = parts_of(output), False
    try:
        with dask_runner(dask, folder, say) as runner:
            yield replace(options, runner=runner)
            complete = True
    finally:
        kept = 0 if complete else finished_parts(folder)
        if kept:
            say(f"finished parts ({kept:,}) stay in {folder}: the same command goes on from them")
        else:
            remove_folder(folder)
