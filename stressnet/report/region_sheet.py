"""``stressnet regions``: what regions there are, and a picture of each on one token."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from stressnet.axes import cell_edges
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError
from stressnet.regions import REGIONS, BandRule, Missing, get_regions, load_regions
from stressnet.regions.from_corpus import SceneReader
from stressnet.regions.scene import Scene
from stressnet.report.grid import blank
from stressnet.report.style import BOUNDARY_COLOUR, FORMANT_COLOUR, FORMATS, PITCH_COLOUR, style

N_COLUMNS = 8, 4  # Panels beside each other, of all regions and of up to 15 that were named
WIDTH_IN = 10.0, 5.0
ROW_IN = 1.02
MASK_COLOUR = "#e8590c"
N_CANDIDATES = 200  # Tokens among which one with many regions is looked for


def regions_text(region_files: Sequence[Path] = ()) -> str:
    """All regions, their definitions, and where their nulls come from."""
    for file in region_files:
        load_regions(file)
    width = max(len(name) for name in REGIONS)
    lines = [f"{'region':<{width}}  {'null':<7} definition"]
    lines += [
        f"{item.name:<{width}}  {item.exchange:<7} {item.definition}" for item in REGIONS.values()
    ]
    return "\n".join(lines)


@style()
def draw_regions(
    corpus_path: Path,
    figure_path: Path,
    *,
    token: str = "",
    preset: str | None = None,
    bands: str = "fixed-hz",
    region_files: Sequence[Path] = (),
    names: Sequence[str] = (),
) -> str:
    """Draw every region of a token into a file, and say which token that was.

    ``token``: part of the token's id; if empty, the token that has most regions among the first
    ones. ``preset``: spectrogram preset; the first of the corpus if left out. ``names``: regions to
    draw; all if empty.
    """
    if figure_path.suffix.removeprefix(".") not in FORMATS:
        raise ConfigError(f"{figure_path}: figures are written as {', '.join(FORMATS)}")
    for file in region_files:
        load_regions(file)
    corpus = Corpus.of_any_length(corpus_path)
    presets = corpus.presets()
    if not presets:
        raise CorpusError(f"{corpus_path}: has no spectrograms; build it with a preset")
    own = "stressnet" if "stressnet" in presets else presets[0]
    reader = SceneReader(corpus, preset or own, BandRule.parse(bands))
    token_id = _find_token(reader, token)
    values = np.array(reader.images.values[reader.image_index(token_id)])
    figure = region_sheet(reader.scene(token_id), values, names)
    figure_path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(figure_path)
    return token_id


def region_sheet(scene: Scene, values: Any, names: Sequence[str] = ()) -> Figure:
    """One panel per region: its mask over the spectrogram, or why the token does not have it."""
    regions = get_regions(names or None, n_syllables=len(scene.times.nuclei))
    size = int(0 < len(names) < 16)
    n_columns = N_COLUMNS[size]
    n_rows = -(-(len(regions) + 1) // n_columns)
    figure = blank(WIDTH_IN[size], ROW_IN * n_rows + 0.35)
    panels = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True).ravel()
    _draw_token(panels[0], scene, values)
    for ax, region in zip(panels[1:], regions, strict=False):
        mask = region.mask(scene)
        _draw_image(ax, scene, values, faint=isinstance(mask, Missing))
        ax.set_title(region.name, fontsize=5.5 if len(region.name) < 24 else 4.5, pad=2)
        if isinstance(mask, Missing):
            reason, middle = textwrap.fill(mask.reason, 22), {"ha": "center", "va": "center"}
            ax.text(0.5, 0.5, reason, transform=ax.transAxes, fontsize=4.6, **middle)
        else:
            layer = np.zeros((*mask.shape, 4))
            layer[..., :3] = to_rgb(MASK_COLOUR)
            layer[..., 3] = 0.72 * np.clip(mask, 0, 1)
            _show(ax, scene, layer)
    for ax in panels[len(regions) + 1 :]:
        ax.set_visible(False)
    for place, ax in enumerate(panels):
        ax.tick_params(labelsize=5, length=1.5, pad=1)
        first_column, last_row = place % n_columns == 0, place + n_columns > len(regions)
        ax.tick_params(labelleft=first_column, labelbottom=last_row)
    figure.supxlabel("time from the word's onset (s)", fontsize=6.5)
    figure.supylabel("frequency (kHz)", fontsize=6.5)
    return figure


def _find_token(reader: Any, text: str) -> str:
    ids = [str(token_id) for token_id in reader.corpus.tokens["token_id"]]
    if text:
        if not (matching := [token_id for token_id in ids if text in token_id]):
            raise CorpusError(f"{reader.corpus.path}: no token whose id holds '{text}'")
        return matching[0]

    def n_present(token_id: str) -> int:
        scene = reader.scene(token_id)
        regions = get_regions(n_syllables=len(scene.times.nuclei))
        return sum(not isinstance(region.mask(scene), Missing) for region in regions)

    return max(ids[:N_CANDIDATES], key=n_present)


def _show(ax: Any, scene: Scene, cells: Any, **look: Any) -> None:
    """Cells at their seconds and kilohertz."""
    time_s, khz = cell_edges(scene.axes.time_s), cell_edges(scene.axes.frequency_hz) / 1000
    extent = time_s[0], time_s[-1], khz[0], khz[-1]
    look |= {"origin": "lower", "aspect": "auto", "interpolation": "nearest"}
    ax.imshow(cells, extent=extent, **look)


def _draw_image(ax: Any, scene: Scene, values: Any, *, faint: bool = False) -> None:
    low, high = np.quantile(values[:, scene.sound], (0.25, 0.99)).astype(float)
    limits = {"vmin": low, "vmax": high * (3.0 if faint else 1.1)}
    _show(ax, scene, values, cmap="Greys", **limits)
    # Padding is half of many images; a little of it is enough to show its region.
    last_s = scene.axes.time_s[np.flatnonzero(scene.sound)[-1]]
    ax.set_xlim(scene.axes.time_s[0], min(last_s + 0.06, scene.axes.time_s[-1]))
    ax.set_ylim(0, scene.axes.frequency_hz[-1] / 1000)


def _draw_token(ax: Any, scene: Scene, values: Any) -> None:
    """The token itself: phones, formants, F0."""
    _draw_image(ax, scene, values)
    inside = scene.nuclei_cover.sum(axis=0) > 0
    time_s = scene.axes.time_s
    for track in scene.formants_at_frames[0]:
        ax.plot(time_s[inside], track[inside] / 1000, ".", color=FORMANT_COLOUR, markersize=1)
    f0_hz = scene.f0_at_frames
    ax.plot(time_s[inside], f0_hz[inside] / 1000, ".", color=PITCH_COLOUR, markersize=1)
    top = scene.axes.frequency_hz[-1] / 1000
    for phone in scene.times.phones:
        ax.axvline(phone.start_s, color=BOUNDARY_COLOUR, linewidth=0.4)
        look = {"fontsize": 4.2, "ha": "center", "va": "top", "rotation": 90}
        ax.text(phone.middle_s, 0.985 * top, phone.label, **look)
    ax.axvline(scene.times.word.end_s, color=BOUNDARY_COLOUR, linewidth=0.4)
    ax.set_title(f"{scene.times.word.label}: formants, F0", fontsize=5.5, pad=2)
