"""Chooses the device on which rows are held."""

from __future__ import annotations

import re

import torch

from feedrate.loaders.base import is_device
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable
from feedrate.loaders.packed.launch import import_cupy


def usable_device(device: str | torch.device) -> str:
    """Return the device's name. Raises FeedrateError if it cannot be used."""
    name = str(device)
    if re.fullmatch(r"cpu:\d+", name):  # Accelerate numbers the CPU, but there is only one
        name = "cpu"
    if not is_device(name):
        raise FeedrateError(f"device is {name!r}: choose from auto, cpu, cuda, cuda:N")
    if name != "cpu" and int(name[5:] or 0) >= (count := torch.cuda.device_count()):
        raise FeedrateError(f"device is {name!r}, but torch sees {count} CUDA device(s) here")
    return name


def best_device() -> str:
    """Return "cuda" if there are a GPU and CuPy, else "cpu"."""
    if not torch.cuda.is_available():
        return "cpu"
    try:
        import_cupy()
    except LoaderUnavailable:
        return "cpu"
    return "cuda"
