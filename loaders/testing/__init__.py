"""Loaders for tests: a correct one, one with known delays, and one with known faults."""
