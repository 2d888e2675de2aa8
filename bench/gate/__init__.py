"""The correctness gate: delivered rows against the dataset's."""
