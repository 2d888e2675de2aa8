"""Runs a workflow's module in nvtabular's environment: a task on its standard input, its result as the last line of output."""

from __future__ import annotations

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from feedrate.bench.host.processes import how_it_died, last_words
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
    ended = subprocess.run(
        [python, "-m", module],
        input=msgspec.json.encode(task),
        env={**os.environ, **({} if on_gpu else {"CUDA_VISIBLE_DEVICES": ""})},
        capture_output=True,
        check=False,
    )
    if ended.returncode:
        raise FeedrateError(f"NVTabular's workflow failed: {_reason(ended)}")
    return msgspec.json.decode(ended.stdout.splitlines()[-1], type=done)


def _reason(ended: subprocess.CompletedProcess[bytes]) -> str:
    if ended.returncode < 0:
        return how_it_died(ended.returncode)
    return last_words(ended.stderr.decode(errors="replace"))


def refuse_untrusted(workflow: Path, *, trusted: bool) -> None:
    """Raise FeedrateError for a saved workflow unless the user trusts it."""
    if not (workflow / "metadata.json").is_file():
        raise FeedrateError(f"{workflow} is not a saved NVTabular workflow: it has no metadata.json")
    if not trusted:
        raise FeedrateError(
            f"{workflow} is a saved workflow, and that is code: loading it runs whatever its author put there. "
            "Pass --trust-workflow only if you made it or trust its author"
        )
