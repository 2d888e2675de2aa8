"""Adapters whose libraries have an environment of their own, and the pinned requirements of each."""
