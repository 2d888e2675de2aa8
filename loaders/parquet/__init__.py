"""Reads Parquet row groups into tensors."""
