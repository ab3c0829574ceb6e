"""The vowel space, F1 against F2 as phoneticians draw it, coloured by relevance."""

from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes as Ax
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from stressnet.corpus.store import TRACKS, Corpus
from stressnet.errors import ConfigError, CorpusError, check_names, require_columns
from stressnet.lexicon.pronunciation import bare
from stressnet.lexicon.stress import Stress
from stressnet.report.grid import blank, labelled_panels
from stressnet.report.ipa import to_ipa
from stressnet.report.names import count_of
from stressnet.report.run import RelevanceRun
from stressnet.report.style import Width, style, width_in
from stressnet.runs.tables import read_table

MIDDLE = 0.5  # Part of a vowel around its middle whose median formants stand for the vowel
MIN_TOKENS = 5  # A vowel with fewer tokens gets no mean

MEASURES = {
    "density": "density of relevance in the vowel\n(1 = spread evenly over the sound)",
    "ratio": "density of relevance in the vowel\nre its null",
}
_RANGE_LOG2 = 3.0
_TICKS_HZ = {
    "x": (600, 800, 1000, 1250, 1500, 2000, 2500, 3000),
    "y": (200, 300, 400, 500, 600, 700, 800, 1000, 1200),
}
_COLOURS = "PRGn"
_COLUMNS = ("vowel", "stressed", "speaker", "f1_hz", "f2_hz", "density")


def vowel_table(corpus: Corpus, run: RelevanceRun) -> pd.DataFrame:
    """Formants and relevance of every nucleus of a run's tokens.

    Returns one row per nucleus whose token's stress is known: ``token_id``, ``word``, ``speaker``,
    ``stress``, ``syllable`` (1 or 2), ``vowel`` (ARPAbet, with its digit if it is a schwa),
    ``stressed``, ``f1_hz``, ``f2_hz`` (medians over the middle half; NaN if not measured),
    ``density``, ``null_density``.
    """
    if run.relevance is None:
        raise CorpusError(f"{run.path}: has no relevance.parquet; run explain again")
    tokens = corpus.tokens[corpus.tokens["token_id"].isin(run.tokens["token_id"])]
    tokens = tokens[tokens["stress"].notna()]
    parts = []
    for k, stress in enumerate((Stress.INITIAL, Stress.FINAL), start=1):
        start_s, end_s = (
            tokens[f"nucleus_{k}_{edge}_s"] - tokens["start_s"] for edge in ("start", "end")
        )
        part = tokens[["token_id", "word", "speaker", "stress"]].assign(
            syllable=k,
            # Stress does not make another vowel, except that it tells schwa from AH.
            vowel=[v if v in ("AH0", "ER0") else bare(v) for v in tokens[f"nucleus_{k}"]],
            stressed=tokens["stress"] == stress.value,
            from_s=start_s + (0.5 - MIDDLE / 2) * (end_s - start_s),
            to_s=end_s - (0.5 - MIDDLE / 2) * (end_s - start_s),
        )
        of_region = run.relevance[run.relevance["region"] == f"nucleus_{k}"]
        of_region = of_region.reindex(columns=["token_id", "density", "null_density"])
        parts.append(part.merge(of_region, on="token_id", how="left"))
    table = pd.concat(parts, ignore_index=True)
    return _with_formants(corpus, table).drop(columns=["from_s", "to_s"])


def _with_formants(corpus: Corpus, table: pd.DataFrame) -> pd.DataFrame:
    """Medians of F1 and F2 between ``from_s`` and ``to_s``."""
    file = corpus.path / TRACKS
    if not file.is_file():
        raise CorpusError(f"{corpus.path}: has no {TRACKS}; build the corpus again")
    columns = ["token_id", "time_s", "f1_hz", "f2_hz"]
    tracks = read_table(file, columns, filters=[("track", "==", "formants")])[columns]
    tracks = tracks[tracks["token_id"].isin(table["token_id"])]
    keys = ["token_id", "syllable"]
    frames = tracks.merge(table[[*keys, "from_s", "to_s"]], on="token_id")
    inside = frames["time_s"].between(frames["from_s"], frames["to_s"])
    medians = frames[inside].groupby(keys, observed=True)[["f1_hz", "f2_hz"]].median()
    return table.merge(medians.reset_index(), on=keys, how="left")


def align_speakers(table: pd.DataFrame) -> pd.DataFrame:
    """Formants with the speakers' vocal tracts taken out, still in hertz.

    Each speaker's log F1 and log F2 are shifted so that their common mean over the speaker's
    vowels equals that of all speakers (Nearey 1978, one constant for both formants).
    """
    both = np.log(table[["f1_hz", "f2_hz"]]).mean(axis=1)
    shift = np.exp(both.mean() - both.groupby(table["speaker"]).transform("mean"))
    return table.assign(f1_hz=table["f1_hz"] * shift, f2_hz=table["f2_hz"] * shift)


@style()
def plot_vowel_space(
    table: pd.DataFrame, *, measure: Literal["density", "ratio"] = "density", width: Width = "page"
) -> Figure:
    """F1 against F2 with reversed axes, panels for ``stressed`` and ``unstressed`` vowels.

    Colours are the density of relevance for the word's class in the nucleus, or (``"ratio"``) that
    by its null, on a logarithmic scale around 1: green is more, purple less. A dot per token, a
    symbol at the mean of each vowel with at least :data:`MIN_TOKENS`, of their median colour.
    """
    check_names("measure", [measure], tuple(MEASURES))
    shown = _prepared(table, measure)
    mapped = ScalarMappable(Normalize(-_RANGE_LOG2, _RANGE_LOG2), _COLOURS)
    total, names = width_in(width), ("stressed", "unstressed")
    n_columns = 1 if total < 5 else 2
    tall = 1.64 * (total - 1.4) + 1.0 if n_columns == 1 else 0.41 * (total - 1.5) + 0.75
    figure = blank(total, tall)
    panels = labelled_panels(figure, names, n_columns, sharex=True, sharey=True)
    for ax, name in zip(panels, names, strict=True):
        _draw(ax, shown[shown["stressed"] == (name == "stressed")], mapped)
    _limits(panels[0], shown)
    figure.supylabel("F1 (Hz)", fontsize=7.0)
    figure.supxlabel("F2 (Hz), speakers aligned", fontsize=7.0)
    ticks = list(range(-3, 4))
    bar = figure.colorbar(mapped, ax=panels, ticks=ticks, extend="both", shrink=0.84, aspect=24)
    bar.set_ticklabels([f"{2**t}" if t >= 0 else f"1/{2**-t}" for t in ticks])
    bar.set_label(MEASURES[measure], fontsize=6.0, linespacing=1.1)
    return figure


def _prepared(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Vowels that have formants and relevance, with ``colour`` as a binary logarithm."""
    require_columns(table, _COLUMNS, "table of vowels")
    value = table["density"].to_numpy(np.float64)
    if measure == "ratio":
        require_columns(table, ["null_density"], "table of vowels")
        null = table["null_density"].to_numpy(np.float64)
        value = np.divide(value, null, out=np.full(len(table), np.nan), where=null > 0)
    formants = table[["f1_hz", "f2_hz"]].to_numpy(np.float64)
    keep = np.isfinite(value) & (np.nan_to_num(formants, nan=-1.0) > 0).all(axis=1)
    if not keep.any():
        raise ConfigError("no vowel has both formants and relevance; nothing to draw")
    return align_speakers(table[keep].assign(colour=np.log2(np.maximum(value[keep], 1e-3))))


def _draw(ax: Ax, vowels: pd.DataFrame, mapped: ScalarMappable) -> None:
    colours = mapped.to_rgba(vowels["colour"].to_numpy(np.float64))
    ax.scatter(vowels["f2_hz"], vowels["f1_hz"], s=3.5, c=colours, alpha=0.55, linewidths=0)
    for vowel, part in vowels.groupby("vowel"):
        if len(part) < MIN_TOKENS:
            continue
        at = part["f2_hz"].mean(), part["f1_hz"].mean()
        red, green, blue = mapped.to_rgba(np.array([part["colour"].median()]))[0][:3]
        dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
        disc = {"boxstyle": "circle,pad=0.14", "edgecolor": "black", "linewidth": 0.5}
        look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7.0, "zorder": 5}
        look["bbox"] = {**disc, "facecolor": (red, green, blue)}
        ax.annotate(to_ipa(str(vowel)), at, color="white" if dark else "black", **look)
    name = ax.get_label()
    n = f"{count_of(len(vowels), 'vowel')}, {count_of(vowels['speaker'].nunique(), 'speaker')}"
    ax.set_title(f"{name}  ({n})", fontsize=7, loc="left", pad=4)


def _limits(ax: Ax, vowels: pd.DataFrame) -> None:
    """Reversed, logarithmic axes that hold all but stray measurements."""
    for name, column in (("x", "f2_hz"), ("y", "f1_hz")):
        low, high = np.percentile(vowels[column], (0.5, 99.5)) * (1 / 1.06, 1.06)
        ax.set(**{f"{name}scale": "log"})
        axis = getattr(ax, f"{name}axis")
        axis.set_major_locator(FixedLocator([t for t in _TICKS_HZ[name] if low <= t <= high]))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter("{x:.0f}")
        ax.set(**{f"{name}lim": (high, low)})
