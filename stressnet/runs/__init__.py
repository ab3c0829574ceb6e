"""Runs: the folders that commands write, with manifest, lock, journal, workers and progress."""
