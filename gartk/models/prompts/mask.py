"""Mask prompts: one convolution at patch size, as in the paper's release."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import nn

from gartk.models.prompts.base import PromptEncoder, PromptMode, regions_of
from gartk.registry import PROMPT_ENCODERS

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.structures import RegionBatch, TileGrid


@PROMPT_ENCODERS.register()
class MaskPrompt(PromptEncoder):
    """One zero-initialised convolution over the binary masks, kernel and stride of one patch.

    Shapes: masks (R, T, h, w) per image -> packed patches (N, embed_dim).
    Source: Grasp Any Region, 3.2; the release feeds three equal channels, which is the same
    class of functions as one.
    """

    def __init__(
        self, *, embed_dim: int, patch_px: int, mode: PromptMode = "union", num_identities: int = 16
    ) -> None:
        super().__init__(mode=mode, num_identities=num_identities)
        self.conv = nn.Conv2d(self.num_slots, embed_dim, patch_px, stride=patch_px, bias=False)
        nn.init.zeros_(self.conv.weight)

    def forward(self, regions: RegionBatch, grids: Sequence[TileGrid]) -> Tensor:
        """Embed the masks of all images."""
        dtype = self.conv.weight.dtype
        planes = [
            self.slot_planes(masks, regions.prompt_index[regions_of(regions, image)])
            for image, masks in enumerate(regions.masks)
        ]
        alike = [torch.cat(list(same)) for _, same in groupby(planes, lambda plane: plane.shape[-2:])]
        return torch.cat([self.conv(p.to(dtype)).flatten(2).transpose(1, 2).flatten(0, 1) for p in alike])
