"""Which device a run uses."""

from __future__ import annotations

from feedrate.bench.host import environment as host_environment
from feedrate.bench.results.record import Environment
from feedrate.loaders.base import is_device
from feedrate.loaders.errors import FeedrateError


def choose_device(name: str, environment: Environment) -> str:
    """Return "cpu", "cuda" or "cuda:N". "auto" is the GPU if torch sees one in this environment, otherwise the CPU.

    Raises FeedrateError for another name, and for a GPU that is not there.
    """
    if name == "auto":
        return "cuda" if environment.gpu else "cpu"
    require_device(name)
    if name != "cpu" and environment.gpu is None:
        raise FeedrateError(f"--device is {name!r}, but torch sees no CUDA device here: `feedrate doctor` says more")
    return name


def require_device(name: str) -> None:
    """Raise FeedrateError unless `name` is "auto" or a device, whether it exists or not."""
    if name != "auto" and not is_device(name):
        raise FeedrateError(f"--device is {name!r}, but must be auto, cpu, cuda or cuda:N")


def choose_device_here(name: str) -> str:
    """Return choose_device() for this machine. It is observed only if a GPU may be meant, because that imports torch.

    Raises as choose_device() and observe() do.
    """
    require_device(name)
    return name if name == "cpu" else choose_device(name, host_environment.observe())


def make_current(device: str) -> None:
    """Make a GPU the current one of this thread, so that what names no device is launched and allocated there, too."""
    if ":" in device:  # without a number it is the current one already
        import torch

        torch.cuda.set_device(device)
