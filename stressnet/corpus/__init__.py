"""Recipes, the scan of a folder, tokens, splits, and the store. Knows nothing of models."""
