"""Focal crops that look at the whole image through gated cross-attention, as Describe Anything has them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from torch import nn

from gartk.errors import ConfigError
from gartk.models.extractors.base import REGION_EXTRACTORS
from gartk.models.extractors.crop import Crop
from gartk.models.extractors.cross_attention import GatedCrossAttention, group_contexts, look_back

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.models.extractors.cross_attention import ContextGroup
    from gartk.models.extractors.views import View, Views
    from gartk.structures import RegionBatch, TileGrid


@REGION_EXTRACTORS.register()
class GatedCrossAttentionCrop(Crop):
    """Encodes a crop of every region while its patches look at the patches of the whole image.

    The tower runs twice with the same weights. First on all tiles of the image with the region's own mask:
    its patches, before the connector, are the context, one for each region (one for each image where no
    prompt enters). Then on the crop, every layer followed by a block of its own that attends to this
    context. The gates of the blocks are zero at the start, where this is ``Crop``.

    ``context_scale`` and ``with_mask`` are those of ``Crop``; the mask enters both passes or none.
    ``num_heads`` is the tower's unless given.

    Shapes: K regions -> (K, cells of a tile, D), raster order.
    Raises: ConfigError as ``Crop``, or where ``num_heads`` is neither given nor known.
    Source: Grasp Any Region, Table 9, row 2; Describe Anything, 3.3.
    """

    needs = frozenset({"crops", "image"})
    _no_split_modules = ("GatedCrossAttention",)  # a device map keeps blocks whole

    def __init__(
        self,
        *,
        crop_hw: tuple[int, int] | None = None,
        tower_dim: int,
        tower_out_dim: int,
        tower_layers: int,
        tower_heads: int | None = None,
        context_scale: float | Literal["dam"] = "dam",
        with_mask: bool = True,
        num_heads: int | None = None,
        mlp_ratio: float = 4.0,
    ) -> None:
        super().__init__(crop_hw=crop_hw, context_scale=context_scale, with_mask=with_mask)
        heads = num_heads or tower_heads
        if heads is None:
            raise ConfigError(
                "GatedCrossAttentionCrop: the tower does not tell its attention heads (num_heads); set"
                " model.region_extractor.num_heads."
            )
        self.blocks = nn.ModuleList(
            GatedCrossAttention(tower_dim, tower_out_dim, heads, mlp_ratio=mlp_ratio)
            for _ in range(tower_layers)
        )

    def patches(self, crops: View, regions: RegionBatch, views: Views) -> Tensor:
        """Run the tower on the images, then on the crops with every layer looking back."""
        settings: dict[str, Any] = {
            "groups": self._contexts(regions, views),
            "num_crops": len(regions),
            "patches": crops.grids[0].num_patches,
            "recompute": views.encoder.vision.recomputes,
        }
        behind = [partial(look_back, block, **settings) for block in self.blocks]
        return views.encoder.patches(crops, behind)

    def _contexts(self, regions: RegionBatch, views: Views) -> list[ContextGroup]:
        """Encode what the crops look at: an image for each region, or each image with regions once."""
        if self.with_mask and views.encoder.prompts_enter():
            images, owner = views.images_by_region(), list(range(len(regions)))
        else:
            shown = regions.image_index.tolist()
            used = sorted(set(shown))
            images, owner = views.images.picked(used), [used.index(image) for image in shown]
        patches = views.encoder.patches(images)
        return group_contexts(patches.split([grid.num_patches for grid in images.grids]), owner)

    def encoded_tokens(self, grid: TileGrid, *, prompted: bool = True) -> tuple[int, int]:
        """One tile for each region, and the whole image: for each region where its mask enters, else once."""
        if self.with_mask and prompted:
            return 0, grid.num_tokens + self.num_tokens
        return grid.num_tokens, self.num_tokens
