"""Speech with known times from espeak-ng, through the library inside ``espeakng_loader``.

:mod:`~stressnet.espeak.engine` holds the C library, :mod:`~stressnet.espeak.symbols` turns what it
writes into phones, :mod:`~stressnet.espeak.timing` says which samples belong to which phone, and
:mod:`~stressnet.espeak.speech` is what others use.
"""

from stressnet.espeak.engine import Voice, version
from stressnet.espeak.speech import Speech, phonemize, speak
from stressnet.espeak.symbols import arpabet
from stressnet.espeak.timing import edit_distance
