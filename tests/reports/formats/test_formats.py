"""What a report gives besides its page: JSON, Parquet, a DataFrame, a schema, files of figures; and what it refuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from feedrate import reports
from feedrate.bench.cli import app
from feedrate.bench.results import compressed, store, validation
from feedrate.bench.results.record import RunRecord
from feedrate.loaders.errors import FeedrateError
from feedrate.reports.analysis.answers import answer
from feedrate.reports.analysis.summarize import summarize
from feedrate.reports.formats import markdown, numbers, pagekit
from feedrate.reports.formats.site import build
from feedrate.reports.formats.terminal import summary
from tests.samples.chromium import needs_chromium
from tests.samples.sample_record import RUN, record, trial

ROOT = Path(__file__).parents[3]
PUBLISHED = sorted((ROOT / "reports" / "published").rglob("run.json.gz"))
SCHEMA = ROOT / "docs" / "run.schema.json"


def test_the_published_schema_is_that_of_the_types() -> None:
    """FEEDRATE_SNAPSHOTS=write accepts what the types are now."""
    schema = json.loads(json.dumps(msgspec.json.schema(RunRecord)))
    if os.environ.get("FEEDRATE_SNAPSHOTS") == "write":
        SCHEMA.write_text(json.dumps(schema, indent=1) + "\n")
    assert json.loads(SCHEMA.read_text()) == schema


@pytest.mark.parametrize(
    "path", PUBLISHED, ids=[str(path.parent.relative_to(ROOT / "reports" / "published")) for path in PUBLISHED]
)
def test_a_published_record_is_valid(path: Path) -> None:
    jsonschema.validate(json.loads(compressed.read_bytes(path)), json.loads(SCHEMA.read_text()))
    assert validation.faults(path) == []


def _written(folder: Path, change: object) -> Path:
    """A right record but for one change."""
    path = ROOT / "reports" / "published" / "h200-engine-2026-11-24" / "run.json.gz"
    content = json.loads(compressed.read_bytes(path))
    change(content)  # type: ignore[operator]
    (folder / "run.json").write_text(json.dumps(content))
    return folder / "run.json"


def _trained(run: dict[str, Any]) -> dict[str, Any]:
    return next(trial for trial in run["trials"] if trial["spec"]["mode"] == "train" and trial["status"] == "ok")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda run: run.update(schema_version=99), "schema_version is 99, but must be a number from 1 to"),
        (lambda run: run["trials"][0].update(rows="many"), "trials[0].rows is many: expected `int | null`, got `str`"),
        (lambda run: run["trials"][0]["epochs"][1].update(wall_s=-1.0), "trials[0].epochs[1].wall_s is -1.0: expected `float` >= 0.0"),
        (lambda run: run["trials"][0]["epochs"][1].update(wall_s=float("nan")), "it is not readable JSON"),
        (lambda run: run["environment"].update(cpu="x" * 20_000), "environment.cpu has 20,000 characters, over 10,000"),
        (lambda run: run["trials"][0]["epochs"].pop(), "epochs, but its spec asks for"),
        (lambda run: run["trials"][0]["spec"].update(batch_size=0), "batch_size is 0, but must be at least 1"),
        (lambda run: run["environment"].update(memory_bytes=2**70), "environment.memory_bytes"),
        (lambda run: run["environment"].update(cpu="\x1b[2J"), "environment.cpu has characters that cannot be printed"),
        (lambda run: run["trials"][0].update(rows=7), "trials[0].rows is 7, but its epochs have"),
        (lambda run: run["trials"][0]["epochs"][1].update(wall_s=1e-320), "which is impossible"),
        (lambda run: run["trials"][0]["epochs"][1].update(wait_s=1e9), "over its wall_s of"),
        (lambda run: run["trials"][0].update(resident_fraction=1.4), "resident_fraction is 1.4: expected `float` <= 1.000001"),
        (lambda run: run["dataset"].update(best_auc=7.0), "dataset.best_auc is 7"),
        (lambda run: run["dataset"]["cardinalities"].update(userId=-3), "dataset.cardinalities[...] is {'userId': -3"),
        (lambda run: _trained(run)["gpu"].update(power_w=-1.0), "gpu.power_w is -1"),
        (lambda run: _trained(run).update(loss=[-1.0] * 5), "loss[0] is -1"),
        (lambda run: _trained(run).update(auc=[0.7] * 50), "auc has 50 values for 5 epochs"),
        (lambda run: run["trials"][0].update(step_wait_s=[0.1]), "step_wait_s has 1 values, but its epochs have"),
        (lambda run: run["trials"][0].pop("step_wait_s"), "step_wait_s is missing"),
        (lambda run: run["trials"][0].update(preparation_s=1.0), "trials[0] has only one of preparation_s and preparation_bytes"),
        (lambda run: run["trials"][0].update(preparation_bytes=-1), "preparation_bytes is -1"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_place(
    change: object, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _written(tmp_path, change)
    assert any(sentence in fault for fault in validation.faults(path))
    assert app.app(["validate", str(path)], standalone_mode=False) == 2
    assert sentence in capsys.readouterr().out


def test_what_is_no_record_at_all_is_a_sentence(tmp_path: Path) -> None:
    assert validation.faults(tmp_path / "none.json") == ["no such file"]
    (tmp_path / "deep.json").write_text("[" * 200_000)
    assert "is not readable JSON" in validation.faults(tmp_path / "deep.json")[0]
    (tmp_path / "list.json").write_text("[1]")
    assert "schema_version is None" in validation.faults(tmp_path / "list.json")[0]


def test_json_has_the_csv_s_numbers() -> None:
    summary = json.loads(numbers.write_json(summarize([(Path("a"), RUN)])))
    fast = next(row for row in summary["loaders"] if row["loader"] == "fast")
    train = fast["metrics"]["train_rows_per_s"]
    assert (train["mean"], train["n"], train["unit"]) == (pytest.approx(800, rel=1e-3), 3, "rows/s")
    assert train["low"] < 800 < train["high"]
    assert summary["without_result"] == [
        {"loader": "gone", "mode": "train", "status": "unavailable", "detail": "get it | there"}
    ]


def test_parquet_and_dataframe_have_every_epoch(tmp_path: Path) -> None:
    path = ROOT / "reports" / "published" / "h200-engine-2026-11-24"
    record = store.read(path)
    app.app(
        ["report", str(path), "-o", str(tmp_path / "r.html"), "--samples", str(tmp_path / "s.parquet")],
        standalone_mode=False,
    )
    table, frame = pq.read_table(tmp_path / "s.parquet"), reports.load(path)
    epochs = sum(len(trial.epochs or ()) for trial in record.trials)
    assert len(table) == len(frame) == epochs
    waits = sum(len(trial.step_wait_s or ()) for trial in record.trials)
    assert sum(len(waits_of_trial) for waits_of_trial in table["epoch_step_wait_s"].to_pylist()) == waits
    first = frame[(frame["loader"] == "cupy") & (frame["mode"] == "train") & (frame["seed"] == 0)]
    trial = next(t for t in record.trials if (t.spec.loader, t.spec.mode, t.spec.seed) == ("cupy", "train", 0))
    assert first["epoch"].tolist() == [1, 2, 3, 4, 5]
    assert first["steady"].tolist() == [False, True, True, True, True]
    assert first["epoch_auc"].tolist() == pytest.approx(list(trial.auc or ()))
    assert first["train_rows_per_s"].iloc[0] == pytest.approx(trial.rows_per_s)
    assert "epoch_step_wait_s" not in frame


def test_a_failed_trial_has_a_line_of_its_own(tmp_path: Path) -> None:
    store.write(tmp_path, RUN)
    frame = reports.load(tmp_path)
    [gone] = frame[frame["loader"] == "gone"].to_dict("records")
    assert (gone["status"], gone["detail"]) == ("unavailable", "get it | there")
    assert gone["epoch"] != gone["epoch"]


def test_importing_reports_is_light() -> None:
    code = "import sys, feedrate.reports; print([m for m in ('torch', 'pandas', 'pyarrow', 'plotly', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize(("form", "begin"), [("svg", b"<svg"), ("png", b"\x89PNG")])
def test_figures_become_files(form: str, begin: bytes, tmp_path: Path) -> None:
    pytest.importorskip("kaleido", reason="needs kaleido: `pip install 'feedrate[images]'`")
    store.write(tmp_path, replace(RUN))
    words = [
        "report",
        str(tmp_path),
        "-o",
        str(tmp_path / "r.html"),
        "--figures",
        str(tmp_path / "f"),
        "--figure-format",
        form,
    ]
    app.app(words, standalone_mode=False)
    written = sorted((tmp_path / "f").iterdir())
    assert len(written) == 11
    assert all(path.read_bytes().startswith(begin) for path in written)
    if form == "svg":
        assert all("Unit: " in path.read_text() for path in written)


def test_another_format_is_refused(tmp_path: Path) -> None:
    from feedrate.loaders.errors import FeedrateError
    from feedrate.reports.formats.images import write_images

    with pytest.raises(FeedrateError, match="--figure-format is 'gif', but must be one of svg, png"):
        write_images(summarize([(Path("a"), RUN)]), tmp_path, "gif")


@pytest.mark.parametrize("walls", [(1e-320,), (1e-320, 1e-320)])
def test_a_rate_that_cannot_be_costs_its_own_record_only(walls: tuple[float, ...], tmp_path: Path) -> None:
    store.write(tmp_path / "right", RUN)
    trials = tuple(trial("replay", "replay", 1000, number) for number in range(len(walls)))
    hostile = [
        replace(result, wall_s=wall, epochs=tuple(replace(epoch, wall_s=wall) for epoch in result.epochs or ()))
        for result, wall in zip(trials, walls, strict=True)
    ]
    store.write(tmp_path / "hostile", record(*hostile))
    said: list[str] = []
    assert build(tmp_path, tmp_path / "site", said.append) == 3  # of the place and of the loaders slow and fast
    assert "which is impossible" in " ".join(said)
    with pytest.raises(FeedrateError, match=r"1,000 rows in .* s, which is impossible"):
        summarize([(tmp_path / "hostile", store.read(tmp_path / "hostile"))])


def test_a_number_that_json_does_not_have_is_a_sentence() -> None:
    with pytest.raises(FeedrateError, match="not finite"):
        pagekit.script_json([float("inf")])


HOSTILE = "a\x1b[2J\n| @someone #1 ![x](http://evil) <img src=x> `b`"


def test_names_neither_move_the_cursor_nor_mark_up_a_comment(capsys: pytest.CaptureFixture[str]) -> None:
    comparison = summarize([(Path("a"), record(replace(trial(HOSTILE, "train", 10), flags=(HOSTILE,))))])
    summary.print_all(comparison, Console())
    assert "\x1b[2J" not in capsys.readouterr().out
    marked = markdown.write_markdown(comparison)
    assert "\n|" not in marked.replace("\n| ", "")  # no line but the table's own begins with a bar
    prose = re.sub("^    .*", "", marked, flags=re.MULTILINE)  # an indented line is code
    assert not re.search(r"@someone|#1|http://|(?<!\\)(!\[|<img|`)", prose)


def test_parquet_has_one_schema_and_every_step(tmp_path: Path) -> None:
    uneven = replace(trial("a", "train", 10), step_wait_s=tuple(float(n) for n in range(13)))
    store.write(tmp_path / "a", record(uneven))
    store.write(tmp_path / "b", record(RUN.trials[-1]))  # has nothing but a reason
    for name in "ab":
        app.app(
            ["report", str(tmp_path / name), "--format", "parquet", "-o", str(tmp_path / f"{name}.parquet")],
            standalone_mode=False,
        )
    first, second = (pq.read_table(tmp_path / f"{name}.parquet") for name in "ab")
    assert first.schema.equals(second.schema)
    assert {"epochs", "memory_budget_bytes", "model_hidden", "model_step"} <= set(first.column_names)
    assert [len(waits_of_trial) for waits_of_trial in first["epoch_step_wait_s"].to_pylist()] == [13]
    assert not (tmp_path / "a" / "report.html").exists()
    with pytest.raises(FeedrateError, match="--format parquet needs an output file: pass -o FILE"):
        app.app(["report", str(tmp_path / "a"), "--format", "parquet"], standalone_mode=False)


def test_several_runs_replace_no_page_of_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        store.write(tmp_path / name, RUN)
    elsewhere = replace(RUN, environment=replace(RUN.environment, gpu="B GPU"))
    store.write(tmp_path / "b", elsewhere)
    app.app(["report", str(tmp_path / "a"), str(tmp_path / "b")], standalone_mode=False)
    assert not list(tmp_path.rglob("report.html"))
    assert "the runs differ in GPU (A GPU in a, B GPU in b)" in capsys.readouterr().out
    with pytest.raises(FeedrateError, match="which is a folder: name a file in it"):
        app.app(["report", str(tmp_path / "a"), "-o", str(tmp_path)], standalone_mode=False)


def test_numbers_that_cannot_be_are_refused_by_compare_and_its_gate(tmp_path: Path) -> None:
    store.write(tmp_path / "base", RUN)
    for name, result in {
        "first_batch_s": replace(RUN.trials[0], first_batch_s=1e308),
        r"auc\[1\]": replace(RUN.trials[0], auc=(0.5, 7.0)),
    }.items():
        store.write(tmp_path / "head", record(result))
        for words in (
            ["compare", str(tmp_path / "base"), str(tmp_path / "head"), "--fail-if", "rows_per_s<-5%"],
            ["report", str(tmp_path / "head")],
        ):
            with pytest.raises(FeedrateError, match=name):
                app.app(words, standalone_mode=False)


def test_an_error_that_quotes_a_record_does_not_steer_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store.write(tmp_path, record(trial(HOSTILE, "train", 10)))
    monkeypatch.setattr(sys, "argv", ["feedrate", "compare", f"{tmp_path}@x", str(tmp_path)])
    with pytest.raises(SystemExit):
        app.main()
    said = capsys.readouterr().err
    assert "has no loader 'x'" in said
    assert "\x1b" not in said
    assert said.count("\n") == 1


def test_the_text_of_a_report_is_not_written_over_by_its_page(tmp_path: Path) -> None:
    store.write(tmp_path / "a", RUN)
    with pytest.raises(FeedrateError, match="-o names an HTML page, not"):
        app.app(
            ["report", str(tmp_path / "a"), "--format", "csv", "-o", str(tmp_path / "x.csv")], standalone_mode=False
        )


def test_runs_of_two_tasks_have_no_answer_together() -> None:
    second = replace(RUN, dataset=replace(RUN.dataset, fingerprint="f" * 16))
    text = answer.summary(summarize([(Path("a"), RUN), (Path("b"), second)]))
    assert text.startswith("These runs must not be compared, because they differ in dataset. ")
