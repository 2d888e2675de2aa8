"""Clocks and named ranges."""
