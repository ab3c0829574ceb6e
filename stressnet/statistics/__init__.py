"""Means, intervals and tests over tables of relevance. Knows nothing of networks or sound."""

from stressnet.statistics.summary import contrast, summarise
