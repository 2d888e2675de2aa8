"""Profiles one loader: a child process records, and its trace becomes a Profile beside the run that it explains."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from feedrate.bench.host.lifecycle.run_to_end import run_to_end
from feedrate.bench.host.lifecycle.search_path import module_command
from feedrate.bench.profiling import kineto, nsys, tables
from feedrate.bench.profiling.events import Events
from feedrate.bench.profiling.trial import ProfileMessage, ProfileTask
from feedrate.bench.results.profiles import files
from feedrate.bench.results.profiles.record import Profile, Profiler
from feedrate.bench.results.range_names import DOMAIN
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.run.loader_lookup import interpreter
from feedrate.loaders.errors import FeedrateError

TRACE = "trace.json"
"""Name of the trace in Chrome's format, which https://ui.perfetto.dev opens."""


def profile_loader(
    spec: TrialSpec, dataset: Path, folder: Path, *, steps: int, profiler: Profiler, timeout_s: float
) -> Profile:
    """Record `steps` steps, and write the trace and the profile to `folder`.

    Raises FeedrateError if the loader or the profiler fails, or after timeout_s seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tool = nsys.find_nsys() if profiler == "nsys" else ""
    message = _run_child(spec, dataset, folder, steps, profiler, tool, timeout_s)
    if tool:
        events = nsys.read_sqlite(nsys.export(tool, folder / "profile"), domain=DOMAIN, thread=message.thread)
    else:
        events = kineto.read_trace(folder / TRACE, thread=message.thread)
    version = nsys.version(tool) if tool else _torch_version()
    profile = _profile(spec, profiler, version, message, events)
    files.write(folder, profile)
    return profile


def _run_child(
    spec: TrialSpec, dataset: Path, folder: Path, steps: int, profiler: Profiler, tool: str, timeout_s: float
) -> ProfileMessage:
    task = ProfileTask(
        spec=spec, dataset=str(dataset), steps=steps, profiler=profiler, trace=str((folder / TRACE).absolute())
    )
    command = module_command(interpreter(spec.loader), "feedrate.bench.profiling.trial")
    if tool:
        command = nsys.command(tool, folder / "profile", command)
    completed = run_to_end(command, content=msgspec.json.encode(task), timeout_s=timeout_s)
    if completed.timed_out:
        raise FeedrateError(
            f"profiling {spec.loader} took longer than {timeout_s:g} s: pass fewer --steps or a longer --timeout"
        )
    lines = [line for line in completed.stdout.splitlines() if line.startswith(b"{")]
    if not lines:
        print(completed.stderr.decode(errors="replace"), file=sys.stderr)
        raise FeedrateError(f"profiling {spec.loader} failed with exit code {completed.code}: {completed.why()}")
    message = msgspec.json.decode(lines[-1], type=ProfileMessage)
    if message.error:
        raise FeedrateError(f"profiling {spec.loader} failed: {message.error}")
    return message


def _profile(spec: TrialSpec, profiler: Profiler, version: str, message: ProfileMessage, events: Events) -> Profile:
    kernels, device = tables.device_busy(events)
    steps = tables.steps(events)
    return Profile(
        spec=spec,
        profiler=profiler,
        version=version,
        steps=steps,
        rows=message.rows * steps // max(message.steps, 1),
        window_s=events.window[1] - events.window[0],
        epoch=message.epoch,
        cores=len(os.sched_getaffinity(0)),
        kernel_busy_fraction=kernels,
        device_busy_fraction=device,
        ranges=tables.range_rows(events),
        copies=tables.copy_rows(events),
        gaps=tables.gap_rows(events),
        launches_per_step=tables.launches(events) / max(steps, 1) if events.kernels else None,
        synchronisations=tables.synchronisations(events),
        kernels=tables.kernel_rows(events),
        timeline=tables.timeline(events),
        options=message.options,
    )


def _torch_version() -> str:
    import torch

    return str(torch.__version__)
