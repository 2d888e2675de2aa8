"""Runs the whole self-test: planted faults, planted delays, and verdicts on a loader compared with itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.synthetic import prepare_synthetic
from feedrate.bench.results.stats import Direction
from feedrate.bench.selftest import delays, faults, verdicts
from feedrate.loaders.scratch.temporary_folder import TemporaryFolder

COMPARISONS = 200
"""Number of resampled comparisons."""


@dataclass(frozen=True, slots=True)
class Proof:
    """One line of the self-test: a claim, whether it holds, and what was observed."""

    part: str
    name: str
    holds: bool
    seen: str
    """What was observed, as a sentence."""


def prove(
    device: str, *, pairs: int, rounds: int, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> Iterator[Proof]:
    """Run the self-test on the device and yield a proof for each of its claims.

    pairs: real comparisons of a loader with itself. Twice as many run if too many differ. 0 leaves out the verdicts.
    rounds: trials of each side in a comparison.
    progress: called with the number of finished comparisons and the total.
    """
    with TemporaryFolder() as folder:
        small = prepare_synthetic(folder.path / "small", rows=5_000, options=PrepareOptions(seed=1)).folder
        for caught in faults.run(small, device):
            seen = f"{caught.message}; the next trial: {caught.disturbance}" if caught.disturbance else caught.message
            yield Proof("fault", caught.fault.name, caught.as_expected and not caught.disturbance, seen)
        for name, complaints in faults.run_unusual(small, device):
            yield Proof("unusual", name, not complaints, complaints or "right, and not complained of")
        for measured in delays.run(small):
            wait, true_wait = (f"{seconds * 1e3:.1f} ms" for seconds in (measured.wait_s, measured.true_wait_s))
            seen = "; ".join(measured.problems) or f"{wait} per step, true value {true_wait}; cause: {measured.cause}"
            yield Proof("delay", measured.delay.name, not measured.problems, seen)
        stall = delays.measure_agreement(small)
        shares = f"direct {stall.direct:.1%}, differential {stall.differential:.1%}, true value {stall.true:.1%}"
        yield Proof("stall", "direct and differential measurements agree", stall.holds, stall.detail or shares)
        if pairs:
            larger = prepare_synthetic(folder.path / "larger", rows=200_000, options=PrepareOptions(seed=1)).folder
            real: list[verdicts.Pair] = []
            # With 1 % false verdicts, one set in sixty has two of them among twenty. So a failing set is doubled first.
            while len(real) < 2 * pairs and (
                not real or verdicts.share_called_different(real) > verdicts.MAX_FALSE_FRACTION
            ):
                real += verdicts.run_pairs(
                    larger, pairs=pairs, rounds=rounds, device=device, batch_size=2048, epochs=6, first=len(real),
                    progress=progress,
                )  # fmt: skip
            yield from prove_verdicts(real)


def prove_verdicts(real: list[verdicts.Pair]) -> Iterator[Proof]:
    """Judge the verdicts of real comparisons, and of comparisons that are resampled from their rounds."""
    share = verdicts.share_called_different(real)
    yield Proof(
        "verdict",
        f"{len(real)} real comparisons of a loader with itself",
        share <= verdicts.MAX_FALSE_FRACTION,
        f"{share:.1%} called different",
    )
    same = verdicts.resample_verdicts(real, comparisons=COMPARISONS)
    share = sum(verdict in ("more", "less") for verdict in same) / COMPARISONS
    yield Proof(
        "verdict", f"{COMPARISONS} resampled comparisons of a loader with itself", share <= verdicts.MAX_FALSE_FRACTION,
        f"{share:.1%} called different, {same.count('same') / COMPARISONS:.0%} the same",
    )  # fmt: skip
    yield _prove_slowdown(verdicts.resample_verdicts(real, comparisons=COMPARISONS, slowdown=verdicts.SLOWDOWN))


def _prove_slowdown(slower: Sequence[Direction]) -> Proof:
    """Check that a slower copy is called slower. On a machine too noisy for that, hardly any verdict may be wrong."""
    slower_share, wrong_share = (
        sum(verdict in names for verdict in slower) / len(slower) for names in (("less",), ("more", "same"))
    )
    if slower_share >= verdicts.MIN_FOUND_FRACTION:
        holds, seen = True, f"{slower_share:.1%} called slower"
    else:
        holds = wrong_share <= verdicts.MAX_FALSE_FRACTION
        shares = f"{slower_share:.1%} called slower, {wrong_share:.1%} called the same or faster"
        seen = f"this machine is too noisy for a verdict within the default budget: {shares}"
    return Proof("verdict", f"{len(slower)} resampled comparisons with a copy that is 5 % slower", holds, seen)
