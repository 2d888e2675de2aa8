"""Proof that feedrate catches planted faults and measures planted delays."""
