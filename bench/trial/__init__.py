"""One trial, from open to close."""
