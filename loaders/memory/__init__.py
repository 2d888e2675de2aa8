"""Blocks and pools of memory."""
