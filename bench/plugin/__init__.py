"""The pytest plugin: a fixture for authors of loaders, and a gate against a saved baseline."""
