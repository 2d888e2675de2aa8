"""The harness: it prepares data, runs trials, measures and stores what they deliver."""
