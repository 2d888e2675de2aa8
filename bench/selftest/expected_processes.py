"""How faults of a loader's process, its clock and its files must be caught. See loaders/testing/planted_processes.py."""

from __future__ import annotations

from feedrate.bench.selftest.planted_fault import PlantedFault

PROCESS_FAULTS: tuple[PlantedFault, ...] = (
    PlantedFault("slow_clock", "void", r"its clock shows .* s for the timed epochs|it replaced .*monotonic", disturbs=True),
    PlantedFault("data_file_touched", "void", r"train/part-0000\.parquet was written to .* while this trial ran", own_data=True),
    PlantedFault("data_file_added", "void", r"train/cache\.bin was added while this trial ran", own_data=True),
    PlantedFault("session_outlives_close", "flagged", r"the process python\S* -c .* still ran after close\(\); it was ended", disturbs=True),
    PlantedFault("double_fork_outlives_close", "flagged", r"the process fork of the trial's process still ran after close\(\)", disturbs=True),
    PlantedFault("thread_outlives_close", "flagged", r"the thread 'fill' still ran after close\(\)", disturbs=True),
    PlantedFault("endless_output", "flagged", r"it printed 5\d\.\d MB", disturbs=True),
    PlantedFault("exits_beside_a_worker", "failed", "its process exited with code 3 before it delivered a result", disturbs=True),
    PlantedFault("killed", "failed", r"its process was killed by SIGKILL \(often: out of memory\)", disturbs=True),
    PlantedFault("sys_exit", "failed", r"it called sys\.exit\(3\)"),
    PlantedFault("no_message", "failed", r"ValueError without a message, raised in planted_processes\.py line \d+"),
    PlantedFault("base_exception", "failed", "Unprintable with a message that cannot be printed"),
    PlantedFault("worker_raises", "failed", r"^ValueError: cannot parse row 7$", disturbs=True),
    PlantedFault("shared_memory_full", "failed", r"shared memory \(/dev/shm\) is full: use fewer workers", disturbs=True),
    PlantedFault("closes_the_pipe", "failed", "could not send the result: the loader has closed or replaced"),
    PlantedFault("writes_to_the_pipe", "failed", "it sent a line that is no message of feedrate's", disturbs=True),
)  # fmt: skip
