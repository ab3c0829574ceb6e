"""One word as a picture in Praat's manner, with what the network's decision rested on."""

import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes as Ax
from matplotlib.figure import Figure

from stressnet.errors import CorpusError
from stressnet.intervals import Interval
from stressnet.report import layers
from stressnet.report.grid import blank, stacked_panels
from stressnet.report.ipa import syllable_labels, to_ipa
from stressnet.report.run import RelevanceRun
from stressnet.report.style import (
    STRESS_COLOURS,
    Width,
    class_colour,
    relevance_limit,
    save_figure,
    style,
    text_width_in,
    width_in,
)
from stressnet.report.word_data import WordData, word_data

__all__ = ["LEGEND", "WordData", "caption", "draw_word", "plot_word", "word_data"]

CONTEXT_S = 0.10  # Sound shown before and after the word

_LEFT_IN, _RIGHT_IN, _TOP_IN, _GAP_IN = 0.58, 0.62, 0.30, 0.045
_SECOND_TITLE_IN = 0.16
_WAVE_IN, _SPECTROGRAM_IN, _MAP_IN, _TIER_IN, _TIME_IN = 0.50, 1.50, 1.35, 0.21, 0.36
_NOTE_LINE_IN, _NOTE_PT = 0.105, 5.5


class _Piece(NamedTuple):
    """A piece of a title."""

    text: str
    points: float
    colour: str
    weight: str = "normal"

    @property
    def room_in(self) -> float:
        """Its width, and what lies behind it."""
        return text_width_in(self.text, self.points, self.weight) + 0.14


@style()
def plot_word(
    word: WordData,
    *,
    width: Width = "page",
    ipa: bool = True,
    whole_image: bool = False,
    limit: float | None = None,
    range_db: float = 60.0,
    note: bool = True,
) -> Figure:
    """Waveform, spectrogram with formants and F0, relevance, and tiers on one time axis.

    ``ipa``: phones and syllables in IPA rather than ARPAbet. ``whole_image``: show time to the end
    of the image, padding included, instead of the word in its context. ``limit``: absolute
    relevance at which colours saturate; by default the 99.5th percentile of this map. Give one
    limit to several words to make their colours comparable. ``note``: write scale and normalisation
    under the picture (:func:`caption`). Returns panels by ``ax.get_label()``: ``waveform``,
    ``spectrogram``, ``pitch``, ``relevance``, ``colour bar``, ``phones``, ``syllables``, ``word``.
    """
    total = width_in(width)
    if limit is None and word.relevance is not None:
        limit = relevance_limit(word.relevance)
    text = caption(word, limit, whole_image) if note else ""
    lines = textwrap.wrap(text, max(40, int(total * 25.0)))
    heights = {"waveform": _WAVE_IN, "spectrogram": _SPECTROGRAM_IN}
    if word.image is not None:
        heights["relevance"] = _MAP_IN
    heights |= dict.fromkeys(("phones", "syllables", "word"), _TIER_IN)
    under = _TIME_IN + _NOTE_LINE_IN * len(lines)
    titles = _titles(word, total)
    dots = 0.75 if total < 5 else 1.0
    over = _TOP_IN + _SECOND_TITLE_IN * (len(titles) - 1)
    tall = over + sum(heights.values()) + _GAP_IN * (len(heights) - 1) + under
    figure = blank(total, tall, layout=None)
    corner = _LEFT_IN, tall - over
    panels = stacked_panels(figure, corner, total - _LEFT_IN - _RIGHT_IN, heights, _GAP_IN)
    panels["word"].set_xlabel("time from word onset (s)", labelpad=1.5)
    start_s, end_s = _view(word, whole_image)
    panels["waveform"].set_xlim(start_s, end_s)
    layers.draw_waveform(panels["waveform"], word.audio, word.origin_s)
    layers.draw_spectrogram(panels["spectrogram"], word.audio, word.origin_s, range_db=range_db)
    if word.tracks is not None:
        tracks, right = word.tracks, panels["spectrogram"].twinx()
        layers.draw_formants(
            panels["spectrogram"], tracks.formants, word.audio, word.origin_s, size=dots
        )
        right.set_label("pitch")
        layers.draw_pitch(right, tracks.pitch, size=dots)
        right.tick_params(axis="x", bottom=False, labelbottom=False)
    if word.image is not None:
        _draw_relevance(panels["relevance"], word, limit, dots)
    _draw_tiers(panels, word, ipa, (total - _LEFT_IN - _RIGHT_IN) / (end_s - start_s))
    for number, pieces in enumerate(titles):
        x, y = _LEFT_IN, tall - 0.17 - _SECOND_TITLE_IN * number
        for piece in pieces:
            look: dict[str, Any] = {"fontsize": piece.points, "fontweight": piece.weight}
            look |= {"color": piece.colour, "va": "center_baseline"}
            figure.text(x / total, y / tall, piece.text, **look)
            x += piece.room_in
    for number, line in enumerate(lines, start=1 - len(lines)):
        y = (0.05 - _NOTE_LINE_IN * number) / tall
        figure.text(0.06 / total, y, line, fontsize=_NOTE_PT, color="#333333")
    return figure


LEGEND = (
    "Wide-band spectrogram (5 ms Gaussian) with formants (red, fainter where wide) and F0 (blue); "
    "phone boundaries dashed, syllables and word solid, nuclei shaded."
)
"""What the layers without relevance are."""


ONE_MAP = (
    "Read regions, not cells: in 13 % of synthetic words with one known cue (8 % by the best "
    "method) the strongest cell lies elsewhere, where the network does not listen "
    "(docs/validation.md)."
)
"""What may not be concluded from one map."""


def caption(
    word: WordData, limit: float | None = None, whole_image: bool = False, *, legend: bool = True
) -> str:
    """What the picture shows and how its colours are scaled; options as of :func:`plot_word`."""
    start = [LEGEND] if legend else []
    if word.relevance is None or word.image is None:
        return " ".join(start)
    limit = relevance_limit(word.relevance) if limit is None else limit
    start_s, end_s = _view(word, whole_image)
    shown = word.image.axes.frames_within(start_s, end_s)
    total = float(np.abs(word.relevance).sum())
    hidden = float(np.abs(word.relevance[:, ~shown]).sum()) / total if total else 0.0
    rules = f" ({word.composite})" if word.composite else ""
    logits = f"{float(word.relevance.sum()):+.2f}".replace("-", "−")
    start.append(
        f"Relevance{rules}: signed shares of the {word.output} on the network's "
        f"own spectrogram ({word.image_name or 'unnamed preset'}), one colour per cell without "
        f"smoothing; colours saturate at ±{limit:.2g} (symmetric, zero transparent). Sum over the "
        f"image {logits} logits; {100 * hidden:.0f} % of |R| lies "
        f"outside the time shown. {ONE_MAP}"
    )
    return " ".join(start)


def _view(word: WordData, whole_image: bool) -> tuple[float, float]:
    start_s = max(-CONTEXT_S, -word.origin_s)
    end_s = min(word.times.word.end_s + CONTEXT_S, word.audio.duration_s - word.origin_s)
    if whole_image and word.image is not None:
        step = word.image.axes.time_step_s
        start_s = min(start_s, float(word.image.axes.time_s[0]) - step / 2)
        end_s = float(word.image.axes.time_s[-1]) + step / 2
    return start_s, end_s


def _draw_relevance(ax: Ax, word: WordData, limit: float | None, dots: float) -> None:
    assert word.image is not None
    layers.draw_image(ax, word.image.values, word.image.axes, word.image.mask)
    if word.relevance is None:
        return
    mesh = layers.draw_relevance(ax, word.relevance, word.image.axes, limit=limit)
    if word.tracks is not None:
        layers.draw_formants_plain(ax, word.tracks.formants, word.times.nuclei, size=dots)
    ends = layers.OWN_ENDS if word.of_own_class else word.contrast.classes
    layers.add_colour_bar(ax, mesh, "relevance ({power}logits/cell)", ends)


def _draw_tiers(panels: dict[str, Ax], word: WordData, ipa: bool, inches_per_s: float) -> None:
    times = word.times
    phones = list(times.phones)
    labels = [" ".join(p.label for p in times.phones_of(k)) for k in range(len(times.nuclei))]
    if ipa:
        phones = [replace(p, label=to_ipa(p.label)) for p in phones]
        labels = syllable_labels(times)
    syllables = [replace(s, label=label) for s, label in zip(times.syllables, labels, strict=True)]
    look: dict[str, Any] = {}
    if word.stress is not None:
        look["emphasised"] = [syllables[word.stress.syllable(len(syllables))]]
        if word.contrast.is_stress:  # else warm and cool mean something else
            look["emphasis_colour"] = STRESS_COLOURS[word.stress]
    points = _fitting(phones, inches_per_s)
    layers.draw_tier(panels["phones"], phones, "phones", shaded=times.nuclei, fontsize=points)
    points = _fitting(syllables, inches_per_s)
    layers.draw_tier(panels["syllables"], syllables, "syllables", fontsize=points, **look)
    layers.draw_tier(panels["word"], [replace(times.word, label=word.word.lower())], "word")
    # A boundary runs down to the tier it belongs to, so that it crosses no label.
    top = panels["waveform"]
    start_s, end_s = times.word.start_s, times.word.end_s
    middles_s = [syllable.start_s for syllable in times.syllables[1:]]
    inner = {t for p in times.phones for t in (p.start_s, p.end_s)}
    inner = {t for t in inner if min(abs(t - u) for u in (start_s, *middles_s, end_s)) > 1e-6}
    layers.draw_boundaries(top, panels["word"], [start_s, end_s], strong=True)
    layers.draw_boundaries(top, panels["syllables"], middles_s, strong=True)
    layers.draw_boundaries(top, panels["phones"], sorted(inner))


def _fitting(intervals: list[Interval], inches_per_s: float) -> float:
    """Font size at which every label fits its interval, between 4.5 and 8 points."""
    sizes = [
        0.92 * part.duration_s * inches_per_s / text_width_in(part.label, 1.0)
        for part in intervals
        if part.label.strip()
    ]
    return float(np.clip(min(sizes, default=8.0), 4.5, 8.0))


def _titles(word: WordData, total: float) -> list[list[_Piece]]:
    """What stands above the picture: one line if it fits, else two."""
    left = [_Piece(word.word.lower(), 9.0, "black", "bold")]
    about = ", ".join(filter(None, [word.language, word.speaker and f"speaker {word.speaker}"]))
    if about:
        left.append(_Piece(about, 6.0, "#555555"))
    right = []
    contrast, own, said = word.contrast, word.known_class, word.said
    if own is not None:
        right.append(_Piece(contrast.say(own), 7.0, class_colour(own, contrast)))
    if said is not None:
        p = word.probability
        verdict = "" if own is None else " ✓" if said == own else " ✗"
        certainty = f"p = {p:.2f}" if p < 0.995 else "p > 0.99"
        text = f"network: {said}{f', {certainty}' if p == p else ''}{verdict}"
        right.append(_Piece(text, 7.0, class_colour(said, contrast)))
    needed = sum(piece.room_in for piece in (*left, *right))
    fits = needed <= total - _LEFT_IN - 0.1
    return [[*left, *right]] if fits or not right else [left, right]


def draw_word(run: Path, token_id: str, figure: Path) -> Path:
    """Draw one token of a run."""
    opened = RelevanceRun.find(run)
    ids = opened.tokens["token_id"]
    matches = [i for i in ids if i == token_id] or [i for i in ids if token_id in i]
    if len(matches) != 1:
        some = f" ({', '.join(matches[:5])} ...)" if matches else ""
        raise CorpusError(
            f"{run}: {len(matches)} tokens match '{token_id}'{some}; give the id of one"
        )
    drawing = plot_word(word_data(opened.open_corpus(), opened, matches[0]))
    suffix = figure.suffix.lstrip(".").lower() or "png"
    return save_figure(drawing, figure.with_suffix(""), [suffix])[0]
