"""`feedrate simulate`: training on clusters that are not here, predicted from a record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from feedrate.bench.cli.options import MAX_INT32, MAX_SEED, Numbers, local_path
from feedrate.bench.simulation.workload import MAX_JITTER
from feedrate.loaders.errors import FeedrateError

if TYPE_CHECKING:
    from feedrate.bench.results.predictions.prediction import Prediction

MAX_NODES = 1024
MAX_GPUS = 64
"""GPUs of a node, or processes without GPUs."""
MAX_CORES = 4096
MAX_GB_S = 1_000_000
MIN_GB_S = 1e-6
MAX_ROW_BYTES = 1_000_000_000
MAX_GRADIENT_MB = 10_000_000
MAX_LATENCY_US = 1_000_000


def _bandwidth(about: str) -> Any:
    return typer.Option(metavar="X", min=MIN_GB_S, max=MAX_GB_S, help=about)


def node_counts(value: Any) -> Numbers:
    """Read "1,2,8", or "1..1024" for each doubling from 1 to 1024. Raises BadParameter for anything else."""
    if not isinstance(value, str):  # a default
        return Numbers(value)
    bounds = f"{value!r} must be node counts from 1 to {MAX_NODES:,}, such as 1..{MAX_NODES} or 1,4,16"
    first, dots, last = value.partition("..")
    try:
        numbers = [int(word) for word in ((first, last) if dots else value.split(","))]
    except ValueError:
        raise typer.BadParameter(bounds) from None
    if not all(1 <= number <= MAX_NODES for number in numbers) or (dots and numbers[0] > numbers[1]):
        raise typer.BadParameter(bounds)
    return Numbers(_doublings(*numbers) if dots else sorted(set(numbers)))


def _doublings(first: int, last: int) -> list[int]:
    numbers = [first]
    while numbers[-1] * 2 <= last:
        numbers.append(numbers[-1] * 2)
    return [*numbers, last] if numbers[-1] < last else numbers


def simulate(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            parser=local_path,
            help="Runs of one machine and dataset, with the loader alone (load) and the model alone (replay).",
        ),
    ],
    nodes: Annotated[
        Numbers, typer.Option(metavar="N..M", parser=node_counts, help="Numbers of nodes: 1..8 (1,2,4,8) or 1,3,6.")
    ] = Numbers(_doublings(1, MAX_NODES)),
    gpus_per_node: Annotated[
        int, typer.Option(metavar="N", min=1, max=MAX_GPUS, help="GPUs of a node, or its processes without GPUs.")
    ] = 8,
    cores_per_node: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=MAX_CORES, help="Cores of a node. Default: those of the record, for each GPU."
        ),
    ] = None,
    storage_gb_s: Annotated[
        float | None,
        _bandwidth("Bandwidth in GB/s of the storage that all nodes share. Default: no limit."),
    ] = None,
    network_gb_s: Annotated[
        float | None,
        _bandwidth("Bandwidth in GB/s of a node's network link. Default: no limit."),
    ] = None,
    node_gb_s: Annotated[
        float | None,
        _bandwidth("Bandwidth in GB/s between GPUs of one node. Default: that of --network-gb-s."),
    ] = None,
    latency_us: Annotated[
        float,
        typer.Option(metavar="X", min=0.0, max=MAX_LATENCY_US, help="Microseconds of a message between two GPUs."),
    ] = 10.0,
    jitter: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            min=0.0,
            max=MAX_JITTER,
            help="Variation of each step: 0.1 is about 10 %. Default: that of the record's model.",
        ),
    ] = None,
    loader: Annotated[
        str, typer.Option(metavar="LOADER", help="Loader to simulate. Default: the one that is fastest alone.")
    ] = "",
    batch_size: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=MAX_INT32, help="Rows per batch and GPU. Default: the largest one of the record."
        ),
    ] = None,
    bytes_per_row: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            min=0.0,
            max=MAX_ROW_BYTES,
            help="Bytes of a row in storage. Default: what the record's loader read.",
        ),
    ] = None,
    gradient_mb: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            min=0.0,
            max=MAX_GRADIENT_MB,
            help="Gradients to average in a step, in MB. Default: all parameters of the record's model.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, max=MAX_SEED, help="Seed of the jitter.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", parser=local_path, help="Also write an HTML page to FILE."),
    ] = None,
) -> None:
    """Predict training on many nodes from a measured run: rows/s, waiting, and what holds it back first.

    It simulates loaders, models, storage and network step by step. All assumptions are printed.
    """
    from feedrate.bench.cli.terminal import out
    from feedrate.bench.results import store
    from feedrate.bench.simulation.measured import Given
    from feedrate.bench.simulation.sweep import Nodes, predict
    from feedrate.reports.formats.predicted.text import print_prediction

    if output and output.is_dir():
        raise FeedrateError(f"-o is {output}, which is a folder: name a file in it")
    given = Given(
        loader=loader,
        batch_size=batch_size,
        bytes_per_row=bytes_per_row,
        gradient_bytes=None if gradient_mb is None else gradient_mb * 1e6,
    )
    cluster = Nodes(
        counts=nodes, gpus=gpus_per_node, cores=cores_per_node, storage_gb_s=storage_gb_s, network_gb_s=network_gb_s,
        node_gb_s=node_gb_s, latency_us=latency_us, jitter=jitter,
    )  # fmt: skip
    prediction = predict([store.read(run) for run in runs], given, cluster, seed=seed)
    print_prediction(prediction, out)
    if output:
        write_page(prediction, output)


def write_page(prediction: Prediction, file: Path) -> None:
    """Write the page of a prediction."""
    from feedrate.bench.cli.terminal import say
    from feedrate.bench.results.whole_file import write_whole
    from feedrate.reports.formats.predicted.page import render

    write_whole(file, render(prediction).encode(errors="replace"))
    say(f"wrote {file}")


COMMANDS = {"simulate": simulate}
