"""The results table of pages: short cells with the whole text at hand, and columns that are folded because they tell nothing apart."""

from __future__ import annotations

from pathlib import Path

from feedrate.reports.analysis.summarize import summarize
from feedrate.reports.formats.page_tables.results import Cell, ResultsTable, results_table
from feedrate.reports.formats.pagekit import breakable
from feedrate.reports.units import kept_together
from tests.samples.sample_record import RUN, record, trial


def _table(*trials: object) -> ResultsTable:
    return results_table(summarize([(Path("a"), record(*trials))]))  # type: ignore[arg-type]


def _column(table: ResultsTable, title: str) -> list[Cell]:
    [number] = [number for number, column in enumerate(table.columns) if column.title == title]
    return [line.cells[number] for line in table.lines]


def test_rates_have_their_unit_in_the_head_and_other_figures_in_the_cell() -> None:
    table = results_table(summarize([(Path("a"), RUN)]))
    assert [column.unit for column in table.columns] == ["", "rows/s", "rows/s", "", ""]
    assert [cell.text for cell in _column(table, "Training")] == ["800 ±3 %", "100 ±25 %", "unavailable", "1.00 k ±0 %"]
    assert ("First batch", "250 ms") in [(column.title, text) for column, text in table.folded]


def test_a_figure_that_is_not_known_is_short_and_says_what_to_do_at_hand() -> None:
    ceiling = [trial("replay", "replay", rows_per_s, n) for n, rows_per_s in enumerate((400, 500))]
    table = _table(trial("a", "train", 100), trial("a", "train", 300, 1), trial("b", "train", 100), *ceiling)
    assert _column(table, "Training")[0].text == "100 to 300"
    share = _column(table, "Share of ceiling")[0]
    assert (share.text, share.full) == ("not known", "not known: run more rounds")
    assert table.shortened == "not known"


def test_a_column_is_folded_if_all_loaders_with_a_result_say_the_same() -> None:
    trials = [trial("a", "train", 100), trial("b", "train", 200)]
    assert "AUC" in [column.title for column, _ in _table(*trials).folded]
    differing = _table(*trials, trial("c", "train", 200, auc=0.7))
    assert sorted(cell.text for cell in _column(differing, "AUC")) == ["0.7000", "0.8000", "0.8000"]


def test_speed_ratio_and_share_are_never_folded_and_nothing_is_for_one_loader() -> None:
    equal = _table(*(trial(name, "train", 100, n) for name in "ab" for n in range(3)), trial("replay", "replay", 100))
    assert {"Training", "Share of ceiling"} <= {column.title for column in equal.columns}
    assert not _table(trial("a", "train", 100)).folded


def test_a_number_is_bound_to_its_unit_and_other_words_are_not() -> None:
    assert kept_together("8.87 M rows/s ±4 % of it, 1.09 s, 5.61 GB in 3 steps, 9 M ±1 %").split(" ") == [
        "8.87\u00a0M\u00a0rows/s", "±4\u00a0%", "of", "it,", "1.09\u00a0s,", "5.61\u00a0GB", "in", "3", "steps,", "9\u00a0M", "±1\u00a0%",
    ]  # fmt: skip


def test_a_name_may_break_after_a_mark_and_stays_escaped() -> None:
    assert breakable("a:workers=8,<b>=1") == "a:<wbr>workers=<wbr>8,&lt;b&gt;=<wbr>1"
    assert breakable("a.b,c of 1,000 at 1.5 rows/s") == "a.<wbr>b,<wbr>c of 1,000 at 1.5 rows/s"
