"""Dictionaries, stress classes, syllables and word families. Knows nothing of audio."""
