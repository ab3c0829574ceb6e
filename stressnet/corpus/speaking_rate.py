"""Whether anybody speaks as fast or as slowly as a transcript and its recording together say.

The limits are wide: 1.6 times the fastest and half of the slowest of 1,062 recordings of read and
synthetic speech and of single words cut out of it, see ``docs/alignment.md``.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stressnet.alignment.aligner import Pronounce
from stressnet.errors import AlignmentError

FASTEST, FAST = 30.0, 22.0  # Phones per second that nobody speaks, and that are doubtful
SLOWEST, SLOW = 2.0, 3.5  # The same at the other end
FRAME_S = 0.025  # Length of the frames whose levels are measured
_LOUD_S = 0.25  # The loudest frames, together so long, give the level of the speech

_SOUND_DB = 45.0
_SPEECH_DB = 30.0
_ABOVE_FLOOR = 0.4  # Speech is above this part of the way from the quietest tenth to the level
_SLACK_S = 2.0  # Breath, laughter and noise of this length need no words


def frame_levels(samples: NDArray[np.floating], rate_hz: int) -> NDArray[np.float64]:
    """Levels in dB of the frames of one channel, shape (n,), without what is left at the end."""
    size = max(1, round(FRAME_S * rate_hz))
    frames = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    power = np.square(frames - frames.mean(axis=1, keepdims=True)).mean(axis=1)
    return np.asarray(10.0 * np.log10(power + 1e-12))


def speech_time_s(levels: NDArray[np.float64]) -> tuple[float, float]:
    """How long somebody speaks, at least and at most, in seconds, by :func:`frame_levels`.

    At least: frames up to 30 dB below the loudest, and well above the quietest. At most: those up
    to 45 dB below the loudest.
    """
    if not len(levels):
        return 0.0, 0.0
    n_loud = min(len(levels), round(_LOUD_S / FRAME_S))
    level = float(np.partition(levels, -n_loud)[-n_loud])
    floor = float(np.percentile(levels, 10))
    lowest = max(level - _SPEECH_DB, floor + _ABOVE_FLOOR * (level - floor))
    at_least, at_most = (levels > lowest).sum(), (levels > level - _SOUND_DB).sum()
    return FRAME_S * float(at_least), FRAME_S * float(at_most)


def rate_warning(
    path: Path, words: Sequence[str], pronounce: Pronounce, speech_s: tuple[float, float]
) -> str:
    """A line if the rate of a recording is doubtful, else nothing.

    All words of its transcript can be pronounced; ``speech_s`` is of :func:`speech_time_s`.

    A rate at which nobody speaks is an `AlignmentError`.
    """
    variants = [[len(phones) for phones in pronounce(word)] for word in words]
    n_least, n_most = sum(map(min, variants)), sum(map(max, variants))
    least_s, most_s = speech_s
    fastest = n_least / max(most_s, FRAME_S)
    unsaid_s = least_s - _SLACK_S
    slowest = n_most / unsaid_s if unsaid_s > 0 else SLOW
    if fastest > FAST:
        text = f"at most {most_s:.1f} s of sound: {fastest:.0f} phones a second, faster than"
        is_wrong = fastest > FASTEST
    elif slowest < SLOW:
        text = f"at least {least_s:.1f} s of speech: {slowest:.1f} phones a second, slower than"
        is_wrong = slowest < SLOWEST
    else:
        return ""
    line = (
        f"{path}: {len(words)} word{'s' * (len(words) != 1)} in {text} "
        f"{'anybody speaks' if is_wrong else 'most people speak'}; check that the transcript "
        f"{'is whole and ' * (slowest < SLOW)}belongs to the recording"
    )
    if is_wrong:
        raise AlignmentError(line)
    return line
