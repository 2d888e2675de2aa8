"""Records the machine, the package versions and the commit that a run was made with.

Run as a module, it prints them as JSON. The suite calls it that way so that its own process never touches the GPU.
"""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

import msgspec

from feedrate.bench.host.lifecycle.checkout import read_checkout
from feedrate.bench.host.lifecycle.run_to_end import run_to_end
from feedrate.bench.host.lifecycle.search_path import module_command
from feedrate.bench.results.record import Environment
from feedrate.bench.timing.clock import utc
from feedrate.loaders.errors import FeedrateError

PACKAGES = (
    "torch", "numpy", "numba", "pandas", "pyarrow", "polars", "cupy-cuda13x", "cudf-cu13", "pylibcudf-cu13", "dask", "nvtabular",
    "merlin-core", "merlin-dataloader", "nvtx", "nvidia-ml-py",
)  # fmt: skip


def observe() -> Environment:
    """Return this interpreter's environment, collected in a separate process.

    Raises FeedrateError if that process fails, for example because torch cannot be imported.
    """
    completed = run_to_end(module_command(sys.executable, __name__))
    if completed.code != 0:
        raise FeedrateError(f"torch does not work in {sys.executable}: {completed.why()}")
    return msgspec.json.decode(completed.stdout, type=Environment)


def collect() -> Environment:
    """Return the environment of the current process, with an empty command.

    Imports torch and queries the first CUDA device, if there is one.
    """
    import psutil
    import torch

    checkout = read_checkout()
    gpu = torch.cuda.get_device_properties(0) if torch.cuda.is_available() else None
    return Environment(
        feedrate=metadata_version("feedrate") or "a checkout, not installed",
        commit=checkout.commit,
        dirty=checkout.dirty,
        started_at=utc(),
        command="",
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=psutil.virtual_memory().total,
        gpu=gpu.name if gpu else None,
        gpu_memory_bytes=gpu.total_memory if gpu else None,
        driver=_driver() if gpu else None,
        cuda=torch.version.cuda,
        packages=packages(),
    )


def packages() -> dict[str, str]:
    """Return the versions of those PACKAGES that this interpreter has installed, by name."""
    return {name: version for name in PACKAGES if (version := metadata_version(name))}


def metadata_version(package: str) -> str | None:
    """Return the installed version of a package, or None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _driver() -> str | None:
    try:
        import pynvml  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        return str(pynvml.nvmlSystemGetDriverVersion())
    except pynvml.NVMLError:  # a container may hide the driver
        return None


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(collect()))
