"""The synthetic dataset for the task sequence."""
