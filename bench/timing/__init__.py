"""Clocks, CUDA events and named NVTX ranges."""
