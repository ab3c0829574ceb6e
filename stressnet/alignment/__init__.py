"""Alignments of words and phones with sound: reading, checking, making and comparing them.

Modules
-------
textgrid
    Praat TextGrids in and out.
validation
    Problems of an alignment, and small overhangs repaired.
aligner
    The interface of automatic aligners; :mod:`choose` has `get_aligner`.
accuracy
    How far two alignments of one recording are apart.
"""
