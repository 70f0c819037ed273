"""Boxes and pictures of ids as the authors' release draws them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gartk.compat import ReleaseCompat
from gartk.compat.geometry import bicubic_masks, boxes_px, masks_of_ids, paint_ids, tile_ids
from gartk.data.tiling import AnyResTiler
from gartk.errors import RegionError
from gartk.regions import Region
from tests.compat.samples import ONE, TWO, only, rectangle


def test_an_inclusive_box_ends_at_the_last_pixel() -> None:
    assert boxes_px([ONE], ReleaseCompat()) == [(10, 5, 30, 20)]
    assert boxes_px([ONE], only("inclusive_box")) == [(10, 5, 29, 19)]
    assert boxes_px([rectangle(7, 9, 8, 10)], only("inclusive_box")) == [(9, 7, 9, 7)], "one pixel, no area"


def test_an_inclusive_box_is_that_of_the_mask_also_where_a_box_was_given() -> None:
    given = Region.from_box((10.4, 5.2, 29.9, 19.5), image_hw=(40, 60))
    ys, xs = np.nonzero(given.mask)
    wanted = (float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max()))
    assert boxes_px([given], only("inclusive_box")) == [wanted]


def test_the_last_masks_box_replaces_those_of_all_regions() -> None:
    assert boxes_px([ONE, TWO], only("last_mask_box")) == [(20, 10, 55, 35)] * 2
    assert boxes_px([ONE, TWO], only("last_mask_box", "inclusive_box")) == [(20, 10, 54, 34)] * 2
    assert boxes_px([], only("last_mask_box")) == []


def test_a_pixel_of_the_picture_keeps_the_first_id_it_gets() -> None:
    ids = paint_ids([ONE.mask, TWO.mask], [0, 1], 5)
    assert (ids[ONE.mask] == 0).all()
    assert (ids[TWO.mask & ~ONE.mask] == 1).all()
    assert (ids[~(ONE.mask | TWO.mask)] == 5).all()


def test_the_picture_is_resized_like_a_photo_so_ids_between_appear_and_the_union_grows() -> None:
    tiler = AnyResTiler(56, max_num_tiles=4)
    masks = [ONE.mask, TWO.mask]
    grid = tiler.grid((40, 60))
    levels = set(tile_ids(paint_ids(masks, [0, 1], 5), grid).unique().tolist())
    assert {2, 3, 4} <= levels
    bicubic = bicubic_masks(masks, [0, 1], 5, grid)
    nearest = tiler.tile_masks(np.stack(masks), grid)
    assert bicubic.shape == nearest.shape
    assert int(bicubic.any(0).sum()) > int(nearest.any(0).sum())
    assert torch.equal(bicubic.any(0), tile_ids(paint_ids(masks, [0, 1], 5), grid) < 5)


def test_ids_beyond_the_background_are_background_and_strange_ones_go_to_the_nearest_region() -> None:
    ids = torch.tensor([[[0, 1, 2, 3, 4, 5, 6, 255]]], dtype=torch.uint8)
    assert masks_of_ids(ids, [0, 3], 5)[:, 0, 0].int().tolist() == [
        [1, 1, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 1, 0, 0, 0],
    ]


def test_no_region_and_too_many_prompts_are_served_or_refused() -> None:
    grid = AnyResTiler(56, max_num_tiles=4).grid((40, 60))
    assert bicubic_masks([], [], 5, grid).shape == (0, grid.num_tiles, 56, 56)
    with pytest.raises(RegionError, match="at most 255 prompts"):
        paint_ids([ONE.mask], [0], 256)
