"""Diagnoses what limits the speed of training with a loader.

Each rule has a threshold. A rule that applies yields a Finding: cause, explanation, evidence and remedy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from feedrate.bench.results.profiles.case import LOADER_RANGES, MIN_WAITING, STEP_RANGES, Case
from feedrate.bench.results.profiles.record import Profile
from feedrate.bench.results.record import TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One cause that a profile shows."""

    cause: str
    """Name of the cause, such as "input-bound: decode"."""
    sentence: str
    """Explains the cause."""
    evidence: str
    """The measurements that show it, without a final full stop."""
    remedy: str
    """What to try."""
    share: float
    """Fraction of the time that the cause explains. Findings are sorted by it."""


Rule = Callable[[Case], Finding | None]

MIN_IDLE_IN_STEP = 0.15
"""Fraction of the time with an idle device in the model's own ranges, from which launches count as late."""
MIN_BUSY = 0.9
"""Fraction of the time with kernels from which the device itself is the limit."""
MIN_DENSE = 0.5
"""Fraction of kernel time in matrix products from which the device is compute-bound. Below, it is memory-bound."""
MIN_SYNCHRONISING = 0.05
"""Fraction of the time in calls that wait for the device, from which they count as a cause."""
MIN_PAGEABLE = 0.02
"""Fraction of the time in copies from unpinned memory, from which they count as a cause."""
SMALL_BATCH_ROWS = 4_096
"""Rows per batch below which late launches are blamed on the batch size."""
MIN_FIRST_BATCH_S = 1.0
"""Seconds to the first batch from which start-up counts as a cause, if MIN_WAITING of the trial goes to it, too."""
MIN_CORES_USED = 0.9
"""Fraction of the cores in use from which the CPU counts as starved."""
PYTHON_OVERHEAD_S_PER_ROW = 3e-6
"""CPU seconds per row in next() above which single rows, not batches, seem to be fetched."""


def diagnose(profile: Profile, trial: TrialResult | None = None) -> list[Finding]:
    """Apply every rule, and return the findings with the costliest first.

    trial: one of the same loader, for causes that a profile cannot show, such as start-up and throttling.
    """
    case = Case(profile, trial)
    findings = [finding for rule in RULES if (finding := rule(case)) is not None]
    return sorted(findings, key=lambda finding: -finding.share)


def _fetch(case: Case) -> Finding | None:
    share = case.waited_for("fetch")
    if share < MIN_WAITING:
        return None
    return Finding(
        cause="input-bound: fetch",
        sentence="The model waits for data while the loader does not compute: it is blocked on storage, a lock "
        "or a sleep.",
        evidence=f"for {share:.0%} of the time, next() waits, the device is idle, and no loader thread or process "
        "uses a CPU",
        remedy="Prefetch more batches or row groups, use faster storage, or keep the files in the page cache.",
        share=share,
    )


def _network(case: Case) -> Finding | None:
    share = case.waited_for("network")
    if share < MIN_WAITING:
        return None
    return Finding(
        cause="input-bound: network",
        sentence="The model waits for data while the loader waits for an object store to answer.",
        evidence=f"for {share:.0%} of the time, next() waits, the device is idle, and a request is under way",
        remedy="Prepare larger row groups, so that fewer requests do, read further ahead, or copy the data to a local disk.",
        share=share,
    )


def _decode(case: Case) -> Finding | None:
    share = case.waited_for("decode")
    if share < MIN_WAITING:
        return None
    consumer_share = min(case.computing_in_next, share)
    if consumer_share > share / 2:
        return Finding(
            cause="input-bound: Python overhead" if _fetches_single_rows(case) else "input-bound: decode",
            sentence="The model waits while the loader builds batches on the training loop's own thread.",
            evidence=f"waiting with an idle device takes {share:.0%} of the time; CPU work of that thread takes "
            f"{consumer_share:.0%}",
            remedy="Move the work to worker processes, a reader thread or the GPU, or fetch whole batches "
            "instead of single rows.",
            share=share,
        )
    return Finding(
        cause="input-bound: decode",
        sentence="The model waits while the loader's threads or workers build batches: they are the bottleneck.",
        evidence=f"for {share:.0%} of the time, the model waits with an idle device while another thread or process "
        "computes",
        remedy="Add workers or threads if cores are free, use cheaper column types or codecs, or decode on the GPU.",
        share=share,
    )


def _fetches_single_rows(case: Case) -> bool:
    """Whether the loader seems to fetch rows one by one: each row costs microseconds of the consumer's thread."""
    epoch = case.profile.epoch
    return bool(epoch and epoch.rows and (epoch.wait_cpu_s or 0.0) / epoch.rows > PYTHON_OVERHEAD_S_PER_ROW)


def _copy(case: Case) -> Finding | None:
    copies = [row for row in case.profile.copies if row.kind == "host to device"]
    exposed = sum(row.seconds - row.overlapped_s for row in copies) / case.profile.window_s if copies else 0.0
    waited = case.waited_for("copy")
    share = max(waited, exposed)
    if share < MIN_WAITING:
        return None
    nbytes, seconds = sum(row.nbytes for row in copies), sum(row.seconds for row in copies)
    speed = f" (at {nbytes / seconds / 1e9:.1f} GB/s)" if seconds else ""
    return Finding(
        cause="input-bound: copy",
        sentence="The model waits while batches are copied to the device: the copies do not overlap with computation.",
        evidence=f"waiting in copy calls takes {waited:.0%} of the time; copies that no kernel overlaps take "
        f"{exposed:.0%}{speed}",
        remedy="Pin the memory, copy one batch ahead on a separate stream with non_blocking=True, and send "
        "narrower types.",
        share=share,
    )


def _pageable(case: Case) -> Finding | None:
    rows = [row for row in case.profile.copies if row.pageable and row.kind == "host to device"]
    share = sum(row.seconds for row in rows) / case.profile.window_s if rows else 0.0
    if share < MIN_PAGEABLE:
        return None
    return Finding(
        cause="pageable copies",
        sentence="Batches are copied from pageable (unpinned) memory, which is slower and makes the host wait.",
        evidence=f"{sum(row.count for row in rows):,} pageable copies take {share:.0%} of the time",
        remedy="Pass pin_memory=True to the DataLoader, or pin a buffer once with Tensor.pin_memory() and reuse it.",
        share=share,
    )


def _synchronising(case: Case) -> Finding | None:
    rows = case.profile.synchronisations
    share = sum(row.seconds for row in rows) / case.profile.window_s if rows else 0.0
    if share < MIN_SYNCHRONISING or case.idle_in("next", "to_device", *STEP_RANGES, "") < MIN_WAITING:
        return None
    calls_per_step = sum(row.count for row in rows) / max(case.profile.steps, 1)
    return Finding(
        cause="synchronisation in the loop",
        sentence="The training loop waits for the device in every step, and then the device waits for the loop.",
        evidence=f"{calls_per_step:.1f} blocking calls per step take {share:.0%} of the time, led by {rows[0].name}",
        remedy="Move .item(), .cpu(), torch.cuda.synchronize() and boolean indexing out of the loop, and log only "
        "every hundred steps.",
        share=share,
    )


def _launches(case: Case) -> Finding | None:
    share = case.idle_in(*STEP_RANGES)
    if case.profile.kernel_busy_fraction is None or share < MIN_IDLE_IN_STEP or not case.launches_late:
        return None
    if case.idle_in(*LOADER_RANGES) > share:
        return None  # launches are late only because the host has just waited for the loader
    small = case.profile.rows / max(case.profile.steps, 1) < SMALL_BATCH_ROWS
    return Finding(
        cause="batches too small" if small else "launch-bound",
        sentence="The host cannot launch work as fast as the device completes it.",
        evidence=f"the device idles in the model's own step for {share:.0%} of the time; "
        f"{case.profile.launches_per_step or 0:.0f} launches per step of {case.step_s * 1e3:.2f} ms",
        remedy="Use larger batches."
        if small
        else "Use a CUDA graph, torch.compile, a fused optimizer or larger batches.",
        share=share,
    )


def _model(case: Case) -> Finding | None:
    """On the CPU the consumer itself is the device: it is the limit if it does not wait for the loader."""
    if (
        case.profile.kernel_busy_fraction is not None
        or case.profile.spec.device != "cpu"
        or case.waiting >= MIN_WAITING
    ):
        return None
    phases = [row for row in case.profile.ranges if row.name in ("forward", "backward", "optimizer")]
    longest = max(phases, key=lambda row: row.seconds, default=None)
    share = longest.seconds / case.profile.window_s if longest else 0.0
    return Finding(
        cause="compute-bound",
        sentence="The model computes nearly all the time: the loader is not the bottleneck.",
        evidence=f"waiting for the loader takes {case.waiting:.1%} of the time; "
        f"{longest.name if longest else 'nothing'} takes {share:.0%}",
        remedy="Use a smaller or fused model step (--step fast), more cores, or a GPU.",
        share=1 - case.waiting,
    )


def _device(case: Case) -> Finding | None:
    busy = case.profile.kernel_busy_fraction
    if busy is None or busy < MIN_BUSY or not case.profile.kernels:
        return None
    total_s = sum(row.seconds for row in case.profile.kernels) or 1.0
    products = sum(
        row.seconds for row in case.profile.kernels if "gemm" in row.name.lower() or "cutlass" in row.name.lower()
    )
    dense = products / total_s
    bound = "compute-bound" if dense >= MIN_DENSE else "memory-bound"
    return Finding(
        cause=bound,
        sentence="The device is busy nearly all the time: the loader is not the bottleneck.",
        evidence=f"kernels run for {busy:.0%} of the time, {dense:.0%} of that in matrix products; "
        f"most time goes to {case.profile.kernels[0].name[:60]}",
        remedy="Use lower precision and larger matrices."
        if bound == "compute-bound"
        else "Move fewer bytes: fuse the optimizer, update only the rows that a batch touches, or narrow the tables.",
        share=busy,
    )


def _starting(case: Case) -> Finding | None:
    trial = case.trial
    if trial is None or trial.first_batch_s is None or trial.wall_s is None or trial.first_batch_s < MIN_FIRST_BATCH_S:
        return None
    share = trial.first_batch_s / (trial.first_batch_s + trial.wall_s)
    if share < MIN_WAITING:
        return None
    return Finding(
        cause="worker start-up",
        sentence="The loader takes a long time to deliver its first batch.",
        evidence=f"the first batch takes {trial.first_batch_s:.1f} s, {share:.0%} of the trial",
        remedy="Set persistent_workers=True, use fewer workers, and avoid heavy imports and copies in each worker.",
        share=share,
    )


def _starved(case: Case) -> Finding | None:
    epoch = case.profile.epoch
    if epoch is None or not epoch.cpu_s or not epoch.wall_s or case.waiting < MIN_WAITING:
        return None
    used = epoch.cpu_s / epoch.wall_s / case.profile.cores
    if used < MIN_CORES_USED or case.waited_for("decode") - case.computing_in_next < MIN_WAITING:
        return None  # a consumer that computes in next() has a core, so it is not starved
    return Finding(
        cause="CPU starved",
        sentence="Nearly all CPU cores are in use: the loader and the training loop compete for them.",
        evidence=f"{epoch.cpu_s / epoch.wall_s:.1f} of {case.profile.cores} cores are in use",
        remedy="Use fewer workers, fewer threads in each (OMP_NUM_THREADS) or more cores, or decode on the GPU.",
        share=case.waiting,
    )


def _throttled(case: Case) -> Finding | None:
    gpu = case.trial.gpu if case.trial else None
    if gpu is None or not gpu.throttled:
        return None
    lost = 1 - gpu.sm_clock_hz / gpu.sm_clock_max_hz if gpu.sm_clock_hz and gpu.sm_clock_max_hz else 0.0
    return Finding(
        cause="throttled",
        sentence="The device lowered its clocks during the run.",
        evidence=f"{', '.join(gpu.throttled)}; the mean SM clock was {lost:.0%} below its maximum",
        remedy="Check the cooling, the power limit, and what else runs on the machine.",
        share=lost,
    )


RULES: tuple[Rule, ...] = (
    _fetch, _network, _decode, _copy, _pageable, _synchronising, _launches, _device, _model, _starting, _starved, _throttled,
)  # fmt: skip
