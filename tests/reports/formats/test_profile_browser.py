"""Profiles in a real browser: a reader zooms, searches and follows arrows by keyboard, and sees threads and workers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.profiling import session
from feedrate.bench.results.profiles import files
from feedrate.bench.results.profiles.explained import Explained, explain
from feedrate.bench.results.spec import ModelSpec
from feedrate.reports.analysis.summarize import summarize
from feedrate.reports.formats import html
from tests.bench.profiling.test_chrome_trace import problems
from tests.bench.profiling.test_recordings import WAITED, _profile
from tests.reports.figures.test_timelines import FLAME
from tests.samples.chromium import needs_chromium
from tests.samples.sample_record import RUN

pytestmark = [pytest.mark.slow, needs_chromium]
LOADERS = ("native-batched", "slow:place=worker:delay_s=0.01")
VIEW = "#timeline .profile-view"
STATUS = "#timeline [role=status]"


@pytest.fixture(scope="module")
def recorded(small: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with real profiles of two loaders on the CPU."""
    folder = tmp_path_factory.mktemp("recorded")
    request = session.ProfileRequest(
        steps=8, profiler="torch", batch_size=256, device="cpu", model=ModelSpec(), memory_budget_bytes=None, timeout_s=500.0
    )  # fmt: skip
    list(session.run(LOADERS, small.folder, folder, request))
    return folder


def _page(folder: Path, profiles: list[Explained]) -> Path:
    path = folder / "report.html"
    path.write_text(html.render(summarize([(Path("a"), RUN)]), profiles=profiles))
    return path


@pytest.fixture(scope="module")
def cpu_page(recorded: Path) -> Path:
    return _page(recorded, list(files.explained(recorded)))


@pytest.fixture(scope="module")
def gpu_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with recordings of an H100 by nsys."""
    folder = tmp_path_factory.mktemp("gpu")
    first, second = (_profile(name, folder, epoch=WAITED) for name in ("native-batched", "cupy"))
    return _page(folder, [explain(replace(first, flames=(FLAME,), sample_hz=100)), explain(second)])


def _open(browser: Any, path: Path, **options: Any) -> Any:
    page = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options}).new_page()
    page.messages = []
    page.on("console", lambda message: page.messages.append(message.text))
    page.on("pageerror", lambda error: page.messages.append(str(error)))
    page.goto(path.as_uri())
    page.wait_for_selector(f"{VIEW}[data-to]")
    return page


def _shown(page: Any) -> tuple[float, float]:
    view = page.locator(VIEW)
    return float(view.get_attribute("data-from")), float(view.get_attribute("data-to"))


def test_real_profiles_are_zoomed_searched_and_read_by_keyboard(browser: Any, cpu_page: Path) -> None:
    page = _open(browser, cpu_page)
    begin, end = _shown(page)
    page.locator(VIEW).focus()
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    zoomed = _shown(page)
    assert zoomed[1] - zoomed[0] == pytest.approx(0.6 * (end - begin))
    assert zoomed[0] > begin + 0.2 * (end - begin)
    page.keyboard.press("0")
    assert _shown(page) == (begin, end)
    page.keyboard.press("/")
    page.keyboard.type("aten::addmm")
    assert "bars match" in page.text_content(STATUS)
    page.keyboard.press("Enter")
    assert page.text_content(STATUS).startswith("1 of ")
    assert "aten::addmm: " in page.text_content(STATUS)
    assert "main functions of native-batched" in page.text_content(STATUS)
    page.fill("#timeline-search", "batch")
    page.focus(VIEW)
    page.keyboard.press("p")  # the last match is in the last lane, the worker's
    assert "batch: " in page.text_content(STATUS)
    assert f"worker 1 batches of {LOADERS[1]}" in page.text_content(STATUS)
    assert page.messages == []


def test_a_real_profile_s_trace_is_valid_and_has_the_worker(recorded: Path) -> None:
    for folder in sorted(path.parent for path in recorded.rglob("trace.json")):
        trace = json.loads((folder / "trace.json").read_bytes())
        assert problems(trace) == []
        batches = [event for event in trace["traceEvents"] if event["name"] == "batch"]
        assert bool(batches) == ("worker" in folder.name)
        steps = [event["ts"] for event in trace["traceEvents"] if event["name"] == "step" and event["ph"] == "X"]
        assert all(min(steps) - 1e6 < event["ts"] < max(steps) + 1e6 for event in batches)


def test_arrows_lead_from_a_kernel_to_its_launch(browser: Any, gpu_page: Path) -> None:
    page = _open(browser, gpu_page)
    page.fill("#timeline-search", "gemm")
    page.keyboard.press("Enter")
    assert "launched in forward" in page.text_content(STATUS)
    page.focus(VIEW)
    page.keyboard.press("f")
    assert "cudaLaunchKernel" in page.text_content(STATUS)
    assert "CUDA calls of native-batched" in page.text_content(STATUS)
    page.keyboard.press("]")
    assert page.text_content(STATUS).startswith("Step ")
    assert page.messages == []


def test_the_mouse_drags_zooms_and_selects(browser: Any, gpu_page: Path) -> None:
    page = _open(browser, gpu_page)
    page.locator(VIEW).scroll_into_view_if_needed()
    box = page.locator(f"{VIEW} canvas").bounding_box()
    begin, end = _shown(page)
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 80)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    page.wait_for_selector(f"{VIEW}:not([data-to='{end}'])")
    zoomed = _shown(page)
    assert begin < zoomed[0] < zoomed[1] < end
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 8, box["y"] + 80, steps=4)
    page.mouse.up()
    assert _shown(page)[0] > zoomed[0]
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 83)
    assert " of native-batched, starts at " in page.text_content(STATUS)


def test_a_flame_graph_is_searched_and_says_who_calls(browser: Any, gpu_page: Path) -> None:
    page = _open(browser, gpu_page)
    page.click("summary:has-text('CPU flame graph of native-batched')")
    page.focus("#flames-0-search")
    page.keyboard.type("step")
    page.keyboard.press("Enter")
    assert page.text_content("#flames-0 [role=status]") == (
        "1 of 2: step: 200 ms of samples, 20 % of consumer, called by main"
    )
    page.focus("#flames-0 .profile-view")
    page.keyboard.press("Enter")  # the bar now fills a third of the width
    view = page.locator("#flames-0 .profile-view")
    assert float(view.get_attribute("data-to")) - float(view.get_attribute("data-from")) == pytest.approx(0.6)
    page.keyboard.press(",")
    assert page.text_content("#flames-0 [role=status]").startswith("next: 600 ms of samples")
    assert page.messages == []


def test_the_page_s_filter_leaves_one_loader_s_lanes(browser: Any, gpu_page: Path) -> None:
    page = _open(browser, gpu_page)
    bars = int(page.locator(VIEW).get_attribute("data-bars"))
    page.fill("#filter", "cupy")
    page.wait_for_selector(f"{VIEW}:not([data-bars='{bars}'])")
    assert 0 < int(page.locator(VIEW).get_attribute("data-bars")) < bars


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_axe_finds_nothing_serious_and_nothing_scrolls_sideways(
    width: int, scheme: str, browser: Any, gpu_page: Path
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    page = _open(browser, gpu_page, color_scheme=scheme, viewport={"width": width, "height": 844})
    page.evaluate(
        "document.querySelectorAll('.profile-table, .profile-flames').forEach((details) => { details.open = true; })"
    )
    violations = axe.Axe().run(page).response["violations"]
    assert [
        (violation["id"], violation["nodes"][0]["html"])
        for violation in violations
        if violation["impact"] in ("serious", "critical")
    ] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
