"""The correctness gate, which compares the delivered rows with the dataset's."""
