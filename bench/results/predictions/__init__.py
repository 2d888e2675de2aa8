"""What `feedrate simulate` predicts."""
