"""Figures, tables and the page. Computes nothing that is not on disk already."""
