"""Which parts of a network carry its decision: patching, circuits, tuning."""
