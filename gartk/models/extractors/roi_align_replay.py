"""RoI-aligned feature replay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from gartk.errors import ConfigError
from gartk.geometry import box_norm_to_cells
from gartk.models.extractors.base import REGION_EXTRACTORS, RegionExtractor
from gartk.ops.roi import roi_align

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.models.extractors.views import Views
    from gartk.structures import FeatureMap, RegionBatch


@REGION_EXTRACTORS.register()
class RoIAlignReplay(RegionExtractor):
    """Replays a region's cells from the map that was computed over the whole image.

    All regions of a batch go through one RoIAlign call, in float32, cast back afterwards.

    Shapes: maps (D, H, W) of any sizes, K boxes -> (K, output_size ** 2, D), raster order.
    Units: boxes are normalised; they are scaled to cells once.
    Raises: ConfigError for a bad output size.
    Source: Grasp Any Region, 3.2 and Table 9, row 4.
    """

    def __init__(
        self,
        output_size: int | Sequence[int] = 16,
        *,
        sampling_ratio: int = 2,
        aligned: bool = True,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        self.output_size = self.token_hw = output_hw(output_size, type(self).__name__)
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned
        self.backend = backend
        self.num_tokens = self.output_size[0] * self.output_size[1]

    def forward(self, maps: Sequence[FeatureMap], regions: RegionBatch, views: Views | None = None) -> Tensor:
        """Replay every region from its own image's map."""
        tokens = roi_align(
            [feature_map.data for feature_map in maps],
            boxes_on_maps(maps, regions),
            self.output_size,
            sampling_ratio=self.sampling_ratio,
            aligned=self.aligned,
            backend=self.backend,
        )
        return tokens.flatten(2).transpose(1, 2)


def output_hw(output_size: int | Sequence[int], owner: str) -> tuple[int, int]:
    """Read the (rows, columns) of tokens that a config asks for.

    Raises: ConfigError for anything but one or two positive numbers.
    """
    size = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
    if len(size) != 2 or min(size) < 1:
        raise ConfigError(f"{owner}: output_size must be one or two positive numbers; got {output_size!r}.")
    return int(size[0]), int(size[1])


def boxes_on_maps(maps: Sequence[FeatureMap], regions: RegionBatch) -> Tensor:
    """Return every region's box in the cells of its image's map, with the map's index.

    Shapes: returns (K, 5) of index, x0, y0, x1, y1, float32.
    Units: cells, continuous.
    """
    boxes = regions.boxes_norm.float()
    sizes = boxes.new_tensor([feature_map.data.shape[-2:] for feature_map in maps])
    cells = box_norm_to_cells(boxes, sizes[regions.image_index])
    return torch.cat([regions.image_index[:, None].to(boxes), cells], 1)
