"""RoI-pooled features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from gartk.models.extractors.base import REGION_EXTRACTORS, RegionExtractor
from gartk.models.extractors.roi_align_replay import boxes_on_maps, output_hw
from gartk.ops.roi import roi_pool

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.models.extractors.views import Views
    from gartk.structures import FeatureMap, RegionBatch


# A border nearer than this to a border of cells, in cells, lies on it: normalised boxes are rounded.
_ROUNDING = 1e-3


@REGION_EXTRACTORS.register()
class RoIPool(RegionExtractor):
    """Takes the maximum over all cells that a region's box touches, or over each bin of them.

    Bins are rounded outwards to whole cells, so that where there are fewer cells than bins, cells repeat.
    The paper does not say how many tokens its RoI-pooled feature has; one is the default,
    ``output_size=16`` gives as many as a replay.

    Shapes: maps (D, H, W) of any sizes, K boxes -> (K, output_size ** 2, D), raster order.
    Units: boxes are normalised; they are scaled to cells once.
    Raises: ConfigError for a bad output size.
    Source: Grasp Any Region, Table 9, row 5; Girshick, Fast R-CNN (2015), 2.1.
    """

    def __init__(self, output_size: int | Sequence[int] = 1, *, backend: str = "auto") -> None:
        super().__init__()
        self.output_size = self.token_hw = output_hw(output_size, type(self).__name__)
        self.backend = backend
        self.num_tokens = self.output_size[0] * self.output_size[1]

    def forward(self, maps: Sequence[FeatureMap], regions: RegionBatch, views: Views | None = None) -> Tensor:
        """Pool every region from its own image's map."""
        tokens = roi_pool(
            [feature_map.data for feature_map in maps],
            touched_cells(boxes_on_maps(maps, regions)),
            self.output_size,
            backend=self.backend,
        )
        return tokens.flatten(2).transpose(1, 2)


def touched_cells(boxes: Tensor) -> Tensor:
    """Round boxes to the first and the last cell that they touch, as RoIPool reads its boxes.

    Shapes: boxes (K, 5) of index, x0, y0, x1, y1; returns the same.
    Units: cells; in continuous, maximum exclusive; out whole cells, maximum inclusive.
    """
    first = (boxes[:, 1:3] + _ROUNDING).floor()
    last = torch.maximum((boxes[:, 3:] - _ROUNDING).ceil() - 1, first)
    return torch.cat([boxes[:, :1], first, last], 1)
