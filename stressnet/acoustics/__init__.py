"""Spectrograms of tokens, and pitch and formants through Praat. Knows nothing of models."""
