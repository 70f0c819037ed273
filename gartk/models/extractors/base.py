"""What every region extractor promises."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from gartk.models.part import Part
from gartk.registry import PartRegistry
from gartk.structures import CropRule

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.models.extractors.views import Views
    from gartk.structures import FeatureMap, RegionBatch, TileGrid

Need = Literal["map", "image", "crops"]


class RegionExtractor(Part):
    """Produces the local tokens of every region.

    ``num_tokens`` is known before the forward pass, since the placeholders are written by the
    data pipeline; ``token_hw`` is their (rows, columns) where they form a picture of the region, which
    language models with two-dimensional positions use.

    ``needs`` says what it reads, and nothing is computed that neither it nor the language model reads:

    - "map": the map of the whole image, from the pass that gives the global tokens;
    - "crops": every region cut out by ``crop_rule``, on one tile;
    - "image": the tiles of the whole image, to encode by itself.

    One that needs crops or the image is given ``views`` as a third argument, and called only where there
    are regions.

    A constructor is given what it declares of: ``dim`` (width of the language model), ``crop_hw`` (rows
    and columns of a crop's cells), ``tower_dim``, ``tower_out_dim``, ``tower_layers`` and ``tower_heads``
    (width inside the tower and of its output, number of layers and of attention heads).
    """

    num_tokens: int
    token_hw: tuple[int, int] | None = None
    needs: frozenset[Need] = frozenset({"map"})
    crop_rule: CropRule = CropRule()

    @abstractmethod
    def forward(self, maps: Sequence[FeatureMap], regions: RegionBatch, views: Views | None = None) -> Tensor:
        """Return (K, num_tokens, D) tokens in the order of ``regions``; ``maps`` may be empty if unneeded."""

    def encoded_tokens(self, grid: TileGrid, *, prompted: bool = True) -> tuple[int, int]:
        """Return what the tower encodes for the extractor: for an image of this grid, and for each region.

        The pass that gives the map does not count; ``prompted`` says whether prompts enter the tower.

        Units: pooled cells, as the paper counts "ViT tokens".
        """
        return 0, 0


REGION_EXTRACTORS: PartRegistry[RegionExtractor] = PartRegistry(
    "REGION_EXTRACTORS",
    base="gartk.models.extractors.base:RegionExtractor",
    locations=["gartk.models.extractors"],
)
