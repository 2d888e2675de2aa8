"""NVML's GPU performance monitoring (Hopper and later): what the SMs, the memory and the PCIe link did between two samples.

Unlike utilization.gpu, which says whether any kernel was resident, its SM activity says how many of the SMs had a warp. See
https://docs.nvidia.com/deploy/nvml-api/group__nvmlGpmEnums.html.
"""

from __future__ import annotations

from typing import Any

from feedrate.bench.results.record import GpmValues

MIB = 1 << 20


class Gpm:
    """Two of NVML's sample buffers, used in turns."""

    def __init__(self, nvml: Any, handle: Any) -> None:
        """Raises NVMLError where they cannot be had."""
        self._nvml, self._handle = nvml, handle
        self._last, self._next = nvml.nvmlGpmSampleAlloc(), nvml.nvmlGpmSampleAlloc()
        nvml.nvmlGpmSampleGet(handle, self._last)
        self._metrics = {  # name -> (number, what one of its units is)
            "sm_active": (nvml.NVML_GPM_METRIC_SM_UTIL, 0.01),
            "sm_occupancy": (nvml.NVML_GPM_METRIC_SM_OCCUPANCY, 0.01),
            "dram_active": (nvml.NVML_GPM_METRIC_DRAM_BW_UTIL, 0.01),
            "pcie_received_bytes_per_s": (nvml.NVML_GPM_METRIC_PCIE_RX_PER_SEC, MIB),
            "pcie_sent_bytes_per_s": (nvml.NVML_GPM_METRIC_PCIE_TX_PER_SEC, MIB),
        }

    @classmethod
    def of(cls, nvml: Any, handle: Any) -> Gpm | None:
        """None where the device, its driver or the user's rights do not have it."""
        try:
            return cls(nvml, handle) if nvml.nvmlGpmQueryDeviceSupport(handle).isSupportedDevice else None
        except (nvml.NVMLError, AttributeError):  # a driver, or an nvidia-ml-py, older than GPM
            return None

    def read(self) -> GpmValues:
        """Since it was last called. Raises NVMLError."""
        nvml = self._nvml
        nvml.nvmlGpmSampleGet(self._handle, self._next)
        asked = nvml.c_nvmlGpmMetricsGet_t()
        asked.version, asked.numMetrics = nvml.NVML_GPM_METRICS_GET_VERSION, len(self._metrics)
        asked.sample1, asked.sample2 = self._last, self._next
        for place, (number, _) in enumerate(self._metrics.values()):
            asked.metrics[place].metricId = number
        nvml.nvmlGpmMetricsGet(asked)
        self._last, self._next = self._next, self._last
        found = {
            name: asked.metrics[place].value * scale
            for place, (name, (_, scale)) in enumerate(self._metrics.items())
            if asked.metrics[place].nvmlReturn == nvml.NVML_SUCCESS
        }
        return GpmValues(**found)

    def close(self) -> None:
        for buffer in (self._last, self._next):
            self._nvml.nvmlGpmSampleFree(buffer)
