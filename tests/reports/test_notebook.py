"""Runs in a notebook: frames of both libraries, and figures that draw themselves without a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import feedrate
from feedrate.bench.results import store
from feedrate.loaders.errors import FeedrateError
from feedrate.reports import load, show
from tests.samples.chromium import needs_chromium, open_browser
from tests.samples.sample_record import RUN, record, trial

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "reports" / "published" / "h100-2026-11-25" / "train"
CELLS = (
    "from feedrate import load, show",
    f"load({str(PUBLISHED)!r}).groupby('loader')['train_rows_per_s'].mean()",
    f"load({str(PUBLISHED)!r}, frame='polars').select('loader', 'train_rows_per_s').head()",
    f"show({str(PUBLISHED)!r})",
    f"show({str(PUBLISHED)!r})['throughput']",
    "import sys; print([name for name in ('torch', 'cupy') if name in sys.modules])",
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    store.write(tmp_path / "run", RUN)
    return tmp_path / "run"


def test_the_frames_of_both_libraries_hold_the_same(run: Path) -> None:
    pandas, polars = load(run), load(run, frame="polars")
    assert isinstance(polars, pl.DataFrame)
    assert list(pandas.columns) == polars.columns
    assert pandas["train_rows_per_s"].sum() == pytest.approx(polars["train_rows_per_s"].sum())
    assert polars.filter(pl.col("loader") == "gone")["epoch"].to_list() == [None]
    assert polars["peak_gpu_bytes"].dtype == pl.Float64  # empty, but of its type


def test_another_frame_is_refused(run: Path) -> None:
    with pytest.raises(FeedrateError, match="frame is 'arrow', but must be one of pandas, polars"):
        load(run, frame="arrow")  # type: ignore[call-overload]


def test_a_page_s_figures_are_also_plotly_s_figures(run: Path) -> None:
    shown = show(run)
    assert shown.names[0] == "throughput"
    assert all(shown[name].data for name in shown.names)
    assert repr(shown).startswith(shown.answer)
    with pytest.raises(FeedrateError, match="there is no figure 'speed': choose one of throughput, "):
        shown["speed"]


def test_profiles_in_the_folder_are_drawn_too() -> None:
    assert {"waterfall-0", "waterfall-3"} <= set(show(PUBLISHED).names)


def test_a_record_s_text_cannot_leave_its_place(tmp_path: Path) -> None:
    store.write(tmp_path, record(trial("</script><img src=x>", "load", 1e6)))
    [page] = {show(tmp_path)._repr_mimebundle_()["text/html"]}
    assert "<img" not in page.rpartition("Plotly = Plotly")[2]


def test_frames_and_figures_need_neither_torch_nor_cupy(run: Path) -> None:
    code = (
        f"import sys, feedrate; feedrate.load({str(run)!r}, frame='polars'); "
        f"feedrate.show({str(run)!r})._repr_mimebundle_(); print({{'torch', 'cupy'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout.strip() == "set()", done.stderr
    assert feedrate.show is show


@pytest.fixture(scope="module")
def outputs() -> list[list[Any]]:
    """Outputs of each cell, as Jupyter's own kernel gave them."""
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient: `pip install 'feedrate[docs]'`")
    pytest.importorskip("ipykernel", reason="needs ipykernel: `pip install 'feedrate[docs]'`")
    from nbformat import v4

    notebook = v4.new_notebook(cells=[v4.new_code_cell(code) for code in CELLS])
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(ROOT)}}).execute()
    return [cell["outputs"] for cell in notebook.cells]


@pytest.mark.slow
def test_a_notebook_shows_frames_and_figures(outputs: list[list[Any]]) -> None:
    _, [means], [frame], [figures], [figure], [modules] = outputs
    assert "nvtabular:defaults" in means["data"]["text/plain"]
    assert "train_rows_per_s" in frame["data"]["text/html"]
    assert "cupy was faster than nvtabular" in figures["data"]["text/plain"]
    assert {"text/html", "application/vnd.plotly.v1+json"} & set(figure["data"])
    assert modules["text"].strip() == "[]"


@pytest.mark.slow
@needs_chromium
def test_a_browser_draws_the_cell_s_output_without_a_request(outputs: list[list[Any]], tmp_path: Path) -> None:
    page_file = tmp_path / "cell.html"
    page_file.write_text(f"<!DOCTYPE html><meta charset='utf-8'><body>{outputs[3][0]['data']['text/html']}")
    with open_browser() as browser:
        page = browser.new_page(viewport={"width": 1000, "height": 800})
        requests: list[str] = []
        errors: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(page_file.as_uri())
        drawn = page.locator("section .plot-container").count()
    assert drawn == len(show(PUBLISHED).names)
    assert errors == []
    assert [url for url in requests if not url.startswith(("data:", "blob:"))] == [page_file.as_uri()]
