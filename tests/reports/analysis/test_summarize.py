from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.bench.results.record import TrialResult
from feedrate.loaders.errors import FeedrateError
from feedrate.reports import units
from feedrate.reports.analysis.answers.answer import summary
from feedrate.reports.analysis.run_comparison import Side, compare_runs
from feedrate.reports.analysis.summarize import summarize
from feedrate.reports.formats import markdown, numbers, sentences, table
from tests.samples.sample_record import RUN, record, trial


def test_rows_are_by_speed_with_their_share_of_the_ceiling() -> None:
    comparison = summarize([(Path("runs/a"), RUN)])
    assert [row.label for row in comparison.rows] == ["fast", "slow", "gone"]
    fast, slow, gone = comparison.rows
    assert fast.ceiling_fraction == pytest.approx(0.8, rel=1e-3)
    assert slow.ceiling_fraction == pytest.approx((0.09 * 0.1 * 0.11) ** (1 / 3))  # a ratio of geometric means
    assert gone.ceiling_fraction is None
    assert fast.metrics["train_rows_per_s"].values == pytest.approx((790, 800, 810))
    assert (slow.mean("wait_fraction"), slow.mean("auc")) == (pytest.approx(0.25), pytest.approx(0.8))
    assert fast.auc_by_epoch == pytest.approx((0.705, 0.805))
    assert "load_rows_per_s" not in slow.metrics


def test_batch_sizes_and_runs_are_told_apart() -> None:
    second = record(trial("fast", "train", 10, size=200), trial("fast", "train", 20, size=100))
    labels = [row.label for row in summarize([(Path("runs/a"), RUN), (Path("x/b/run.json"), second)]).rows]
    assert {"fast, batch 100, a", "fast, batch 100, b", "fast, batch 200, b"} <= set(labels)
    same = [row.label for row in summarize([(Path("a"), RUN), (Path("a"), RUN)]).rows]
    assert {"fast, a 1", "fast, a 2"} <= set(same)


def test_a_run_without_trials_is_said_in_a_sentence() -> None:
    with pytest.raises(FeedrateError, match="has no trials"):
        summarize([(Path("a"), record())])


def test_a_loader_whose_training_failed_comes_after_those_that_trained() -> None:
    run = record(trial("a", "load", 9e9), trial("b", "train", 10))
    assert [row.label for row in summarize([(Path("a"), run)]).rows] == ["b", "a"]


def test_a_run_of_the_ceiling_alone_and_one_without_any_result_can_be_drawn() -> None:
    from feedrate.reports.formats import html

    ceiling = summarize([(Path("a"), record(trial("replay", "replay", 1000)))])
    assert table.cells(ceiling)[-1][0] == "replay (ceiling)"
    nothing = summarize(
        [(Path("a"), record(TrialResult(spec=trial("x", "load", 1).spec, status="failed", detail="why")))]
    )
    title = "<h1>No loader has a result. Without a loader, the model takes 1.00~k~rows/s (n~=~1).</h1>"
    assert title in html.render(ceiling).replace(units.NO_BREAK, "~")
    assert "<h1>No loader has a result on A GPU, batch size 100.</h1>" in html.render(nothing)


def test_two_machines_are_two_sentences() -> None:
    second = replace(RUN, environment=replace(RUN.environment, gpu="B GPU"))
    text = summary(summarize([(Path("a"), RUN), (Path("b"), second)]))
    assert text.count("fast is the fastest in training. ") == text.count("800 rows/s") == 2
    assert "Measured in 3 rounds on A GPU, batch size 100." in text
    assert "Measured in 3 rounds on B GPU, batch size 100." in text


def test_the_summary_names_the_best_loader_its_lead_and_how_it_was_measured() -> None:
    assert summary(summarize([(Path("a"), RUN)])) == (
        "fast is the fastest in training. At least 4.9 times slow. fast trains at 800 rows/s ±3 %. "
        "The loader, in part: even fast costs the model 17.5 to 22.5 % of its speed. "
        "slow costs the model 87.2 to 92.2 % of its speed. "
        "Measured in 3 rounds on A GPU, batch size 100."
    )


def test_markdown_is_this() -> None:
    actual = markdown.write_markdown(summarize([(Path("a"), RUN)]))
    assert actual.splitlines() == [
        "fast is the fastest in training.",
        "",
        "Measured in 3 rounds on A GPU, batch size 100.",
        "",
        "By what factor? At least 4.9 times slow. fast trains at 800 rows/s ±3 %.",
        "",
        "Loader or model? The loader, in part: even fast costs the model 17.5 to 22.5 % of its speed. "
        "slow costs the model 87.2 to 92.2 % of its speed.",
        "",
        "What next? Use fast. It still slows the model down: run feedrate profile to see what it waits for.",
        "",
        "| Loader | Loader only | Training | Share of ceiling | Waiting | AUC | First batch | Host memory (RSS) | Rows checked |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| fast | 5.00 M rows/s (n = 1) | 800 rows/s ±3 % | 80.0 ±2.5 % | 25.0 % | 0.8050 | 250 ms | 500 MB | not checked |",
        "| slow | - | 100 rows/s ±25 % | 10.0 ±2.5 % | 25.0 % | 0.8000 | 250 ms | 500 MB | not checked |",
        "| gone | - | unavailable | - | unavailable | unavailable | unavailable | unavailable | - |",
        "| replay (ceiling) | - | 1.00 k rows/s ±0 % | 100.0 % | - | - | - | - | - |",
        "",
        "- <!-- -->Task mlp: the reference notebook's embedding MLP",
        "- <!-- -->some loaders have only one round (n = 1), which has no interval and proves nothing",
        "- <!-- -->fast: fast 1.0",
        "- <!-- -->slow: slow 1.0",
        "- <!-- -->gone train unavailable: get it \\| there",
    ]


def test_csv_has_plain_numbers_and_nothing_for_what_was_not_measured() -> None:
    head, fast, _slow, gone = (
        line.split(",") for line in numbers.write_csv(summarize([(Path("a"), RUN)])).splitlines()
    )
    cell = dict(zip(head, fast, strict=True))
    assert float(cell["train_rows_per_s"]) == pytest.approx(800)
    assert (cell["train_rows_per_s_n"], cell["peak_gpu_bytes"]) == ("3", "")
    assert set(gone[8:]) == {""}


def test_deviations_are_never_hidden() -> None:
    deviant = replace(RUN.trials[0], deviations={"some_rule": "because"})
    comparison = summarize([(Path("a"), record(deviant))])
    assert "slow deviates (some_rule): because" in sentences.notes(comparison)


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (units.format_rate(1_234_567), "1.23 M rows/s"),
        (units.format_rate(151_000_000), "151 M rows/s"),
        (units.format_rate(37.6), "37.6 rows/s"),
        (units.format_rate(None), "-"),
        (units.format_size(2_000_000_000), "2.00 GB"),
        (units.format_size(999), "999 B"),
        (units.format_seconds(0.00123), "1.23 ms"),
        (units.format_seconds(12.345), "12.3 s"),
        (units.format_seconds(4e-6), "4.00 us"),
        (units.format_percent(0.985), "98.5 %"),
        (units.format_auc(0.81234), "0.8123"),
        (units.format_count(0), "0"),
    ],
)
def test_numbers_for_people(actual: str, expected: str) -> None:
    assert actual == expected


def test_reports_load_neither_torch_nor_cupy() -> None:
    code = (
        "import sys; import feedrate.reports, feedrate.reports.formats.html, feedrate.reports.formats.table, feedrate.bench.results.store\n"
        "print(sorted({'torch', 'cupy', 'pyarrow', 'polars'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def _seeded(loader: str, aucs: tuple[float, ...]) -> list[TrialResult]:
    trials = [trial(loader, "train", 100, auc=auc) for auc in aucs]
    return [replace(result, spec=replace(result.spec, seed=seed)) for seed, result in enumerate(trials)]


@pytest.mark.parametrize(
    ("aucs", "marked"),
    [
        ((0.790, 0.791, 0.7895), True),  # a hundredth less with every seed
        ((0.8004, 0.8006, 0.8001), False),  # less than matters
        ((0.790, 0.820, 0.795), False),  # seeds explain it
    ],
)
def test_an_auc_that_seeds_do_not_explain_is_marked(aucs: tuple[float, ...], marked: bool) -> None:
    run = replace(record(*_seeded("base", (0.800, 0.801, 0.7995)), *_seeded("odd", aucs)), baseline="base")
    comparison = summarize([(Path("a"), run)])
    [odd] = [row for row in comparison.rows if row.loader == "odd"]
    assert (odd.auc_differs is not None) == marked
    assert any("Chance hardly explains this" in note for note in sentences.notes(comparison)) == marked


def test_flags_are_shown_and_not_twice() -> None:
    flagged = [replace(trial("a", "train", 100, repeat), flags=("it is odd",)) for repeat in range(2)]
    assert sentences.notes(summarize([(Path("a"), record(*flagged))])).count("a: it is odd") == 1


def test_a_better_metric_takes_the_place_of_what_it_stands_for() -> None:
    first = trial("a", "train", 100)
    epoch = replace(first.epochs[0], stall_s=0.1) if first.epochs else None
    new = replace(first, epochs=(epoch,), peak_pss_bytes=1) if epoch else first
    assert "Waiting" in table.cells(summarize([(Path("a"), record(first))]))[0]
    head = table.cells(summarize([(Path("a"), record(new))]))[0]
    assert ("Waiting" in head, "Stall" in head, "Host memory" in head, "Host memory (RSS)" in head) == (
        False,
        True,
        True,
        False,
    )


def test_what_was_put_back_into_other_libraries_stands_beside_the_loader_s_own() -> None:
    repaired = replace(trial("nvtabular", "train", 10), repairs=("numpy_names", "merlin_make_series"))
    [row] = summarize([(Path("a"), record(repaired))]).rows
    assert row.backend == "nvtabular 1.0; compatibility repairs: numpy_names, merlin_make_series"


def test_a_preparation_is_shown_once_with_its_size_and_not_compared() -> None:
    assert "Preparation" not in table.cells(summarize([(Path("a"), RUN)]))[0]
    own = [
        replace(trial("own", "train", 90, repeat), preparation_s=12.5, preparation_bytes=2_000_000_000)
        for repeat in range(3)
    ]
    other = [
        replace(trial("other", "train", 80, repeat), preparation_s=3.0, preparation_bytes=10_000) for repeat in range(3)
    ]
    plain = [trial("plain", "train", 70, repeat) for repeat in range(3)]
    comparison = summarize([(Path("a"), replace(record(*own, *other, *plain), baseline="other"))])
    head, *lines = table.cells(comparison)
    shown = {line[0]: line[head.index("Preparation")] for line in lines}
    assert shown == {"own": "12.5 s, 2.00 GB", "other": "3.00 s, 10.0 kB", "plain": "-"}
    row = comparison.rows[0]
    assert row.metrics["preparation_s"].values == (12.5,)
    assert {"preparation_s", "preparation_bytes"} & set(row.verdicts) == set()
    assert "train_rows_per_s" in row.verdicts
    assert "| 12.5 s, 2.00 GB |" in markdown.write_markdown(comparison)
    values = dict(zip(*(line.split(",") for line in numbers.write_csv(comparison).splitlines()[:2]), strict=True))
    assert (values["preparation_s"], values["preparation_bytes"], values["preparation_s_n"]) == (
        "12.5",
        "2000000000.0",
        "1",
    )
    side = Side("a", comparison.runs[0][1], None)
    assert "preparation_s" not in {line.metric.name for line in compare_runs(replace(side, loader="other"), side)}
