"""Pitch range, median F0 and formant ceiling of every speaker."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from stressnet.acoustics.speakers import (
    SpeakerSettings,
    Vowel,
    choose_ceiling,
    looks_too_low,
    low_ceiling_evidence,
    speaker_settings,
)
from stressnet.acoustics.tracks import PitchSettings
from stressnet.audio import Audio, read_audio
from stressnet.corpus.store import Corpus
from stressnet.corpus.tokens import vowel_spans
from stressnet.errors import StressnetError
from stressnet.lexicon.pronunciation import bare
from stressnet.lexicon.stress import MOST_SYLLABLES
from stressnet.runs import RunFolder
from stressnet.runs.names import inside
from stressnet.runs.problems import warnings_about
from stressnet.stages.measure import MeasureConfig

_SPEAKER_SAMPLE = 40  # excerpts for the pitch range, as build-corpus takes them
_VOWEL_SAMPLE = 60
_VOWEL_CONTEXT_S = 0.06
_NUMBERS = range(1, MOST_SYLLABLES + 1)

TIMES = (
    "token_id",
    "utterance_id",
    "excerpt_file",
    "excerpt_start_s",
    "start_s",
    "end_s",
    "boundary_s",
    *(f"boundary_{k}_s" for k in range(2, MOST_SYLLABLES)),
    *(f"nucleus_{k}{part}" for k in _NUMBERS for part in ("_start_s", "_end_s", "")),
)
"""All that measuring may see of a token; its stress is not among it."""


def records_of(tokens: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of the token table with only :data:`TIMES`, as plain values."""
    times = tokens[[name for name in TIMES if name in tokens]]
    return [{str(k): v for k, v in row.items()} for row in times.to_dict("records")]


def first_pass(pitch_method: str) -> PitchSettings:
    """Wide pitch settings with which a speaker's range is found."""
    return PitchSettings.raw() if pitch_method == "raw-ac" else PitchSettings()


def find_voices(
    corpus: Corpus, config: MeasureConfig, folder: RunFolder
) -> dict[str, dict[str, Any]]:
    """Each speaker's settings as plain values."""
    groups = {str(speaker): part for speaker, part in corpus.tokens.groupby("speaker", sort=True)}
    tasks = (
        (speaker, (corpus.path, str(part["sex"].iloc[0] or "") or None, records_of(part), config))
        for speaker, part in groups.items()
    )
    voices = dict(folder.chunks("speakers", tasks, _voice_of, total=len(groups), unit="speaker"))
    for speaker, voice in voices.items():
        folder.problems += warnings_about(speaker, "speakers", voice["warnings"])
    return voices


def _voice_of(task: tuple[Path, str | None, list[dict[str, Any]], MeasureConfig]) -> dict[str, Any]:
    """Settings of one speaker, with what looks odd about them."""
    corpus, sex, rows, config = task
    excerpts, warnings = [], []
    for row in rows[:: -(-len(rows) // _SPEAKER_SAMPLE)]:
        try:
            excerpts.append((row, read_audio(inside(corpus, row["excerpt_file"]))))
        except StressnetError:
            continue  # the chunk that holds the token reports it
    voice = speaker_settings(
        ((audio.samples, audio.rate_hz) for _, audio in excerpts),
        sex,
        pitch=first_pass(config.pitch_method),
        ceiling_factor=config.f0_ceiling_factor,
        spans_s=[vowel_spans(row) for row, _ in excerpts],
    )
    if voice.pitch_source == "wide":
        warnings.append(
            f"only {voice.n_voiced_frames} voiced frames: the pitch range stays wide "
            f"({voice.pitch.floor_hz:g} to {voice.pitch.ceiling_hz:g} Hz)"
        )
    vowels = _vowels(excerpts)
    ceiling = choose_ceiling(config.ceiling_method, sex, vowels)
    if ceiling.warning:
        warnings.append(ceiling.warning)
    formants = replace(voice.formants, ceiling_hz=ceiling.ceiling_hz)
    share, higher = low_ceiling_evidence(vowels, formants)
    if looks_too_low(share, higher):
        warnings.append(
            f"the formant ceiling of {ceiling.ceiling_hz:g} Hz looks too low: {share:.0%} of "
            f"vowels have wide formants under it, {higher:.0%} under one 10 % higher"
        )
    return {
        **replace(voice, formants=formants, ceiling_source=ceiling.source).to_dict(),
        "n_ceiling_vowels": ceiling.n_vowels,
        "suspect_share": share,
        "suspect_share_higher": higher,
        "ceiling_looks_low": looks_too_low(share, higher),
        "warnings": warnings,
    }


def _vowels(excerpts: Sequence[tuple[dict[str, Any], Audio]]) -> list[Vowel]:
    """Vowels of a speaker, cut with context; categories without stress digits."""
    vowels = []
    for row, audio in excerpts:
        for number, (start_s, end_s) in enumerate(vowel_spans(row), start=1):
            first_s = max(0.0, start_s - _VOWEL_CONTEXT_S)
            first_s = round(first_s * audio.rate_hz) / audio.rate_hz
            cut = audio.cut(first_s, end_s + _VOWEL_CONTEXT_S)
            label = bare(row[f"nucleus_{number}"])
            vowels.append(
                Vowel(label, cut.samples, audio.rate_hz, start_s - first_s, end_s - first_s)
            )
    return vowels[:: -(-len(vowels) // _VOWEL_SAMPLE)] if vowels else []


def speaker_rows(voices: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows of ``speakers.csv``."""
    for speaker, voice in voices.items():
        yield {
            "speaker": speaker,
            "f0_median_hz": voice["f0_median_hz"],
            "n_voiced_frames": voice["n_voiced_frames"],
            "pitch_floor_hz": voice["pitch"]["floor_hz"],
            "pitch_ceiling_hz": voice["pitch"]["ceiling_hz"],
            "pitch_source": voice["pitch_source"],
            "pitch_high_pass_hz": voice["pitch"]["high_pass_hz"],
            "formant_ceiling_hz": voice["formants"]["ceiling_hz"],
            "formant_ceiling_source": voice["ceiling_source"],
            "n_ceiling_vowels": voice["n_ceiling_vowels"],
            "suspect_share": voice["suspect_share"],
            "suspect_share_higher_ceiling": voice["suspect_share_higher"],
            "ceiling_looks_low": voice["ceiling_looks_low"],
        }


def settings_of(voice: dict[str, Any]) -> SpeakerSettings:
    """A speaker's settings from the journal's plain values."""
    names = [field.name for field in fields(SpeakerSettings)]
    return SpeakerSettings.from_dict({name: voice[name] for name in names})
