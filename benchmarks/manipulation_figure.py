"""Draw the steps of one continuum of a word, as in docs/manipulation.md.

    python benchmarks/manipulation_figure.py CORPUS CUES TOKEN_ID CUE FIGURE.png

CUES is what ``stressnet measure`` wrote for CORPUS.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from stressnet.acoustics.cues import Segments
from stressnet.acoustics.tracks import formant_track, pitch_track
from stressnet.corpus.store import Corpus
from stressnet.corpus.tokens import span_of
from stressnet.manipulation.check import make_stimulus, measure
from stressnet.manipulation.continua import plan_steps
from stressnet.manipulation.cues import get_cue
from stressnet.manipulation.endpoints import Reference
from stressnet.manipulation.resynthesis import analyse
from stressnet.stages.manipulate.inputs import voices_of

TOP_HZ = 3500.0


def main() -> None:
    """Make the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("cues", type=Path)
    parser.add_argument("token_id")
    parser.add_argument("cue")
    parser.add_argument("figure", type=Path)
    parser.add_argument("--steps", type=int, default=3)
    asked = parser.parse_args()
    corpus = Corpus.open(asked.corpus)
    tokens = corpus.tokens.set_index("token_id", drop=False)
    row = tokens.loc[asked.token_id].to_dict()
    table = pd.read_parquet(asked.cues / "cues.parquet")
    measured = table.set_index("token_id", drop=False).loc[asked.token_id].to_dict()
    end = Reference(table).endpoint(measured, asked.cue)
    voice = voices_of(asked.cues)[str(row["speaker"])]
    origin_s = row["excerpt_start_s"]
    segments = Segments(
        span_of(row, "start_s", "end_s"),
        row["boundary_s"] - origin_s,
        tuple(span_of(row, f"nucleus_{k}_start_s", f"nucleus_{k}_end_s") for k in (1, 2)),
    )
    audio = corpus.excerpt(asked.token_id)
    phones = corpus.phone_intervals(asked.token_id, origin_s)
    source = analyse(audio.samples, audio.rate_hz, segments, voice, phones)
    natural = measure(source.samples, source.rate_hz, segments, voice)
    plan = [s for s in plan_steps([asked.cue], asked.steps) if s.kind == "single"]
    figure, panels = plt.subplots(
        1, len(plan), figsize=(1.95 * len(plan), 2.7), sharey=True, constrained_layout=True
    )
    for panel, step in zip(panels, plan, strict=True):
        stimulus, _, checked = make_stimulus(step, source, {asked.cue: end}, natural, voice)
        draw(panel, stimulus, voice, asked.cue)
        values = checked.measured[asked.cue]
        cue = get_cue(asked.cue)
        panel.set_title(
            f"step {step.steps[0]}: {values[0] - values[1]:+.2f} {cue.unit}", fontsize=8
        )
    panels[0].set_ylabel("Hz", fontsize=8)
    figure.suptitle(
        f"{row['word']}, {asked.cue}: INITIAL-like (left) to FINAL-like; first vowel minus second",
        fontsize=9,
    )
    figure.savefig(asked.figure, dpi=200)


def draw(panel, stimulus, voice, cue: str) -> None:
    """A spectrogram with formants, F0, phones, and the changed vowels between lines."""
    audio = stimulus.audio
    start_s, end_s = stimulus.segments.word[0] - 0.03, stimulus.segments.word[1] + 0.03
    panel.specgram(
        audio.samples + 1e-9 * np.sin(np.arange(len(audio.samples))),
        NFFT=128,
        noverlap=112,
        pad_to=1024,
        Fs=audio.rate_hz,
        cmap="Greys",
        vmin=-135,
        vmax=-55,
        rasterized=True,
    )
    formants = formant_track(audio.samples, audio.rate_hz, voice.formants)
    for span in stimulus.segments.nuclei:
        inside = formants.between(*span)
        for k in range(3):
            panel.plot(inside.time_s, inside.frequency_hz[k], ".", color="#d62728", ms=2.5)
        for edge_s in span:
            panel.axvline(edge_s, color="#1f77b4", lw=0.7)
    if cue == "f0":
        pitch = pitch_track(audio.samples, audio.rate_hz, voice.pitch).between(start_s, end_s)
        panel.plot(pitch.time_s, 10 * pitch.f0_hz, color="#2ca02c", lw=1.4)
    for phone in stimulus.phones:
        panel.text(
            phone.middle_s,
            TOP_HZ * 0.985,
            phone.label,
            ha="center",
            va="top",
            fontsize=6,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8},
        )
    panel.set_xlim(start_s, end_s)
    panel.set_ylim(0, TOP_HZ)
    ticks = np.arange(0, end_s - stimulus.segments.word[0], 0.2)
    panel.set_xticks(ticks + stimulus.segments.word[0], [f"{t:.1f}" for t in ticks])
    panel.tick_params(labelsize=7)
    panel.set_xlabel("s", fontsize=8)


if __name__ == "__main__":
    main()
