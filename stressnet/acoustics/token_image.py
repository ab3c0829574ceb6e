"""The image of a token: the one way from sound to image, for every command."""

import io

from stressnet.acoustics.spectrogram import SpectrogramPreset, TokenSpectrogram, compute
from stressnet.audio import Audio

CONTEXT_S = 0.25  # Sound kept around a word, so that no analysis window sees an edge


def image_in_excerpt(
    preset: SpectrogramPreset, excerpt: Audio, start_s: float, end_s: float
) -> TokenSpectrogram:
    """The image of a token in its excerpt, given the word's limits there."""
    end_s = min(end_s, excerpt.duration_s)
    return compute(preset, excerpt.samples, excerpt.rate_hz, start_s, end_s)


def excerpt_of(recording: Audio, start_s: float, end_s: float) -> tuple[Audio, float]:
    """A word's sound as a corpus holds it, and when in the recording it begins, in seconds.

    The word is cut out with :data:`CONTEXT_S` of sound around it and goes through the 16-bit FLAC
    in which a corpus keeps its excerpts.
    """
    import soundfile

    first_s = max(0.0, start_s - CONTEXT_S)
    excerpt = recording.cut(first_s, end_s + CONTEXT_S)
    buffer = io.BytesIO()
    soundfile.write(buffer, excerpt.samples, excerpt.rate_hz, format="FLAC", subtype="PCM_16")
    buffer.seek(0)
    samples, rate_hz = soundfile.read(buffer, dtype="float32")
    return Audio(samples, rate_hz), round(first_s * rate_hz) / rate_hz


def image_in_recording(
    preset: SpectrogramPreset, recording: Audio, start_s: float, end_s: float
) -> TokenSpectrogram:
    """The image of a word of a recording, exactly as a built corpus would hold it."""
    excerpt, origin_s = excerpt_of(recording, start_s, end_s)
    return image_in_excerpt(preset, excerpt, start_s - origin_s, end_s - origin_s)
