"""Where users' loaders are imported from."""
