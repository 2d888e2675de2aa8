"""Profiles one loader: a child process records, and its trace becomes a Profile beside the run that it explains."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from feedrate.bench.host.lifecycle.run_to_end import run_to_end
from feedrate.bench.host.lifecycle.search_path import module_command
from feedrate.bench.host.ranks.group import is_loss
from feedrate.bench.profiling import chrome_trace, kineto, nsys, tables, workers
from feedrate.bench.profiling.events import Events
from feedrate.bench.profiling.flames import flames_of
from feedrate.bench.profiling.lanes import timeline
from feedrate.bench.profiling.parts import part_rows
from feedrate.bench.profiling.sampler import SAMPLE_HZ, find_sampler
from feedrate.bench.profiling.trial import ProfileMessage, ProfileTask
from feedrate.bench.results.profiles import files
from feedrate.bench.results.profiles.record import Profile, Profiler
from feedrate.bench.results.range_names import DOMAIN
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.run.loader_lookup import interpreter
from feedrate.bench.run.ranks.companions import Companions, companions
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.stores.store_path import address_of

TRACE = "trace.json"
"""Name of the trace in Chrome's format, which https://ui.perfetto.dev opens."""


def profile_loader(
    spec: TrialSpec, dataset: Path, folder: Path, *, steps: int, profiler: Profiler, timeout_s: float, rank: int = 0
) -> Profile:
    """Record `steps` steps of one rank, and write the trace and the profile to `folder`.

    Raises FeedrateError if the loader or the profiler fails, or after timeout_s seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tool = nsys.find_nsys() if profiler == "nsys" else ""
    with TemporaryDirectory(prefix="feedrate-profile-") as scratch:
        stacks = Path(scratch) / "stacks.txt"
        task = ProfileTask(
            spec=spec, dataset=address_of(dataset), steps=steps, profiler=profiler, trace=str((folder / TRACE).absolute()),
            batches=scratch, sampler=find_sampler(), stacks=str(stacks), rank=rank,
        )  # fmt: skip
        message = _run_child(task, folder, tool, timeout_s)
        events = _events(folder, tool, message, Path(scratch))
        flames = flames_of(stacks.read_text(errors="replace"), message.process) if stacks.exists() else ()
    if tool:
        chrome_trace.write(folder / TRACE, events, spec.loader)
    else:
        chrome_trace.complete(folder / TRACE, events)
    version = nsys.version(tool) if tool else _torch_version()
    profile = replace(
        _profile(spec, profiler, version, message, events), rank=rank,
        flames=flames, sample_hz=SAMPLE_HZ if flames else None, notes=tuple(message.notes),
    )  # fmt: skip
    files.write(folder, profile)
    return profile


def _events(folder: Path, tool: str, message: ProfileMessage, batches: Path) -> Events:
    """Read the recording, and put the batches of the workers on its clock."""
    consumer, names = message.thread, message.threads
    if tool:
        events = nsys.read_sqlite(nsys.export(tool, folder / "profile"), domain=DOMAIN, thread=consumer, names=names)
    else:
        events = kineto.read_trace(folder / TRACE, thread=consumer, names=names)
    steps = [span for span in events.ranges if span.name == "step" and span.thread == events.main_thread]
    offset_s = workers.offset_of(sorted(steps, key=lambda span: span.start_s), message.started_ns)
    if offset_s is None:
        return events
    begin = min(span.start_s for span in events.ranges)
    made = workers.read_batches(batches, offset_s)
    return replace(
        events, workers=tuple(span for span in made if span.end_s > begin and span.start_s < events.window[1])
    )


def _run_child(task: ProfileTask, folder: Path, tool: str, timeout_s: float) -> ProfileMessage:
    spec = task.spec
    command = module_command(interpreter(spec.loader), "feedrate.bench.profiling.trial")
    recorded = nsys.command(tool, folder / "profile", command) if tool else command
    beside = msgspec.json.encode(replace(task, batches="", sampler=""))
    with companions(command, beside, spec.ranks, of=task.rank) as others:
        completed = run_to_end(
            recorded, content=msgspec.json.encode(task), variables=others.variables(task.rank), timeout_s=timeout_s
        )
        _refuse_failed(spec, others)
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


def _refuse_failed(spec: TrialSpec, others: Companions) -> None:
    """Raise FeedrateError with the error of another rank than the recorded one. One that only lost that rank is in order."""
    for rank, line in others.first_words().items():
        error = msgspec.json.decode(line, type=ProfileMessage).error
        if not is_loss(error):
            raise FeedrateError(f"profiling {spec.loader} failed: rank {rank}: {error}")


def _profile(spec: TrialSpec, profiler: Profiler, version: str, message: ProfileMessage, events: Events) -> Profile:
    kernels, device = tables.device_busy(events)
    lanes = timeline(events)
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
        parts=part_rows(events),
        lanes=lanes.lanes,
        lanes_left_out=lanes.left_out,
        marks=lanes.marks,
        options=message.options,
    )


def _torch_version() -> str:
    import torch

    return str(torch.__version__)
