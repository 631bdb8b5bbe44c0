"""The documentation, and `docs.generate`, which writes parts of it."""
