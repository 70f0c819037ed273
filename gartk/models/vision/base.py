"""What every vision backbone promises."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

from gartk.errors import ConfigError
from gartk.geometry import raster_to_merge_block, tokens_to_map
from gartk.models.part import Part
from gartk.models.vision.prompt_hook import added_to_patches
from gartk.registry import PartRegistry
from gartk.structures import FeatureMap, VisualFeatures

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gartk.models.vision.prompt_hook import Change
    from gartk.structures import TileGrid
    from gartk.tilers import Tiler


class VisionBackbone(Part):
    """Encodes tiles to patch features and lays projected cells out as tokens and a map.

    Patches of a batch are packed: image by image, tile by tile (the thumbnail in its place), in raster
    order within a tile, so that images whose tiles differ in size go together.

    Attributes: ``embed_dim`` is the width at the prompt site, ``out_dim`` that of its output;
    ``patch_order`` the order in which the patches of a tile leave its patch embedding; ``num_heads`` the
    attention heads of its layers, None where it does not tell; ``recomputes`` whether the activations of
    its layers are recomputed in the backward pass.
    """

    patch_order: ClassVar[Literal["raster", "merge_block"]] = "raster"
    embed_dim: int
    out_dim: int
    patch_px: int
    num_heads: int | None = None
    recomputes: bool = False

    @cached_property
    def tiler(self) -> Tiler:
        """Cuts images for the tower; of a tower on its own, into cells of 2x2 patches."""
        return self.make_tiler(2)

    def use_pool(self, pool: int) -> None:
        """Cut images into cells of ``pool`` x ``pool`` patches from now on, as the connector joins them.

        Raises: ConfigError if the tower has no such cells.
        """
        self.tiler = self.make_tiler(pool)

    @abstractmethod
    def make_tiler(self, pool: int) -> Tiler:
        """Return the tiler that cuts images for the tower into cells of ``pool`` x ``pool`` patches.

        Raises: ConfigError if the tower has no such cells.
        """

    @abstractmethod
    def prompt_site(self) -> nn.Module:
        """The patch-embedding module to whose output prompts are added."""

    @abstractmethod
    def blocks(self) -> Sequence[nn.Module]:
        """The encoder layers, first to last."""

    @abstractmethod
    def encode_patches(self, pixels: Sequence[Tensor], grids: Sequence[TileGrid]) -> Tensor:
        """Run the tower: B tensors (T_b, 3, h_b, w_b) -> packed patches (N, out_dim)."""

    def encode(
        self,
        pixels: Sequence[Tensor],
        grids: Sequence[TileGrid],
        prompt: Tensor | None = None,
        behind_layers: Sequence[Change] = (),
    ) -> Tensor:
        """Run the tower with a prompt embedding added to its patches.

        ``behind_layers`` has a function for every layer of ``blocks()``, which takes the layer's output
        and gives what the next layer reads. Both belong to this call: others that run the tower at the
        same time, in other threads or tasks, do not see them.

        Shapes: pixels: B tensors (T_b, 3, h_b, w_b); prompt (N, embed_dim) for all packed patches, or
        None; returns (N, out_dim).
        """
        if prompt is not None and self.patch_order == "merge_block":
            prompt = raster_to_merge_block(prompt, grids)
        behind = list(zip(self.blocks(), behind_layers, strict=True)) if behind_layers else []
        with added_to_patches(self.prompt_site(), prompt, behind):
            return self.encode_patches(pixels, grids)

    def assemble(self, projected: Tensor, grids: Sequence[TileGrid]) -> list[VisualFeatures]:
        """Split packed cells (sum of num_tokens, D) into tokens and one map per image.

        The tokens keep the order of the tiles, which is the order the language model reads.
        Raises: ConfigError if there are more or fewer cells than the grids have.
        """
        counts = [grid.num_tokens for grid in grids]
        if len(projected) != sum(counts):
            raise ConfigError(
                f"The connector gave {len(projected)} cells for grids of {sum(counts)}. Does it pool by"
                f" {grids[0].pool} as the tiler says?"
            )
        return [
            VisualFeatures(tokens=tokens, map=FeatureMap(tokens_to_map(tokens, grid), grid))
            for tokens, grid in zip(projected.split(counts), grids, strict=True)
        ]


VISION_BACKBONES: PartRegistry[VisionBackbone] = PartRegistry(
    "VISION_BACKBONES", base="gartk.models.vision.base:VisionBackbone", locations=["gartk.models.vision"]
)
