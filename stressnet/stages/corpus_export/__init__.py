"""``stressnet corpus export`` and ``corpus folds``: a corpus for other programs and other runs."""

from stressnet.stages.corpus_export.config import export_corpus, write_folds

__all__ = ["export_corpus", "write_folds"]
