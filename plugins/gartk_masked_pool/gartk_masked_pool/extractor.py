"""Replay of a region's features, each cell weighted by how much of the region's mask it holds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gartk.errors import ConfigError
from gartk.geometry import box_norm_to_cells, mask_coverage
from gartk.models.extractors import RegionExtractor, Views
from gartk.ops.roi import roi_align
from gartk.structures import FeatureMap, RegionBatch

_EPS = 1e-6


class MaskedReplay(RegionExtractor):
    """RoI-align the map inside a region's box, and weight each output cell by the mask's share of it.

    A plain replay hands the language model everything inside the box, neighbours and background
    too. Here a cell counts by the share of it that the mask holds:

        weight = floor + (1 - floor) * share,    token = weight * cell

    Shapes: maps (D, H_b, W_b), K regions -> (K, output_size ** 2, D), cells in raster order.

    Args:
        output_size: cells per side of the replay; it gives ``output_size ** 2`` tokens.
        normalise: scale the weights of a region so that they average to 1, which keeps a thin
            region as strong as one that fills its box; else a region's strength is its share.
        floor: weight of a cell outside the mask, 0..1: 0 removes the surroundings, 1 is plain replay.
        sampling_ratio: samples per output cell side of RoIAlign; 0 chooses by the box's size.
        backend: who computes RoIAlign; see ``gartk.ops.roi``.

    Raises: ConfigError for an option out of range.
    """

    def __init__(
        self,
        output_size: int = 16,
        *,
        normalise: bool = True,
        floor: float = 0.0,
        sampling_ratio: int = 2,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        if output_size < 1:
            raise ConfigError(f"MaskedReplay: output_size must be at least 1; got {output_size}.")
        if not 0.0 <= floor <= 1.0:
            raise ConfigError(f"MaskedReplay: floor must lie in 0..1; got {floor}.")
        self.output_size = output_size
        self.normalise = normalise
        self.floor = floor
        self.sampling_ratio = sampling_ratio
        self.backend = backend
        self.num_tokens = output_size * output_size

    def forward(self, maps: Sequence[FeatureMap], regions: RegionBatch, views: Views | None = None) -> Tensor:
        """Return the tokens of every region, in the maps' dtype; weighted in float32."""
        data = maps[0].data
        if len(regions) == 0:
            return data.new_zeros((0, self.num_tokens, data.shape[0]))
        sizes = torch.tensor([m.grid.map_hw for m in maps], device=regions.boxes_norm.device)
        boxes = box_norm_to_cells(regions.boxes_norm.float(), sizes[regions.image_index])
        cells = self._align([m.data.float() for m in maps], regions.image_index, boxes)
        tokens = cells * self._weights(maps, regions, boxes)
        return tokens.flatten(2).transpose(1, 2).to(data.dtype)

    def _weights(self, maps: Sequence[FeatureMap], regions: RegionBatch, boxes: Tensor) -> Tensor:
        """Weight of every output cell of every region, (K, 1, output_size, output_size)."""
        covers = [mask_coverage(own, m.grid) for own, m in zip(regions.masks, maps, strict=True)]
        places = zip(regions.image_index.tolist(), regions.mask_rows().tolist(), strict=True)
        own = [covers[image][row][None] for image, row in places]
        shares = self._align(own, torch.arange(len(own), device=boxes.device), boxes)
        weights = self.floor + (1.0 - self.floor) * shares
        if self.normalise:
            weights = weights / weights.mean((2, 3), keepdim=True).clamp(min=_EPS)
        return weights

    def _align(self, maps: list[Tensor], index: Tensor, boxes: Tensor) -> Tensor:
        """RoI-align all boxes in one call; box k reads map ``index[k]``."""
        return roi_align(
            maps,
            torch.cat([index[:, None].to(boxes), boxes], dim=1),
            self.output_size,
            sampling_ratio=self.sampling_ratio,
            backend=self.backend,
        )
