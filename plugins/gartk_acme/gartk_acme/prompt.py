"""A prompt encoder: how much of a patch a region covers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gartk.models.prompts import PromptEncoder
from gartk.models.prompts.base import regions_of
from gartk.structures import RegionBatch, TileGrid


class SharePrompt(PromptEncoder):
    """A learnt vector on every patch, times the share of the patch that the masks cover.

    Shapes: masks (R, T, h, w) per image -> packed patches (N, embed_dim).
    """

    def __init__(self, *, embed_dim: int, patch_px: int) -> None:
        super().__init__()
        self.patch_px = patch_px
        self.vector = nn.Parameter(torch.zeros(embed_dim))

    def forward(self, regions: RegionBatch, grids: Sequence[TileGrid]) -> Tensor:
        """Embed the masks of all images."""
        shares = []
        for image, masks in enumerate(regions.masks):
            prompt_index = regions.prompt_index[regions_of(regions, image)]
            plane = self.slot_planes(masks.to(self.vector.dtype), prompt_index)
            shares.append(F.avg_pool2d(plane, self.patch_px).flatten())
        return torch.cat(shares)[:, None] * self.vector
