"""MovieLens: its releases, their download, and their files brought to the canonical folder."""
