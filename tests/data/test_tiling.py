"""The tiler against transformers' own processor, and masks against the image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resize
from transformers.models.perception_lm.image_processing_perception_lm import PerceptionLMImageProcessor

from gartk.data.tiling import AnyResTiler, anyres_grid, resize_mask, stretch
from gartk.errors import ConfigError, DataError
from gartk.geometry import merge_tiles

PROCESSORS = {count: PerceptionLMImageProcessor(max_num_tiles=count) for count in range(1, 37)}


def reference_grid(height: int, width: int, tile_px: int, max_num_tiles: int) -> tuple[int, int]:
    """(rows, columns) as transformers chooses them."""
    processor = PROCESSORS[max_num_tiles]
    size = {"img_width": width, "img_height": height, "tile_size": tile_px}
    cols, rows = processor._fit_image_to_canvas(**size) or processor._find_closest_aspect_ratio(**size)
    return rows, cols


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.tuples(*[st.integers(1, 300)] * 2), st.tuples(*[st.integers(2, 300)] * 2), st.booleans())
def test_stretching_gives_the_pixels_and_the_layout_of_torchvision(
    old_hw: tuple[int, int], new_hw: tuple[int, int], channels_last: bool
) -> None:
    random = np.random.default_rng(sum(old_hw))
    pixels = torch.from_numpy(random.integers(0, 256, (*old_hw, 3), dtype=np.uint8)).permute(2, 0, 1)
    pixels = pixels if channels_last else pixels.contiguous()
    ours = stretch(pixels, new_hw)
    theirs = resize(pixels, list(new_hw), interpolation=InterpolationMode.BICUBIC, antialias=True)
    assert torch.equal(ours, theirs)
    assert ours.stride() == theirs.stride()


SIDES = st.one_of(st.integers(1, 200), st.integers(1, 8000), st.integers(1, 40).map(lambda n: n * 112))


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(SIDES, SIDES, st.sampled_from([28, 56, 112, 336, 448]), st.integers(2, 36))
@example(1, 8000, 448, 16)
@example(8000, 1, 448, 16)
@example(448, 448, 448, 16)
@example(449, 448, 448, 16)
@example(447, 448, 448, 36)
def test_the_grid_is_transformers_own(height: int, width: int, tile_px: int, max_num_tiles: int) -> None:
    wanted = reference_grid(height, width, tile_px, max_num_tiles)
    assert anyres_grid((height, width), tile_px, max_num_tiles) == wanted


def test_the_grid_is_transformers_own_for_a_sweep_of_sizes_at_16_tiles() -> None:
    sizes = [(h, w) for h in range(7, 2400, 53) for w in range(5, 2400, 59)]
    wrong = [hw for hw in sizes if anyres_grid(hw, 448, 16) != reference_grid(*hw, 448, 16)]
    assert len(sizes) > 1800
    assert wrong == []


@pytest.mark.parametrize(
    ("image_hw", "rows_cols", "tokens"),
    [
        ((480, 640), (3, 4), 3328),
        ((768, 1024), (3, 4), 3328),
        ((1080, 1920), (3, 5), 4096),
        ((1000, 1000), (4, 4), 4352),
        ((224, 224), (4, 4), 4352),
    ],
)
def test_token_counts_of_the_paper_s_setting(
    image_hw: tuple[int, int], rows_cols: tuple[int, int], tokens: int
) -> None:
    grid = AnyResTiler(448, max_num_tiles=16).grid(image_hw)
    assert (grid.rows, grid.cols) == rows_cols
    assert grid.num_tokens == tokens


@pytest.mark.parametrize("image_hw", [(31, 57), (112, 112), (113, 200), (480, 641), (9, 400), (300, 7)])
@pytest.mark.parametrize("max_num_tiles", [1, 4, 9])
def test_tiles_equal_the_pixel_values_of_transformers_to_the_last_bit(
    image_hw: tuple[int, int], max_num_tiles: int
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*image_hw, 3), dtype=np.uint8)
    processor = PerceptionLMImageProcessor(tile_size=112, max_num_tiles=max_num_tiles)
    wanted = processor(Image.fromarray(image), return_tensors="pt")["pixel_values"]
    tiles, _ = AnyResTiler(112, max_num_tiles=max_num_tiles).tile_image(image)
    assert torch.equal(tiles, wanted.reshape(tiles.shape))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(12, 150), st.integers(12, 150), st.data())
def test_a_mask_lands_on_the_tiles_where_the_image_has_its_pixels(
    height: int, width: int, data: st.DataObject
) -> None:
    top, left = data.draw(st.integers(0, height - 6)), data.draw(st.integers(0, width - 6))
    bottom, right = data.draw(st.integers(top + 6, height)), data.draw(st.integers(left + 6, width))
    mask = np.zeros((height, width), dtype=bool)
    mask[top:bottom, left:right] = True
    tiler = AnyResTiler(56, max_num_tiles=6)
    tiles, grid = tiler.tile_image(np.repeat(mask[..., None], 3, axis=2).astype(np.uint8) * 255)
    bright = tiles.mean(1) > 0
    masks = tiler.tile_masks(mask[None], grid)[0]
    # Nearest against bicubic: they may differ by a pixel along each edge of the tile's rectangle.
    for tile_bright, tile_mask in zip(bright, masks, strict=True):
        edge = _perimeter(tile_bright) + _perimeter(tile_mask)
        assert int((tile_bright ^ tile_mask).sum()) <= edge
    # On the map, the box of the mask is where stretching puts it, to a canvas pixel per edge.
    rows, cols = torch.nonzero(merge_tiles(masks[None], grid)[0], as_tuple=True)
    canvas_h, canvas_w = grid.canvas_hw
    found = [int(rows.min()), int(rows.max()) + 1, int(cols.min()), int(cols.max()) + 1]
    wanted = [
        top / height * canvas_h,
        bottom / height * canvas_h,
        left / width * canvas_w,
        right / width * canvas_w,
    ]
    assert found == pytest.approx(wanted, abs=1.0)


def _perimeter(plane: torch.Tensor) -> int:
    rows, cols = plane.any(1).sum(), plane.any(0).sum()
    return int(2 * (rows + cols))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 900), st.integers(1, 900), st.floats(0, 1), st.floats(0, 1))
def test_a_mask_of_one_pixel_survives_in_thumbnail_and_canvas_at_its_place(
    height: int, width: int, v: float, u: float
) -> None:
    y, x = min(int(v * height), height - 1), min(int(u * width), width - 1)
    mask = np.zeros((height, width), dtype=bool)
    mask[y, x] = True
    tiler = AnyResTiler(28, max_num_tiles=4)
    grid = tiler.grid((height, width))
    tiles = tiler.tile_masks(mask[None], grid)
    for plane in (tiles[0, 0], merge_tiles(tiles, grid)[0]):
        rows, cols = torch.nonzero(plane, as_tuple=True)
        assert len(rows) > 0
        middle = (float(rows.float().mean() + 0.5), float(cols.float().mean() + 0.5))
        wanted = ((y + 0.5) / height * plane.shape[0], (x + 0.5) / width * plane.shape[1])
        assert middle == pytest.approx(wanted, abs=1.0)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 45), st.integers(0, 45), st.integers(1, 90), st.integers(1, 90), st.integers(0, 99))
def test_a_mask_is_read_at_the_centres_of_the_canvas_pixels(
    v: int, u: int, out_h: int, out_w: int, seed: int
) -> None:
    height, width = 2 * v + 1, 2 * u + 1  # odd, so that no centre falls between two pixels
    mask = np.random.default_rng(seed).random((height, width)) < 0.5
    mask[0, 0] = True
    rows = (2 * np.arange(out_h) + 1) * height // (2 * out_h)
    cols = (2 * np.arange(out_w) + 1) * width // (2 * out_w)
    wanted = mask[rows][:, cols]
    if wanted.any():
        assert np.array_equal(resize_mask(mask, (out_h, out_w)), wanted)


def test_two_masks_keep_their_order_and_the_thumbnail_comes_first() -> None:
    masks = np.zeros((2, 40, 80), dtype=bool)
    masks[0, :, :40] = True
    masks[1, :, 40:] = True
    tiler = AnyResTiler(28, max_num_tiles=2)
    grid = tiler.grid((40, 80))
    assert (grid.rows, grid.cols) == (1, 2)
    tiles = tiler.tile_masks(masks, grid)
    assert tiles.flatten(2).all(-1).tolist() == [[False, True, False], [False, False, True]]
    assert torch.equal(tiles[0, 0], ~tiles[1, 0])


@pytest.mark.parametrize(("image_hw", "num_tiles"), [((28, 28), 1), ((28, 56), 3)])
def test_a_thumbnail_only_where_there_are_several_tiles(image_hw: tuple[int, int], num_tiles: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*image_hw, 3), dtype=np.uint8)
    mask = image[..., 0] < 99
    always, tiled = (AnyResTiler(28, max_num_tiles=2, thumbnail=kind) for kind in ("always", "tiled"))
    tiles, grid = tiled.tile_image(image)
    assert len(tiles) == grid.num_tiles == num_tiles
    assert torch.equal(tiles, always.tile_image(image)[0][-num_tiles:])
    masks = tiled.tile_masks(mask[None], grid)
    assert torch.equal(masks, always.tile_masks(mask[None], always.grid(image_hw))[:, -num_tiles:])


def test_another_thumbnail_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="thumbnail must be 'always' or 'tiled'; got 'never'"):
        AnyResTiler(28, thumbnail="never")


def test_an_empty_mask_stays_empty() -> None:
    assert not resize_mask(np.zeros((5, 7), dtype=bool), (28, 28)).any()


def test_pillow_images_and_read_only_arrays_give_the_same_tiles_without_a_warning(
    recwarn: pytest.WarningsRecorder,
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    tiler = AnyResTiler(28, max_num_tiles=4)
    tiles, _ = tiler.tile_image(image)
    assert torch.equal(tiler.tile_image(Image.fromarray(image))[0], tiles)
    image.flags.writeable = False
    assert torch.equal(tiler.tile_image(image)[0], tiles)
    assert not recwarn.list


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)]
)
def test_an_array_that_is_no_rgb_image_is_a_data_error(image: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"uint8 of shape \(H, W, 3\)"):
        AnyResTiler(28).tile_image(image)


@pytest.mark.parametrize(("tile_px", "max_num_tiles"), [(30, 4), (28, 0)])
def test_numbers_that_do_not_fit_are_config_errors(tile_px: int, max_num_tiles: int) -> None:
    with pytest.raises(ConfigError, match="AnyResTiler"):
        AnyResTiler(tile_px, max_num_tiles=max_num_tiles)
