"""A run: plan, stopping rule, trials one after the other."""
