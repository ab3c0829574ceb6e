"""Stages: one folder per command, each with its config and a ``run`` that does the work."""
