"""Which rows are for training and which for validation."""
