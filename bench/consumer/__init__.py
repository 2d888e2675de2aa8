"""What consumes batches: reading them, or a training step of the reference model."""
