"""What all networks share: they refuse images of a shape they were not built for."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from stressnet.errors import ConfigError

OtherLengths = Literal["refused", "shorter", "any"]

FEWEST_FRAMES = 32
"""No network takes shorter images than this."""


def require_size(name: str, smallest: int, n_bins: int, n_frames: int) -> None:
    """Raise :class:`ConfigError` if images have a side that is too short for a network."""
    if min(n_bins, n_frames) < smallest:
        raise ConfigError(
            f"{name} needs images of at least {smallest} x {smallest}, not {n_bins} x {n_frames}"
        )


class Network(nn.Sequential):
    """A list of named layers that checks the shape of its input.

    Poolings drop what does not fill their last window, so a network fed a longer image than it was
    built for might not fail but quietly read less of it. Hence this check.
    """

    def built_for(
        self, name: str, n_bins: int, n_frames: int, other_lengths: OtherLengths = "refused"
    ) -> Network:
        """Say what the network takes; returns the network.

        ``other_lengths``: whether images with fewer frames (``shorter``), or any number of frames
        that the layers allow (``any``), are taken too.
        """
        self.name, self.n_bins, self.n_frames = name, n_bins, n_frames
        self.other_lengths = other_lengths
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(batch, n_classes)`` of images ``(batch, 1, n_bins, n_frames)``.

        Raises :class:`ConfigError` if the images have another shape than the network takes.
        """
        if hasattr(self, "n_bins"):  # slices of a network take anything
            self._check(tuple(x.shape))
        return super().forward(x)

    def _check(self, shape: tuple[int, ...]) -> None:
        fits = len(shape) == 4 and shape[1:3] == (1, self.n_bins)
        if fits and shape[3] != self.n_frames:
            fits = shape[3] >= FEWEST_FRAMES and (
                self.other_lengths == "any"
                or (self.other_lengths == "shorter" and shape[3] < self.n_frames)
            )
        if not fits:
            frames = {
                "refused": f"{self.n_frames}",
                "shorter": f"{FEWEST_FRAMES} to {self.n_frames}",
                "any": f"at least {FEWEST_FRAMES}",
            }[self.other_lengths]
            raise ConfigError(
                f"{self.name} takes images of 1 x {self.n_bins} bins x {frames} frames, not "
                f"{' x '.join(map(str, shape[1:]))}; use the preset it was built for"
            )
