"""Figures, tables and the page. Computes nothing that is not on disk already.

Every ``plot_*`` function raises ConfigError if a table lacks columns or there is nothing to draw.
"""
