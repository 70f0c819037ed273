"""InternVL's tiler against transformers' own processor, and masks against its tiles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import GotOcr2ImageProcessor
from transformers.models.got_ocr2.image_processing_got_ocr2 import get_optimal_tiled_canvas

from gartk.data.intern_tiles import InternVLTiler, nearest_grid
from gartk.errors import ConfigError
from gartk.geometry import merge_tiles

# What the checkpoints' processor_config.json says; transformers' class defaults are those of another model.
SETTINGS = {"crop_to_patches": True, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
SIDES = st.one_of(st.integers(1, 200), st.integers(1, 8000), st.integers(1, 40).map(lambda n: n * 112))


def reference_grid(image_hw: tuple[int, int], tile_px: int, max_num_tiles: int) -> tuple[int, int]:
    """(rows, columns) as transformers chooses them."""
    cols, rows = get_optimal_tiled_canvas(image_hw, (tile_px, tile_px), 1, max_num_tiles)
    return rows, cols


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(SIDES, SIDES, st.sampled_from([28, 56, 112, 336, 448]), st.integers(1, 36))
@example(1, 8000, 448, 12)
@example(8000, 1, 448, 12)
@example(448, 448, 448, 16)
@example(634, 634, 448, 16)  # 2x2 tiles have more than twice this area,
@example(633, 635, 448, 16)  # and this one,
@example(635, 634, 448, 16)  # but not this.
def test_the_grid_is_transformers_own(height: int, width: int, tile_px: int, max_num_tiles: int) -> None:
    wanted = reference_grid((height, width), tile_px, max_num_tiles)
    assert nearest_grid((height, width), tile_px, max_num_tiles) == wanted


@pytest.mark.parametrize("max_num_tiles", [12, 16])
def test_the_grid_is_transformers_own_for_a_sweep_of_sizes(max_num_tiles: int) -> None:
    sizes = [(h, w) for h in range(7, 2400, 53) for w in range(5, 2400, 59)]
    sizes += [(n * 50, m * 50) for n in range(1, 40) for m in range(1, 40)]  # many with equally near grids
    wrong = [
        hw for hw in sizes if nearest_grid(hw, 448, max_num_tiles) != reference_grid(hw, 448, max_num_tiles)
    ]
    assert wrong == []


def test_of_equally_near_grids_the_largest_below_twice_the_image_s_area_is_taken() -> None:
    assert nearest_grid((448, 448), 448, 12) == (1, 1)
    assert nearest_grid((640, 640), 448, 12) == (2, 2)
    assert nearest_grid((1000, 1000), 448, 12) == (3, 3)
    assert nearest_grid((448, 896), 448, 12) == (1, 2)
    assert nearest_grid((900, 1800), 448, 12) == (2, 4)


@pytest.mark.parametrize(
    ("image_hw", "rows_cols", "tokens"),
    [((448, 448), (1, 1), 256), ((480, 640), (3, 4), 3328), ((2000, 2000), (4, 4), 4352)],
)
def test_token_counts_of_the_paper_s_setting(
    image_hw: tuple[int, int], rows_cols: tuple[int, int], tokens: int
) -> None:
    grid = InternVLTiler(max_num_tiles=16).grid(image_hw)
    assert (grid.rows, grid.cols) == rows_cols
    assert grid.num_tokens == tokens


@pytest.mark.parametrize("image_hw", [(31, 57), (112, 112), (113, 200), (480, 641), (9, 400), (300, 7)])
@pytest.mark.parametrize("max_num_tiles", [1, 4, 12])
def test_tiles_equal_the_pixel_values_of_transformers_to_the_last_bit(
    image_hw: tuple[int, int], max_num_tiles: int
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*image_hw, 3), dtype=np.uint8)
    size = {"height": 112, "width": 112}
    processor = GotOcr2ImageProcessor(size=size, max_patches=max_num_tiles, **SETTINGS)
    wanted = processor(Image.fromarray(image), return_tensors="pt")
    tiles, grid = InternVLTiler(112, max_num_tiles=max_num_tiles).tile_image(image)
    assert wanted["num_patches"].tolist() == [grid.num_tiles]
    assert torch.equal(tiles, wanted["pixel_values"])


def test_the_thumbnail_is_last_and_absent_where_there_is_one_tile() -> None:
    image = np.zeros((28, 56, 3), dtype=np.uint8)
    image[:, 28:] = 255
    tiler = InternVLTiler(28, max_num_tiles=2)
    tiles, grid = tiler.tile_image(image)
    assert (grid.rows, grid.cols, grid.thumbnail) == (1, 2, "last")
    assert (tiles.mean((1, 2, 3)) > 0).tolist() == [False, True, True]
    assert tiles[2, 0, :, :14].max() < tiles[2, 0, :, -14:].min(), "the thumbnail shows both halves"
    single, grid = tiler.tile_image(image[:, :28])
    assert (grid.num_tiles, grid.thumbnail, len(single)) == (1, "none", 1)


def test_two_masks_keep_their_order_and_the_thumbnail_comes_last() -> None:
    masks = np.zeros((2, 40, 80), dtype=bool)
    masks[0, :, :40] = True
    masks[1, :, 40:] = True
    tiler = InternVLTiler(28, max_num_tiles=2)
    grid = tiler.grid((40, 80))
    tiles = tiler.tile_masks(masks, grid)
    assert tiles.flatten(2).all(-1).tolist() == [[True, False, False], [False, True, False]]
    assert torch.equal(tiles[0, -1], ~tiles[1, -1])
    assert tiles[0, -1, :, :14].all()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 900), st.integers(1, 900), st.floats(0, 1), st.floats(0, 1))
def test_a_mask_of_one_pixel_survives_in_canvas_and_thumbnail_at_its_place(
    height: int, width: int, v: float, u: float
) -> None:
    y, x = min(int(v * height), height - 1), min(int(u * width), width - 1)
    mask = np.zeros((height, width), dtype=bool)
    mask[y, x] = True
    tiler = InternVLTiler(28, max_num_tiles=4)
    grid = tiler.grid((height, width))
    tiles = tiler.tile_masks(mask[None], grid)
    for plane in (tiles[0, -1], merge_tiles(tiles, grid)[0]):
        rows, cols = torch.nonzero(plane, as_tuple=True)
        assert len(rows) > 0
        middle = (float(rows.float().mean() + 0.5), float(cols.float().mean() + 0.5))
        wanted = ((y + 0.5) / height * plane.shape[0], (x + 0.5) / width * plane.shape[1])
        assert middle == pytest.approx(wanted, abs=1.0)


@pytest.mark.parametrize(("tile_px", "max_num_tiles"), [(30, 4), (28, 0)])
def test_numbers_that_do_not_fit_are_config_errors(tile_px: int, max_num_tiles: int) -> None:
    with pytest.raises(ConfigError, match="InternVLTiler"):
        InternVLTiler(tile_px, max_num_tiles=max_num_tiles)
