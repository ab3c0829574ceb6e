"""``stressnet models``: what each network is, costs, sees and suits."""

from __future__ import annotations

from stressnet.acoustics.spectrogram import SpectrogramPreset, get_preset
from stressnet.models.registry import MODELS, describe, get_spec

_HEADER = (
    f"{'network':<12}{'parameters':>11}{'MACs':>8}{'receptive field':>20}  {'input (preset)':<26}"
    f"{'recipe':<19}{'LRP rules':<18}summary"
)


def models_text(preset: str | None = None) -> str:
    """One line per network, for images of its usual preset or of the given one."""
    lines = [_HEADER]
    for name, spec in MODELS.items():
        kind = get_preset(preset or spec.preset)
        found = describe(name, *kind.shape)
        macs = found.n_macs
        amount = f"{macs / 1e9:.1f} G" if macs >= 1e9 else f"{macs / 1e6:.0f} M"
        lines.append(
            f"{name:<12}{found.n_parameters / 1e6:>9.2f} M{amount:>8}"
            f"{_reach(name, kind):>20}  "
            f"{f'{kind.n_bins} x {kind.n_frames} ({kind.name})':<26}"
            f"{spec.recipe:<19}{spec.composite:<18}{spec.summary}"
        )
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
