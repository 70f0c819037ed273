"""The contract of tilers."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gartk.geometry import merge_tiles
from gartk.structures import TileGrid
from gartk.testing.checks import (
    PartSpec,
    build_part,
    pickled,
    require,
    require_finite,
    require_same,
    require_shape,
)
from gartk.tilers import TILERS, Tiler

_SIZES_HW = ((40, 40), (33, 97), (150, 61), (5, 300), (480, 640))
_OVERLAP = 0.8


def check_tiler(spec: PartSpec) -> None:
    """Check everything that data and model rely on in a tiler.

    Promises: ``grid`` is the grid that ``tile_image`` gives; its shapes are true and whole patches
    and cells; arrays and PIL images give the same; a mask lies on the tiles where the image has its
    pixels, tiles in raster order; full and empty masks stay so; a mask of one pixel does not
    vanish; no masks give (0, T, h, w); it can be pickled and repeats itself. ``for_crops()``, which only
    extractors that need crops ask for, gives a tiler that puts images of any size on one tile of one size.

    Raises: ContractViolation naming the promise that is broken.
    """
    tiler = build_part(TILERS, spec)
    twin: Tiler = pickled(tiler, "A tiler")
    for image_hw in _SIZES_HW:
        _check_grid(tiler.grid(image_hw), image_hw)
        require(twin.grid(image_hw) == tiler.grid(image_hw), "A pickled tiler chooses the same grid.")
        _check_image(tiler, image_hw)
        _check_masks(tiler, image_hw)
        _check_alignment(tiler, image_hw)
    single = tiler.for_crops()
    if single is not None:
        _check_crops(single, tiler.grid(_SIZES_HW[0]))


def _check_crops(single: Tiler, whole: TileGrid) -> None:
    pickled(single, "The tiler for crops")
    for image_hw in _SIZES_HW:
        grid = single.grid(image_hw)
        _check_grid(grid, image_hw)
        promise = "for_crops() puts an image of any size on one tile of one size."
        first = single.grid(_SIZES_HW[0])
        same = (grid.num_tiles, grid.tile_hw) == (1, first.tile_hw)
        require(same, promise, f"{grid.num_tiles} tiles of {grid.tile_hw} for an image of {image_hw}")
        cells = (grid.patch_px, grid.pool) == (whole.patch_px, whole.pool)
        require(cells, "The cells of crops are those of whole images.", f"{grid.patch_px}, {grid.pool}")
        _check_image(single, image_hw)
        _check_masks(single, image_hw)
        _check_alignment(single, image_hw)


def _check_grid(grid: TileGrid, image_hw: tuple[int, int]) -> None:
    require(grid.image_hw == image_hw, f"The grid keeps the image's size {image_hw}.", str(grid.image_hw))
    require(grid.rows >= 1 and grid.cols >= 1, "A grid has tiles.", f"{grid.rows}x{grid.cols}")
    cell_px = grid.patch_px * grid.pool
    whole = all(side % cell_px == 0 for side in grid.tile_hw)
    require(whole, f"A tile holds whole cells of {cell_px} pixels.", str(grid.tile_hw))


def _check_image(tiler: Tiler, image_hw: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*image_hw, 3), dtype=np.uint8)
    tiles, grid = tiler.tile_image(image)
    require(grid == tiler.grid(image_hw), "tile_image gives the grid that grid() chooses.", str(grid))
    require_shape(tiles, (grid.num_tiles, 3, *grid.tile_hw), f"The tiles of an image of {image_hw}")
    require(tiles.dtype == torch.float32, "Tiles are float32.", str(tiles.dtype))
    require_finite(tiles, "The tiles")
    same = "An array and a PIL image of the same pixels give the same tiles."
    require_same(tiles, tiler.tile_image(Image.fromarray(image))[0], same)


def _check_masks(tiler: Tiler, image_hw: tuple[int, int]) -> None:
    grid = tiler.grid(image_hw)
    pixel = np.zeros(image_hw, dtype=bool)
    pixel[image_hw[0] // 3, image_hw[1] // 3] = True
    masks = np.stack([np.ones(image_hw, dtype=bool), np.zeros(image_hw, dtype=bool), pixel])
    tiles = tiler.tile_masks(masks, grid)
    require_shape(tiles, (3, grid.num_tiles, *grid.tile_hw), "The tiles of three masks")
    require(tiles.dtype == torch.bool, "Tiles of masks are bool.", str(tiles.dtype))
    require(bool(tiles[0].all()), "A mask of the whole image covers every tile.")
    require(not bool(tiles[1].any()), "An empty mask stays empty.")
    require(bool(merge_tiles(tiles[2:], grid).any()), "A mask of one pixel does not vanish from the tiles.")
    none = tiler.tile_masks(masks[:0], grid)
    require_shape(none, (0, grid.num_tiles, *grid.tile_hw), "The tiles of no masks")


def _check_alignment(tiler: Tiler, image_hw: tuple[int, int]) -> None:
    height, width = image_hw
    mask = np.zeros(image_hw, dtype=bool)
    mask[: max(1, height * 2 // 5), width // 2 :] = True
    image = np.repeat(mask[..., None], 3, axis=2).astype(np.uint8) * 255
    tiles, grid = tiler.tile_image(image)
    masks = tiler.tile_masks(mask[None], grid)[0]
    bright = tiles.mean(1) > (tiles.min() + tiles.max()) / 2
    overlap = _iou(bright, masks)
    promise = f"A mask lies where the image has its pixels (overlap of at least {_OVERLAP})."
    require(overlap >= _OVERLAP, promise, f"{overlap:.2f} for an image of {image_hw}")
    canvas = merge_tiles(masks[None], grid)[0]
    wanted = torch.zeros_like(canvas)
    rows, cols = canvas.shape
    wanted[: round(rows * max(1, height * 2 // 5) / height), round(cols * (width // 2) / width) :] = True
    overlap = _iou(canvas, wanted)
    promise = "Tiles merged in raster order give the stretched image back."
    require(overlap >= _OVERLAP, promise, f"an overlap of {overlap:.2f} for an image of {image_hw}")


def _iou(left: Tensor, right: Tensor) -> float:
    union = int((left | right).sum())
    return 1.0 if union == 0 else int((left & right).sum()) / union
