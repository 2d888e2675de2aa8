"""Nsight Systems: where it is, how it is run, and its SQLite export as events."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from feedrate.bench.profiling.events import Call, Copy, Events, Kernel, Range, window_of
from feedrate.loaders.errors import FeedrateError

FOLDERS = ("/usr/local/cuda*/bin", "/opt/nvidia/nsight-systems/*/bin", "/opt/nvidia/nsight-systems/*/target-linux-x64",
           "/opt/nvidia/nsight-compute/*/host/target-linux-x64", "/opt/nvidia/nsight-systems-cli/*/bin")  # fmt: skip
IMPORTERS = ("/opt/nvidia/nsight-systems/*/host-linux-x64", "/opt/nvidia/nsight-compute/*/host/linux-desktop-*")
COPIES = {1: "host to device", 2: "device to host", 8: "device to device"}
"""copyKind of CUPTI_ACTIVITY_KIND_MEMCPY."""
PAYLOADS = ("int64Value", "uint64Value", "int32Value", "uint32Value")
PAGEABLE = 0
"""srcKind and dstKind of memory that was not pinned (ENUM_CUDA_MEM_KIND)."""


def find_nsys() -> str:
    """On the PATH, or where CUDA and Nsight put it. Raises FeedrateError."""
    found = shutil.which("nsys") or _first(FOLDERS, "nsys")
    if found is None:
        raise FeedrateError(
            "nsys is neither on the PATH nor in CUDA's or Nsight's folders: install NVIDIA Nsight Systems "
            "(package nsight-systems-cli), or use --profiler torch"
        )
    return found


def command(nsys: str, output: Path, child: Sequence[str]) -> list[str]:
    """What runs `child` and records between its cudaProfilerStart and Stop."""
    return [
        nsys, "profile", "--trace=cuda,nvtx", "--sample=none", "--cpuctxsw=none", "--capture-range=cudaProfilerApi",
        "--capture-range-end=stop", "--force-overwrite=true", f"--output={output}", *child,
    ]  # fmt: skip


def version(nsys: str) -> str:
    done = subprocess.run([nsys, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip().rpartition("version ")[2].split()[0] if "version " in done.stdout else "unknown"


def export(nsys: str, output: Path) -> Path:
    """The recording as SQLite. A recorder without an importer leaves .qdstrm, which QdstrmImporter turns into a report."""
    report, raw = output.with_suffix(".nsys-rep"), output.with_suffix(".qdstrm")
    if not report.exists() and raw.exists():
        _import(raw, report)
    if not report.exists():
        raise FeedrateError(
            f"nsys left neither {report.name} nor {raw.name}: `--profiler torch` does without it, and nsys's own words are above"
        )
    target = output.with_suffix(".sqlite")
    _run([nsys, "export", "--type=sqlite", "--force-overwrite=true", f"--output={target}", str(report)])
    return target


def _import(raw: Path, report: Path) -> None:
    importer = shutil.which("QdstrmImporter") or _first(IMPORTERS, "QdstrmImporter")
    if importer is None:
        raise FeedrateError(
            f"nsys left {raw.name}, which needs Nsight Systems' QdstrmImporter to be read: install NVIDIA Nsight Systems"
        )
    folder = str(Path(importer).parent)
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": os.pathsep.join([folder, os.environ.get("LD_LIBRARY_PATH", "")]),
    }
    _run([importer, "--input-file", str(raw), "--output-file", str(report)], cwd=folder, env=environment)


def _run(words: list[str], **options: Any) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise FeedrateError(f"{Path(words[0]).name} {words[1]} ended with {done.returncode}: {last[-1]}")


def _first(patterns: Sequence[str], name: str) -> str | None:
    found = [path / name for pattern in patterns for path in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)]
    return next((str(path) for path in found if path.exists()), None)


def read_sqlite(path: Path, *, domain: str, thread: int) -> Events:
    """Ranges of one NVTX domain. thread: the consumer's, as the system numbers it."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as base:
        base.row_factory = sqlite3.Row
        tables = {row[0] for row in base.execute("select name from sqlite_master where type = 'table'")}
        strings = {row[0]: row[1] for row in base.execute("select id, value from StringIds")}
        named = _Threads(base, tables, strings, thread)
        ranges = _ranges(base, tables, strings, named, domain)
        kernels, copies = _kernels(base, tables, strings), _copies(base, tables)
        calls = _calls(base, tables, strings, named)
        return Events(
            kernels=kernels,
            copies=copies,
            ranges=ranges,
            calls=calls,
            main_thread="main",
            window=window_of(ranges, (*kernels, *copies), calls, "main"),
        )


class _Threads:
    """globalTid -> a name. Its lowest 24 bits are the system's number of the thread."""

    def __init__(self, base: sqlite3.Connection, tables: set[str], strings: dict[int, str], main: int) -> None:
        self._main, self._names = main, {}
        if "ThreadNames" in tables:
            self._names = {
                row["globalTid"]: strings.get(row["nameId"], "") for row in base.execute("select * from ThreadNames")
            }

    def __call__(self, global_tid: int) -> str:
        number = global_tid & 0xFFFFFF
        return "main" if number == self._main else f"{self._names.get(global_tid) or 'thread'} {number}"


def _kernels(base: sqlite3.Connection, tables: set[str], strings: dict[int, str]) -> tuple[Kernel, ...]:
    """A CUDA graph is one: nsys does not look into it unless asked to, at a cost."""
    found: list[Kernel] = []
    if "CUPTI_ACTIVITY_KIND_KERNEL" in tables:
        query = "select start, end, correlationId, shortName from CUPTI_ACTIVITY_KIND_KERNEL"
        found += (
            Kernel(name=strings.get(row["shortName"], "?"), correlation=row["correlationId"] or 0, **_times(row))
            for row in base.execute(query)
        )
    if "CUPTI_ACTIVITY_KIND_GRAPH_TRACE" in tables:
        query = "select start, end, correlationId, graphId from CUPTI_ACTIVITY_KIND_GRAPH_TRACE"
        found += (
            Kernel(name=f"graph {row['graphId']}", correlation=row["correlationId"] or 0, **_times(row))
            for row in base.execute(query)
        )
    return tuple(sorted(found, key=lambda kernel: kernel.start_s))


def _copies(base: sqlite3.Connection, tables: set[str]) -> tuple[Copy, ...]:
    found: list[Copy] = []
    if "CUPTI_ACTIVITY_KIND_MEMCPY" in tables:
        found += map(_copy, base.execute("select * from CUPTI_ACTIVITY_KIND_MEMCPY order by start"))
    if "CUPTI_ACTIVITY_KIND_MEMSET" in tables:
        found += map(_fill, base.execute("select * from CUPTI_ACTIVITY_KIND_MEMSET order by start"))
    return tuple(found)


def _copy(row: sqlite3.Row) -> Copy:
    kind = COPIES.get(row["copyKind"], "other")
    return Copy(
        **_times(row),
        name=kind,
        kind=kind,
        nbytes=row["bytes"],
        pageable=kind in ("host to device", "device to host") and PAGEABLE in (row["srcKind"], row["dstKind"]),
        correlation=row["correlationId"] or 0,
    )


def _fill(row: sqlite3.Row) -> Copy:
    correlation = row["correlationId"] or 0
    return Copy(**_times(row), name="fill", kind="fill", nbytes=row["bytes"], pageable=False, correlation=correlation)


def _ranges(
    base: sqlite3.Connection, tables: set[str], strings: dict[int, str], named: _Threads, domain: str
) -> tuple[Range, ...]:
    """Event types 59 (push and pop) and 60 (start and end); a domain is named by an event of type 75."""
    if "NVTX_EVENTS" not in tables:
        return ()
    ours = {
        row["domainId"]
        for row in base.execute("select domainId, text, textId from NVTX_EVENTS where eventType = 75")
        if (row["text"] or strings.get(row["textId"])) == domain
    }
    query = "select * from NVTX_EVENTS where eventType in (59, 60) and end is not null order by start"
    return tuple(
        Range(
            name=row["text"] or strings.get(row["textId"], "?"),
            thread=named(row["globalTid"]),
            payload=_payload(row),
            **_times(row),
        )
        for row in base.execute(query)
        if row["domainId"] in ours
    )


def _payload(row: sqlite3.Row) -> int | None:
    """Whole numbers only; the columns are there as far as an export has such payloads."""
    values = [row[name] for name in PAYLOADS if name in row.keys()]  # noqa: SIM118  # a Row is no mapping
    return next((value for value in values if value is not None), None)


def _calls(base: sqlite3.Connection, tables: set[str], strings: dict[int, str], named: _Threads) -> tuple[Call, ...]:
    if "CUPTI_ACTIVITY_KIND_RUNTIME" not in tables:
        return ()
    return tuple(
        Call(
            name=strings.get(row["nameId"], "?").partition("_v")[0],
            thread=named(row["globalTid"]),
            correlation=row["correlationId"] or 0,
            **_times(row),
        )
        for row in base.execute("select * from CUPTI_ACTIVITY_KIND_RUNTIME order by start")
    )


def _times(row: sqlite3.Row) -> dict[str, float]:
    """An export is in nanoseconds."""
    return {"start_s": row["start"] / 1e9, "end_s": row["end"] / 1e9}
