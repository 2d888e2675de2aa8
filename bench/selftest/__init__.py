"""The self-test: feedrate must catch planted faults, measure planted delays and give correct verdicts."""
