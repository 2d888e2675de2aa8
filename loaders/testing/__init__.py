"""Loaders for tests: right, slow by known delays, wrong in known ways."""
