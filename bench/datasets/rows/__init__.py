"""What is known of a split's rows: their checksum, the hash of each, and a sample that shows their order."""
