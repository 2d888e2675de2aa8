"""The data of the page's timelines and flame graphs: all loaders on one axis, trees as bars, and records of all ages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.bench.results.profiles import files
from feedrate.bench.results.profiles.record import CopyRow, Flame, Lane, PartRow, Profile, RangeRow, StepMark
from feedrate.reports.figures.profile_tables import profile_tables
from feedrate.reports.figures.timelines import chart_data, charts
from feedrate.reports.formats.pagekit import script_json
from tests.samples.sample_record import trial

PUBLISHED = sorted((Path(__file__).parents[3] / "reports" / "published").rglob("profile.json.gz"))
LANE = Lane(
    title="main", kind="ranges", names=("next", "step"), name=(0, 1), start_s=(0.0, 0.01), seconds=(0.01, 0.02),
    left_out=1_200, left_out_s=0.001,
)  # fmt: skip
FLAME = Flame(
    who="consumer", names=("", "main", "next", "step"), depth=(0, 1, 2, 2, 1), name=(0, 1, 2, 3, 3), samples=(100, 90, 60, 20, 10),
)  # fmt: skip
PROFILE = Profile(
    spec=trial("fast", "train", 1).spec, profiler="nsys", version="1", steps=10, rows=1000, window_s=1.0, epoch=None, cores=2,
    kernel_busy_fraction=0.5, device_busy_fraction=0.5, lanes=(LANE,), marks=(StepMark(number=3, start_s=0.0),),
    ranges=(RangeRow(name="next", thread="main", count=10, seconds=0.5, device_s=0.0),),
    parts=(
        PartRow(part="next", kind="function", name="aten::index", count=30, seconds=0.2),
        PartRow(part="next", kind="function", name="", count=9, seconds=0.1),
        PartRow(part="forward", kind="kernel", name="gemm", count=20, seconds=0.05),
    ),
    copies=(CopyRow(kind="host to device", pageable=True, count=10, nbytes=10**9, seconds=0.1, overlapped_s=0.025),),
)  # fmt: skip


def test_loaders_share_a_chart_and_a_lane_says_what_it_leaves_out() -> None:
    [chart] = charts([PROFILE, replace(PROFILE, lanes=(replace(LANE, seconds=(0.01, 0.04)),))])
    assert [(group["title"], group["length"], group["marks"]) for group in chart.groups] == [
        ("fast", 0.03, [[3, 0.0]]), ("fast", 0.05, [[3, 0.0]]),
    ]  # fmt: skip
    assert chart.groups[0]["lanes"][0]["note"] == "1,200 shorter bars left out, 1.00 ms"


def test_a_tree_of_samples_becomes_bars_below_their_callers() -> None:
    _, chart = charts([replace(PROFILE, flames=(FLAME,), sample_hz=100)])
    [lane] = chart.groups[0]["lanes"]
    assert lane["start"] == [0, 0, 0, 0.6, 0.9]
    assert lane["length"] == [1, 0.9, 0.6, 0.2, 0.1]
    assert lane["row"] == (0, 1, 2, 2, 1)


def test_tables_name_kernels_functions_and_what_no_function_explains() -> None:
    tables = {table.title: list(table.lines) for table in profile_tables(PROFILE)}
    assert tables["Top kernels and host functions by part of the step"] == [
        ("aten::index", "next", "host function", "3", "20.0 ms", "20.0 %"),
        ("all other names", "next", "host function", "0.9", "10.0 ms", "10.0 %"),
        ("Python, waiting and other code", "next", "host", "", "20.0 ms", "20.0 %"),
        ("gemm", "forward", "kernel", "2", "5.00 ms", "5.0 %"),
    ]
    [copies] = tables["Copies and fills on the device"]
    assert copies == ("host to device", "pageable", "10", "1.00 GB", "10.0 GB/s", "10.0 ms", "10.0 %", "25.0 %")


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.parent.name)
def test_a_published_profile_of_any_age_is_drawn(path: Path) -> None:
    profile = files.read(path)
    chart = charts([profile])[0]
    kinds = {lane["kind"] for lane in chart.groups[0]["lanes"]}
    assert {"ranges", "kernels"} <= kinds
    assert sum(len(lane["start"]) for lane in chart.groups[0]["lanes"]) == len(profile.timeline)
    assert len(script_json(chart_data([chart]))) < 300_000


def test_the_page_speaks_only_of_what_the_timeline_has() -> None:
    [host] = charts([PROFILE])
    assert not host.has_device
    assert "Hatched" not in host.about
    assert "Arrows" not in host.about
    kernels = replace(LANE, title="stream 7", kind="kernels", link=(0, 4))
    [device] = charts([PROFILE, replace(PROFILE, lanes=(LANE, kernels))])
    assert device.has_device
    assert "Hatched times are those in which the device is idle. Arrows lead from calls" in device.about
