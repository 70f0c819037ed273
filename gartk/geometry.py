"""The only place where a coordinate changes its space.

Spaces: ``_px`` pixels of the original image (xyxy, exclusive maximum), ``_norm`` divided by its
width and height, ``_cell`` cells of a feature map (continuous; cell i covers [i, i + 1)). The
image is stretched onto its tiles, so x and y scale each on their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from gartk.errors import ConfigError, RegionError

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.structures import CropRule, TileGrid


def box_px_to_norm(box_px: Sequence[float], image_hw: tuple[int, int]) -> tuple[float, float, float, float]:
    """Divide a pixel box by the image's width and height.

    Units: in pixels of the original image, maximum exclusive; out in 0..1.
    Raises: RegionError if the box does not have four numbers.
    """
    if len(box_px) != 4:
        raise RegionError(f"A box needs four numbers (x0, y0, x1, y1); got {len(box_px)}.")
    height, width = image_hw
    x0, y0, x1, y1 = (float(v) for v in box_px)
    return x0 / width, y0 / height, x1 / width, y1 / height


def points_px_to_norm(points_px: Tensor, image_hw: tuple[int, int]) -> Tensor:
    """Divide points by the image's width and height, keeping their label.

    Shapes: points_px (P, 3) of x, y, label; returns (P, 3).
    Units: a pixel index i names the pixel's centre, i + 0.5.
    """
    height, width = image_hw
    scale = points_px.new_tensor([width, height, 1.0])
    shift = points_px.new_tensor([0.5, 0.5, 0.0])
    return (points_px + shift) / scale


def box_norm_to_cells(box_norm: Tensor, map_hw: Tensor) -> Tensor:
    """Turn normalised boxes into feature-cell boxes: x times W, y times H, once.

    Shapes: box_norm (K, 4) xyxy; map_hw (K, 2) or (2,), rows and columns of each box's map;
    returns (K, 4).
    Units: in 0..1 of the image; out in cells, continuous.
    Raises: RegionError if the last dimension is not 4.
    Source: Grasp Any Region, 3.2. The authors' release applies the scale twice.
    """
    if box_norm.shape[-1] != 4:
        raise RegionError(f"Boxes must have shape (K, 4); got {tuple(box_norm.shape)}.")
    width_height = map_hw.to(box_norm).flip(-1)
    return box_norm * torch.cat([width_height, width_height], -1)


def crop_box_px(
    box_px: Sequence[float], image_hw: tuple[int, int], rule: CropRule
) -> tuple[int, int, int, int]:
    """Choose the pixels that are cut out for a region, at least one each way.

    Units: pixels of the image, maximum exclusive; borders are whole pixels, rounded outwards.
    """
    (x0, x1), (y0, y1) = (
        _crop_span(box_px[axis], box_px[axis + 2], image_hw[1 - axis], rule) for axis in (0, 1)
    )
    return x0, y0, x1, y1


def _crop_span(low: float, high: float, size: int, rule: CropRule) -> tuple[int, int]:
    middle, half = (low + high) / 2, max(high - low, rule.min_side_px) * rule.context_scale / 2
    first = min(max(math.floor(middle - half), 0), size - 1)
    return first, max(min(math.ceil(middle + half), size), first + 1)


def norm_to_crop(coords_norm: Tensor, crop_norm: Tensor) -> Tensor:
    """Return boxes or points of an image as boxes or points of a crop of it.

    Shapes: coords_norm (..., 4) xyxy, or (..., 3) of x, y, label, which stays; crop_norm (4,) xyxy.
    Units: in 0..1 of the image; out 0..1 of the crop where it holds them, else below 0 or above 1.
    """
    origin, size = crop_norm[:2], crop_norm[2:] - crop_norm[:2]
    if coords_norm.shape[-1] == 3:
        return torch.cat([(coords_norm[..., :2] - origin) / size, coords_norm[..., 2:]], -1)
    return (coords_norm - origin.repeat(2)) / size.repeat(2)


def split_canvas(canvas: Tensor, grid: TileGrid) -> Tensor:
    """Cut a canvas into its tiles in raster order.

    Shapes: canvas (..., rows * h, cols * w); returns (..., rows * cols, h, w) with the tile axis
    before the last two.
    """
    tile_h, tile_w = grid.tile_hw
    lead = canvas.shape[:-2]
    tiles = canvas.reshape(*lead, grid.rows, tile_h, grid.cols, tile_w)
    return tiles.movedim(-2, -3).reshape(*lead, grid.rows * grid.cols, tile_h, tile_w)


def drop_thumbnail(tiles: Tensor, grid: TileGrid, dim: int = 0) -> Tensor:
    """Leave out the thumbnail along the tile axis, whatever its place."""
    if grid.thumbnail == "none":
        return tiles
    start = 1 if grid.thumbnail == "first" else 0
    return tiles.narrow(dim, start, grid.rows * grid.cols)


def tokens_to_map(tokens: Tensor, grid: TileGrid) -> Tensor:
    """Merge the cells of an image's tiles into one map of the whole image, without the thumbnail.

    Shapes: tokens (num_tokens, D), tile by tile in raster order; returns (D, H, W), a permuted view
    of channels-last memory.
    Raises: ConfigError if the cell count does not fit the grid.
    """
    cell_h, cell_w = grid.cell_hw
    if len(tokens) != grid.num_tokens:
        raise ConfigError(
            f"Projected tokens have shape {tuple(tokens.shape)}, but the grid of {grid.rows}x{grid.cols}"
            f" tiles needs ({grid.num_tokens}, D). Does the connector pool by {grid.pool}?"
        )
    tiles = drop_thumbnail(tokens.reshape(grid.num_tiles, cell_h * cell_w, -1), grid)
    merged = tiles.reshape(grid.rows, grid.cols, cell_h, cell_w, -1).permute(0, 2, 1, 3, 4)
    return merged.reshape(grid.rows * cell_h, grid.cols * cell_w, -1).permute(2, 0, 1)


def merge_tiles(tiles: Tensor, grid: TileGrid) -> Tensor:
    """Put tiles (thumbnail included) back together into a canvas.

    Shapes: tiles (R, num_tiles, h, w); returns (R, rows * h, cols * w).
    """
    kept = drop_thumbnail(tiles, grid, dim=1)
    count, _, height, width = kept.shape
    canvas = kept.reshape(count, grid.rows, grid.cols, height, width).permute(0, 1, 3, 2, 4)
    return canvas.reshape(count, grid.rows * height, grid.cols * width)


def mask_coverage(tile_masks: Tensor, grid: TileGrid) -> Tensor:
    """Return how much of each feature cell every mask covers.

    Shapes: tile_masks (R, num_tiles, h, w) bool; returns (R, H, W) float32 in 0..1 on the map.
    """
    canvas = merge_tiles(tile_masks, grid).float()
    cell_px = grid.patch_px * grid.pool
    if canvas.shape[0] == 0:
        return canvas.new_zeros((0, *grid.map_hw))
    return F.avg_pool2d(canvas[:, None], cell_px)[:, 0]


def patch_planes(patches: Tensor, grids: Sequence[TileGrid]) -> list[Tensor]:
    """Unpack patches into planes, those of neighbouring images together where their tiles are alike.

    Shapes: patches (N, C), packed as ``VisionBackbone`` says; returns tensors (T, rows, cols, C) that
    hold all patches in their order.
    """
    runs = [(hw, sum(g.num_tiles for g in same)) for hw, same in groupby(grids, lambda g: g.patch_hw)]
    parts = patches.split([rows * cols * tiles for (rows, cols), tiles in runs])
    return [
        part.view(tiles, rows, cols, part.shape[-1])
        for part, ((rows, cols), tiles) in zip(parts, runs, strict=True)
    ]


def patches_by_cell(patches: Tensor, grids: Sequence[TileGrid], pool: int) -> Tensor:
    """Gather the ``pool x pool`` patches of every cell.

    Shapes: patches (N, C), packed; returns (N / pool**2, pool**2, C): cells packed in raster order,
    and the patches of a cell in raster order too.
    Raises: ConfigError if a tile does not hold whole cells.
    """
    cells = []
    for planes in patch_planes(patches, grids):
        tiles, rows, cols, width = planes.shape
        if rows % pool or cols % pool:
            raise ConfigError(f"A tile of {rows}x{cols} patches has no whole cells of {pool}x{pool}.")
        split = planes.reshape(tiles, rows // pool, pool, cols // pool, pool, width)
        cells.append(split.transpose(2, 3).reshape(-1, pool * pool, width))
    return torch.cat(cells)


def raster_to_merge_block(patches: Tensor, grids: Sequence[TileGrid], block: int = 2) -> Tensor:
    """Reorder packed patches so that each ``block x block`` group of a tile is contiguous.

    Shapes: patches (N, C); returns the same shape.
    Source: the patch order of Qwen2.5-VL's vision tower.
    """
    return patches_by_cell(patches, grids, block).flatten(0, 1)


def merge_block_to_raster(patches: Tensor, grids: Sequence[TileGrid], block: int = 2) -> Tensor:
    """Undo ``raster_to_merge_block``.

    Shapes: patches (N, C); returns the same shape.
    """
    places = torch.arange(len(patches), device=patches.device)[:, None]
    order = raster_to_merge_block(places, grids, block)[:, 0]
    return torch.empty_like(patches).index_copy(0, order, patches)


def patch_boxes_norm(grid: TileGrid) -> Tensor:
    """Where every patch of every tile lies in the image.

    Shapes: returns (num_tiles, patches, 4) xyxy; the thumbnail's patches cover the whole image.
    Units: 0..1 of the image.
    """
    rows, cols = grid.patch_hw
    y, x = torch.meshgrid(torch.arange(rows) / rows, torch.arange(cols) / cols, indexing="ij")
    corner = torch.stack([x, y], -1).reshape(-1, 2)
    whole = torch.cat([corner, corner + torch.tensor([1 / cols, 1 / rows])], -1)[None]
    ty, tx = torch.meshgrid(torch.arange(grid.rows), torch.arange(grid.cols), indexing="ij")
    shift = torch.stack([tx, ty, tx, ty], -1).reshape(-1, 1, 4)
    scale = torch.tensor([grid.cols, grid.rows, grid.cols, grid.rows])
    tiles = (whole + shift) / scale
    if grid.thumbnail == "none":
        return tiles
    return torch.cat([whole, tiles] if grid.thumbnail == "first" else [tiles, whole])
