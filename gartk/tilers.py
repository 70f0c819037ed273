"""What every tiler promises; data and vision backbones both know it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from gartk.registry import PartRegistry

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image
    from torch import Tensor

    from gartk.structures import TileGrid


class Tiler(ABC):
    """Cuts images and masks into tiles; owned by a vision backbone, picklable for data workers."""

    @abstractmethod
    def grid(self, image_hw: tuple[int, int]) -> TileGrid:
        """Choose the grid for an image of this size."""

    @abstractmethod
    def tile_image(self, image: np.ndarray | Image.Image) -> tuple[Tensor, TileGrid]:
        """Cut and normalise an image: (T, 3, h, w) float and its grid."""

    @abstractmethod
    def tile_masks(self, masks: np.ndarray, grid: TileGrid) -> Tensor:
        """Cut R boolean masks (R, H, W) into (R, T, h, w) bool on the same grid."""

    def for_crops(self) -> Tiler | None:
        """Return the tiler that puts a picture of any size on one tile, always of the same size.

        Extractors that need crops ask for it; None where there is none.
        """
        return None


TILERS: PartRegistry[Tiler] = PartRegistry(
    "TILERS",
    base="gartk.tilers:Tiler",
    locations=["gartk.data.tiling", "gartk.data.native", "gartk.data.intern_tiles"],
)
