"""InternVL's tiles: the grid of the nearest aspect ratio, and a thumbnail behind the tiles."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

from gartk.data.tiling import AnyResTiler
from gartk.structures import TileGrid
from gartk.tilers import TILERS

if TYPE_CHECKING:
    from collections.abc import Sequence

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@lru_cache(maxsize=4096)
def nearest_grid(image_hw: tuple[int, int], tile_px: int, max_num_tiles: int) -> tuple[int, int]:
    """Choose (rows, columns) of tiles as InternVL does.

    The grid whose aspect ratio is nearest to the image's; among equally near ones (1x2 and 2x4, say) the
    largest whose tiles have less than twice the image's area.

    Units: image_hw original pixels; tile_px the side of a square tile.
    Source: get_optimal_tiled_canvas of transformers; compared with it in the tests.
    """
    height, width = image_hw
    best, nearest = (1, 1), math.inf
    for count in range(1, max_num_tiles + 1):
        worth_more_tiles = 2 * height * width > count * tile_px**2
        for cols in (c for c in range(1, count + 1) if count % c == 0):
            rows = count // cols
            distance = abs(width / height - cols / rows)
            if distance < nearest or (distance == nearest and worth_more_tiles):
                best, nearest = (rows, cols), distance
    return best


@TILERS.register()
class InternVLTiler(AnyResTiler):
    """Up to ``max_num_tiles`` square tiles in raster order, then a thumbnail; none where there is one tile.

    The image is stretched, never padded.

    Units: tile_px, patch_px pixels; pool patches per feature cell side.
    Raises: ConfigError if the numbers do not divide each other.
    Source: the image processor that InternVL checkpoints name in transformers (GotOcr2ImageProcessor),
    with ImageNet's mean and deviation and tiles of 448 pixels, as the conversion script writes them.
    """

    def __init__(
        self,
        tile_px: int = 448,
        *,
        max_num_tiles: int = 12,
        patch_px: int = 14,
        pool: int = 2,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__(
            tile_px,
            max_num_tiles=max_num_tiles,
            patch_px=patch_px,
            pool=pool,
            thumbnail="tiled",
            mean=mean,
            std=std,
        )

    def grid(self, image_hw: tuple[int, int]) -> TileGrid:
        """Choose the grid for an image of this size in pixels."""
        rows, cols = nearest_grid(image_hw, self.tile_px, self.max_num_tiles)
        return TileGrid(
            image_hw=image_hw,
            rows=rows,
            cols=cols,
            tile_hw=(self.tile_px, self.tile_px),
            patch_px=self.patch_px,
            pool=self.pool,
            thumbnail="last" if rows * cols > 1 else "none",
        )
