"""Adapters of loaders and libraries that people already have, one a file. None imports another."""
