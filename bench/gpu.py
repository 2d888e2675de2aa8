"""NVML's view of one device, sampled from outside the trial's process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class NvmlDevice:
    """The CUDA device with this number, as NVML knows it."""

    nvml: Any
    handle: Any

    @classmethod
    def open(cls, device: str) -> NvmlDevice | None:
        """None on the CPU, without nvidia-ml-py, and where the device cannot be told apart (MIG)."""
        if device == "cpu":
            return None
        try:
            import pynvml
        except ImportError:
            return None
        number = int(device.partition(":")[2] or 0)
        visible = [word for word in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if word]
        name = visible[number] if number < len(visible) else str(number)
        try:
            pynvml.nvmlInit()
            by_number = name.isdigit()
            handle = (
                pynvml.nvmlDeviceGetHandleByIndex(int(name)) if by_number else pynvml.nvmlDeviceGetHandleByUUID(name)
            )
        except pynvml.NVMLError:
            return None
        return cls(pynvml, handle)

    def busy_fraction(self) -> float | None:
        """NVML's utilization.gpu: share of its last sampling period with any kernel resident."""
        try:
            return float(self.nvml.nvmlDeviceGetUtilizationRates(self.handle).gpu) / 100
        except self.nvml.NVMLError:
            return None
