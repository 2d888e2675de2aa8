"""This machine: environment, virtual environments, GPU, page cache, processes."""
