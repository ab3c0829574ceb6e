"""What a word's figure is made of; every layer draws into an ``ax`` it is given.

Conventions
-----------
Times are seconds from the word's onset, frequencies hertz. A layer sets the limits of its frequency
axis but never those of time, which all panels share.

Examples
--------
A spectrogram with formants in a figure of one's own::

    ax = figure.add_subplot()
    draw_spectrogram(ax, word.audio, word.origin_s)
    draw_formants(ax, word.tracks.formants)
"""

from stressnet.report.maps import add_colour_bar, draw_image, draw_relevance
from stressnet.report.sound import (
    draw_formants,
    draw_formants_plain,
    draw_pitch,
    draw_spectrogram,
    draw_waveform,
)
from stressnet.report.tiers import draw_boundaries, draw_tier

__all__ = [
    "add_colour_bar",
    "draw_boundaries",
    "draw_formants",
    "draw_formants_plain",
    "draw_image",
    "draw_pitch",
    "draw_relevance",
    "draw_spectrogram",
    "draw_tier",
    "draw_waveform",
]
