"""Regions cut out of their images, for extractors that look at them on their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from gartk.errors import ConfigError
from gartk.geometry import box_px_to_norm, crop_box_px, norm_to_crop
from gartk.structures import Crops

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from gartk.regions import Region
    from gartk.structures import CropRule, Pair
    from gartk.tilers import Tiler


def crop_tiler(tiler: Tiler) -> Tiler:
    """Return the tiler for crops that belongs to a tower's tiler.

    Raises: ConfigError if it has none.
    """
    single = tiler.for_crops()
    if single is None:
        raise ConfigError(
            f"The region extractor needs crops, but {type(tiler).__name__} cannot cut them. Give the tiler a"
            " method for_crops() -> Tiler that puts a picture of any size on one tile of fixed size."
        )
    return single


def cut_crops(
    images: Sequence[np.ndarray | Image.Image],
    pairs: Sequence[Pair],
    points_norm: Sequence[Tensor],
    *,
    rule: CropRule,
    tiler: Tiler,
) -> Crops:
    """Cut regions out of their images by a rule, from their own pixels, and put each on one tile.

    Shapes: points_norm: per pair (P, 3) of x, y, label; returns as many crops as there are pairs.
    """
    pixels = [one if isinstance(one, np.ndarray) else np.asarray(one.convert("RGB")) for one in images]
    crops = [
        _cut(pixels[image], region, points, crop_box_px(region.box_px, region.image_hw, rule), tiler)
        for (_, image, region), points in zip(pairs, points_norm, strict=True)
    ]
    return join_crops(crops) if crops else _none(tiler)


def join_crops(parts: Sequence[Crops]) -> Crops:
    """Put crops behind one another, at least one part."""
    return Crops(
        pixels=torch.cat([part.pixels for part in parts]),
        masks=torch.cat([part.masks for part in parts]),
        boxes_norm=torch.cat([part.boxes_norm for part in parts]),
        points=[points for part in parts for points in part.points],
        in_image_norm=torch.cat([part.in_image_norm for part in parts]),
        grids=[grid for part in parts for grid in part.grids],
    )


def _cut(
    pixels: np.ndarray, region: Region, points_norm: Tensor, box: tuple[int, int, int, int], tiler: Tiler
) -> Crops:
    """Cut one region out."""
    x0, y0, x1, y1 = box
    image_hw = (int(pixels.shape[0]), int(pixels.shape[1]))
    inside = torch.tensor(box_px_to_norm(box, image_hw))
    tiles, grid = tiler.tile_image(np.ascontiguousarray(pixels[y0:y1, x0:x1]))
    if grid.num_tiles != 1:
        raise ConfigError(
            f"{type(tiler).__name__}.for_crops() gives {grid.num_tiles} tiles; a crop is one tile."
        )
    own = torch.tensor([box_px_to_norm(region.box_px, image_hw)])
    return Crops(
        pixels=tiles,
        masks=tiler.tile_masks(region.mask[None, y0:y1, x0:x1], grid)[0],
        boxes_norm=norm_to_crop(own, inside),
        points=[norm_to_crop(points_norm, inside)],
        in_image_norm=inside[None],
        grids=[grid],
    )


def _none(tiler: Tiler) -> Crops:
    """No crops, in the shapes of some."""
    height, width = tiler.grid((1, 1)).tile_hw
    return Crops(
        pixels=torch.zeros(0, 3, height, width),
        masks=torch.zeros(0, height, width, dtype=torch.bool),
        boxes_norm=torch.zeros(0, 4),
        points=[],
        in_image_norm=torch.zeros(0, 4),
        grids=[],
    )
