"""Intervals and tests for anything that was said by speakers in words; knows not what it is.

Sums and ratios are linearised (:mod:`stressnet.inference.twoway`), other statistics by leaving out
one cluster after another (:mod:`stressnet.inference.jackknife`); figures of success, which are
bounded and may be perfect, are resampled (:mod:`stressnet.inference.bootstrap`). All give an
:class:`~stressnet.inference.twoway.Estimate`.
"""
