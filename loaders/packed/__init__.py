"""The engine of the CuPy batcher: packed rows, shuffled by kernels."""
