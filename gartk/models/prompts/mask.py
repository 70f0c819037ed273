"""Mask prompts: one convolution at patch size, as in the paper's release."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import nn

from gartk.errors import ConfigError
from gartk.models.prompts.base import PROMPT_ENCODERS, PromptEncoder, PromptMode, regions_of
from gartk.models.weights import load_prefixed

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.structures import RegionBatch, TileGrid

WEIGHT_PREFIXES = ("mask_patch_embedding.",)


@PROMPT_ENCODERS.register()
class MaskPrompt(PromptEncoder):
    """One zero-initialised convolution over the binary masks, kernel and stride of one patch.

    ``in_planes`` feeds every plane that many times. One plane is the same class of functions as several
    equal ones; several keep the weights of the authors' release as they are, and their steps in training.
    ``pretrained`` names a release checkpoint whose mask embedding is loaded.

    Shapes: masks (R, T, h, w) per image -> packed patches (N, embed_dim).
    Raises: ConfigError for no plane; CheckpointError if the weights are missing or of another shape.
    Source: Grasp Any Region, 3.2; the release feeds three equal channels.
    """

    def __init__(
        self,
        *,
        embed_dim: int,
        patch_px: int,
        mode: PromptMode = "union",
        num_identities: int = 16,
        in_planes: int = 1,
        pretrained: str | None = None,
    ) -> None:
        super().__init__(mode=mode, num_identities=num_identities)
        if in_planes < 1:
            raise ConfigError(f"MaskPrompt: in_planes must be at least 1; got {in_planes}.")
        self.in_planes = in_planes
        channels = self.num_slots * in_planes
        self.conv = nn.Conv2d(channels, embed_dim, patch_px, stride=patch_px, bias=False)
        nn.init.zeros_(self.conv.weight)
        if pretrained is not None:
            load_prefixed(self.conv, pretrained, WEIGHT_PREFIXES)

    def forward(self, regions: RegionBatch, grids: Sequence[TileGrid]) -> Tensor:
        """Embed the masks of all images."""
        dtype = self.conv.weight.dtype
        planes = [
            self.slot_planes(masks, regions.prompt_index[regions_of(regions, image)])
            for image, masks in enumerate(regions.masks)
        ]
        if self.in_planes > 1:
            planes = [plane.repeat_interleave(self.in_planes, 1) for plane in planes]
        alike = [torch.cat(list(same)) for _, same in groupby(planes, lambda plane: plane.shape[-2:])]
        return torch.cat([self.conv(p.to(dtype)).flatten(2).transpose(1, 2).flatten(0, 1) for p in alike])
