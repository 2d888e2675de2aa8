"""Numbers to figures, as Plotly's plain data."""
