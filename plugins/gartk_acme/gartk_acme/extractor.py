"""A region extractor: one token for each region."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from gartk.models.extractors import RegionExtractor, Views
from gartk.models.extractors.roi_align_replay import boxes_on_maps
from gartk.ops.roi import roi_align
from gartk.structures import FeatureMap, RegionBatch


class BoxMean(RegionExtractor):
    """The mean of the image's feature map over a region's box.

    Shapes: maps (D, H, W), K regions -> (K, 1, D).
    """

    num_tokens = 1

    def forward(self, maps: Sequence[FeatureMap], regions: RegionBatch, views: Views | None = None) -> Tensor:
        """Average an 8x8 replay of every region."""
        cells = roi_align([one.data for one in maps], boxes_on_maps(maps, regions), 8)
        return cells.mean((2, 3))[:, None]
