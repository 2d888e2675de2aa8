"""A record names loaders. Commands that read records import none of them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.bench.results import store
from feedrate.bench.results.record import RunRecord
from tests.bench.cli.test_strangers_files import feedrate
from tests.samples.sample_record import RUN

SPY = "from pathlib import Path\nPath({seen!r}).touch()\nraise SystemExit('imported')\n"


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunRecord:
    """A record whose loaders are a module that leaves a file where it is imported, from the current folder or PYTHONPATH."""
    (tmp_path / "spy_of_a_stranger.py").write_text(SPY.format(seen=str(tmp_path / "seen")))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    spec = "spy_of_a_stranger:Loader"
    trials = [replace(trial, spec=replace(trial.spec, loader=f"{spec}:{trial.spec.loader}=1")) for trial in RUN.trials]
    return replace(RUN, baseline=trials[0].spec.loader, trials=tuple(trials))


def test_no_loader_of_a_record_is_imported(
    record: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(6):
        started_at = f"2026-01-0{number + 1}T00:00:00+00:00"
        environment = replace(record.environment, started_at=started_at)
        store.write(tmp_path / "runs" / str(number), replace(record, environment=environment))
    (tmp_path / "page.md").write_text("<!-- table: 0 columns=load,train -->\n<!-- end -->\n")
    codes = {}
    for words in (
        "report runs/0",
        "report runs/0 --format csv",
        "report runs/0 --format parquet -o samples.parquet",
        "compare runs/0",
        "compare runs/0 runs/1",
        f"compare runs/0@{record.trials[0].spec.loader} runs/1@{record.trials[3].spec.loader}",
        "validate runs/0",
        "history runs -o history.html",
        "site runs -o site",
        "tables --records runs page.md",
    ):
        codes[words], _, printed = feedrate(words, monkeypatch, capsys)
        assert "Traceback" not in printed
    assert set(codes.values()) <= {None, 0, 2}, codes
    assert list(codes.values()).count(2) <= 1, codes
    assert "spy_of_a_stranger" in (tmp_path / "runs" / "0" / "report.html").read_text()
    assert not (tmp_path / "seen").exists()
    assert "spy_of_a_stranger" not in sys.modules
