"""Turns records into numbers and verdicts."""
