"""Consumers of batches: reading each batch in full, or a training step of the reference model."""
