"""What authors of adapters share."""
