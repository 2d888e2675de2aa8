"""Scratch space that is removed even if its process was killed."""
