"""Why a loader is as fast as it is, in words: one table of rules, each a threshold, a sentence, its evidence and a remedy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from feedrate.bench.results.profiles.record import Profile
from feedrate.bench.results.range_names import CATEGORIES
from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.wait_causes import wait_causes


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One cause that a profile shows."""

    cause: str
    sentence: str
    evidence: str
    remedy: str
    share: float
    """Of the time, that it explains: what findings are sorted by."""


@dataclass(frozen=True, slots=True)
class Case:
    """A profile, and the trial of the same loader where there is one."""

    profile: Profile
    trial: TrialResult | None = None

    @property
    def step_s(self) -> float:
        return self.profile.window_s / max(self.profile.steps, 1)

    @property
    def waiting(self) -> float:
        """Share of the time in which the consumer waited and the device had nothing to do: seen in the trace where there is a
        device, else by the harness's clocks."""
        if self.profile.kernel_busy_fraction is not None:
            waited = self.idle_in(*LOADERS_RANGES)
            # a device that has run dry in next() idles on into the step, until launches are ahead of it again
            return waited + (0.0 if self.launches_late else self.idle_in(*STEPS_RANGES)) * (waited >= WAITING)
        epoch = self.profile.epoch
        return (epoch.stall_s or 0.0) / epoch.wall_s if epoch and epoch.wall_s else 0.0

    def waited_for(self, part: str) -> float:
        """Share of the time: fetch, decode or copy, in the proportion that the harness's clocks have seen."""
        causes = wait_causes([self.profile.epoch]) if self.profile.epoch else None
        if causes is None:
            return 0.0
        whole = sum(getattr(causes, f"{name}_s") for name in ("fetch", "decode", "copy", "device"))
        return self.waiting * getattr(causes, f"{part}_s") / whole if whole else 0.0

    @property
    def launches_late(self) -> bool:
        """Whether the host needs longer to launch a step than the device to compute it: then its idling is the step's own."""
        rows = [row for row in self.profile.ranges if row.name == "step" and row.device_s]
        return all(row.seconds > (row.device_s or 0.0) for row in rows)

    def idle_in(self, *names: str) -> float:
        """Share of the window in which the device was idle and the consumer in one of these ranges."""
        seconds = sum(row.seconds for row in self.profile.gaps if row.within in names)
        return seconds / self.profile.window_s if self.profile.window_s else 0.0

    @property
    def own_work(self) -> float:
        """Share of the time that it waited because it computed in next() itself."""
        epoch = self.profile.epoch
        return self.waiting * min((epoch.wait_cpu_s or 0.0) / epoch.wait_s, 1.0) if epoch and epoch.wait_s else 0.0


Rule = Callable[[Case], Finding | None]

LOADERS_RANGES = tuple(name for name, category in CATEGORIES.items() if category == "loader")
STEPS_RANGES = ("forward", "backward", "optimizer", "step")
WAITING = 0.05
"""Share of the time from which waiting is called a cause."""
IDLE_IN_STEP = 0.15
"""Share of the time that the device is idle within the model's own ranges, from which launches are called late."""
BUSY = 0.9
"""Share of the time with kernels from which the device itself is the limit."""
DENSE = 0.5
"""Share of kernel time in matrix products from which that is called compute-bound; below, memory-bound."""
SYNCHRONISING = 0.05
"""Share of the time in calls that wait for the device."""
PAGEABLE = 0.02
"""Share of the time in copies from memory that is not pinned."""
SMALL_ROWS = 4_096
"""Rows of a batch under which a step that leaves the device idle is called too small."""
STARTING = 1.0
"""Seconds to the first batch, from which the start is named; and steady steps that must be worth less."""
STARVED = 0.9
"""Of the cores in use."""


def diagnose(profile: Profile, trial: TrialResult | None = None) -> list[Finding]:
    """What the rules find, the costliest first."""
    case = Case(profile, trial)
    found = [finding for rule in RULES if (finding := rule(case)) is not None]
    return sorted(found, key=lambda finding: -finding.share)


def _fetch(case: Case) -> Finding | None:
    share = case.waited_for("fetch")
    if share < WAITING:
        return None
    return Finding(
        cause="input-bound: fetch",
        sentence="The model waits for data, and nothing computes meanwhile: storage, a network, a lock or a sleep.",
        evidence=f"{share:.0%} of the time in next() with an idle device while no thread or process of the loader used a CPU",
        remedy="Read ahead: more row groups or batches in flight (prefetch), faster storage, or the files in the page cache.",
        share=share,
    )


def _decode(case: Case) -> Finding | None:
    share = case.waited_for("decode")
    if share < WAITING:
        return None
    own = min(case.own_work, share)
    if own > share / 2:
        return Finding(
            cause="input-bound: Python overhead" if _many_small(case) else "input-bound: decode",
            sentence="The model waits while the loader makes batches on the consumer's own thread.",
            evidence=f"{share:.0%} of the time waiting with an idle device, {own:.0%} of it CPU time of that thread",
            remedy="Move the work off the thread (workers, a reader thread, the GPU), or fetch whole batches instead of rows.",
            share=share,
        )
    return Finding(
        cause="input-bound: decode",
        sentence="The model waits while the loader's threads or workers make batches: they are the bottleneck.",
        evidence=f"{share:.0%} of the time waiting with an idle device while another thread or process computed",
        remedy="More workers or threads, as far as there are cores; cheaper decoding (column types, codec); decode on the GPU.",
        share=share,
    )


def _many_small(case: Case) -> bool:
    """Whether a row is fetched at a time: microseconds of the thread for each."""
    epoch = case.profile.epoch
    return bool(epoch and epoch.rows and (epoch.wait_cpu_s or 0.0) / epoch.rows > 3e-6)


def _copy(case: Case) -> Finding | None:
    copies = [row for row in case.profile.copies if row.kind == "host to device"]
    exposed = sum(row.seconds - row.overlapped_s for row in copies) / case.profile.window_s if copies else 0.0
    waited = case.waited_for("copy")
    share = max(waited, exposed)
    if share < WAITING:
        return None
    nbytes, seconds = sum(row.nbytes for row in copies), sum(row.seconds for row in copies)
    speed = f", {nbytes / seconds / 1e9:.1f} GB/s" if seconds else ""
    return Finding(
        cause="input-bound: copy",
        sentence="Batches on their way to the device hold the model up: nothing else runs meanwhile.",
        evidence=f"{waited:.0%} of the time in the loader's calls that copy, {exposed:.0%} in copies that no kernel overlaps{speed}",
        remedy="Pin the memory, copy on a stream of its own with non_blocking=True one batch ahead, and send narrower types.",
        share=share,
    )


def _pageable(case: Case) -> Finding | None:
    rows = [row for row in case.profile.copies if row.pageable and row.kind == "host to device"]
    share = sum(row.seconds for row in rows) / case.profile.window_s if rows else 0.0
    if share < PAGEABLE:
        return None
    return Finding(
        cause="pageable copies",
        sentence="Batches are copied from memory that is not pinned, which is slower and makes the host wait.",
        evidence=f"{sum(row.count for row in rows):,} such copies, {share:.0%} of the time",
        remedy="pin_memory=True in a DataLoader, or Tensor.pin_memory() and a buffer that is used again.",
        share=share,
    )


def _synchronising(case: Case) -> Finding | None:
    rows = case.profile.synchronisations
    share = sum(row.seconds for row in rows) / case.profile.window_s if rows else 0.0
    if share < SYNCHRONISING or case.idle_in("next", "to_device", *STEPS_RANGES, "") < WAITING:
        return None
    return Finding(
        cause="synchronisation in the loop",
        sentence="The loop waits for the device in each step, so that the device then waits for the loop.",
        evidence=f"{sum(row.count for row in rows) / max(case.profile.steps, 1):.1f} waiting calls a step ({rows[0].name} first), "
        f"{share:.0%} of the time",
        remedy="Take .item(), .cpu(), torch.cuda.synchronize() and boolean indexing out of the loop; log every hundred steps.",
        share=share,
    )


def _launches(case: Case) -> Finding | None:
    share = case.idle_in(*STEPS_RANGES)
    if case.profile.kernel_busy_fraction is None or share < IDLE_IN_STEP or not case.launches_late:
        return None
    if case.idle_in(*LOADERS_RANGES) > share:
        return None  # the host has no lead in the step, for it has just waited
    small = case.profile.rows / max(case.profile.steps, 1) < SMALL_ROWS
    return Finding(
        cause="too small batches" if small else "launch-bound",
        sentence="The device is faster than the host can tell it what to do.",
        evidence=f"idle {share:.0%} of the time within the model's own step, {case.profile.launches_per_step or 0:.0f} launches a step of "
        f"{case.step_s * 1e3:.2f} ms",
        remedy="Larger batches." if small else "A CUDA graph or torch.compile, fused optimizers, larger batches.",
        share=share,
    )


def _model(case: Case) -> Finding | None:
    """Without a device the consumer is one."""
    if case.profile.kernel_busy_fraction is not None or case.profile.spec.device != "cpu" or case.waiting >= WAITING:
        return None
    steps = [row for row in case.profile.ranges if row.name in ("forward", "backward", "optimizer")]
    longest = max(steps, key=lambda row: row.seconds, default=None)
    share = longest.seconds / case.profile.window_s if longest else 0.0
    return Finding(
        cause="compute-bound",
        sentence="The model is at work all the time: the loader is not what holds it back.",
        evidence=f"{case.waiting:.1%} of the time in next(); {longest.name if longest else 'nothing'} takes {share:.0%}",
        remedy="A smaller or fused model step (--step fast), more cores, or a GPU.",
        share=1 - case.waiting,
    )


def _device(case: Case) -> Finding | None:
    busy = case.profile.kernel_busy_fraction
    if busy is None or busy < BUSY:
        return None
    whole = sum(row.seconds for row in case.profile.kernels) or 1.0
    products = sum(
        row.seconds for row in case.profile.kernels if "gemm" in row.name.lower() or "cutlass" in row.name.lower()
    )
    dense = products / whole
    bound = "compute-bound" if dense >= DENSE else "memory-bound"
    return Finding(
        cause=bound,
        sentence="The device is busy all the time: the loader is not what holds it back.",
        evidence=f"kernels {busy:.0%} of the time, {dense:.0%} of that in matrix products; most in {case.profile.kernels[0].name[:60]}",
        remedy="Lower precision and larger matrices."
        if bound == "compute-bound"
        else "Fewer bytes: fused optimizers, updates of touched rows only, narrower tables.",
        share=busy,
    )


def _starting(case: Case) -> Finding | None:
    trial = case.trial
    if trial is None or trial.first_batch_s is None or trial.wall_s is None or trial.first_batch_s < STARTING:
        return None
    share = trial.first_batch_s / (trial.first_batch_s + trial.wall_s)
    if share < WAITING:
        return None
    return Finding(
        cause="worker start-up",
        sentence="The loader needs long before its first batch is there.",
        evidence=f"{trial.first_batch_s:.1f} s to the first batch, {share:.0%} of the trial",
        remedy="persistent_workers=True, fewer workers, and nothing heavy in what each worker imports or copies.",
        share=share,
    )


def _starved(case: Case) -> Finding | None:
    epoch = case.profile.epoch
    if epoch is None or not epoch.cpu_s or not epoch.wall_s or case.waiting < WAITING:
        return None
    used = epoch.cpu_s / epoch.wall_s / case.profile.cores
    if used < STARVED or case.waited_for("decode") - case.own_work < WAITING:
        return None  # a thread that is itself at work does not want for a core
    return Finding(
        cause="CPU starved",
        sentence="All cores are in use: the loader and the loop take them from each other.",
        evidence=f"{epoch.cpu_s / epoch.wall_s:.1f} of {case.profile.cores} cores in use",
        remedy="Fewer workers, fewer threads in each (OMP_NUM_THREADS), more cores, or decode on the GPU.",
        share=case.waiting,
    )


def _throttled(case: Case) -> Finding | None:
    gpu = case.trial.gpu if case.trial else None
    if gpu is None or not gpu.throttled:
        return None
    lost = 1 - gpu.sm_clock_hz / gpu.sm_clock_max_hz if gpu.sm_clock_hz and gpu.sm_clock_max_hz else 0.0
    return Finding(
        cause="throttled",
        sentence="The device held its clocks down.",
        evidence=f"{', '.join(gpu.throttled)}; clocks {lost:.0%} under their greatest",
        remedy="Cooling, the power limit, and who else uses the machine.",
        share=lost,
    )


RULES: tuple[Rule, ...] = (
    _fetch, _decode, _copy, _pageable, _synchronising, _launches, _device, _model, _starting, _starved, _throttled,
)  # fmt: skip
