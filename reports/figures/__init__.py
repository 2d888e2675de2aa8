"""Turns numbers into figures, as Plotly's plain data."""
