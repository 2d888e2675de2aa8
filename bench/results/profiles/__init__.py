"""Profiles as plain data, and what they show."""
