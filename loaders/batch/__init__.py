"""A batch of rows: its columns, the ways to read them, and what it says about itself."""
