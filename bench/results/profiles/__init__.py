"""Profiles as plain data, and the causes that they show."""
