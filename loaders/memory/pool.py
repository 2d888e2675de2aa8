"""How cudf and pylibcudf allocate on a device, for the loaders that use them, and how much that came to."""

from __future__ import annotations

from typing import Any

import torch


def use_memory_pool(device: str) -> None:
    """The device's default pool, in this process from now on, where nobody has chosen another way: without one each allocation may
    wait for the whole device."""
    import rmm
    from cuda.bindings import driver, runtime

    with torch.cuda.device(device):
        if type(rmm.mr.get_current_device_resource()) is not rmm.mr.CudaMemoryResource:
            return
        pool, attribute = _default_pool(runtime, device), runtime.cudaMemPoolAttr
        everything = driver.cuuint64_t(2**64 - 1)  # nothing is given back to the device before the process ends
        runtime.cudaMemPoolSetAttribute(pool, attribute.cudaMemPoolAttrReleaseThreshold, everything)
        rmm.mr.set_current_device_resource(rmm.mr.CudaAsyncViewMemoryResource(pool))


def most_pool_bytes(device: str) -> int:
    """The most that the device's default pool had in this process: other pools than torch's allocator use it. 0 without
    cuda-bindings, which cudf brings."""
    try:
        from cuda.bindings import runtime
    except ImportError:
        return 0
    error, most = runtime.cudaMemPoolGetAttribute(
        _default_pool(runtime, device), runtime.cudaMemPoolAttr.cudaMemPoolAttrReservedMemHigh
    )
    return 0 if int(error) else int(most)


def _default_pool(runtime: Any, device: str) -> Any:
    return runtime.cudaDeviceGetDefaultMemPool(torch.device(device).index or 0)[1]
