"""Object stores: addresses such as s3://BUCKET/DATA, read by range, with retries, counted, and without credentials in any text."""
