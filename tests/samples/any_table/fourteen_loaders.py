"""A record that strains every table: fourteen loaders with names of fifty characters, a void one and a failed one."""

from __future__ import annotations

from dataclasses import replace

from feedrate.bench.results.record import RunRecord, TrialResult
from tests.samples.sample_record import record, trial

ROUNDS = 3
NOISE = (0.99, 1.0, 1.012)
NAMES = tuple(f"company.pipelines.loaders_v2:StreamingLoader_of_{number:02}" for number in range(14))


def fourteen_loaders() -> RunRecord:
    """Loader 0 is the baseline, 12 is void and 13 failed. The others are equally fast in pairs, and 3 is noisy."""
    trials: list[TrialResult] = []
    for number, name in enumerate(NAMES):
        rate = 2e5 * 1.4 ** (number // 2 * 2)
        for repeat in range(ROUNDS):
            noise = NOISE[(repeat + number) % ROUNDS] if number != 3 else 1.6**repeat
            train = trial(name, "train", rate * noise, repeat, auc=0.78 + number / 1e4)
            epochs = tuple(replace(epoch, stall_s=epoch.wall_s / (number + 4)) for epoch in train.epochs or ())
            train = replace(train, epochs=epochs, spec=replace(train.spec, seed=repeat), rows_checked="sampled")
            trials.append(_ended(train, number))
    trials += [replace(trial("replay", "replay", 1e8 * noise, repeat)) for repeat, noise in enumerate(NOISE)]
    return replace(record(*trials), baseline=NAMES[0])


def _ended(result: TrialResult, number: int) -> TrialResult:
    if number == 12:
        detail = "timed epoch 1: an epoch delivered 3,999 rows, 1 fewer than the dataset has"
        return replace(result, status="void", detail=detail)
    if number == 13:
        return TrialResult(spec=result.spec, status="failed", detail="ValueError: cannot parse row 7: 'N/A'")
    return result
