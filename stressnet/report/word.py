"""One word as a picture in Praat's manner, with what the network's decision rested on."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stressnet.acoustics.tracks import Tracks
from stressnet.audio import Audio
from stressnet.axes import Spectrogram
from stressnet.corpus.store import TRACKS, Corpus
from stressnet.errors import ConfigError, CorpusError
from stressnet.intervals import Interval
from stressnet.lexicon.stress import Stress
from stressnet.report import layers
from stressnet.report.ipa import syllable_ipa, to_ipa
from stressnet.report.run import RelevanceRun
from stressnet.report.style import STRESS_COLOURS, relevance_limit, style, text_width_in, width_in

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes as Ax
    from matplotlib.figure import Figure

CONTEXT_S = 0.10
"""Sound shown before and after the word."""

_LEFT_IN, _RIGHT_IN, _TOP_IN, _GAP_IN = 0.58, 0.62, 0.30, 0.045
_SECOND_TITLE_IN = 0.16
_WAVE_IN, _SPECTROGRAM_IN, _MAP_IN, _TIER_IN, _TIME_IN = 0.50, 1.50, 1.35, 0.21, 0.36
_NOTE_LINE_IN, _NOTE_PT = 0.105, 5.5
_PIECE_GAP_IN = 0.14


@dataclass(frozen=True)
class WordData:
    """All that a word's picture shows; times are seconds from the word's onset.

    Parameters
    ----------
    token_id, word, speaker : str
        What and who.
    stress : Stress or None
        The token's class; None where unknown.
    audio : Audio
        Excerpt with context.
    origin_s : float
        Time of the word's onset in the excerpt.
    phones : tuple of Interval
        ARPAbet.
    nuclei, syllables : tuple of two Interval
        The vowels; the syllables with their phones as labels.
    tracks : Tracks or None
        Formants and F0, if measured.
    image : Spectrogram or None
        What the network was shown.
    relevance : ndarray, shape of the image, or None
        Signed; positive speaks for INITIAL.
    stress_predicted : Stress or None
        What the network said.
    p_initial : float
        Its probability of INITIAL; NaN if there is no network.
    composite : str
        Rules of the explanation.
    image_name : str
        The spectrogram preset.
    """

    token_id: str
    word: str
    speaker: str
    stress: Stress | None
    audio: Audio
    origin_s: float
    phones: tuple[Interval, ...]
    nuclei: tuple[Interval, Interval]
    syllables: tuple[Interval, Interval]
    tracks: Tracks | None = None
    image: Spectrogram | None = None
    relevance: NDArray[np.floating] | None = None
    stress_predicted: Stress | None = None
    p_initial: float = field(default=math.nan)
    composite: str = ""
    image_name: str = ""

    def __post_init__(self) -> None:
        if self.relevance is not None:
            if self.image is None:
                raise ConfigError(f"{self.token_id}: a relevance map needs the image it belongs to")
            self.image.axes.check(self.relevance, f"{self.token_id}: relevance")

    @property
    def span(self) -> Interval:
        """The word."""
        return Interval(self.syllables[0].start_s, self.syllables[1].end_s, self.word.lower())


@dataclass(frozen=True)
class _Piece:
    """A piece of a title."""

    text: str
    points: float
    colour: str
    weight: str = "normal"

    @property
    def width_in(self) -> float:
        return text_width_in(self.text, self.points, self.weight)


def word_data(corpus: Corpus, run: RelevanceRun | None, token_id: str) -> WordData:
    """Gather what a word's picture shows.

    Parameters
    ----------
    corpus : Corpus
        Where sound, phones and tracks are.
    run : RelevanceRun or None
        Where the maps are; None for a picture without relevance.
    token_id : str
        Which token.

    Raises
    ------
    CorpusError
        If the corpus or the run lacks the token, or the run was made on other spectrograms than
        the corpus holds.
    """
    found = corpus.tokens[corpus.tokens["token_id"] == token_id]
    if found.empty:
        raise CorpusError(f"{corpus.path}: no token '{token_id}'; see tokens.parquet")
    position, row = int(found.index[0]), found.iloc[0]
    onset_s = float(row["start_s"])
    phones = corpus.phone_intervals(token_id, onset_s)
    boundary_s, end_s = float(row["boundary_s"]) - onset_s, float(row["end_s"]) - onset_s
    nuclei = tuple(
        Interval(
            float(row[f"nucleus_{k}_start_s"]) - onset_s,
            float(row[f"nucleus_{k}_end_s"]) - onset_s,
            str(row[f"nucleus_{k}"]),
        )
        for k in (1, 2)
    )
    first = " ".join(p.label for p in phones if p.middle_s < boundary_s)
    second = " ".join(p.label for p in phones if p.middle_s >= boundary_s)
    image = relevance = predicted = None
    p_initial = math.nan
    if run is not None:
        said = run.row(token_id)
        predicted, p_initial = Stress(said["stress_predicted"]), float(said["p_initial"])
        relevance = run.map_of(token_id)
        image = _image(corpus, run, position)
    return WordData(
        token_id=token_id,
        word=str(row["word"]),
        speaker=str(row["speaker"]),
        stress=_stress(row["stress"]),
        audio=corpus.excerpt(token_id),
        origin_s=onset_s - float(row["excerpt_start_s"]),
        phones=phones,
        nuclei=(nuclei[0], nuclei[1]),
        syllables=(Interval(0.0, boundary_s, first), Interval(boundary_s, end_s, second)),
        tracks=_tracks(corpus, token_id),
        image=image,
        relevance=relevance,
        stress_predicted=predicted,
        p_initial=p_initial,
        composite="" if run is None else run.composite,
        image_name="" if run is None else run.preset_name,
    )


def plot_word(
    word: WordData,
    *,
    width: str | float = "page",
    ipa: bool = True,
    whole_image: bool = False,
    limit: float | None = None,
    range_db: float = 60.0,
    note: bool = True,
) -> Figure:
    """Waveform, spectrogram with formants and F0, relevance, and tiers on one time axis.

    Parameters
    ----------
    word : WordData
        From :func:`word_data`.
    width : {"page", "column"} or float
        Inches or a name in :data:`~stressnet.report.style.WIDTHS_IN`.
    ipa : bool
        Phones and syllables in IPA rather than ARPAbet.
    whole_image : bool
        Show time to the end of the image, padding included, instead of the word in its context.
    limit : float, optional
        Absolute relevance at which colours saturate; by default the 99.5th percentile of this map.
        Give one limit to several words to make their colours comparable.
    range_db : float
        Dynamic range of the wide-band spectrogram.
    note : bool
        Write scale and normalisation under the picture (:func:`caption`).

    Returns
    -------
    Figure
        Panels are found by ``ax.get_label()``: ``waveform``, ``spectrogram``, ``pitch``,
        ``relevance``, ``colour bar``, ``phones``, ``syllables``, ``word``.
    """
    from matplotlib.figure import Figure

    total = width_in(width)
    if limit is None and word.relevance is not None:
        limit = relevance_limit(word.relevance)
    lines = _note_lines(caption(word, limit, whole_image), total) if note else []
    heights = {"waveform": _WAVE_IN, "spectrogram": _SPECTROGRAM_IN}
    if word.image is not None:
        heights["relevance"] = _MAP_IN
    heights |= dict.fromkeys(("phones", "syllables", "word"), _TIER_IN)
    under = _TIME_IN + _NOTE_LINE_IN * len(lines)
    titles = _titles(word, total)
    dots = 0.75 if total < 5 else 1.0
    over = _TOP_IN + _SECOND_TITLE_IN * (len(titles) - 1)
    tall = over + sum(heights.values()) + _GAP_IN * (len(heights) - 1) + under
    with style():
        figure = Figure(figsize=(total, tall))
        panels = _panels(figure, heights, over)
        start_s, end_s = _view(word, whole_image)
        panels["waveform"].set_xlim(start_s, end_s)
        layers.draw_waveform(panels["waveform"], word.audio, word.origin_s)
        _draw_spectrogram(panels["spectrogram"], word, range_db, dots)
        if word.image is not None:
            _draw_relevance(panels["relevance"], word, limit, dots)
        _draw_tiers(panels, word, ipa, (total - _LEFT_IN - _RIGHT_IN) / (end_s - start_s))
        _write_titles(figure, titles)
        for number, line in enumerate(lines):
            y = (0.05 + _NOTE_LINE_IN * (len(lines) - 1 - number)) / tall
            figure.text(0.06 / total, y, line, fontsize=_NOTE_PT, color="#333333")
    return figure


def caption(word: WordData, limit: float | None = None, whole_image: bool = False) -> str:
    """What the picture shows and how its colours are scaled, in a sentence or two."""
    text = (
        "Wide-band spectrogram (5 ms Gaussian) with formants (red, fainter where wide) and F0 "
        "(blue); phone boundaries dashed, syllables and word solid, nuclei shaded."
    )
    if word.relevance is None or word.image is None:
        return text
    limit = relevance_limit(word.relevance) if limit is None else limit
    start_s, end_s = _view(word, whole_image)
    shown = word.image.axes.frames_within(start_s, end_s)
    total = float(np.abs(word.relevance).sum())
    hidden = float(np.abs(word.relevance[:, ~shown]).sum()) / total if total else 0.0
    rules = f" ({word.composite})" if word.composite else ""
    return (
        f"{text} Relevance{rules}: signed shares of the logit difference INITIAL − FINAL over the "
        f"network's own spectrogram ({word.image_name or 'unnamed preset'}), one colour per cell "
        f"without smoothing; colours saturate at ±{limit:.2g} (symmetric, zero transparent). "
        f"Sum over the image {_signed(float(word.relevance.sum()))} logits; "
        f"{100 * hidden:.0f} % of |R| lies outside the time shown."
    )


def _view(word: WordData, whole_image: bool) -> tuple[float, float]:
    start_s = max(-CONTEXT_S, -word.origin_s)
    end_s = min(word.span.end_s + CONTEXT_S, word.audio.duration_s - word.origin_s)
    if whole_image and word.image is not None:
        step = word.image.axes.time_step_s
        start_s = min(start_s, float(word.image.axes.time_s[0]) - step / 2)
        end_s = float(word.image.axes.time_s[-1]) + step / 2
    return start_s, end_s


def _panels(figure: Figure, heights: dict[str, float], over: float) -> dict[str, Ax]:
    """Panels of exact size below each other, sharing the time axis."""
    panels: dict[str, Ax] = {}
    total, tall = figure.get_size_inches()
    top = tall - over
    for name, height in heights.items():
        box = (
            _LEFT_IN / total,
            (top - height) / tall,
            (total - _LEFT_IN - _RIGHT_IN) / total,
            height / tall,
        )
        panels[name] = figure.add_axes(box, label=name, sharex=panels.get("waveform"))
        panels[name].tick_params(axis="x", bottom=name == "word", labelbottom=name == "word")
        top -= height + _GAP_IN
    panels["word"].set_xlabel("time from word onset (s)", labelpad=1.5)
    return panels


def _draw_spectrogram(ax: Ax, word: WordData, range_db: float, dots: float) -> None:
    layers.draw_spectrogram(ax, word.audio, word.origin_s, range_db=range_db)
    if word.tracks is None:
        return
    layers.draw_formants(ax, word.tracks.formants, word.audio, word.origin_s, size=dots)
    right = ax.twinx()
    right.set_label("pitch")
    layers.draw_pitch(right, word.tracks.pitch, size=dots)
    right.tick_params(axis="x", bottom=False, labelbottom=False)


def _draw_relevance(ax: Ax, word: WordData, limit: float | None, dots: float) -> None:
    assert word.image is not None
    layers.draw_image(ax, word.image.values, word.image.axes, word.image.mask)
    if word.relevance is None:
        return
    mesh = layers.draw_relevance(ax, word.relevance, word.image.axes, limit=limit)
    if word.tracks is not None:
        layers.draw_formants_plain(ax, word.tracks.formants, word.nuclei, size=dots)
    layers.add_colour_bar(ax, mesh, "relevance ({power}logits/cell)")


def _draw_tiers(panels: dict[str, Ax], word: WordData, ipa: bool, inches_per_s: float) -> None:
    phones = [Interval(p.start_s, p.end_s, _phone_label(p.label, ipa)) for p in word.phones]
    syllables = [
        Interval(s.start_s, s.end_s, syllable_ipa(s.label.split()) if ipa else s.label)
        for s in word.syllables
    ]
    stressed = []
    colour = "black"
    if word.stress is not None:
        stressed = [syllables[word.stress.class_index]]
        colour = STRESS_COLOURS[word.stress]
    layers.draw_tier(
        panels["phones"],
        phones,
        "phones",
        shaded=word.nuclei,
        fontsize=_fitting(phones, inches_per_s, 8.0),
    )
    layers.draw_tier(
        panels["syllables"],
        syllables,
        "syllables",
        emphasised=stressed,
        emphasis_colour=colour,
        fontsize=_fitting(syllables, inches_per_s, 8.0),
    )
    layers.draw_tier(panels["word"], [word.span], "word")
    # A boundary runs down to the tier it belongs to, so that it crosses no label.
    top = panels["waveform"]
    ends = {word.span.start_s, word.span.end_s}
    middle = {word.syllables[1].start_s}
    inner = {t for p in word.phones for t in (p.start_s, p.end_s)}
    taken = [*ends, *middle]
    inner = {t for t in inner if min(abs(t - u) for u in taken) > 1e-6}
    layers.draw_boundaries(top, panels["word"], sorted(ends), strong=True)
    layers.draw_boundaries(top, panels["syllables"], sorted(middle), strong=True)
    layers.draw_boundaries(top, panels["phones"], sorted(inner))


def _phone_label(label: str, ipa: bool) -> str:
    return to_ipa(label) if ipa else label


def _fitting(intervals: list[Interval], inches_per_s: float, largest: float) -> float:
    """Font size at which every label fits its interval, between 4.5 and ``largest`` points."""
    sizes = [
        0.92 * part.duration_s * inches_per_s / text_width_in(part.label, 1.0)
        for part in intervals
        if part.label.strip()
    ]
    return float(np.clip(min(sizes, default=largest), 4.5, largest))


def _titles(word: WordData, total: float) -> list[list[_Piece]]:
    """What stands above the picture: one line if it fits, else two."""
    left = [
        _Piece(word.word.lower(), 9.0, "black", "bold"),
        _Piece(f"speaker {word.speaker}", 6.0, "#555555"),
    ]
    right = []
    if word.stress is not None:
        right.append(_Piece(f"{word.stress.value} stress", 7.0, STRESS_COLOURS[word.stress]))
    if word.stress_predicted is not None:
        said = word.stress_predicted
        p = word.p_initial if said is Stress.INITIAL else 1.0 - word.p_initial
        verdict = "" if word.stress is None else " ✓" if said is word.stress else " ✗"
        text = f"network: {said.value}, p = {p:.2f}{verdict}"
        right.append(_Piece(text, 7.0, STRESS_COLOURS[said]))
    needed = sum(piece.width_in + _PIECE_GAP_IN for piece in (*left, *right))
    fits = needed <= total - _LEFT_IN - 0.1
    return [[*left, *right]] if fits or not right else [left, right]


def _write_titles(figure: Figure, lines: list[list[_Piece]]) -> None:
    total, tall = figure.get_size_inches()
    for number, pieces in enumerate(lines):
        x = _LEFT_IN
        y = tall - 0.17 - _SECOND_TITLE_IN * number
        for piece in pieces:
            figure.text(
                x / total,
                y / tall,
                piece.text,
                fontsize=piece.points,
                color=piece.colour,
                fontweight=piece.weight,
                va="center_baseline",
            )
            x += piece.width_in + _PIECE_GAP_IN


def _note_lines(text: str, total: float) -> list[str]:
    return textwrap.wrap(text, max(40, int(total * 25.0)))


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _stress(value: object) -> Stress | None:
    return Stress(value) if isinstance(value, str) and value else None


def _tracks(corpus: Corpus, token_id: str) -> Tracks | None:
    """A token's tracks without reading those of all others; None if not measured."""
    import pandas as pd

    file = corpus.path / TRACKS
    if not file.is_file():
        return None
    rows: pd.DataFrame = pd.read_parquet(file, filters=[("token_id", "==", token_id)])
    return Tracks.from_frame(rows).get(token_id) if len(rows) else None


def _image(corpus: Corpus, run: RelevanceRun, position: int) -> Spectrogram:
    images = corpus.images(run.preset_name)
    same = images.axes.shape == run.axes.shape and (
        np.allclose(images.axes.time_s, run.axes.time_s)
        and np.allclose(images.axes.frequency_hz, run.axes.frequency_hz)
    )
    if not same:
        raise CorpusError(
            f"{run.path}: its maps lie on other axes than the spectrograms of {corpus.path}; "
            "give the corpus that was explained"
        )
    return Spectrogram(np.array(images.values[position]), images.axes, images.mask[position])
