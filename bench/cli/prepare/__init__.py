"""`feedrate prepare`: its options, what it shows before it writes, and the command itself."""
