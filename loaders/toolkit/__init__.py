"""Building blocks that authors of adapters share."""
