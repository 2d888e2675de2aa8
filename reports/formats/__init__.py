"""Comparisons to HTML, text, Markdown, CSV, Parquet and sites."""
