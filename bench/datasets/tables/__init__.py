"""A user's own tables to the canonical folder: Parquet and CSV files, as Spark, pandas, Polars, DuckDB and Hive leave them."""
