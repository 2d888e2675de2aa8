"""Observes this machine: environment, virtual environments, GPU, page cache, processes."""
