"""Renders comparisons as HTML, text, Markdown, CSV, Parquet and sites."""
