"""No local tokens at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gartk.models.extractors.base import REGION_EXTRACTORS, RegionExtractor

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.models.extractors.views import Views
    from gartk.structures import FeatureMap, RegionBatch


@REGION_EXTRACTORS.register()
class NoLocal(RegionExtractor):
    """Produces no local tokens: regions reach the model through the prompt encoder alone.

    Shapes: returns (K, 0, D).
    Source: Grasp Any Region, Table 9, row 8.
    """

    num_tokens = 0

    def forward(self, maps: Sequence[FeatureMap], regions: RegionBatch, views: Views | None = None) -> Tensor:
        """Return (K, 0, D)."""
        return maps[0].data.new_zeros((len(regions), 0, maps[0].data.shape[0]))
