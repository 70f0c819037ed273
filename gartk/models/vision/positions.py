"""Where a tower that starts from random weights gets its sense of place from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from gartk.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

# As large as what a fresh patch embedding gives, so that neither drowns the other.
AMPLITUDE = 0.3
# Wavelengths from the side of the image down to a hundredth of that.
CYCLES = 8.0
SPAN = 100.0


def sincos_positions(rows: int, cols: int, width: int) -> Tensor:
    """Sines and cosines of x and of y at geometric wavelengths, a quarter of the width each.

    Shapes: returns (rows * cols, width) in raster order; channels beyond a multiple of four stay 0.
    Source: the fixed two-dimensional position embedding of MAE and its kin, with other wavelengths.
    """
    quarter = width // 4
    rates = CYCLES / SPAN ** (torch.arange(quarter) / max(1, quarter))
    y, x = torch.meshgrid((torch.arange(rows) + 0.5) / rows, (torch.arange(cols) + 0.5) / cols, indexing="ij")
    angles = [place.flatten()[:, None] * rates for place in (x, y)]
    waves = torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], 1)
    out = torch.zeros(rows * cols, width)
    out[:, : waves.shape[1]] = AMPLITUDE * waves
    return out


def start_positions(vit: Any, how: str) -> None:
    """Initialise the position embedding of a fresh timm tower: "random" (timm's own) or "sincos".

    A small tower with random positions all but loses them while it learns what objects look like,
    and then tells places only slowly.

    Raises: ConfigError for another name, or a tower without learned positions.
    """
    if how == "random":
        return
    if how != "sincos":
        raise ConfigError(f"model.vision.positions must be 'random' or 'sincos'; got {how!r}.")
    if getattr(vit, "pos_embed", None) is None:
        raise ConfigError("model.vision.positions is 'sincos', but this tower has no learned positions.")
    rows, cols = vit.patch_embed.grid_size
    with torch.no_grad():
        vit.pos_embed[0, -rows * cols :] = sincos_positions(rows, cols, vit.pos_embed.shape[-1])
