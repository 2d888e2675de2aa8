"""Parquet row groups to tensors."""
