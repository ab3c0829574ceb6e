"""The regions that come with stressnet, registered when this module is imported.

:mod:`~stressnet.regions.time_regions`
    Syllables and their parts, the word, what lies beside it, padding.
:mod:`~stressnet.regions.phone_regions`
    Consonants by manner and by syllable, closures and bursts, full and reduced vowels.
:mod:`~stressnet.regions.band_regions`
    Formants, valleys between them, harmonics, spectral balance.
"""

from stressnet.regions import band_regions, phone_regions, time_regions

for _module in (time_regions, phone_regions, band_regions):
    _module.add_regions()
