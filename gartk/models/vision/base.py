"""What every vision backbone promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from torch import nn

from gartk.geometry import tokens_to_map
from gartk.models.vision.prompt_hook import added_to_patches
from gartk.structures import FeatureMap, VisualFeatures

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.structures import TileGrid, Tiler


class VisionBackbone(nn.Module, ABC):
    """Encodes tiles to patch features and lays projected cells out as tokens and a map.

    Attributes: ``tiler`` cuts images for it; ``embed_dim`` is the width at the prompt site,
    ``out_dim`` that of its output; ``patch_order`` the order in which its patch embeddings lie.
    """

    patch_order: ClassVar[Literal["raster", "merge_block"]] = "raster"
    tiler: Tiler
    embed_dim: int
    out_dim: int
    patch_px: int

    @abstractmethod
    def prompt_site(self) -> nn.Module:
        """The patch-embedding module to whose output prompts are added."""

    @abstractmethod
    def blocks(self) -> Sequence[nn.Module]:
        """The encoder layers, first to last."""

    @abstractmethod
    def encode_patches(self, pixels: Tensor, grids: Sequence[TileGrid]) -> Tensor:
        """Run the tower: (sum T, 3, h, w) -> (sum T, patches, out_dim), raster order."""

    def encode(self, pixels: Tensor, grids: Sequence[TileGrid], prompt: Tensor | None = None) -> Tensor:
        """Run the tower with a prompt embedding added to its patches.

        Shapes: pixels (sum T, 3, h, w); prompt (sum T, patches, embed_dim) raster, or None;
        returns (sum T, patches, out_dim).
        """
        with added_to_patches(self.prompt_site(), prompt):
            return self.encode_patches(pixels, grids)

    def assemble(self, projected: Tensor, grids: Sequence[TileGrid]) -> list[VisualFeatures]:
        """Split projected cells (sum T, cells, D) into tokens and one map per image.

        The tokens keep the order of the tiles, which is the order the language model reads.
        """
        per_image = projected.split([grid.num_tiles for grid in grids])
        return [
            VisualFeatures(tokens=tiles.flatten(0, 1), map=FeatureMap(tokens_to_map(tiles, grid), grid))
            for tiles, grid in zip(per_image, grids, strict=True)
        ]
