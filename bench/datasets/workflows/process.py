"""Runs a workflow's module in nvtabular's environment: a task on its standard input, its result as the last line of output."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from feedrate.bench.host.lifecycle.run_to_end import run_to_end
from feedrate.bench.host.lifecycle.search_path import module_command
from feedrate.loaders.errors import FeedrateError

WORKFLOW = "workflow"
"""Folder of the saved workflow in the dataset's folder."""
Done = TypeVar("Done")


def runs_on_gpu(*, lists: bool, gpu: bool, cudf: bool) -> bool:
    """Whether a workflow runs on cudf. Categorify fails for list columns with a current cudf, so those run on pandas."""
    return gpu and cudf and not lists


def cudf_works_here(*, lists: bool) -> bool:
    """Whether a workflow would run on cudf on this machine. lists: whether it takes list columns."""
    import torch

    return runs_on_gpu(lists=lists, gpu=torch.cuda.is_available(), cudf=find_spec("cudf") is not None)


def run_workflow(python: str, module: str, task: Any, done: type[Done], *, on_gpu: bool) -> Done:
    """Return what the module says of the task. Raises FeedrateError with its last words if it fails.

    on_gpu: let it see the GPU. Merlin uses any device that it sees.
    """
    ended = run_to_end(
        module_command(python, module),
        content=msgspec.json.encode(task),
        variables={} if on_gpu else {"CUDA_VISIBLE_DEVICES": ""},
    )
    if ended.code != 0:
        raise FeedrateError(f"NVTabular's workflow failed: {ended.why()}")
    try:
        return msgspec.json.decode((ended.stdout.splitlines() or [b""])[-1], type=done)
    except msgspec.DecodeError as error:
        raise FeedrateError(f"NVTabular's workflow did not end as it should: {error}") from error


def refuse_untrusted(workflow: Path, *, trusted: bool) -> None:
    """Raise FeedrateError for a saved workflow unless the user trusts it, and for a folder that is none."""
    for name in ("metadata.json", "workflow.pkl"):
        if not (workflow / name).is_file():
            raise FeedrateError(f"{workflow} is not a saved NVTabular workflow: it has no file {name}")
    for path in workflow.rglob("*"):
        if not (path.is_file() or path.is_dir()):
            raise FeedrateError(f"{path} is neither a file nor a folder, which a saved workflow consists of")
    if not trusted:
        raise FeedrateError(
            f"{workflow} is a saved workflow, and that is code: loading it runs whatever its author put there. "
            "Pass --trust-workflow only if you made it or trust its author"
        )
