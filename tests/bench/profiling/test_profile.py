"""Real profiles on the CPU: a loader that is slow in a known way is diagnosed as that."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from feedrate.bench.cli import app
from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.profiling import session, trial
from feedrate.bench.results.profiles import files
from feedrate.bench.results.spec import ModelSpec, TrialSpec
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.testing.slow import delay

ASKED = session.ProfileRequest(
    steps=12,
    profiler="auto",
    batch_size=256,
    device="cpu",
    model=ModelSpec(),
    memory_budget_bytes=None,
    timeout_s=100.0,
)


@pytest.mark.parametrize(
    ("loader", "cause"),
    [
        ("slow:delay_s=0.05:kind=sleep", "input-bound: fetch"),
        pytest.param("slow:delay_s=0.05:kind=burn", "input-bound: ", marks=pytest.mark.slow),
        pytest.param("slow:delay_s=0.05:kind=burn:place=worker", "input-bound: decode", marks=pytest.mark.slow),
        pytest.param("cupy", "compute-bound", marks=pytest.mark.slow),
    ],
)
def test_a_planted_cause_is_found(loader: str, cause: str, small: Dataset, tmp_path: Path) -> None:
    [found] = session.run([loader], small.folder, tmp_path, ASKED)
    made = found.profile
    assert found.findings[0].cause.startswith(cause), found.findings
    assert made.steps == 12
    names = {row.name for row in made.ranges if row.thread == "main"}
    assert {"step", "next", "forward", "backward", "optimizer"} <= names
    waited = sum(row.seconds for row in made.ranges if row.name == "next" and row.thread == "main")
    assert made.epoch is not None
    # the clocks have the step before the window, too, in which the profiler starts up
    assert 0.5 * made.epoch.wait_s < waited < made.epoch.wait_s + 0.005
    [trace] = tmp_path.rglob("trace.json")
    assert json.loads(trace.read_text())["traceEvents"]
    assert list(files.explained(tmp_path)) == [found]


def test_what_a_recorder_computes_is_not_put_down_to_the_steps(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loader that sleeps was "CPU starved" once the recorder had taken long enough to begin and end."""
    within: list[float] = []

    @contextmanager
    def recorded(_task: trial.ProfileTask) -> Iterator[None]:
        delay("burn", 0.5)
        within.append(time.process_time())
        yield
        within.append(time.process_time())
        delay("burn", 0.5)

    monkeypatch.setattr(trial, "_recorded", recorded)
    spec = TrialSpec(
        loader="slow:delay_s=0.05", mode="train", repeat=0, seed=0, batch_size=256, epochs=1, device="cpu",
        model=ModelSpec(hidden=(8,), embedding_width=4),
    )  # fmt: skip
    made = trial.run(
        trial.ProfileTask(spec=spec, dataset=str(small.folder), steps=5, profiler="torch", trace=str(tmp_path / "t"))
    )
    assert made.epoch is not None
    assert made.epoch.cpu_s is not None
    assert made.epoch.cpu_s < within[1] - within[0] + 0.1


def test_the_command_prints_cause_evidence_and_remedy(
    small: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "profile",
        "slow:delay_s=0.05",
        str(small.folder),
        "-o",
        str(tmp_path),
        "--steps",
        "5",
        "--batch-size",
        "256",
    ]
    app.app([*words, "--device", "cpu"], standalone_mode=False)
    said = capsys.readouterr().out
    assert "input-bound: fetch" in said
    assert "seen:" in said
    assert "try:" in said


def test_bad_input_is_one_sentence(small: Dataset, tmp_path: Path) -> None:
    from dataclasses import replace

    (tmp_path / "file").touch()
    with pytest.raises(FeedrateError, match="file, which is a file: name a folder"):
        list(session.run(["fake"], small.folder, tmp_path / "file", ASKED))
    with pytest.raises(FeedrateError, match="--profiler is 'perf', but must be one of auto, nsys, torch"):
        list(session.run(["fake"], small.folder, tmp_path, replace(ASKED, profiler="perf")))
    with pytest.raises(FeedrateError, match="nsys is asked for on the CPU"):
        list(session.run(["fake"], small.folder, tmp_path, replace(ASKED, profiler="nsys")))
    with pytest.raises(FeedrateError, match="has no profile: `feedrate profile"):
        app.app(["explain", str(tmp_path)], standalone_mode=False)
    (tmp_path / files.FILE).write_text("{")
    with pytest.raises(FeedrateError, match="is not a profile"):
        list(files.explained(tmp_path))
