"""Makes batches of Arrow data, of row positions and of other batches."""
