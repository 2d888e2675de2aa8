"""How cudf and pylibcudf allocate on a device, for the loaders that use them."""

from __future__ import annotations

import torch


def use_memory_pool(device: str) -> None:
    """CUDA's own pool, in this process from now on, where nobody has chosen another way: without one each allocation may wait
    for the whole device."""
    import rmm

    with torch.cuda.device(device):
        if type(rmm.mr.get_current_device_resource()) is rmm.mr.CudaMemoryResource:
            rmm.mr.set_current_device_resource(rmm.mr.CudaAsyncMemoryResource())
