"""stressnet: how a neural network hears lexical stress."""

__version__ = "0.1.0"
