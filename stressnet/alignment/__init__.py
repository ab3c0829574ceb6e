"""See CONTRIBUTING.md for the architecture."""
