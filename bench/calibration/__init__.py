"""Measures the cost of the harness itself, and the cost of sampling a trial."""
