"""Evaluation of networks: test sets, tables of figures with intervals, leak audits."""
