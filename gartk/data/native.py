"""The tiler of towers that read a whole image near its own size, as Qwen2.5-VL's does."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from gartk.data.tiling import image_to_tensor, normalise, resize_mask, stretch
from gartk.errors import ConfigError, DataError
from gartk.structures import TileGrid
from gartk.tilers import TILERS, Tiler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image
    from torch import Tensor

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
MAX_ASPECT = 200


def native_size(
    image_hw: tuple[int, int], *, cell_px: int, min_pixels: int, max_pixels: int
) -> tuple[int, int]:
    """Choose the size of whole cells that is nearest to an image's own within a budget of pixels.

    The aspect ratio is kept as far as whole cells allow.

    Units: pixels; cell_px the side of a feature cell.
    Raises: DataError for an image more than 200 times as long as it is wide.
    Source: the size rule of Qwen2-VL's image processor in transformers; compared with it in the tests.
    """
    height, width = image_hw
    if max(image_hw) > MAX_ASPECT * min(image_hw):
        raise DataError(
            f"An image of {width}x{height} pixels is more than {MAX_ASPECT} times as long as it is wide,"
            " which the tower cannot read at its own size. Crop it, or cut it into several images."
        )
    rows, cols = round(height / cell_px), round(width / cell_px)
    pixels = rows * cols * cell_px**2
    if pixels > max_pixels:
        shrink = math.sqrt(height * width / max_pixels)
        rows, cols = (max(1, math.floor(side / shrink / cell_px)) for side in image_hw)
    elif pixels < min_pixels:
        grow = math.sqrt(min_pixels / (height * width))
        rows, cols = (math.ceil(side * grow / cell_px) for side in image_hw)
    return rows * cell_px, cols * cell_px


@TILERS.register()
class NativeTiler(Tiler):
    """One tile, the whole image near its own size; it is stretched to whole cells, never padded.

    ``min_pixels`` and ``max_pixels`` bound the tile's area, and with it the tokens of an image: one for
    each ``(patch_px * pool) ** 2`` pixels. Small images are enlarged to ``min_pixels``. Crops of any size
    are stretched to a square of ``crop_px``.

    Units: crop_px, patch_px pixels; pool patches per feature cell side.
    Raises: ConfigError for bounds that contradict or a ``crop_px`` that is no multiple of a cell; DataError
    for an image more than 200 times as long as it is wide.
    Source: Qwen2.5-VL, whose processor has the same defaults.
    """

    def __init__(
        self,
        *,
        min_pixels: int = 56 * 56,
        max_pixels: int = 1280 * 28 * 28,
        crop_px: int = 448,
        patch_px: int = 14,
        pool: int = 2,
        mean: Sequence[float] = CLIP_MEAN,
        std: Sequence[float] = CLIP_STD,
    ) -> None:
        if not 0 < min_pixels <= max_pixels:
            raise ConfigError(
                "NativeTiler: min_pixels must be positive and at most max_pixels;"
                f" got {min_pixels} and {max_pixels}."
            )
        if crop_px < 1 or crop_px % (patch_px * pool):
            raise ConfigError(
                f"NativeTiler: crop_px must be a multiple of patch_px * pool = {patch_px * pool};"
                f" got {crop_px}."
            )
        self.min_pixels = min_pixels
        self.max_pixels = max_pixels
        self.crop_px = crop_px
        self._fixed_hw: tuple[int, int] | None = None
        self.patch_px = patch_px
        self.pool = pool
        self.mean = tuple(mean)
        self.std = tuple(std)

    def grid(self, image_hw: tuple[int, int]) -> TileGrid:
        """Choose the size for an image of this size in pixels."""
        size_hw = self._fixed_hw or native_size(
            image_hw,
            cell_px=self.patch_px * self.pool,
            min_pixels=self.min_pixels,
            max_pixels=self.max_pixels,
        )
        return TileGrid(
            image_hw=image_hw,
            rows=1,
            cols=1,
            tile_hw=size_hw,
            patch_px=self.patch_px,
            pool=self.pool,
            thumbnail="none",
        )

    def tile_image(self, image: np.ndarray | Image.Image) -> tuple[Tensor, TileGrid]:
        """Stretch and normalise an image.

        Shapes: (H, W, 3) uint8 or PIL; returns (1, 3, h, w) float32 and the grid.
        """
        pixels = image_to_tensor(image)
        grid = self.grid((pixels.shape[1], pixels.shape[2]))
        return normalise(stretch(pixels, grid.tile_hw)[None], self.mean, self.std), grid

    def tile_masks(self, masks: np.ndarray, grid: TileGrid) -> Tensor:
        """Stretch R boolean masks (R, H, W) to (R, 1, h, w) bool."""
        out = torch.zeros((len(masks), 1, *grid.tile_hw), dtype=torch.bool)
        for index, mask in enumerate(masks):
            plain = np.ascontiguousarray(mask, dtype=bool)
            out[index, 0] = torch.from_numpy(resize_mask(plain, grid.tile_hw))
        return out

    def for_crops(self) -> NativeTiler:
        """Return the tiler that stretches a crop of any size to a square of ``crop_px``."""
        single = copy.copy(self)
        single._fixed_hw = (self.crop_px, self.crop_px)
        return single
