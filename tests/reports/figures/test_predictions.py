"""The figures and the text of a prediction."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

from rich.console import Console

from feedrate.bench.results.predictions.prediction import Cause, Point, Prediction
from feedrate.reports.figures.predictions import figures
from feedrate.reports.formats.predicted.page import render
from feedrate.reports.formats.predicted.text import answer, print_prediction


def point(nodes: int, rows_per_s: float, bottleneck: Cause) -> Point:
    critical: dict[Cause, float] = {"model": 0.5, "loader": 0.25, "storage": 0.125, "network": 0.125}
    return Point(
        nodes=nodes, ranks=8 * nodes, steps=16, rows_per_s=rows_per_s, wait_fraction=0.3, straggler_fraction=0.02,
        critical=critical, bottleneck=bottleneck,
    )  # fmt: skip


PREDICTION = Prediction(
    loader="<b>x</b>", dataset="d", model_rows_per_s=1e6, assumptions=("Measured <i>here</i>.", "Seed 0."),
    points=(point(1, 8e6, "model"), point(2, 16e6, "model"), point(4, 16e6, "storage")),
)  # fmt: skip


def test_the_answer_names_each_bottleneck_and_where_it_begins() -> None:
    assert answer(PREDICTION) == (
        "<b>x</b> on 32 ranks: 16.0 M rows/s (simulated). Bottleneck: the model; from 32 ranks on, storage."
    )


def test_throughput_is_drawn_beside_the_model_times_its_gpus() -> None:
    throughput, shares = figures(PREDICTION)
    loader, ceiling = throughput.data
    assert (loader["x"], loader["y"]) == ([8, 16, 32], [8e6, 16e6, 16e6])
    assert ceiling["y"] == [8e6, 16e6, 32e6]
    assert loader["name"] == "&lt;b&gt;x&lt;/b&gt;"
    assert [sum(trace["y"][place] for trace in shares.data) for place in range(3)] == [1, 1, 1]
    head, lines = shares.table
    assert head[:3] == ["Series", "share of the time", "ranks"]
    assert ["Storage", "12.5 %", "8.00"] in [line[:3] for line in lines]


def test_text_and_page_show_every_size_and_assumption() -> None:
    text = StringIO()
    print_prediction(PREDICTION, Console(file=text, width=120))
    page = render(PREDICTION, made_at=datetime(2026, 1, 1, tzinfo=UTC))
    for words in ("16.0 M rows/s", "50.0 %", "storage", "Seed 0."):
        assert words in text.getvalue()
        assert words in page
    assert "Measured <i>here</i>." in text.getvalue()
    assert "Measured &lt;i&gt;here&lt;/i&gt;." in page
    assert "<b>x</b>" not in page
