"""Records to numbers and verdicts."""
