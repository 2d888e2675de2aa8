"""Blocks of memory that are lent and reused, and the memory pool of cudf."""
