"""What it costs a trial that the suite looks at its memory and its device meanwhile: blocks of the same work, looked at and not,
in turns. Run as a module it is the process that works, and prints each block's seconds.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Literal, get_args

from feedrate.bench.host.processes import last_words
from feedrate.bench.host.watch import Watch
from feedrate.bench.results.stats import Estimate, ratio
from feedrate.bench.timing.clock import now, synchronise
from feedrate.loaders.errors import FeedrateError

if TYPE_CHECKING:
    from feedrate.loaders.base import Batch

Work = Literal["training", "launches"]
"""training: the reference model's eager step at batch 32768, for which the device is the limit; launches: of kernels that do next
to nothing, for which the host is."""
WORKS: tuple[Work, ...] = get_args(Work)
PAIRS = 30
BLOCK_S = 0.5
LOOKED_AT = (True, False, False, True)
"""Of four blocks; again and again: what drifts evenly falls on both kinds alike."""
ROWS = 32_768
CARDINALITIES = {"userId": 162_542, "movieId": 59_048}
"""MovieLens 25M's."""


def cost(work: Work, device: str, *, pairs: int = PAIRS, block_s: float = BLOCK_S) -> Estimate:
    """Speed of blocks that are looked at, by that of the others: under 1 where looking costs something. Raises FeedrateError."""
    words = [sys.executable, "-m", __name__, work, device, str(2 * pairs + 1), str(block_s)]
    speeds: dict[bool, list[float]] = {True: [], False: []}
    with TemporaryFile() as said, subprocess.Popen(words, stdout=subprocess.PIPE, stderr=said, text=True) as child:
        assert child.stdout is not None
        watch = Watch(child.pid)
        watch.paused = True
        try:
            child.stdout.readline()  # the first block: it has warmed up
            watch.start(device)
            for number in range(2 * pairs):
                looked_at = LOOKED_AT[number % len(LOOKED_AT)]
                watch.paused = not looked_at
                if not (line := child.stdout.readline()):
                    raise FeedrateError(f"the cost of sampling cannot be measured: {_said(said)}")
                speeds[looked_at].append(1 / float(line))
        finally:
            watch.stop()
            child.kill()
    return ratio(speeds[True], speeds[False], paired=True)


def _said(errors: IO[bytes]) -> str:
    errors.seek(0)
    return last_words(errors.read().decode(errors="replace"))


def _training(device: str) -> Callable[[], object]:
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
        {name: torch.randint(high, (ROWS,), dtype=torch.int32, device=device) for name, high in CARDINALITIES.items()},
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
    import torch

    number = torch.zeros(1, device=device)
    return lambda: [number.add_(1) for _ in range(1_000)]


def _work(work: Work, device: str, blocks: int, block_s: float) -> None:
    """Print the seconds of each block; all do the same, which takes about block_s."""
    once = {"training": _training, "launches": _launches}[work](device)

    def times(count: int) -> float:
        begin = now()
        for _ in range(count):
            once()
        synchronise(device)
        return now() - begin

    times(3)
    count = max(1, round(3 * block_s / times(3)))
    for seconds in islice(iter(lambda: times(count), None), blocks):
        print(seconds, flush=True)


if __name__ == "__main__":
    _work(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))  # type: ignore[arg-type]
