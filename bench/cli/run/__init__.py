"""`feedrate run`: its options, what it shows while trials run, and the command itself."""
