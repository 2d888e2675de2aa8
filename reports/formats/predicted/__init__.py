"""A prediction of `feedrate simulate` as text and as a page."""
