"""How far `feedrate simulate` is from measured runs of 1, 2 and 4 gloo ranks: `python -m tests.benchmarks.simulation_error FOLDER`.

It measures loaders and the model alone with one process, then training with 1, 2 and 4 ranks, in turns, and prints a table. Other
programs and other ranks take cores away. The simulation gets the share of a core that a rank's thread had, which Linux measures:
it has to predict the work, the waits for batches and for other ranks, and the averaging of gradients.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from math import inf
from pathlib import Path
from statistics import fmean

from feedrate.bench.results import store
from feedrate.bench.results.record import EpochRecord, RunRecord
from feedrate.bench.simulation.cluster import simulate
from feedrate.bench.simulation.measured import Given, measured
from feedrate.bench.simulation.workload import Cluster

LOADERS = ("native-batched", "native", "native:workers=1")
RANKS = (1, 2, 4)
ROUNDS = 2
SETTINGS = "--device cpu --batch-size 4096 --embedding-width 16 --epochs 4 --repeats 1 --seeds 0 --overwrite".split()
ROWS = 125_000
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""Every rank has one thread, and so has the process that is measured alone."""
ALLREDUCES = """
import os, sys, time, torch, torch.distributed as dist
torch.set_num_threads(1)
dist.init_process_group("gloo")
gradients, times = torch.ones(int(sys.argv[1]) // 4), []
for _ in range(60):
    dist.barrier()
    begin = time.perf_counter()
    dist.all_reduce(gradients)
    times.append(time.perf_counter() - begin)
if dist.get_rank() == 0:
    print(sum(times) / len(times))
dist.destroy_process_group()
"""


def _feedrate(*words: str) -> None:
    command = [sys.executable, "-c", "from feedrate.__main__ import main; main()", *words]
    subprocess.run(command, env={**os.environ, **ONE_THREAD}, stdout=subprocess.DEVNULL, check=True)


def _allreduce_s(ranks: int, n_bytes: float) -> float:
    """Return the mean time in which ranks of this host average so many bytes through gloo."""
    script = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks), "--no-python"]
    command = [sys.executable, *script, sys.executable, "-c", ALLREDUCES, str(int(n_bytes))]
    done = subprocess.run(command, env={**os.environ, **ONE_THREAD}, capture_output=True, text=True, check=True)
    return float(done.stdout)


def measure(folder: Path) -> None:
    """Measure what is missing in the folder."""
    data = str(folder / "data")
    _feedrate("prepare", "synthetic-movielens", "--rows", str(ROWS), "-o", data, "--if-missing")
    for number in range(ROUNDS):
        for name, words in _runs(number):
            if not store.path_of(folder / name).exists():
                _feedrate("run", data, *words, *SETTINGS, "-o", str(folder / name))
        gradient_bytes = measured([store.read(folder / f"alone-{number}")], Given()).work.gradient_bytes
        for ranks in RANKS:
            file = folder / f"allreduce-{ranks}-{number}"
            if not file.exists():
                file.write_text(str(_allreduce_s(ranks, gradient_bytes)))


def _runs(number: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the name and the options of each run of a round. Rounds take turns, so that all see the same changes of the machine."""
    yield f"alone-{number}", ("--loaders", ",".join(LOADERS), "--modes", "load,replay")
    for ranks, loader in product(RANKS, LOADERS):
        yield _name(loader, ranks, number), ("--loaders", loader, "--modes", "train", "--ranks", str(ranks))


def _name(loader: str, ranks: int, number: int) -> str:
    return f"{loader.replace(':', '-')}-{ranks}-{number}"


def main(folder: Path) -> None:
    """Measure, simulate, and print a table."""
    measure(folder)
    alone = [store.read(folder / f"alone-{number}") for number in range(ROUNDS)]
    print("| Loader | Ranks | Share of a core | Measured | Simulated | Error |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for ranks, loader in product(RANKS, LOADERS):
        epochs = [
            epoch
            for number in range(ROUNDS)
            for trial in store.read(folder / _name(loader, ranks, number)).trials
            for epoch in trial.steady
        ]
        rate = sum(epoch.rows for epoch in epochs) / sum(epoch.wall_s for epoch in epochs)
        share = core_share(epochs)
        simulated = _simulated(folder, alone, loader, ranks, share)
        print(
            f"| `{loader}` | {ranks} | {share:.2f} | {rate / 1e3:.1f} k rows/s | {simulated / 1e3:.1f} k rows/s "
            f"| {(simulated / rate - 1) * 100:+.0f} % |"
        )


def core_share(epochs: Sequence[EpochRecord]) -> float:
    """Return the share of the time in which a thread of the slowest rank had a core when it wanted one."""
    ran_s = sum(epoch.thread_cpu_s or 0.0 for epoch in epochs)
    queued_s = sum(epoch.run_queue_s or 0.0 for epoch in epochs)
    return ran_s / (ran_s + queued_s)


def _simulated(folder: Path, alone: Sequence[RunRecord], loader: str, ranks: int, share: float) -> float:
    """Return the rows/s that the simulation gives if each thread has this share of a core.

    The all-reduce takes as long as measured: its bytes are seconds here, and the ring of `allreduce_s` multiplies by 1.
    """
    known = measured(alone, Given(loader=loader))
    work = replace(
        known.work,
        next_s=known.work.next_s / share,
        background_s=known.work.background_s / share,
        model_s=known.work.model_s / share,
        gradient_bytes=fmean(float((folder / f"allreduce-{ranks}-{number}").read_text()) for number in range(ROUNDS)),
    )
    cluster = Cluster(
        gpus_per_node=ranks, cores_per_node=inf, storage_bytes_per_s=None, network_bytes_per_s=None,
        node_bytes_per_s=2 * (ranks - 1) / ranks or None, latency_s=0.0, jitter=known.jitter or 0.0,
    )  # fmt: skip
    return simulate(work, cluster, 1, seed=0).rows_per_s


if __name__ == "__main__":
    main(Path(sys.argv[1]))
