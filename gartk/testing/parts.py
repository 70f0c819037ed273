"""Tiny inputs for tests of parts: grids, feature maps and regions of images of different sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gartk.structures import Crops, FeatureMap, RegionBatch, Thumbnail, TileGrid

RAGGED = ((1, 1), (2, 3), (2, 1))
"""Rows and columns of tiles of three images in one batch."""


def make_grid(
    rows: int,
    cols: int,
    *,
    tile_px: int = 32,
    patch_px: int = 4,
    pool: int = 2,
    thumbnail: Thumbnail = "first",
) -> TileGrid:
    """Give the grid of an image that is a little smaller than its canvas (it is stretched onto it).

    Units: tile_px, patch_px pixels.
    """
    image_hw = (rows * tile_px - 3, cols * tile_px - 5)
    return TileGrid(
        image_hw=image_hw,
        rows=rows,
        cols=cols,
        tile_hw=(tile_px, tile_px),
        patch_px=patch_px,
        pool=pool,
        thumbnail=thumbnail,
    )


def ragged_grids(shapes: Sequence[tuple[int, int]] = RAGGED) -> list[TileGrid]:
    """Give one grid per (rows, columns)."""
    return [make_grid(rows, cols) for rows, cols in shapes]


def make_maps(
    grids: Sequence[TileGrid],
    dim: int = 8,
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    requires_grad: bool = False,
) -> list[FeatureMap]:
    """Give random feature maps, one per grid.

    Shapes: each ``data`` is (dim, H, W) with (H, W) the grid's ``map_hw``.
    """
    generator = torch.Generator().manual_seed(seed)
    maps = []
    for grid in grids:
        data = torch.randn(dim, *grid.map_hw, generator=generator).to(dtype)
        maps.append(FeatureMap(data.requires_grad_(requires_grad), grid))
    return maps


def make_regions(
    grids: Sequence[TileGrid],
    counts: Sequence[int],
    *,
    seed: int = 0,
) -> RegionBatch:
    """Give ``counts[b]`` random regions of image b: ellipses in their boxes, with a point each.

    The first region of an image is the whole image, the second smaller than a feature cell.

    Shapes: as RegionBatch says.
    """
    generator = torch.Generator().manual_seed(seed)
    boxes, masks, image_index, prompt_index = [], [], [], []
    for image, (grid, count) in enumerate(zip(grids, counts, strict=True)):
        own = _random_boxes(count, generator)
        boxes.append(own)
        masks.append(_ellipses(own, grid))
        image_index += [image] * count
        prompt_index += list(range(count))
    flat = torch.cat(boxes) if boxes else torch.zeros(0, 4)
    centres = (flat[:, :2] + flat[:, 2:]) / 2
    return RegionBatch(
        boxes_norm=flat,
        image_index=torch.tensor(image_index, dtype=torch.int64),
        prompt_index=torch.tensor(prompt_index, dtype=torch.int64),
        masks=masks,
        points=[torch.cat([c, torch.ones(1)])[None] for c in centres],
    )


def select_regions(regions: RegionBatch, keep: Sequence[int]) -> RegionBatch:
    """Give a batch of some of the regions, in the order of ``keep``, numbered anew in each image.

    ``keep`` holds positions in the flat batch, those of one image next to each other and images in
    their order, as a RegionBatch has to have them. The images themselves stay.
    """
    index = torch.tensor(list(keep), dtype=torch.int64)
    images = regions.image_index[index]
    masks, prompts = [], []
    for image, own in enumerate(regions.masks):
        chosen = regions.prompt_index[index[images == image]]
        masks.append(own[chosen])
        prompts.append(torch.arange(len(chosen)))
    return replace(
        regions,
        boxes_norm=regions.boxes_norm[index],
        image_index=images,
        prompt_index=torch.cat(prompts) if prompts else index,
        masks=masks,
        points=[regions.points[i] for i in index.tolist()],
    )


def make_pixels(grids: Sequence[TileGrid], *, seed: int = 0) -> list[Tensor]:
    """Give random tiles for every grid.

    Shapes: each (num_tiles, 3, h, w).
    """
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(grid.num_tiles, 3, *grid.tile_hw, generator=generator) for grid in grids]


def make_crops(grid: TileGrid, count: int, *, seed: int = 0) -> Crops:
    """Give random crops on one tile each: an ellipse in the middle third is the region.

    Shapes: as Crops says; ``grid`` is that of every crop.
    """
    generator = torch.Generator().manual_seed(seed)
    boxes = torch.tensor([1 / 3, 1 / 3, 2 / 3, 2 / 3]).repeat(count, 1)
    corner = torch.rand(count, 2, generator=generator) * 0.5
    return Crops(
        pixels=torch.randn(count, 3, *grid.tile_hw, generator=generator),
        masks=_ellipse(boxes, grid.tile_hw),
        boxes_norm=boxes,
        points=[torch.tensor([[0.5, 0.5, 1.0]])] * count,
        in_image_norm=torch.cat([corner, corner + 0.5], 1),
        grids=[grid] * count,
    )


def select_crops(crops: Crops, keep: Sequence[int]) -> Crops:
    """Give some of the crops, in the order of ``keep``."""
    index = torch.tensor(list(keep), dtype=torch.int64)
    return Crops(
        pixels=crops.pixels[index],
        masks=crops.masks[index],
        boxes_norm=crops.boxes_norm[index],
        points=[crops.points[i] for i in index.tolist()],
        in_image_norm=crops.in_image_norm[index],
        grids=[crops.grids[i] for i in index.tolist()],
    )


def _random_boxes(count: int, generator: torch.Generator) -> Tensor:
    corner = torch.rand(count, 2, generator=generator) * 0.6
    size = 0.1 + torch.rand(count, 2, generator=generator) * 0.3
    boxes = torch.cat([corner, corner + size], dim=1)
    if count > 0:
        boxes[0] = torch.tensor([0.0, 0.0, 1.0, 1.0])
    if count > 1:
        boxes[1, 2:] = boxes[1, :2] + 0.04
    return boxes


def _ellipses(boxes: Tensor, grid: TileGrid) -> Tensor:
    """Draw (R, 4) normalised boxes as ellipses on every tile: (R, num_tiles, h, w) bool."""
    height, width = grid.tile_hw
    tiles = torch.zeros(len(boxes), grid.num_tiles, height, width, dtype=torch.bool)
    first = 1 if grid.thumbnail == "first" else 0
    if grid.thumbnail != "none":
        tiles[:, 0 if first else -1] = _ellipse(boxes, (height, width))
    canvas = _ellipse(boxes, grid.canvas_hw)
    for tile in range(grid.rows * grid.cols):
        row, col = divmod(tile, grid.cols)
        rows = slice(row * height, (row + 1) * height)
        tiles[:, first + tile] = canvas[:, rows, col * width : (col + 1) * width]
    return tiles


def _ellipse(boxes: Tensor, size_hw: tuple[int, int]) -> Tensor:
    height, width = size_hw
    scaled = boxes * torch.tensor([width, height, width, height])
    centre, half = (scaled[:, :2] + scaled[:, 2:]) / 2, (scaled[:, 2:] - scaled[:, :2]) / 2
    half = half.clamp(min=0.75)  # a tiny ellipse still holds a pixel's centre
    x = (torch.arange(width) + 0.5 - centre[:, :1]) / half[:, :1]
    y = (torch.arange(height) + 0.5 - centre[:, 1:]) / half[:, 1:]
    return (x[:, None, :] ** 2 + y[:, :, None] ** 2) <= 1.0
