"""Measures how much a trial slows down while the suite samples its memory and its device.

It compares blocks of the same work with and without sampling. Run as a module, it is the process that works, and prints
the seconds of each block.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Literal, get_args

from feedrate.bench.host.lifecycle.search_path import child_environment, module_command
from feedrate.bench.host.processes import last_words
from feedrate.bench.host.watch import Watch
from feedrate.bench.results.stats import Estimate, ratio
from feedrate.bench.timing.clock import now, synchronise
from feedrate.loaders.errors import FeedrateError

if TYPE_CHECKING:
    from feedrate.loaders.base import Batch

Work = Literal["training", "launches"]
"""training: the reference model's eager step at batch size 32768, which the device limits.

launches: kernels that do almost nothing, which the host limits.
"""
WORKS: tuple[Work, ...] = get_args(Work)
PAIRS = 30
"""Number of sampled blocks, and of unsampled ones."""
BLOCK_S = 0.5
"""Seconds that one block takes, approximately."""
SAMPLED = (True, False, False, True)
"""Which of four consecutive blocks are sampled. The order makes a steady drift affect both kinds alike."""
ROWS = 32_768
CARDINALITIES = {"userId": 162_542, "movieId": 59_048}
"""Cardinalities of MovieLens 25M."""


def cost(work: Work, device: str, *, pairs: int = PAIRS, block_s: float = BLOCK_S) -> Estimate:
    """Return the speed of sampled blocks divided by that of unsampled ones: below 1 if sampling costs time.

    device: "cpu" or a CUDA device. Raises FeedrateError if the working process fails.
    """
    command = module_command(sys.executable, __name__, work, device, str(2 * pairs + 1), str(block_s))
    speeds: dict[bool, list[float]] = {True: [], False: []}
    with (
        TemporaryFile() as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=child_environment()) as child,
    ):
        assert child.stdout is not None
        watch = Watch(child.pid)
        watch.paused = True
        try:
            child.stdout.readline()  # the first block is the warm-up
            watch.start(device)
            for number in range(2 * pairs):
                sampled = SAMPLED[number % len(SAMPLED)]
                watch.paused = not sampled
                if not (line := child.stdout.readline()):
                    raise FeedrateError(f"the cost of sampling cannot be measured: {_last_error(errors)}")
                speeds[sampled].append(1 / float(line))
        finally:
            watch.stop()
            child.kill()
    return ratio(speeds[True], speeds[False], paired=True)


def _last_error(errors: IO[bytes]) -> str:
    errors.seek(0)
    return last_words(errors.read().decode(errors="replace"))


def _training(device: str) -> Callable[[], object]:
    """Return a function that runs one training step of the reference model."""
    import torch

    from feedrate.bench.consumer.model import throwaway_model
    from feedrate.bench.consumer.steps import make_step
    from feedrate.bench.results.spec import ModelSpec
    from feedrate.loaders.base import Batch, Categorical, Schema

    single = tuple(Categorical(name=name, cardinality=cardinality) for name, cardinality in CARDINALITIES.items())
    schema = Schema(
        single_hot=single, multi_hot=(Categorical(name="genres", cardinality=21),), continuous=(), label="rating"
    )
    batch: Batch = Batch(
        {name: torch.randint(size, (ROWS,), dtype=torch.int32, device=device) for name, size in CARDINALITIES.items()},
        {"genres": (
            torch.randint(21, (2 * ROWS,), dtype=torch.int32, device=device),
            torch.arange(0, 2 * ROWS + 1, 2, dtype=torch.int32, device=device),
        )},
        {},
        torch.randint(2, (ROWS,), device=device).float(),
    )  # fmt: skip
    step = make_step(throwaway_model(schema, ModelSpec(), device=device), ModelSpec())
    return lambda: step(batch)


def _launches(device: str) -> Callable[[], object]:
    """Return a function that launches 1,000 tiny kernels."""
    import torch

    number = torch.zeros(1, device=device)
    return lambda: [number.add_(1) for _ in range(1_000)]


def _work(work: Work, device: str, blocks: int, block_s: float) -> None:
    """Print the seconds of each block. All blocks do the same work, which takes about block_s seconds."""
    run_once = {"training": _training, "launches": _launches}[work](device)

    def time_runs(count: int) -> float:
        begin = now()
        for _ in range(count):
            run_once()
        synchronise(device)
        return now() - begin

    time_runs(3)  # warm-up
    count = max(1, round(3 * block_s / time_runs(3)))
    for seconds in islice(iter(lambda: time_runs(count), None), blocks):
        print(seconds, flush=True)


if __name__ == "__main__":
    _work(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))  # type: ignore[arg-type]
