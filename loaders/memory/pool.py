"""Sets up the memory pool that cudf and pylibcudf allocate from, and reports how much it took."""

from __future__ import annotations

from typing import Any

import torch


def use_memory_pool(device: str) -> None:
    """Make cudf and pylibcudf allocate from the device's default pool, for the rest of this process.

    Without a pool, each allocation may wait for the whole device. Does nothing if another allocator was chosen already.
    """
    import rmm  # pyright: ignore[reportMissingImports]
    from cuda.bindings import driver, runtime  # pyright: ignore[reportMissingImports]

    with torch.cuda.device(device):
        if type(rmm.mr.get_current_device_resource()) is not rmm.mr.CudaMemoryResource:
            return
        pool, attribute = _default_pool(runtime, device), runtime.cudaMemPoolAttr
        everything = driver.cuuint64_t(2**64 - 1)  # the pool returns no memory to the device until the process ends
        runtime.cudaMemPoolSetAttribute(pool, attribute.cudaMemPoolAttrReleaseThreshold, everything)
        rmm.mr.set_current_device_resource(rmm.mr.CudaAsyncViewMemoryResource(pool))


def peak_pool_bytes(device: str) -> int:
    """Return the peak size in bytes of the device's default pool in this process.

    torch's allocator does not use this pool. Returns 0 if cuda-bindings, a dependency of cudf, is not installed.
    """
    try:
        from cuda.bindings import runtime  # pyright: ignore[reportMissingImports]
    except ImportError:
        return 0
    error, most = runtime.cudaMemPoolGetAttribute(
        _default_pool(runtime, device), runtime.cudaMemPoolAttr.cudaMemPoolAttrReservedMemHigh
    )
    return 0 if int(error) else int(most)


def idle_pool_bytes(device: str) -> int:
    """Return the bytes that the device's default pool holds and nobody uses. The device reports them as used."""
    from cuda.bindings import runtime  # pyright: ignore[reportMissingImports]

    pool, attribute = _default_pool(runtime, device), runtime.cudaMemPoolAttr
    _, held = runtime.cudaMemPoolGetAttribute(pool, attribute.cudaMemPoolAttrReservedMemCurrent)
    _, used = runtime.cudaMemPoolGetAttribute(pool, attribute.cudaMemPoolAttrUsedMemCurrent)
    return int(held) - int(used)


def _default_pool(runtime: Any, device: str) -> Any:
    return runtime.cudaDeviceGetDefaultMemPool(torch.device(device).index or 0)[1]
