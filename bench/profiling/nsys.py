"""Finds and runs Nsight Systems (nsys), and reads events from its SQLite export."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from feedrate.bench.profiling.events import Call, Copy, Events, Kernel, Range, window_of
from feedrate.loaders.errors import FeedrateError

FOLDERS = ("/usr/local/cuda*/bin", "/opt/nvidia/nsight-systems/*/bin", "/opt/nvidia/nsight-systems/*/target-linux-x64",
           "/opt/nvidia/nsight-compute/*/host/target-linux-x64", "/opt/nvidia/nsight-systems-cli/*/bin")  # fmt: skip
IMPORTERS = ("/opt/nvidia/nsight-systems/*/host-linux-x64", "/opt/nvidia/nsight-compute/*/host/linux-desktop-*")
COPIES = {1: "host to device", 2: "device to host", 8: "device to device"}
"""Names of copyKind in CUPTI_ACTIVITY_KIND_MEMCPY."""
PAYLOADS = ("int64Value", "uint64Value", "int32Value", "uint32Value")
"""Columns of NVTX_EVENTS that can hold an integer payload."""
PAGEABLE = 0
"""srcKind or dstKind of memory that is not pinned (ENUM_CUDA_MEM_KIND)."""


def find_nsys() -> str:
    """Return the path of nsys, from the PATH or the folders of CUDA and Nsight. Raises FeedrateError without nsys."""
    path = shutil.which("nsys") or _first(FOLDERS, "nsys")
    if path is None:
        raise FeedrateError(
            "nsys was not found on the PATH or in the folders of CUDA and Nsight: install NVIDIA Nsight Systems "
            "(package nsight-systems-cli) or pass --profiler torch"
        )
    return path


def command(nsys: str, output: Path, child: Sequence[str]) -> list[str]:
    """Return a command that runs `child` and records from its cudaProfilerStart to its cudaProfilerStop."""
    return [
        nsys, "profile", "--trace=cuda,nvtx", "--sample=none", "--cpuctxsw=none", "--capture-range=cudaProfilerApi",
        "--capture-range-end=stop", "--force-overwrite=true", f"--output={output}", *child,
    ]  # fmt: skip


def version(nsys: str) -> str:
    """Return the version of nsys, or "unknown" if it does not report one."""
    completed = subprocess.run([nsys, "--version"], capture_output=True, text=True, check=False)
    if "version " not in completed.stdout:
        return "unknown"
    return completed.stdout.strip().rpartition("version ")[2].split()[0]


def export(nsys: str, output: Path) -> Path:
    """Export the recording to SQLite, and return that file. Raises FeedrateError.

    An nsys without its importer leaves a .qdstrm file, which QdstrmImporter turns into a report first.
    """
    report, raw = output.with_suffix(".nsys-rep"), output.with_suffix(".qdstrm")
    if not report.exists() and raw.exists():
        _import(raw, report)
    if not report.exists():
        raise FeedrateError(
            f"nsys wrote neither {report.name} nor {raw.name}: pass --profiler torch to record without nsys"
        )
    target = output.with_suffix(".sqlite")
    _run([nsys, "export", "--type=sqlite", "--force-overwrite=true", f"--output={target}", str(report)])
    return target


def _import(raw: Path, report: Path) -> None:
    importer = shutil.which("QdstrmImporter") or _first(IMPORTERS, "QdstrmImporter")
    if importer is None:
        raise FeedrateError(
            f"nsys wrote {raw.name}, but QdstrmImporter, which reads it, was not found: install NVIDIA Nsight Systems"
        )
    folder = str(Path(importer).parent)
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": os.pathsep.join([folder, os.environ.get("LD_LIBRARY_PATH", "")]),
    }
    _run([importer, "--input-file", str(raw), "--output-file", str(report)], cwd=folder, env=environment)


def _run(arguments: list[str], **options: Any) -> None:
    completed = subprocess.run(arguments, capture_output=True, text=True, check=False, **options)
    if completed.returncode:
        lines = (completed.stderr or completed.stdout).strip().splitlines() or ["no reason given"]
        command_name = f"{Path(arguments[0]).name} {arguments[1]}"
        raise FeedrateError(f"{command_name} failed with exit code {completed.returncode}: {lines[-1]}")


def _first(patterns: Sequence[str], name: str) -> str | None:
    """Return the first file `name` in the folders that match. Within a pattern, the latest version comes first."""
    candidates = [
        path / name for pattern in patterns for path in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)
    ]
    return next((str(path) for path in candidates if path.exists()), None)


def read_sqlite(path: Path, *, domain: str, thread: int, names: Mapping[int, str] | None = None) -> Events:
    """Read the events of an export, with the ranges of one NVTX domain.

    thread: the operating system's id of the consumer's thread. names: Python's names of the other threads, by id.
    Seconds count from the export's own zero.
    """
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        database.row_factory = sqlite3.Row
        tables = {row[0] for row in database.execute("select name from sqlite_master where type = 'table'")}
        strings = {row[0]: row[1] for row in database.execute("select id, value from StringIds")}
        thread_name = _Threads(database, tables, strings, thread, names or {})
        ranges = _ranges(database, tables, strings, thread_name, domain)
        kernels, copies = _kernels(database, tables, strings), _copies(database, tables)
        calls = _calls(database, tables, strings, thread_name)
        return Events(
            kernels=kernels,
            copies=copies,
            ranges=ranges,
            calls=calls,
            main_thread="main",
            window=window_of(ranges, (*kernels, *copies), calls, "main"),
        )


class _Threads:
    """Maps a globalTid to a thread name. Its lowest 24 bits are the operating system's thread id."""

    def __init__(
        self,
        database: sqlite3.Connection,
        tables: set[str],
        strings: dict[int, str],
        main: int,
        names: Mapping[int, str],
    ) -> None:
        self._main, self._python_names, self._names = main, names, {}
        if "ThreadNames" in tables:
            self._names = {
                row["globalTid"]: strings.get(row["nameId"], "")
                for row in database.execute("select * from ThreadNames")
            }

    def __call__(self, global_tid: int) -> str:
        tid = global_tid & 0xFFFFFF
        name = self._python_names.get(tid) or self._names.get(global_tid) or "thread"
        return "main" if tid == self._main else f"{name} {tid}"


def _kernels(database: sqlite3.Connection, tables: set[str], strings: dict[int, str]) -> tuple[Kernel, ...]:
    """Read kernels. A CUDA graph counts as one kernel, because nsys records its nodes only on request and at a cost."""
    kernels: list[Kernel] = []
    if "CUPTI_ACTIVITY_KIND_KERNEL" in tables:
        query = "select * from CUPTI_ACTIVITY_KIND_KERNEL"
        kernels += (
            Kernel(
                name=strings.get(row["shortName"], "?"),
                correlation=row["correlationId"] or 0,
                stream=_stream(row),
                **_times(row),
            )
            for row in database.execute(query)
        )
    if "CUPTI_ACTIVITY_KIND_GRAPH_TRACE" in tables:
        query = "select * from CUPTI_ACTIVITY_KIND_GRAPH_TRACE"
        kernels += (
            Kernel(
                name=f"graph {row['graphId']}",
                correlation=row["correlationId"] or 0,
                stream=_stream(row),
                **_times(row),
            )
            for row in database.execute(query)
        )
    return tuple(sorted(kernels, key=lambda kernel: kernel.start_s))


def _copies(database: sqlite3.Connection, tables: set[str]) -> tuple[Copy, ...]:
    copies: list[Copy] = []
    if "CUPTI_ACTIVITY_KIND_MEMCPY" in tables:
        copies += map(_copy, database.execute("select * from CUPTI_ACTIVITY_KIND_MEMCPY order by start"))
    if "CUPTI_ACTIVITY_KIND_MEMSET" in tables:
        copies += map(_memset, database.execute("select * from CUPTI_ACTIVITY_KIND_MEMSET order by start"))
    return tuple(copies)


def _copy(row: sqlite3.Row) -> Copy:
    kind = COPIES.get(row["copyKind"], "other")
    return Copy(
        **_times(row),
        name=kind,
        kind=kind,
        nbytes=row["bytes"],
        pageable=kind in ("host to device", "device to host") and PAGEABLE in (row["srcKind"], row["dstKind"]),
        correlation=row["correlationId"] or 0,
        stream=_stream(row),
    )


def _memset(row: sqlite3.Row) -> Copy:
    return Copy(
        **_times(row),
        name="fill",
        kind="fill",
        pageable=False,
        nbytes=row["bytes"],
        correlation=row["correlationId"] or 0,
        stream=_stream(row),
    )


def _stream(row: sqlite3.Row) -> int | None:
    """Return the stream of work on the device. None if the export lacks it."""
    return row["streamId"] if "streamId" in row.keys() else None  # noqa: SIM118  # a Row is not a mapping


def _ranges(
    database: sqlite3.Connection, tables: set[str], strings: dict[int, str], thread_name: _Threads, domain: str
) -> tuple[Range, ...]:
    """Read ranges of event types 59 (push and pop) and 60 (start and end). Events of type 75 name the domains."""
    if "NVTX_EVENTS" not in tables:
        return ()
    domain_ids = {
        row["domainId"]
        for row in database.execute("select domainId, text, textId from NVTX_EVENTS where eventType = 75")
        if (row["text"] or strings.get(row["textId"])) == domain
    }
    query = "select * from NVTX_EVENTS where eventType in (59, 60) and end is not null order by start"
    return tuple(
        Range(
            name=row["text"] or strings.get(row["textId"], "?"),
            thread=thread_name(row["globalTid"]),
            payload=_payload(row),
            **_times(row),
        )
        for row in database.execute(query)
        if row["domainId"] in domain_ids
    )


def _payload(row: sqlite3.Row) -> int | None:
    """Return an integer payload. An export has a column only if some event has such a payload."""
    values = [row[name] for name in PAYLOADS if name in row.keys()]  # noqa: SIM118  # a Row is not a mapping
    return next((value for value in values if value is not None), None)


def _calls(
    database: sqlite3.Connection, tables: set[str], strings: dict[int, str], thread_name: _Threads
) -> tuple[Call, ...]:
    if "CUPTI_ACTIVITY_KIND_RUNTIME" not in tables:
        return ()
    return tuple(
        Call(
            name=strings.get(row["nameId"], "?").partition("_v")[0],
            thread=thread_name(row["globalTid"]),
            correlation=row["correlationId"] or 0,
            **_times(row),
        )
        for row in database.execute("select * from CUPTI_ACTIVITY_KIND_RUNTIME order by start")
    )


def _times(row: sqlite3.Row) -> dict[str, float]:
    """Convert the export's nanoseconds to seconds."""
    return {"start_s": row["start"] / 1e9, "end_s": row["end"] / 1e9}
