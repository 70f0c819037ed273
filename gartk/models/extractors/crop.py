"""Regions seen on their own: cut out of the image and encoded as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from gartk.errors import ConfigError
from gartk.models.extractors.base import REGION_EXTRACTORS, RegionExtractor
from gartk.structures import CropRule

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.models.extractors.views import View, Views
    from gartk.structures import FeatureMap, RegionBatch, TileGrid

# Each side raised to 48 pixels, then extended by itself on both ends and cut at the image's border.
FOCAL = CropRule(context_scale=3.0, min_side_px=48.0)


def crop_rule(context_scale: float | str, owner: str) -> CropRule:
    """Read what a config says about the size of crops.

    Raises: ConfigError for a scale below 1 that is not "dam".
    """
    if context_scale == "dam":
        return FOCAL
    if isinstance(context_scale, bool) or not isinstance(context_scale, int | float) or context_scale < 1:
        raise ConfigError(
            f"{owner}: context_scale is 'dam' or a number of at least 1 (1 is the box itself, 3 extends it by"
            f" itself on every side); got {context_scale!r}."
        )
    return CropRule(context_scale=float(context_scale))


@REGION_EXTRACTORS.register()
class Crop(RegionExtractor):
    """Encodes a crop of every region by itself: tower, connector, and the prompt with the crop's mask.

    ``context_scale`` multiplies the sides of a region's box: 1 is the tight crop; "dam" is the focal crop
    of Describe Anything (3, with sides of at least 48 pixels). The crop is cut from the original image
    and stretched to one tile of the tower, whatever its shape. Without ``with_mask`` no prompt enters.

    Shapes: K regions -> (K, cells of a tile, D), raster order.
    Raises: ConfigError for a bad scale, or a tower whose tiler cannot cut crops.
    Source: Grasp Any Region, Table 9, rows 1, 3 and 7; Describe Anything, 3.2 (focal prompt).
    """

    needs = frozenset({"crops"})

    def __init__(
        self,
        *,
        crop_hw: tuple[int, int] | None = None,
        context_scale: float | Literal["dam"] = 1.0,
        with_mask: bool = True,
    ) -> None:
        super().__init__()
        if crop_hw is None:
            raise ConfigError(
                f"{type(self).__name__} needs a tower whose tiler cuts crops: one with a method for_crops()."
            )
        self.crop_rule = crop_rule(context_scale, type(self).__name__)
        self.with_mask = with_mask
        self.token_hw = crop_hw
        self.num_tokens = crop_hw[0] * crop_hw[1]

    def forward(self, maps: Sequence[FeatureMap], regions: RegionBatch, views: Views | None = None) -> Tensor:
        """Encode the crops of all regions in one pass."""
        if views is None:
            raise ConfigError(f"{type(self).__name__} needs crops: call it with views, as RegionVLM does.")
        crops = views.crops if self.with_mask else views.crops.unprompted()
        cells = views.encoder.cells(self.patches(crops, regions, views), crops.grids)
        return cells.view(len(regions), self.num_tokens, -1)

    def patches(self, crops: View, regions: RegionBatch, views: Views) -> Tensor:
        """Run the tower on the crops: packed patches (N, out_dim)."""
        return views.encoder.patches(crops)

    def encoded_tokens(self, grid: TileGrid, *, prompted: bool = True) -> tuple[int, int]:
        """One tile for each region."""
        return 0, self.num_tokens
