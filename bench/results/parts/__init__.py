"""Parts of a trial's record."""
