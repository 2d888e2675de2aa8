"""Any table that Arrow can write, drawn by hypothesis, and what feedrate should make of it."""
