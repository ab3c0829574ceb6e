"""``stressnet export-praat``: results as TextGrids, Formants and PitchTiers for Praat."""

from stressnet.stages.export_praat.config import PraatConfig, export_praat

__all__ = ["PraatConfig", "export_praat"]
