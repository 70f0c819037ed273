"""The tiler of whole images against transformers' own processor, and masks against the image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import Qwen2VLImageProcessor
from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

from gartk.data.native import NativeTiler, native_size
from gartk.errors import ConfigError, DataError, GartkError
from gartk.geometry import raster_to_merge_block
from gartk.registry import TILERS
from gartk.testing.contracts import check_tiler

CELL = 28 * 28
BUDGETS = [(56 * 56, 1280 * CELL), (1024 * CELL, 4096 * CELL), (CELL, 4 * CELL), (100, 9 * CELL)]
SIDES = st.one_of(st.integers(1, 120), st.integers(1, 6000), st.integers(1, 150).map(lambda n: n * 14))


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(SIDES, SIDES, st.sampled_from(BUDGETS), st.sampled_from([28, 32]))
@example(1, 200, (56 * 56, 1280 * CELL), 28)
@example(200, 1, (1024 * CELL, 4096 * CELL), 28)
@example(14, 42, (CELL, 1280 * CELL), 28)
@example(1, 201, (56 * 56, 1280 * CELL), 28)
def test_the_size_is_transformers_own(height: int, width: int, budget: tuple[int, int], cell_px: int) -> None:
    bounds = {"min_pixels": budget[0], "max_pixels": budget[1]}
    try:
        wanted = smart_resize(height, width, factor=cell_px, **bounds)
    except ValueError:
        with pytest.raises(DataError, match="200 times"):
            native_size((height, width), cell_px=cell_px, **bounds)
        return
    assert native_size((height, width), cell_px=cell_px, **bounds) == wanted


@pytest.mark.parametrize(
    ("image_hw", "tokens", "tokens_in_full_detail"),
    [
        ((480, 640), 391, 1036),
        ((1080, 1920), 1222, 2691),
        ((2048, 2048), 1225, 4096),
        ((448, 448), 256, 1024),
    ],
)
def test_token_counts_by_default_and_in_the_paper_s_detail(
    image_hw: tuple[int, int], tokens: int, tokens_in_full_detail: int
) -> None:
    assert NativeTiler().grid(image_hw).num_tokens == tokens
    detailed = NativeTiler(min_pixels=1024 * CELL, max_pixels=4096 * CELL)
    assert detailed.grid(image_hw).num_tokens == tokens_in_full_detail


def rows_of(tiles: Tensor, tiler: NativeTiler, image_hw: tuple[int, int]) -> Tensor:
    """Patches as Qwen's processor lays them out: block by block, each channel shown twice in time."""
    grid = tiler.grid(image_hw)
    rows, cols = grid.patch_hw
    patches = tiles.reshape(3, rows, 14, cols, 14).permute(1, 3, 0, 2, 4).reshape(rows * cols, 3, 1, 196)
    return raster_to_merge_block(patches.expand(-1, -1, 2, -1).flatten(1), [grid])


@pytest.mark.parametrize("image_hw", [(31, 57), (112, 112), (113, 200), (480, 641), (9, 400), (300, 7)])
@pytest.mark.parametrize(("low", "high"), [(4, 1280), (64, 100), (1, 9)])
def test_pixels_equal_those_of_transformers_to_the_last_bit(
    image_hw: tuple[int, int], low: int, high: int
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*image_hw, 3), dtype=np.uint8)
    bounds = {"min_pixels": low * CELL, "max_pixels": high * CELL}
    wanted = Qwen2VLImageProcessor(**bounds)(image, return_tensors="pt")
    tiler = NativeTiler(**bounds)
    tiles, grid = tiler.tile_image(image)
    assert [[1, *grid.patch_hw]] == wanted["image_grid_thw"].tolist()
    assert torch.equal(rows_of(tiles, tiler, image_hw), wanted["pixel_values"])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(12, 150), st.integers(12, 150), st.data())
def test_a_mask_lands_where_stretching_puts_it(height: int, width: int, data: st.DataObject) -> None:
    top, left = data.draw(st.integers(0, height - 6)), data.draw(st.integers(0, width - 6))
    bottom, right = data.draw(st.integers(top + 6, height)), data.draw(st.integers(left + 6, width))
    mask = np.zeros((height, width), dtype=bool)
    mask[top:bottom, left:right] = True
    tiler = NativeTiler(min_pixels=4 * CELL, max_pixels=25 * CELL)
    grid = tiler.grid((height, width))
    tile = tiler.tile_masks(mask[None], grid)[0, 0]
    rows, cols = torch.nonzero(tile, as_tuple=True)
    found = [int(rows.min()), int(rows.max()) + 1, int(cols.min()), int(cols.max()) + 1]
    down, across = grid.tile_hw[0] / height, grid.tile_hw[1] / width
    assert found == pytest.approx([top * down, bottom * down, left * across, right * across], abs=1.0)


@pytest.mark.parametrize("bounds", [{}, {"min_pixels": 100 * CELL, "max_pixels": 200 * CELL}])
def test_the_tiler_keeps_the_contract(bounds: dict[str, int]) -> None:
    check_tiler({"type": "NativeTiler", **bounds})


def test_an_image_too_long_says_what_to_do() -> None:
    with pytest.raises(DataError, match=r"3000x10 pixels is more than 200 times.*Crop it, or cut it"):
        NativeTiler().tile_image(np.zeros((10, 3000, 3), np.uint8))


@pytest.mark.parametrize("bounds", [(0, 100), (200, 100)])
def test_bounds_that_contradict_are_config_errors(bounds: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=f"got {bounds[0]} and {bounds[1]}"):
        TILERS.build({"type": "NativeTiler", "min_pixels": bounds[0], "max_pixels": bounds[1]})


def test_an_array_that_is_no_rgb_image_is_a_data_error() -> None:
    with pytest.raises(GartkError, match=r"uint8 of shape \(H, W, 3\)"):
        NativeTiler().tile_image(np.zeros((4, 4), np.uint8))
