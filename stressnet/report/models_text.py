"""``stressnet models``: what each network is, costs, sees and suits."""

from stressnet.acoustics.spectrogram import SpectrogramPreset, get_preset
from stressnet.models.registry import MODELS, describe, get_spec
from stressnet.report.document import Table


def models_text(preset: str | None = None) -> str:
    """One line per network, for images of its usual preset or of the given one."""
    rows = []
    for name, spec in MODELS.items():
        kind = get_preset(preset or spec.preset)
        found = describe(name, *kind.shape)
        macs = found.n_macs
        amount = f"{macs / 1e9:.1f} G" if macs >= 1e9 else f"{macs / 1e6:.0f} M"
        size = f"{kind.n_bins} x {kind.n_frames} ({kind.name})"
        row = [name, f"{found.n_parameters / 1e6:.2f} M", amount, _reach(name, kind), size]
        rows.append([*row, spec.recipe, spec.composite, spec.summary])
    columns = "network,parameters,MACs,receptive field,input (preset),recipe,LRP rules,summary"
    lines = Table(columns.split(","), rows, flush_left=(0, 4, 5, 6, 7)).lines()
    lines.append(
        "MACs: multiply-accumulates per image. Receptive field: what one unit of the last"
        " convolution sees (whole: all of the image). LRP rules: composite for explain."
    )
    return "\n".join(lines)


def layers_text(name: str, preset: str | None = None) -> str:
    """All layers of a network in order, one per line."""
    kind = get_preset(preset or get_spec(name).preset)
    found = describe(name, *kind.shape)
    return "\n".join(f"{path:<28}{layer}" for path, layer in found.layers)


def _reach(name: str, kind: SpectrogramPreset) -> str:
    """Receptive field in milliseconds and hertz, ``whole`` where nothing is beyond it."""
    found = describe(name, *kind.shape)
    bin_hz = kind.rate_hz / kind.n_fft
    time = f"{found.receptive_field_ms(kind.hop_s, kind.window_s):.0f} ms"
    frequency = f"{found.receptive_field_hz(bin_hz):.0f} Hz"
    if found.receptive_field_frames == kind.n_frames:
        time = "whole"
    if found.receptive_field_bins == kind.n_bins:
        frequency = "whole"
    return f"{time} x {frequency}"
