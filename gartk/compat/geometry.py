"""How the authors' release draws regions: boxes of the last pixel, boxes scaled twice, one picture of ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from gartk.data.tiling import stretch
from gartk.errors import RegionError
from gartk.geometry import split_canvas
from gartk.regions.masks import tight_box

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.compat.switches import ReleaseCompat
    from gartk.regions import Box, Region
    from gartk.structures import TileGrid


def boxes_px(regions: Sequence[Region], compat: ReleaseCompat) -> list[Box]:
    """Return the box of every region.

    With ``inclusive_box`` it is the mask's, from its first to its last row and column of pixels, so that
    one pixel has no area; with ``last_mask_box`` every region has the last one's.

    Units: pixels; maximum exclusive unless ``inclusive_box``.
    """
    boxes = [_inclusive_box(region) if compat.inclusive_box else region.box_px for region in regions]
    return boxes[-1:] * len(boxes) if compat.last_mask_box else boxes


def _inclusive_box(region: Region) -> Box:
    x0, y0, x1, y1 = tight_box(region.mask)
    return float(x0), float(y0), float(x1 - 1), float(y1 - 1)


def boxes_scaled_twice(boxes_norm: Tensor, image_index: Tensor, grids: Sequence[TileGrid]) -> Tensor:
    """Divide boxes by the pixels of a feature cell, as the release does once too often.

    Shapes: boxes_norm (K, 4); image_index (K,), the grid of each box; returns (K, 4).
    Source: the release scales a box to cells and gives RoIAlign the scale again.
    """
    cell_px = boxes_norm.new_tensor([grid.patch_px * grid.pool for grid in grids])
    return boxes_norm / cell_px[image_index][:, None]


def paint_ids(masks: Sequence[np.ndarray], numbers: Sequence[int], background: int) -> np.ndarray:
    """Paint masks into one picture of ids; a pixel keeps the first id that it gets.

    Shapes: masks (H, W) bool, at least one; returns (H, W) uint8 with ``background`` outside.
    Raises: RegionError if ``background`` does not fit into a byte.
    """
    if background > 255:
        raise RegionError(
            f"id_map_bicubic paints ids as bytes, so it serves at most 255 prompts; this model has"
            f" {background}. Switch it off: release_compat=dict(id_map_bicubic=False)."
        )
    ids = np.full(masks[0].shape, background, dtype=np.uint8)
    for mask, number in zip(masks, numbers, strict=True):
        ids[mask & (ids == background)] = number
    return ids


def tile_ids(ids: np.ndarray, grid: TileGrid) -> Tensor:
    """Resize a picture of ids as if it were a photo, and cut it into tiles.

    Shapes: ids (H, W) uint8; returns (num_tiles, h, w) uint8, the thumbnail in its place.
    """
    picture = torch.from_numpy(ids)[None]
    tiles = split_canvas(stretch(picture, grid.canvas_hw), grid)[0]
    if grid.thumbnail == "none":
        return tiles
    thumbnail = stretch(picture, grid.tile_hw)
    return torch.cat([thumbnail, tiles] if grid.thumbnail == "first" else [tiles, thumbnail])


def masks_of_ids(ids: Tensor, numbers: Sequence[int], background: int) -> Tensor:
    """Split a picture of ids into masks whose union is all that is not background.

    Ids that no region has, which resizing makes at edges, go to the region with the nearest one.

    Shapes: ids (T, h, w) uint8; returns (R, T, h, w) bool.
    """
    table = torch.full((256,), -1)
    values = torch.arange(background)
    table[:background] = (values[:, None] - torch.tensor(list(numbers))).abs().argmin(1)
    owner = table[ids.long()]
    return torch.stack([owner == region for region in range(len(numbers))])


def bicubic_masks(
    masks: Sequence[np.ndarray], numbers: Sequence[int], background: int, grid: TileGrid
) -> Tensor:
    """Cut the masks of one image as the release does: painted as ids, resized as one picture, split again.

    Shapes: masks (H, W) bool; returns (R, num_tiles, h, w) bool.
    """
    if not len(masks):
        return torch.zeros((0, grid.num_tiles, *grid.tile_hw), dtype=torch.bool)
    return masks_of_ids(tile_ids(paint_ids(masks, numbers, background), grid), numbers, background)
