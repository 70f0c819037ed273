"""Tilers: how an image and its masks are cut for a vision backbone."""

from __future__ import annotations

import copy
import math
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from gartk.errors import ConfigError, DataError
from gartk.geometry import drop_thumbnail, split_canvas
from gartk.regions.masks import fill_box
from gartk.structures import TileGrid
from gartk.tilers import TILERS, Tiler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image
    from torch import Tensor


@lru_cache(maxsize=64)
def _grids_by_ratio(max_num_tiles: int) -> dict[float, list[tuple[int, int]]]:
    """All (columns, rows) of at most ``max_num_tiles`` tiles, grouped by columns / rows.

    The order counts, since later grids win ties: from many tiles to few, narrow to wide.
    """
    grids: dict[float, list[tuple[int, int]]] = {}
    for count in range(max_num_tiles, 0, -1):
        for cols in range(1, count + 1):
            if count % cols == 0:
                grids.setdefault(cols / (count // cols), []).append((cols, count // cols))
    return grids


def _fitted_size(image_wh: tuple[int, int], canvas_wh: tuple[int, int]) -> tuple[float, float]:
    """Size of the image when it is scaled, aspect kept, until it touches the canvas."""
    width, height = image_wh
    factor = min(canvas_wh[0] / width, canvas_wh[1] / height)
    ratio = width / height
    if ratio > 1.0:
        new_width = factor * width
        return new_width, math.floor(new_width / ratio)
    new_height = factor * height
    return math.floor(new_height * ratio), new_height


def _largest_upscaling(image_wh: tuple[int, int], tile_px: int, max_num_tiles: int) -> tuple[int, int] | None:
    """The grid that holds the image without shrinking it and makes its shorter side longest."""
    wide = image_wh[0] / image_wh[1] >= 1.0
    best: tuple[int, int] | None = None
    best_side = -math.inf
    for grids in _grids_by_ratio(max_num_tiles).values():
        for cols, rows in grids:
            canvas = (cols * tile_px, rows * tile_px)
            if canvas[0] < image_wh[0] or canvas[1] < image_wh[1]:
                continue
            side = _fitted_size(image_wh, canvas)[1 if wide else 0]
            if side >= best_side:
                best, best_side = (cols, rows), side
    return best


def _closest_ratio(image_wh: tuple[int, int], max_num_tiles: int) -> tuple[int, int]:
    """The grid of the nearest aspect ratio (rounded towards square), with the most tiles."""
    target = image_wh[0] / image_wh[1]
    grids = _grids_by_ratio(max_num_tiles)
    if target >= 1:
        ratio = min((r for r in grids if r <= target), key=lambda r: abs(r - target))
        return max(grids[ratio], key=lambda grid: grid[0])
    ratio = min((r for r in grids if r > target), key=lambda r: abs(1 / r - 1 / target))
    return max(grids[ratio], key=lambda grid: grid[1])


@lru_cache(maxsize=4096)
def anyres_grid(image_hw: tuple[int, int], tile_px: int, max_num_tiles: int) -> tuple[int, int]:
    """Choose (rows, columns) of tiles as PerceptionLM does.

    The image goes onto the canvas that holds it without shrinking and makes its shorter side
    longest; an image too large for every canvas goes onto the one of the nearest aspect ratio.

    Units: image_hw original pixels; tile_px the side of a square tile.
    Source: PerceptionLM's image processor in transformers; compared with it in the tests.
    """
    if max_num_tiles == 1:
        return 1, 1
    image_wh = (image_hw[1], image_hw[0])
    fitting = _largest_upscaling(image_wh, tile_px, max_num_tiles)
    cols, rows = fitting or _closest_ratio(image_wh, max_num_tiles)
    return rows, cols


def image_to_tensor(image: np.ndarray | Image.Image) -> Tensor:
    """Turn an RGB image into a uint8 tensor.

    Shapes: (H, W, 3) uint8 array or a PIL image; returns (3, H, W) uint8.
    Raises: DataError for another shape or type.
    """
    if not isinstance(image, np.ndarray):
        image = np.asarray(image.convert("RGB"))
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise DataError(
            f"An image must be uint8 of shape (H, W, 3); got {image.dtype} {image.shape}."
            " Use gartk.regions.images.open_image to read files of other kinds."
        )
    # Torch warns of memory that may not be written to, as Pillow's is, so that is copied.
    return torch.from_numpy(np.require(image, requirements=["C", "W"])).permute(2, 0, 1)


def stretch(pixels: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Resize an image to a size of any aspect ratio, bicubic with antialiasing.

    Shapes: pixels (C, H, W) uint8; returns (C, h, w) uint8.
    Source: the values and the memory layout of torchvision's resize, whose import takes as long as torch's.
    """
    if tuple(pixels.shape[1:]) == size_hw:
        return pixels
    # With a whole picture as the stride of the batch, torch sees that channels come last, and is faster.
    batch = pixels.as_strided((1, *pixels.shape), (pixels.numel(), *pixels.stride()))
    return F.interpolate(batch, size=size_hw, mode="bicubic", align_corners=False, antialias=True)[0]


def normalise(tiles: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Take a mean from every channel and divide by a deviation, as vision towers were trained.

    Shapes: tiles (T, 3, h, w) uint8; returns the same shape, float32.
    Units: mean and std for values of 0..1.
    """
    shift, scale = (torch.tensor(tuple(values)).view(1, 3, 1, 1) * 255 for values in (mean, std))
    return tiles.float().sub_(shift).div_(scale)


def resize_mask(mask: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Resize one binary mask by nearest pixel; a mask that has pixels never loses them all.

    Shapes: (H, W) bool; returns (h, w) bool.
    """
    resized = cv2.resize(mask.view(np.uint8), size_hw[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    if not resized.any():
        ys, xs = np.nonzero(mask)
        if ys.size:
            y, x = int(ys[ys.size // 2]), int(xs[ys.size // 2])
            down, across = size_hw[0] / mask.shape[0], size_hw[1] / mask.shape[1]
            return fill_box((x * across, y * down, (x + 1) * across, (y + 1) * down), size_hw)
    return resized.astype(bool)


@TILERS.register()
class AnyResTiler(Tiler):
    """A thumbnail and up to ``max_num_tiles`` square tiles; the image is stretched, never padded.

    ``thumbnail="always"`` puts it first also where there is one tile, which then is the same picture
    twice; ``"tiled"`` leaves it out there.

    Units: tile_px, patch_px pixels; pool patches per feature cell side.
    Raises: ConfigError if the numbers do not divide each other, or for another ``thumbnail``.
    Source: PerceptionLM (``thumbnail="always"``).
    """

    def __init__(
        self,
        tile_px: int = 448,
        *,
        max_num_tiles: int = 16,
        patch_px: int = 14,
        pool: int = 2,
        thumbnail: str = "always",
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.5, 0.5, 0.5),
    ) -> None:
        name = type(self).__name__
        if tile_px % (patch_px * pool):
            raise ConfigError(
                f"{name}: tile_px {tile_px} is not a multiple of patch_px * pool = {patch_px * pool}."
            )
        if max_num_tiles < 1:
            raise ConfigError(f"{name}: max_num_tiles must be at least 1; got {max_num_tiles}.")
        if thumbnail not in ("always", "tiled"):
            raise ConfigError(f"{name}: thumbnail must be 'always' or 'tiled'; got {thumbnail!r}.")
        self.thumbnail = thumbnail
        self.tile_px = tile_px
        self.max_num_tiles = max_num_tiles
        self.patch_px = patch_px
        self.pool = pool
        self.mean = tuple(mean)
        self.std = tuple(std)

    def grid(self, image_hw: tuple[int, int]) -> TileGrid:
        """Choose the grid for an image of this size in pixels."""
        rows, cols = anyres_grid(image_hw, self.tile_px, self.max_num_tiles)
        return TileGrid(
            image_hw=image_hw,
            rows=rows,
            cols=cols,
            tile_hw=(self.tile_px, self.tile_px),
            patch_px=self.patch_px,
            pool=self.pool,
            thumbnail="first" if self.thumbnail == "always" or rows * cols > 1 else "none",
        )

    def tile_image(self, image: np.ndarray | Image.Image) -> tuple[Tensor, TileGrid]:
        """Cut and normalise an image.

        Shapes: (H, W, 3) uint8 or PIL; returns (num_tiles, 3, tile_px, tile_px) float32 and the grid.
        """
        pixels = image_to_tensor(image)
        grid = self.grid((pixels.shape[1], pixels.shape[2]))
        tiles = split_canvas(stretch(pixels, grid.canvas_hw), grid).transpose(0, 1)
        if grid.thumbnail != "none":
            whole = stretch(pixels, grid.tile_hw)[None]
            tiles = torch.cat([whole, tiles] if grid.thumbnail == "first" else [tiles, whole])
        return normalise(tiles, self.mean, self.std), grid

    def tile_masks(self, masks: np.ndarray, grid: TileGrid) -> Tensor:
        """Cut R boolean masks (R, H, W) into (R, num_tiles, tile_px, tile_px) bool."""
        out = torch.zeros((len(masks), grid.num_tiles, *grid.tile_hw), dtype=torch.bool)
        for index, mask in enumerate(masks):
            plain = np.ascontiguousarray(mask, dtype=bool)
            canvas = torch.from_numpy(resize_mask(plain, grid.canvas_hw))
            drop_thumbnail(out[index], grid)[:] = split_canvas(canvas, grid)
            if grid.thumbnail != "none":
                place = 0 if grid.thumbnail == "first" else -1
                out[index, place] = torch.from_numpy(resize_mask(plain, grid.tile_hw))
        return out

    def for_crops(self) -> AnyResTiler:
        """Return the tiler that puts a crop on one tile, without a thumbnail."""
        single = copy.copy(self)
        single.max_num_tiles, single.thumbnail = 1, "tiled"
        return single
