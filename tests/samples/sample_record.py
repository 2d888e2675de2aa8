"""Records made by hand, for the tests of reports."""

from __future__ import annotations

from feedrate.bench.results.record import DatasetRecord, Environment, EpochRecord, RunRecord, TrialResult
from feedrate.bench.results.spec import Mode, TrialSpec

ENVIRONMENT = Environment(
    feedrate="0.1.0", commit="abcdef0123456789", dirty=False, started_at="2026-01-01T00:00:00+00:00",
    command="feedrate run DATA -o RUN", python="3.11", platform="Linux", cpu="A CPU", cores=2, memory_bytes=8_000_000_000,
    gpu="A GPU", gpu_memory_bytes=80_000_000_000, driver="1", cuda="13.0", packages={"torch": "2.13.0"},
)  # fmt: skip
DATASET = DatasetRecord(
    name="d", fingerprint="0123456789abcdef", train_rows=1000, valid_rows=250, cardinalities={"u": 9}, best_auc=0.82
)


def trial(
    loader: str, mode: Mode, rows_per_s: float, repeat: int = 0, auc: float = 0.8, size: int = 100
) -> TrialResult:
    spec = TrialSpec(loader=loader, mode=mode, repeat=repeat, seed=0, batch_size=size, epochs=1, device="cpu")
    wall_s = 1000 / rows_per_s
    return TrialResult(
        spec=spec,
        status="ok",
        backend=f"{loader} 1.0",
        rows=1000,
        wall_s=wall_s,
        first_batch_s=0.25,
        epochs=(EpochRecord(rows=1000, wall_s=wall_s, wait_s=wall_s / 4),),
        auc=(auc - 0.1, auc) if mode == "train" else None,
        loss=(0.3, 0.2) if mode == "train" else None,
        step_wait_s=(0.001, 0.002, 0.1),
        peak_rss_bytes=500_000_000,
    )


def record(*trials: TrialResult) -> RunRecord:
    return RunRecord(environment=ENVIRONMENT, dataset=DATASET, trials=trials, stopped="the requested rounds are done")


RUN = record(
    *(trial("slow", "train", rows_per_s, repeat) for repeat, rows_per_s in enumerate((90, 100, 110))),
    *(trial("fast", "train", rows_per_s, repeat, auc=0.805) for repeat, rows_per_s in enumerate((790, 800, 810))),
    *(trial("replay", "replay", 1000, repeat) for repeat in range(3)),
    trial("fast", "load", 5_000_000),
    TrialResult(spec=trial("gone", "train", 1).spec, status="unavailable", detail="get it | there"),
)
