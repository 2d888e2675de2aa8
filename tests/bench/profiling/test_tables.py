"""A small recording with known numbers: tables built from it directly, from an nsys export and from a torch trace."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from feedrate.bench.profiling import kineto, nsys, tables
from feedrate.bench.profiling.events import Call, Copy, Events, Kernel, Range

MAIN, HELPER = 77, 78
# In milliseconds: two steps of 10, each with a wait of 3 and a launch. The kernel takes 4 and
# starts 0.5 after its launch. A copy overlaps the first kernel.
RANGES = [
    ("step", MAIN, -2, 0),  # the profiler starts up in this step
    ("next", MAIN, 0, 3), ("step", MAIN, 3, 10), ("forward", MAIN, 3, 6), ("next", MAIN, 10, 13), ("step", MAIN, 13, 20),
    ("forward", MAIN, 13, 16), ("decode", HELPER, 1, 9),
]  # fmt: skip
KERNELS = [("gemm", 4, 8, 1), ("adam", 14, 18, 2)]
COPIES = [(7, 9, 1_000, 3, True), (19, 20, 500, 4, False)]
CALLS = [("cudaLaunchKernel", MAIN, 3.5, 3.6, 1), ("cudaLaunchKernel", MAIN, 13.5, 13.6, 2), ("cudaMemcpyAsync", MAIN, 6.5, 6.6, 3),
         ("cudaMemcpyAsync", MAIN, 18.5, 18.6, 4), ("cudaStreamSynchronize", MAIN, 16, 18, 0)]  # fmt: skip


def _events() -> Events:
    return Events(
        kernels=tuple(Kernel(name=n, start_s=a / 1e3, end_s=b / 1e3, correlation=c) for n, a, b, c in KERNELS),
        copies=tuple(
            Copy(name="host to device", kind="host to device", start_s=a / 1e3, end_s=b / 1e3, nbytes=size, correlation=c, pageable=p)
            for a, b, size, c, p in COPIES
        ),
        ranges=tuple(
            Range(name=n, thread="main" if t == MAIN else "helper", start_s=a / 1e3, end_s=b / 1e3) for n, t, a, b in RANGES
        ),
        calls=tuple(Call(name=n, thread="main", start_s=a / 1e3, end_s=b / 1e3, correlation=c) for n, _, a, b, c in CALLS),
        main_thread="main",
        window=(0.0, 0.020),
    )  # fmt: skip


def _from_sqlite(folder: Path) -> Events:
    """Writes the columns of an nsys export that the reader needs, as in its documentation of the SQLite schema."""
    path, strings = folder / "profile.sqlite", {}
    base = sqlite3.connect(path)

    def text(value: str) -> int:
        return strings.setdefault(value, len(strings) + 1)

    def ns(ms: float) -> int:
        return round(ms * 1e6)

    base.executescript("""
        create table CUPTI_ACTIVITY_KIND_KERNEL (start, end, correlationId, shortName);
        create table CUPTI_ACTIVITY_KIND_MEMCPY (start, end, bytes, copyKind, srcKind, dstKind, correlationId);
        create table CUPTI_ACTIVITY_KIND_RUNTIME (start, end, globalTid, correlationId, nameId);
        create table NVTX_EVENTS (start, end, eventType, text, textId, globalTid, domainId, int64Value);
        create table ThreadNames (nameId, globalTid);
        create table StringIds (id, value);
    """)
    process = 5 << 24
    for name, begin, end, number in KERNELS:
        base.execute(
            "insert into CUPTI_ACTIVITY_KIND_KERNEL values (?, ?, ?, ?)", (ns(begin), ns(end), number, text(name))
        )
    for begin, end, size, number, pageable in COPIES:
        row = (ns(begin), ns(end), size, 1, 0 if pageable else 1, 2, number)
        base.execute("insert into CUPTI_ACTIVITY_KIND_MEMCPY values (?, ?, ?, ?, ?, ?, ?)", row)
    for name, thread, begin, end, number in CALLS:
        row = (ns(begin), ns(end), process + thread, number, text(f"{name}_v7000"))
        base.execute("insert into CUPTI_ACTIVITY_KIND_RUNTIME values (?, ?, ?, ?, ?)", row)
    base.execute("insert into NVTX_EVENTS values (0, null, 75, 'feedrate', null, ?, 1, null)", (process + MAIN,))
    base.execute("insert into NVTX_EVENTS values (0, null, 75, 'other', null, ?, 2, null)", (process + MAIN,))
    base.execute("insert into NVTX_EVENTS values (0, 99, 59, 'not ours', null, ?, 2, null)", (process + MAIN,))
    for name, thread, begin, end in RANGES:
        row = (ns(begin), ns(end), 59, None, text(name), process + thread, 1, 4_000 if name == "decode" else None)
        base.execute("insert into NVTX_EVENTS values (?, ?, ?, ?, ?, ?, ?, ?)", row)
    base.execute("insert into ThreadNames values (?, ?)", (text("helper"), process + HELPER))
    base.executemany("insert into StringIds values (?, ?)", [(number, value) for value, number in strings.items()])
    base.commit()
    base.close()
    return nsys.read_sqlite(path, domain="feedrate", thread=MAIN)


def _from_trace(folder: Path) -> Events:
    def event(cat: str, name: str, thread: int, begin: float, end: float, **args: object) -> dict[str, object]:
        return {
            "ph": "X",
            "cat": cat,
            "name": name,
            "tid": thread,
            "ts": begin * 1e3,
            "dur": (end - begin) * 1e3,
            "args": args,
        }

    events = [event("user_annotation", name, thread, begin, end) for name, thread, begin, end in RANGES]
    events += [event("kernel", name, 7, begin, end, correlation=number) for name, begin, end, number in KERNELS]
    events += [
        event("gpu_memcpy", f"Memcpy HtoD ({'Pageable' if pageable else 'Pinned'} -> Device)", 7, a, b, bytes=size, correlation=number)
        for a, b, size, number, pageable in COPIES
    ]  # fmt: skip
    events += [
        event("cuda_runtime", name, thread, begin, end, correlation=number)
        for name, thread, begin, end, number in CALLS
    ]
    events.append({"ph": "M", "name": "thread_name", "tid": HELPER, "args": {"name": "helper"}})
    (folder / "trace.json").write_text(json.dumps({"traceEvents": events}))
    return kineto.read_trace(folder / "trace.json", thread=MAIN)


@pytest.fixture(params=["by hand", "nsys", "torch"])
def events(request: pytest.FixtureRequest, tmp_path: Path) -> Events:
    return {"by hand": lambda _folder: _events(), "nsys": _from_sqlite, "torch": _from_trace}[request.param](tmp_path)


def test_busy_is_the_union_over_the_window(events: Events) -> None:
    assert events.window == pytest.approx((0, 0.020))
    assert tables.device_busy(events) == pytest.approx((8 / 20, 10 / 20))


def test_payloads_of_rows_and_bytes_are_summed(tmp_path: Path) -> None:
    rows = {row.name: row.amount for row in tables.range_rows(_from_sqlite(tmp_path))}
    assert rows["decode"] == 4_000 * sum(name == "decode" for name, *_ in RANGES)
    assert rows["next"] is None


def test_ranges_have_host_and_device_time(events: Events) -> None:
    rows = {(row.name, row.thread.split()[0]): row for row in tables.range_rows(events)}
    assert rows["next", "main"].count == 2
    assert rows["next", "main"].seconds == pytest.approx(0.006)
    assert rows["next", "main"].device_s == 0
    assert rows["forward", "main"].device_s == pytest.approx(0.008)
    assert rows["step", "main"].device_s == pytest.approx(0.010)
    assert rows["decode", "helper"].seconds == pytest.approx(0.008)
    assert ("not ours", "main") not in rows


def test_copies_have_their_overlap_and_kind_of_memory(events: Events) -> None:
    pinned, pageable = tables.copy_rows(events)
    assert (pinned.pageable, pinned.nbytes, pinned.overlapped_s) == (False, 500, 0)
    assert (pageable.pageable, pageable.count, pageable.nbytes) == (True, 1, 1000)
    assert (pageable.seconds, pageable.overlapped_s) == pytest.approx((0.002, 0.001))


def test_gaps_are_named_by_the_consumers_range_and_call(events: Events) -> None:
    gaps = {(row.within, row.call): row.seconds for row in tables.gap_rows(events)}
    # gaps: 0-4 ms and 9-14 ms, both with next() in the middle, and 18-19 ms, with a copy
    assert gaps == pytest.approx({("next", ""): 0.009, ("step", "cudaMemcpyAsync"): 0.001})


def test_launches_and_waiting_calls_are_counted(events: Events) -> None:
    assert tables.launches(events) == 2
    [row] = tables.synchronisations(events)
    assert (row.name, row.count, row.seconds) == ("cudaStreamSynchronize", 1, pytest.approx(0.002))
    assert {row.name for row in tables.kernel_rows(events)} == {"gemm", "adam"}
