"""One module per command: each composes the stages and writes one output folder.

Everything to the left computes; only workflows decide where results go.
"""
