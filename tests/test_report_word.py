"""The word's picture: what is at a time and a frequency stands there in every panel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from report_runs import make_run

from stressnet.acoustics.spectrogram import compute, get_preset
from stressnet.acoustics.track_types import FormantTrack, PitchTrack, Tracks
from stressnet.audio import Audio
from stressnet.axes import Axes
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError
from stressnet.intervals import Interval
from stressnet.lexicon.stress import Stress
from stressnet.regions.scene import TokenTimes
from stressnet.report import layers
from stressnet.report.layers import wide_band
from stressnet.report.run import RelevanceRun
from stressnet.report.word import WordData, caption, plot_word, word_data

ORIGIN_S, WORD_S = 0.25, 0.40
BURST_S, BURST_HZ = 0.215, 2000.0  # middle of a 30 ms tone, seconds from the word's onset


def tone_burst() -> Audio:
    """0.9 s of faint noise with one short tone."""
    rate = 16_000
    time_s = np.arange(round(0.9 * rate)) / rate - ORIGIN_S
    samples = 1e-4 * np.random.default_rng(0).standard_normal(len(time_s))
    samples += 0.3 * np.sin(2 * np.pi * BURST_HZ * time_s) * (np.abs(time_s - BURST_S) <= 0.015)
    return Audio(samples.astype(np.float32), rate)


@pytest.fixture(scope="module")
def word() -> WordData:
    audio = tone_burst()
    image = compute(
        get_preset("stressnet"), audio.samples, audio.rate_hz, ORIGIN_S, ORIGIN_S + WORD_S
    )
    relevance = np.zeros(image.axes.shape)
    near = np.outer(
        np.abs(image.axes.frequency_hz - BURST_HZ) <= 60,
        np.abs(image.axes.time_s - BURST_S) <= 0.01,
    )
    relevance[near] = -0.5
    phones = [
        ("R", 0, 0.06),
        ("EH1", 0.06, 0.14),
        ("K", 0.14, 0.17),
        ("ER0", 0.17, 0.33),
        ("D", 0.33, 0.4),
    ]
    intervals = tuple(Interval(a, b, label) for label, a, b in phones)
    grid = np.arange(-0.2, 0.6, 0.005)
    formants = np.repeat(np.array([500.0, 1500, 2500, 3500])[:, None], len(grid), axis=1)
    f0_hz = np.where((grid > 0.05) & (grid < 0.3), 120.0, np.nan)
    return WordData(
        token_id="utt_000_RECORD",
        word="RECORD",
        speaker="anna",
        times=TokenTimes.from_phones(intervals, (1, 3), (0, 2), Stress.INITIAL),
        audio=audio,
        origin_s=ORIGIN_S,
        tracks=Tracks(
            FormantTrack(grid, formants, np.full_like(formants, 80.0)), PitchTrack(grid, f0_hz)
        ),
        image=image,
        relevance=relevance,
        said=Stress.FINAL,
        probability=0.8,
        composite="epsilon-plus",
        image_name="stressnet",
    )


def panel(figure: Figure, name: str):
    return next(ax for ax in figure.axes if ax.get_label() == name)


def names(figure: Figure) -> list[str]:
    return [ax.get_label() for ax in figure.axes]


def texts(ax) -> list[str]:
    return [t.get_text() for t in ax.texts]


def pixels(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(float) / 255


def pixel_at(figure: Figure, ax, time_s: float, frequency_hz: float) -> np.ndarray:
    image = pixels(figure)
    x, y = ax.transData.transform((time_s, frequency_hz))
    return image[image.shape[0] - 1 - round(y), round(x)]


def test_panels_share_one_time_axis(word: WordData) -> None:
    figure = plot_word(word)
    shared = ["waveform", "spectrogram", "relevance", "phones", "syllables", "word"]
    assert set(names(figure)) == {*shared, "pitch", "colour bar"}
    limits = {panel(figure, name).get_xlim() for name in [*shared, "pitch"]}
    assert len(limits) == 1
    assert limits.pop() == pytest.approx((-0.1, WORD_S + 0.1))
    left = {round(panel(figure, name).get_position().x0, 6) for name in shared}
    right = {round(panel(figure, name).get_position().x1, 6) for name in shared}
    assert len(left) == len(right) == 1


def test_a_blob_is_drawn_at_its_time_and_frequency(word: WordData) -> None:
    figure = plot_word(word)
    ax = panel(figure, "relevance")
    here = pixel_at(figure, ax, BURST_S, BURST_HZ)
    assert here[2] > here[0] + 0.2  # negative relevance: cool
    for time_s, hz in ((BURST_S, 4000.0), (0.1, BURST_HZ), (BURST_S + 0.05, BURST_HZ)):
        elsewhere = pixel_at(figure, ax, time_s, hz)
        assert np.ptp(elsewhere) < 0.05  # grey: zero relevance is transparent


def test_positive_blob_is_warm(word: WordData) -> None:
    figure = plot_word(replace(word, relevance=-word.relevance))
    here = pixel_at(figure, panel(figure, "relevance"), BURST_S, BURST_HZ)
    assert here[0] > here[2] + 0.2


def test_sound_spectrogram_and_network_image_show_the_burst_at_one_place(word: WordData) -> None:
    figure = plot_word(replace(word, tracks=None, relevance=None))
    image = pixels(figure)
    for name in ("spectrogram", "relevance"):
        transform = panel(figure, name).transData
        # Around the burst, far from any boundary; centre of what is dark, in seconds and hertz.
        x0, y0 = transform.transform((BURST_S - 0.035, BURST_HZ - 1000))
        x1, y1 = transform.transform((BURST_S + 0.035, BURST_HZ + 1000))
        top = image.shape[0] - round(y1)
        part = 1 - image[top : image.shape[0] - round(y0), round(x0) : round(x1)].mean(axis=2)
        dark = np.where(part > 0.5 * part.max(), part, 0)
        row = (dark.sum(axis=1) @ np.arange(len(dark))) / dark.sum()
        column = (dark.sum(axis=0) @ np.arange(dark.shape[1])) / dark.sum()
        pixel = (round(x0) + column + 0.5, image.shape[0] - (top + row + 0.5))
        time_s, hz = transform.inverted().transform(pixel)
        assert time_s == pytest.approx(BURST_S, abs=0.005)
        assert hz == pytest.approx(BURST_HZ, abs=100)


def test_meshes_have_the_axes_of_their_data(word: WordData) -> None:
    figure = plot_word(word)
    grey, overlay = [c for c in panel(figure, "relevance").collections if isinstance(c, QuadMesh)]
    for mesh in (grey, overlay):
        corners = mesh.get_coordinates()
        middle = 0.25 * (corners[1:, 1:] + corners[:-1, :-1] + corners[1:, :-1] + corners[:-1, 1:])
        np.testing.assert_allclose(middle[0, :, 0], word.image.axes.time_s, atol=1e-9)
        np.testing.assert_allclose(middle[:, 0, 1], word.image.axes.frequency_hz, atol=1e-6)
    np.testing.assert_array_equal(np.asarray(overlay.get_array()), word.relevance)
    assert overlay.get_clim() == pytest.approx((-0.5, 0.5))
    assert overlay.get_rasterized()


def test_wide_band_spectrogram_finds_the_tone(word: WordData) -> None:
    level_db, axes = wide_band(word.audio)
    row, column = np.unravel_index(level_db.argmax(), level_db.shape)
    assert axes.frequency_hz[row] == pytest.approx(BURST_HZ, abs=60)
    assert axes.time_s[column] - ORIGIN_S == pytest.approx(BURST_S, abs=0.015)
    with pytest.raises(ConfigError, match="too short"):
        wide_band(Audio(word.audio.samples[:100], 16_000))


def test_tiers_in_ipa_or_arpabet(word: WordData) -> None:
    figure = plot_word(word)
    assert texts(panel(figure, "phones")) == ["ɹ", "ɛ", "k", "ɚ", "d"]
    assert texts(panel(figure, "syllables")) == ["ˈɹɛ", "kɚd"]
    assert texts(panel(figure, "word")) == ["record"]
    weights = [t.get_fontweight() for t in panel(figure, "syllables").texts]
    assert weights == ["bold", "normal"]
    assert texts(panel(plot_word(word, ipa=False), "phones")) == ["R", "EH1", "K", "ER0", "D"]


def test_labels_lie_inside_their_intervals(word: WordData) -> None:
    for width in ("page", "column"):
        figure = plot_word(word, width=width)
        FigureCanvasAgg(figure).draw()
        ax = panel(figure, "phones")
        for text, phone in zip(ax.texts, word.times.phones, strict=True):
            box = text.get_window_extent().transformed(ax.transData.inverted())
            assert phone.start_s <= box.x0 and box.x1 <= phone.end_s


def test_nothing_runs_over_the_edge_or_into_a_neighbour(word: WordData) -> None:
    long = replace(word, word="EXTRAORDINARY", speaker="a-long-speaker-name", probability=0.9999)
    for width in ("page", "column"):
        figure = plot_word(long, width=width)
        FigureCanvasAgg(figure).draw()
        boxes = [t.get_window_extent() for t in figure.texts if t.get_text()]
        assert all(b.x0 >= 0 and b.x1 <= figure.bbox.x1 and b.y0 >= 0 for b in boxes)
        for i, one in enumerate(boxes):
            assert not any(one.overlaps(other) for other in boxes[i + 1 :])


def test_boundaries_cross_all_panels_but_no_label(word: WordData) -> None:
    figure = plot_word(word)
    lines = {round(float(line.get_xdata()[0]), 3): line.get_ydata() for line in figure.artists}
    assert sorted(lines) == [0.0, 0.06, 0.14, 0.17, 0.33, 0.4]
    top = panel(figure, "waveform").get_position().y1
    lowest = {0.0: "word", 0.4: "word", 0.14: "syllables", 0.17: "phones"}
    for time_s, name in lowest.items():
        assert lines[time_s] == pytest.approx([panel(figure, name).get_position().y0, top])


def test_titles_say_who_and_whether_right(word: WordData) -> None:
    shown = [t.get_text() for t in plot_word(word).texts]
    assert "record" in shown
    assert "speaker anna" in shown
    assert "INITIAL stress" in shown
    assert "network: FINAL, p = 0.80 ✗" in shown
    right = replace(word, said=Stress.INITIAL, probability=0.9999)
    assert "network: INITIAL, p > 0.99 ✓" in [t.get_text() for t in plot_word(right).texts]


def test_pitch_axis_is_logarithmic_and_holds_the_track(word: WordData) -> None:
    ax = panel(plot_word(word), "pitch")
    assert ax.get_yscale() == "log"
    assert ax.get_ylim() == pytest.approx((75, 500))
    deep = replace(
        word.tracks, pitch=PitchTrack(word.tracks.pitch.time_s, word.tracks.pitch.f0_hz / 2)
    )
    assert panel(plot_word(replace(word, tracks=deep)), "pitch").get_ylim()[0] < 60


def test_formants_only_where_there_is_sound(word: WordData) -> None:
    figure = Figure()
    ax = figure.add_subplot()
    layers.draw_formants(ax, word.tracks.formants)
    everywhere = len(ax.collections[0].get_offsets())
    ax.clear()
    layers.draw_formants(ax, word.tracks.formants, word.audio, word.origin_s)
    times = ax.collections[0].get_offsets()[:, 0]
    assert 0 < len(times) < everywhere
    assert np.all(np.abs(times - BURST_S) < 0.03)


def test_colour_bar_states_unit_and_is_symmetric(word: WordData) -> None:
    figure = plot_word(replace(word, relevance=word.relevance * 1e-3))
    bar = panel(figure, "colour bar")
    assert bar.get_ylabel() == "relevance (10⁻⁴ logits/cell)"
    low, high = bar.get_ylim()
    assert low == pytest.approx(-high)
    shown = [t.get_text() for t in figure.texts]
    assert "INITIAL" in shown and "FINAL" in shown


def test_caption_states_scale_sum_and_what_is_not_shown(word: WordData) -> None:
    relevance = np.array(word.relevance)
    total = np.abs(relevance).sum()
    relevance[0, -1] = total  # in the padding, far to the right
    text = caption(replace(word, relevance=relevance), limit=0.25)
    assert "±0.25" in text
    assert "epsilon-plus" in text
    assert "50 % of |R| lies outside the time shown" in text
    assert "Sum over the image −0.00 logits" in text or "+0.00 logits" in text
    assert "0 % of |R|" in caption(replace(word, relevance=relevance), whole_image=True)
    assert "Relevance" not in caption(replace(word, relevance=None))


def test_whole_image_shows_the_padding(word: WordData) -> None:
    figure = plot_word(word, whole_image=True)
    assert panel(figure, "relevance").get_xlim()[1] == pytest.approx(0.975)
    hatched = [p for p in panel(figure, "relevance").patches if p.get_hatch()]
    assert len(hatched) == 1
    assert hatched[0].get_x() == pytest.approx(WORD_S + 0.03, abs=0.011)


def test_parts_that_are_missing_are_left_out(word: WordData) -> None:
    bare = replace(
        word,
        tracks=None,
        image=None,
        relevance=None,
        times=replace(word.times, stress=None),
        said=None,
    )
    figure = plot_word(bare, width="column", note=False)
    assert names(figure) == ["waveform", "spectrogram", "phones", "syllables", "word"]


def test_an_empty_map_and_a_silent_track_are_drawn(word: WordData) -> None:
    silent = Tracks.missing()
    figure = plot_word(replace(word, relevance=np.zeros(word.image.axes.shape), tracks=silent))
    assert "relevance" in names(figure)


def test_misfits_are_refused_in_one_line(word: WordData) -> None:
    with pytest.raises(ConfigError, match=r"utt_000_RECORD: relevance has shape \(3, 4\)"):
        replace(word, relevance=np.zeros((3, 4)))
    with pytest.raises(ConfigError, match="needs the image"):
        replace(word, image=None)
    with pytest.raises(ConfigError, match="no figure width 'huge'"):
        plot_word(word, width="huge")
    axes = Axes(np.arange(3.0), np.arange(4.0))
    with pytest.raises(ConfigError, match="relevance has shape"):
        layers.draw_relevance(Figure().add_subplot(), np.zeros((3, 4)), axes)


@pytest.fixture(scope="module")
def run_folder(make_corpus, tmp_path_factory) -> Path:
    return make_run(make_corpus, tmp_path_factory.getbasetemp() / "report-run")


def test_loader_gathers_one_token(run_folder: Path) -> None:
    run = RelevanceRun.open(run_folder)
    corpus = run.open_corpus()
    token = corpus.tokens.iloc[3]
    data = word_data(corpus, run, token["token_id"])
    assert data.word == token["word"]
    assert data.times.word.end_s == pytest.approx(token["duration_s"])
    assert data.times.phones[0].start_s == pytest.approx(0.0)
    assert data.origin_s == pytest.approx(token["start_s"] - token["excerpt_start_s"])
    labels = [p.label for p in data.times.phones]
    assert [p.label for k in (0, 1) for p in data.times.phones_of(k)] == labels
    np.testing.assert_array_equal(data.relevance, np.load(run_folder / "maps.npy")[3])
    np.testing.assert_array_equal(data.image.values, corpus.images("stressnet").values[3])
    assert data.tracks is not None and len(data.tracks.formants.time_s)
    assert data.composite == "by hand"
    without = word_data(corpus, None, token["token_id"])
    assert without.image is None and without.relevance is None


def test_loader_names_what_is_wrong(run_folder: Path, tmp_path: Path) -> None:
    run = RelevanceRun.open(run_folder)
    corpus = run.open_corpus()
    with pytest.raises(CorpusError, match="no token 'nobody'"):
        word_data(corpus, run, "nobody")
    some = replace(run, tokens=run.tokens.iloc[1:].reset_index(drop=True))
    with pytest.raises(CorpusError, match="no map of token"):
        word_data(corpus, some, corpus.tokens["token_id"].iloc[0])
    shifted = replace(run, axes=run.axes.shifted(0.1))
    with pytest.raises(CorpusError, match="other axes"):
        word_data(corpus, shifted, corpus.tokens["token_id"].iloc[0])
    with pytest.raises(CorpusError, match=r"manifest\.json is missing"):
        RelevanceRun.open(tmp_path)
    with pytest.raises(CorpusError, match="holds a corpus folder"):
        RelevanceRun.open(Corpus.open(corpus.path).path)
