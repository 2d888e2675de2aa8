"""Plain data and its storage: specs, records, statistics, profiles. Needs no torch; all that reports may see."""
