"""Reads NVML's GPU performance monitoring (GPM): activity of SMs, memory and PCIe between two samples.

GPM needs Hopper or later. utilization.gpu only tells whether any kernel was resident. GPM's SM activity tells how many
of the SMs had a warp. See https://docs.nvidia.com/deploy/nvml-api/group__nvmlGpmEnums.html.
"""

from __future__ import annotations

import threading
from typing import Any

from feedrate.bench.results.gpu_record import GpmValues

MIB = 1 << 20
_ONE_AT_A_TIME = threading.Lock()
"""NVML's GPM functions are not safe for threads: two that ask for metrics at once end the process with SIGSEGV."""


class Gpm:
    """Computes GPM metrics between consecutive reads, alternating between two NVML sample buffers."""

    def __init__(self, nvml: Any, handle: Any) -> None:
        """Take the first sample. Raises NVMLError if NVML cannot provide the buffers or the sample."""
        self._nvml, self._handle = nvml, handle
        with _ONE_AT_A_TIME:
            self._last, self._next = nvml.nvmlGpmSampleAlloc(), nvml.nvmlGpmSampleAlloc()
            nvml.nvmlGpmSampleGet(handle, self._last)
        self._metrics = {  # name -> (NVML metric id, size of one unit)
            "sm_active": (nvml.NVML_GPM_METRIC_SM_UTIL, 0.01),
            "sm_occupancy": (nvml.NVML_GPM_METRIC_SM_OCCUPANCY, 0.01),
            "dram_active": (nvml.NVML_GPM_METRIC_DRAM_BW_UTIL, 0.01),
            "pcie_received_bytes_per_s": (nvml.NVML_GPM_METRIC_PCIE_RX_PER_SEC, MIB),
            "pcie_sent_bytes_per_s": (nvml.NVML_GPM_METRIC_PCIE_TX_PER_SEC, MIB),
        }

    @classmethod
    def of(cls, nvml: Any, handle: Any) -> Gpm | None:
        """Open GPM for a device. Returns None if the device, its driver or the user's permissions do not allow it."""
        try:
            return cls(nvml, handle) if nvml.nvmlGpmQueryDeviceSupport(handle).isSupportedDevice else None
        except (nvml.NVMLError, AttributeError):  # the driver or nvidia-ml-py is older than GPM
            return None

    def read(self) -> GpmValues:
        """Return means since the previous read. Metrics that the device does not report are None. Raises NVMLError."""
        nvml = self._nvml
        request = nvml.c_nvmlGpmMetricsGet_t()
        request.version, request.numMetrics = nvml.NVML_GPM_METRICS_GET_VERSION, len(self._metrics)
        request.sample1, request.sample2 = self._last, self._next
        for index, (metric_id, _) in enumerate(self._metrics.values()):
            request.metrics[index].metricId = metric_id
        with _ONE_AT_A_TIME:
            nvml.nvmlGpmSampleGet(self._handle, self._next)
            nvml.nvmlGpmMetricsGet(request)
        self._last, self._next = self._next, self._last
        values = {
            name: request.metrics[index].value * scale
            for index, (name, (_, scale)) in enumerate(self._metrics.items())
            if request.metrics[index].nvmlReturn == nvml.NVML_SUCCESS
        }
        return GpmValues(**values)

    def close(self) -> None:
        """Free both sample buffers. Call it once: a second call would free them twice."""
        with _ONE_AT_A_TIME:
            for buffer in (self._last, self._next):
                self._nvml.nvmlGpmSampleFree(buffer)
