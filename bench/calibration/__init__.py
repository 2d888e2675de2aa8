"""What the harness itself costs, and what looking at a trial costs it."""
