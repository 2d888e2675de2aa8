"""Figures: their points, intervals, samples, tables and the basis that each states."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.bench.results.gpu_record import GpuRecord
from feedrate.bench.results.record import EpochRecord, RunRecord, ShuffleRecord
from feedrate.bench.results.spec import Mode
from feedrate.reports.analysis.summarize import summarize
from feedrate.reports.figures.figure import Figure
from feedrate.reports.figures.frontiers import on_frontier
from feedrate.reports.figures.overview import figures
from tests.samples.sample_record import RUN, record, trial


def _figures(*runs: RunRecord) -> dict[str, Figure]:
    comparison = summarize([(Path(f"run{number}"), run) for number, run in enumerate(runs)])
    return {figure.name: figure for figure in figures(comparison)}


def _table(figure: Figure) -> list[dict[str, str]]:
    head, lines = figure.table
    return [dict(zip(head, line, strict=True)) for line in lines]


def test_a_table_holds_mean_interval_n_and_every_sample() -> None:
    training = [line for line in _table(_figures(RUN)["throughput"]) if line["Series"] == "Training"]
    assert training[0] == {
        "Series": "Training", "Loader": "fast", "rows/s": "800 rows/s", "rows/s: 95 % interval": "775 rows/s to 825 rows/s",
        "n": "3", "rows/s: samples": "790 rows/s, 800 rows/s, 810 rows/s",
    }  # fmt: skip


def test_a_table_of_auc_holds_the_interval_by_epoch() -> None:
    run = record(*(trial("a", "train", 100, repeat, auc=auc) for repeat, auc in enumerate((0.80, 0.81, 0.82))))
    for name in ("auc", "auc-over-time"):
        last = _table(_figures(run)[name])[-1]
        assert last["AUC"] == "0.8100"
        assert last["AUC: 95 % interval"] == "0.7852 to 0.8348"
        assert last["AUC: samples"] == "0.8000, 0.8100, 0.8200"


def test_a_table_has_a_line_for_each_point_and_the_ends_of_a_long_line() -> None:
    for figure in _figures(RUN).values():
        drawn = [len(trace["x"]) for trace in figure.data if trace.get("hoverinfo") != "skip"]
        lines = figure.table[1]
        assert len(lines) == sum(drawn) or figure.thinned
    waits = [line for line in _table(_figures(RUN)["wait-distribution"]) if line["Series"] == "fast"]
    assert 35 <= len(waits) <= 41
    assert [waits[0]["share of steps with at most this wait"], waits[-1]["wait"]] == ["0.5 %", "100 ms"]


def test_every_figure_states_unit_n_interval_cache_and_device() -> None:
    gpu = GpuRecord(samples=2, period_s=0.1, busy_fraction=0.5, at_s=(0.0, 0.1), busy=(0.5, None))
    swept = [replace(trial("a", "train", 100 * size, size=size), gpu=gpu, peak_gpu_bytes=1000) for size in (16, 64)]
    workers = [trial(f"b:workers={count}", "train", 100 + count) for count in (1, 4)]
    by_name = {**_figures(RUN), **_figures(record(*swept, *workers))}
    assert {"ceiling", "waiting", "batch-sizes", "workers", "utilisation", "frontier-peak-gpu-bytes", "memory"} <= {
        *by_name
    }
    for figure in by_name.values():
        assert re.fullmatch(
            r"Unit: [^;]+; n = \d[^;]*;( no interval: [^;]+;)? page cache warm; A GPU\.", figure.basis
        ), figure.basis
        assert figure.has_bars or "no interval" in figure.basis


def test_a_share_of_the_ceiling_has_an_interval_from_rounds() -> None:
    replays = [trial("replay", "replay", rows_per_s, repeat) for repeat, rows_per_s in enumerate((1000, 1020, 980))]
    trains = [trial("a", "train", rows_per_s, repeat) for repeat, rows_per_s in enumerate((500, 510, 490))]
    [line] = _table(_figures(record(*replays, *trains))["ceiling"])
    assert line["training / model only: 95 % interval"] == "50.0 % to 50.0 %"
    assert line["training / model only: samples"] == "50.0 %, 50.0 %, 50.0 %"
    vague = [trial("replay", "replay", rows_per_s, repeat) for repeat, rows_per_s in enumerate((1000, 1600, 500))]
    assert "ceiling" not in _figures(record(*vague, *trains))
    alone = _figures(record(replays[0], trains[0]))["ceiling"]
    assert "no interval: only one trial" in alone.basis
    assert "training / model only: 95 % interval" not in alone.table[0]
    assert "no interval: only one trial" in _figures(record(replays[0], *trains))["ceiling"].basis


def test_a_figure_names_only_the_loaders_that_it_draws() -> None:
    run = record(trial("trained", "train", 100), trial("replay", "replay", 200), trial("alone", "load", 100))
    by_name = _figures(run)
    assert by_name["throughput"].layout["yaxis"]["categoryarray"] == ["trained"]
    assert by_name["throughput-load"].layout["yaxis"]["categoryarray"] == ["alone"]
    assert by_name["ceiling"].layout["yaxis"]["categoryarray"] == ["trained"]


def test_frontiers_have_intervals_on_both_axes() -> None:
    [fast, slow] = _table(_figures(RUN)["frontier-auc"])
    assert fast["rows/s: 95 % interval"] == "775 rows/s to 825 rows/s"
    assert fast["AUC: 95 % interval"] == "0.8050 to 0.8050"
    assert slow["n"] == "3"


def test_a_frontier_of_host_memory_uses_pss_if_it_is_known() -> None:
    trials = [replace(trial(name, "train", 100), peak_pss_bytes=1_000_000) for name in ("a", "b")]
    names = {*_figures(record(*trials))}
    assert "frontier-peak-pss-bytes" in names
    assert "frontier-peak-rss-bytes" not in names


def test_utilisation_has_a_line_for_each_trial_and_a_table_of_the_first_with_gaps() -> None:
    gpu = GpuRecord(samples=3, period_s=0.1, at_s=(0.0, 0.1, 0.2), busy=(0.5, None, 0.7))
    figure = _figures(record(*(replace(trial("a", "train", 100, repeat), gpu=gpu) for repeat in range(2))))[
        "utilisation"
    ]
    assert [(trace["name"], trace.get("opacity")) for trace in figure.data] == [("a", None), ("a, trial 2", 0.3)]
    assert figure.data[0]["y"] == [0.5, None, 0.7]
    assert [line["GPU busy"] for line in _table(figure)] == ["50.0 %", "-", "70.0 %"]


def test_a_frontier_holds_the_points_that_no_other_beats() -> None:
    points = [(1.0, 10.0), (2.0, 20.0), (3.0, 15.0), (2.0, 5.0), (4.0, 20.0)]
    assert on_frontier(points, lower=True) == [(1.0, 10.0), (2.0, 20.0)]
    assert on_frontier(points, lower=False) == [(4.0, 20.0)]
    assert on_frontier([(1.0, 10.0), (2.0, 5.0)], lower=False) == [(1.0, 10.0), (2.0, 5.0)]


def test_a_line_of_a_sweep_belongs_to_one_run_one_loader_and_one_batch_size() -> None:
    trials = [trial(f"b:workers={count}", "train", 100 * count, size=size) for count in (1, 4) for size in (16, 64)]
    figure = _figures(record(*trials), record(*trials))["workers"]
    assert sorted((trace["name"], tuple(trace["x"])) for trace in figure.data) == [
        (f"b, run{run}, batch {size}, training", (1, 4)) for run in (0, 1) for size in (16, 64)
    ]
    [first, *_] = _figures(record(*trials), record(*trials))["batch-sizes"].data
    assert first["x"] == [16, 64]


def test_workers_of_a_sweep_are_the_loader_s_option_or_otherwise_the_run_s_setting() -> None:
    by_setting = trial("b", "train", 400)
    by_option = trial("b:workers=2", "train", 200)
    by_setting = replace(by_setting, spec=replace(by_setting.spec, workers=4))
    [line] = _figures(record(by_option, by_setting))["workers"].data
    assert line["x"] == [2, 4]


def test_what_cannot_be_below_zero_is_not_shown_below_zero() -> None:
    def epoch(wall_s: float) -> EpochRecord:
        return EpochRecord(rows=1000, wall_s=wall_s, wait_s=0.01, stall_s=0.01, wait_cpu_s=0.0, wait_others_cpu_s=0.0)

    walls: list[tuple[str, Mode, tuple[float, float]]] = [
        ("a", "train", (1.0, 2.0)),
        ("replay", "replay", (1.02, 2.03)),
    ]
    run = record(
        *(
            replace(trial(name, mode, 1, n), epochs=(epoch(wall),))
            for name, mode, rounds in walls
            for n, wall in enumerate(rounds)
        )
    )
    by_name = _figures(run)
    stalls = by_name["stalls"]
    assert stalls.layout["meta"]["values"] == {"a": "none (noise: -1.7 %)"}
    assert min(value for trace in stalls.data for value in trace["x"]) == 0
    assert _table(by_name["throughput"])[0]["rows/s: 95 % interval"] == "up to 3.93 k rows/s"


def test_the_ceiling_has_its_interval_as_a_band() -> None:
    replays = [trial("replay", "replay", rate, repeat) for repeat, rate in enumerate((1000, 1020, 980))]
    figure = _figures(record(*replays, *(trial("a", "train", 500, repeat) for repeat in range(3))))["throughput"]
    band = figure.data[0]
    assert band["x"] == [pytest.approx(950.3, abs=0.1), pytest.approx(1049.7, abs=0.1)]
    assert figure.table[1][-1][3] == "950 rows/s to 1.05 k rows/s"


def test_no_line_is_hidden_by_one_of_the_same_auc_and_one_epoch_is_no_line() -> None:
    same = record(*(trial(name, "train", 100, repeat, auc=0.8) for name in "ab" for repeat in range(2)))
    first, second = _figures(same)["auc"].data
    assert first["y"] == second["y"]
    assert [round(x) for x in first["x"]] == [round(x) for x in second["x"]] == [1, 2]
    assert first["x"] != second["x"]
    assert [line["epoch"] for line in _table(_figures(same)["auc"])] == ["1", "2", "1", "2"]
    once = _figures(replace(same, trials=tuple(replace(one, auc=(0.8,)) for one in same.trials)))
    assert once["auc"].layout["meta"]["form"] == "rows"
    assert "auc-over-time" not in once


def test_axes_have_room_for_marks_at_zero_and_shares_close_to_each_other_are_drawn_close_up() -> None:
    runs = [trial(f"a:workers={n}", "train", 100 + n, repeat) for n in (0, 8) for repeat in range(2)]
    shuffle = ShuffleRecord(displacement=0.99, diversity=0.99, quality=0.99, expected_low=0.98, samples=9)
    by_name = _figures(record(*(replace(one, shuffle=shuffle) for one in runs)))
    assert by_name["workers"].layout["xaxis"]["range"] == pytest.approx([-0.4, 8.4])
    low, high = by_name["frontier-shuffle-quality"].layout["xaxis"]["range"]
    assert 0.8 < low < 0.99 < high < 1.01
