"""Networks, one registry, and checkpoints without pickles. Knows nothing of sound."""
