"""Fitting, prediction and metrics, over arrays and labels."""
