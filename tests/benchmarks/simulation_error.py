"""How far `feedrate simulate` is from measured runs of 1, 2 and 4 gloo ranks: `python -m tests.benchmarks.simulation_error FOLDER`.

It measures loaders and the model alone with one process, then training with 1, 2 and 4 ranks, in turns, and prints a table. Other
programs take cores away. They are counted during each run, and the simulation gets the cores that are left for the ranks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from statistics import fmean, median

import psutil

from feedrate.bench.results import store
from feedrate.bench.results.record import RunRecord
from feedrate.bench.simulation.measured import Given, measured
from feedrate.bench.simulation.sweep import Nodes, predict

LOADERS = ("native-batched", "native", "native:workers=1")
RANKS = (1, 2, 4)
ROUNDS = 3
SETTINGS = "--device cpu --batch-size 4096 --embedding-width 16 --epochs 4 --repeats 1 --seeds 0 --overwrite".split()
ROWS = 125_000
JITTER = 0.05
"""The record's own jitter is that of a busy machine."""
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""Every rank has one thread, and so has the process that is measured alone."""
NICE_FACTOR = 1.25
"""Weight of a process relative to one that is nicer by one, in Linux' scheduler."""
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
    print(sorted(times)[len(times) // 4])
dist.destroy_process_group()
"""


@dataclass(slots=True)
class Load:
    """Threads of other programs that wanted a core, in threads as nice as ours. Sampled while `watching` lasts."""

    samples: list[float] = field(default_factory=list)

    @contextmanager
    def watching(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """Count beside the process and its children, until the block ends."""
        ended = threading.Event()
        thread = threading.Thread(target=self._watch, args=(process.pid, ended))
        thread.start()
        yield
        ended.set()
        thread.join()

    def _watch(self, pid: int, ended: threading.Event) -> None:
        while not ended.wait(0.5):
            self.samples.append(_others(pid))

    @property
    def mean(self) -> float:
        """Mean of the samples."""
        return fmean(self.samples) if self.samples else 0.0


def _others(pid: int) -> float:
    try:
        parent = psutil.Process(pid)
        ours = {pid, os.getpid(), *(child.pid for child in parent.children(recursive=True))}
        nice = parent.nice()
    except psutil.NoSuchProcess:
        return 0.0
    weight = 0.0
    for process in psutil.process_iter(["status", "nice", "pid"]):
        if process.info["status"] == psutil.STATUS_RUNNING and process.info["pid"] not in ours:
            weight += NICE_FACTOR ** (nice - (process.info["nice"] or 0))
    return weight


def _feedrate(*words: str) -> float:
    """Run a command, and return how many other threads wanted a core meanwhile."""
    load = Load()
    command = [sys.executable, "-c", "from feedrate.__main__ import main; main()", *words]
    process = subprocess.Popen(command, env={**os.environ, **ONE_THREAD}, stdout=subprocess.DEVNULL)
    with load.watching(process):
        process.wait()
    if process.returncode:
        sys.exit(f"{' '.join(words)} ended with {process.returncode}")
    return load.mean


def _allreduce_s(ranks: int, n_bytes: float) -> float:
    """Return the lower quartile of the times that ranks of this host need to average so many bytes through gloo."""
    script = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks), "--no-python"]
    command = [sys.executable, *script, sys.executable, "-c", ALLREDUCES, str(int(n_bytes))]
    done = subprocess.run(command, env={**os.environ, **ONE_THREAD}, capture_output=True, text=True, check=True)
    return float(done.stdout)


def measure(folder: Path) -> dict[str, float]:
    """Measure what is missing in the folder. Return the load beside each run, by its name."""
    data, file = str(folder / "data"), folder / "loads.json"
    loads: dict[str, float] = json.loads(file.read_text()) if file.exists() else {}
    _feedrate("prepare", "synthetic-movielens", "--rows", str(ROWS), "-o", data, "--if-missing")
    for name, words in _runs():
        if name not in loads:
            loads[name] = _feedrate("run", data, *words, *SETTINGS, "-o", str(folder / name))
            file.write_text(json.dumps(loads))
    return loads


def _runs() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the name and the options of each run. Rounds take turns, so that all see the same changes of the machine."""
    for number in range(ROUNDS):
        yield f"alone-{number}", ("--loaders", ",".join(LOADERS), "--modes", "load,replay")
        for ranks, loader in product(RANKS, LOADERS):
            yield _name(loader, ranks, number), ("--loaders", loader, "--modes", "train", "--ranks", str(ranks))


def _name(loader: str, ranks: int, number: int) -> str:
    return f"{loader.replace(':', '-')}-{ranks}-{number}"


def main(folder: Path) -> None:
    """Measure, simulate, and print a table."""
    loads = measure(folder)
    alone = [store.read(folder / f"alone-{number}") for number in range(ROUNDS)]
    print("| Loader | Ranks | Other threads | Measured | Simulated | Error |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for ranks in RANKS:
        for loader in LOADERS:
            names = [_name(loader, ranks, number) for number in range(ROUNDS)]
            others = median(loads[name] for name in names)
            rate = median(_train_rate(store.read(folder / name)) for name in names)
            simulated = _simulated(alone, loader, ranks, others)
            print(
                f"| `{loader}` | {ranks} | {others:.1f} | {rate / 1e3:.1f} k rows/s | {simulated / 1e3:.1f} k rows/s "
                f"| {(simulated / rate - 1) * 100:+.0f} % |"
            )


def _train_rate(record: RunRecord) -> float:
    [trial] = [trial for trial in record.trials if trial.status == "ok"]
    assert trial.rows_per_s
    return trial.rows_per_s


def _simulated(alone: list[RunRecord], loader: str, ranks: int, others: float) -> float:
    """Return the rows/s that the simulation gives. Every thread that wants a core gets an equal share of all cores."""
    given = Given(loader=loader)
    work = measured(alone, given).work
    threads = ranks * (2 if work.background_s else 1)
    cores = len(os.sched_getaffinity(0)) * threads / (threads + others)
    transfer = {}
    if ranks > 1:
        seconds = _allreduce_s(ranks, work.gradient_bytes)
        transfer = {"node_gb_s": 2 * (ranks - 1) / ranks * work.gradient_bytes / seconds / 1e9}
    nodes = Nodes(counts=(1,), gpus=ranks, cores=cores, jitter=JITTER, **transfer)
    return predict(alone, given, nodes).points[0].rows_per_s


if __name__ == "__main__":
    main(Path(sys.argv[1]))
