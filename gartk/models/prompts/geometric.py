"""Box and point prompts: analytic planes at patch resolution and one zero-initialised linear layer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn

from gartk.geometry import patch_boxes_norm
from gartk.models.prompts.base import PROMPT_ENCODERS, PromptEncoder, PromptMode, regions_of

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.structures import RegionBatch, TileGrid


class _PlanePrompt(PromptEncoder):
    """Planes per region on the patches of every tile, then a linear layer without bias."""

    num_planes: ClassVar[int]

    def __init__(self, *, embed_dim: int, mode: PromptMode = "union", num_identities: int = 16) -> None:
        super().__init__(mode=mode, num_identities=num_identities)
        self.linear = nn.Linear(self.num_slots * self.num_planes, embed_dim, bias=False)
        nn.init.zeros_(self.linear.weight)

    def forward(self, regions: RegionBatch, grids: Sequence[TileGrid]) -> Tensor:
        """Embed the prompts of all images."""
        rows = []
        for image, grid in enumerate(grids):
            index = regions_of(regions, image)
            patches = patch_boxes_norm(grid).to(regions.boxes_norm)
            planes = self.planes(regions, index, patches)
            slots = self.slot_planes(planes, regions.prompt_index[index])
            rows.append(slots.movedim(1, 2).flatten(2).flatten(0, 1))
        return self.linear(torch.cat(rows).to(self.linear.weight.dtype))

    @abstractmethod
    def planes(self, regions: RegionBatch, index: Tensor, patches: Tensor) -> Tensor:
        """Planes of some regions: patches (T, N, 4) -> (R, T, N, num_planes)."""


@PROMPT_ENCODERS.register()
class BoxPrompt(_PlanePrompt):
    """Which part of each patch a box covers, and where in the box the patch lies (x and y, 0..1).

    Shapes: boxes (K, 4) normalised -> packed patches (N, embed_dim).
    """

    num_planes: ClassVar[int] = 3

    def planes(self, regions: RegionBatch, index: Tensor, patches: Tensor) -> Tensor:
        """Coverage, and coverage times the relative position."""
        boxes = regions.boxes_norm[index][:, None, None]
        low = torch.maximum(boxes[..., :2], patches[..., :2])
        high = torch.minimum(boxes[..., 2:], patches[..., 2:])
        size = patches[..., 2:] - patches[..., :2]
        coverage = ((high - low).clamp(min=0) / size).prod(-1, keepdim=True)
        middle = (patches[..., :2] + patches[..., 2:]) / 2
        extent = (boxes[..., 2:] - boxes[..., :2]).clamp(min=1e-6)
        relative = ((middle - boxes[..., :2]) / extent).clamp(0, 1)
        return torch.cat([coverage, coverage * relative], -1)


@PROMPT_ENCODERS.register()
class PointPrompt(_PlanePrompt):
    """A Gaussian around each point, one patch wide; inside and outside points in planes of their own.

    A region without points is shown by one point inside its mask.

    Shapes: points (P, 3) normalised x, y, label -> packed patches (N, embed_dim).
    """

    num_planes: ClassVar[int] = 2

    def planes(self, regions: RegionBatch, index: Tensor, patches: Tensor) -> Tensor:
        """Largest response over a region's inside points and over its outside points."""
        middle = (patches[..., :2] + patches[..., 2:]) / 2
        size = patches[..., 2:] - patches[..., :2]
        out = middle.new_zeros((len(index), *middle.shape[:-1], 2))
        for row, region in enumerate(index.tolist()):
            for plane, label in enumerate((1, 0)):
                points = regions.points[region].to(middle)
                points = points[points[:, 2] == label, :2]
                if len(points):
                    steps = (middle[:, :, None] - points) / size[:, :, None]
                    out[row, ..., plane] = torch.exp(-0.5 * steps.square().sum(-1)).amax(-1)
        return out
