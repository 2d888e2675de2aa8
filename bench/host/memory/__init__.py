"""Limits the memory of a trial."""
