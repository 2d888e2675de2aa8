"""Sources brought to the canonical data folder."""
