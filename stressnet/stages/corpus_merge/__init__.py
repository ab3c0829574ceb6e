"""``stressnet corpus merge``: several corpora, or the shards of one, as one corpus."""

from stressnet.stages.corpus_merge.config import MergeConfig, merge_corpora

__all__ = ["MergeConfig", "merge_corpora"]
