from __future__ import annotations

import pytest
import torch

from gartk.errors import ConfigError, RegionError
from gartk.geometry import (
    box_norm_to_cells,
    box_px_to_norm,
    drop_thumbnail,
    mask_coverage,
    merge_block_to_raster,
    merge_tiles,
    norm_to_crop,
    patch_boxes_norm,
    patches_by_cell,
    points_px_to_norm,
    raster_to_merge_block,
    split_canvas,
    tokens_to_map,
)
from gartk.structures import Thumbnail, TileGrid

THUMBNAILS: tuple[Thumbnail, ...] = ("first", "last", "none")


def make_grid(thumbnail: Thumbnail = "first", rows: int = 2, cols: int = 3) -> TileGrid:
    return TileGrid(
        image_hw=(50, 90), rows=rows, cols=cols, tile_hw=(16, 16), patch_px=4, pool=2, thumbnail=thumbnail
    )


def with_thumbnail(tiles: torch.Tensor, grid: TileGrid, value: float, dim: int = 0) -> torch.Tensor:
    if grid.thumbnail == "none":
        return tiles
    thumb = torch.full_like(tiles.narrow(dim, 0, 1), value)
    return torch.cat([thumb, tiles] if grid.thumbnail == "first" else [tiles, thumb], dim)


def test_a_pixel_box_is_divided_by_width_in_x_and_by_height_in_y() -> None:
    assert box_px_to_norm((10, 10, 40, 20), (20, 80)) == (0.125, 0.5, 0.5, 1.0)


def test_a_box_of_three_numbers_is_a_region_error() -> None:
    with pytest.raises(RegionError, match="four numbers .*; got 3"):
        box_px_to_norm((1, 2, 3), (20, 80))


def test_a_point_names_the_centre_of_its_pixel_and_keeps_its_label() -> None:
    points = torch.tensor([[0.0, 0.0, 1.0], [79.0, 19.0, 0.0]])
    wanted = torch.tensor([[0.5 / 80, 0.5 / 20, 1.0], [79.5 / 80, 19.5 / 20, 0.0]])
    torch.testing.assert_close(points_px_to_norm(points, (20, 80)), wanted)


def test_x_scales_with_the_columns_and_y_with_the_rows_of_the_map_exactly_once() -> None:
    boxes = torch.tensor([[0.25, 0.5, 0.5, 1.0]])
    cells = box_norm_to_cells(boxes, torch.tensor([8, 12]))
    assert cells.tolist() == [[3.0, 4.0, 6.0, 8.0]]


def test_each_box_is_scaled_by_its_own_map() -> None:
    boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
    cells = box_norm_to_cells(boxes, torch.tensor([[2, 3], [5, 7]]))
    assert cells.tolist() == [[0, 0, 3, 2], [0, 0, 7, 5]]


def test_boxes_of_another_width_are_a_region_error() -> None:
    with pytest.raises(RegionError, match=r"shape \(K, 4\); got \(2, 5\)"):
        box_norm_to_cells(torch.zeros(2, 5), torch.tensor([2, 3]))


@pytest.mark.parametrize("thumbnail", THUMBNAILS)
def test_merging_the_tiles_of_a_split_canvas_gives_the_canvas_back(thumbnail: Thumbnail) -> None:
    grid = make_grid(thumbnail)
    canvas = torch.arange(2 * 32 * 48.0).reshape(2, 32, 48)
    tiles = split_canvas(canvas, grid)
    assert tiles.shape == (2, 6, 16, 16)
    assert torch.equal(tiles[0, 4], canvas[0, 16:32, 16:32]), (
        "tile 4 of 2x3 is in the second row, second column"
    )
    assert torch.equal(merge_tiles(with_thumbnail(tiles, grid, -1, dim=1), grid), canvas)


@pytest.mark.parametrize("thumbnail", THUMBNAILS)
def test_cells_of_tiles_become_the_map_of_the_image_without_the_thumbnail(thumbnail: Thumbnail) -> None:
    grid = make_grid(thumbnail)
    assert (grid.cell_hw, grid.map_hw) == ((2, 2), (4, 6))
    whole = torch.arange(4 * 6 * 3.0).reshape(4, 6, 3)
    per_tile = torch.stack(
        [whole[2 * r : 2 * r + 2, 2 * c : 2 * c + 2].reshape(4, 3) for r in range(2) for c in range(3)]
    )
    merged = tokens_to_map(with_thumbnail(per_tile, grid, -1).flatten(0, 1), grid)
    assert torch.equal(merged, whole.permute(2, 0, 1))


def test_the_map_is_a_view_of_channels_last_memory() -> None:
    merged = tokens_to_map(torch.zeros(28, 3), make_grid())
    assert merged.permute(1, 2, 0).is_contiguous()


@pytest.mark.parametrize("count", [24, 112])
def test_cells_that_do_not_fit_the_grid_are_a_config_error(count: int) -> None:
    with pytest.raises(ConfigError, match=r"needs \(28, D\)"):
        tokens_to_map(torch.zeros(count, 3), make_grid())


@pytest.mark.parametrize("thumbnail", THUMBNAILS)
def test_dropping_the_thumbnail_leaves_the_tiles(thumbnail: Thumbnail) -> None:
    grid = make_grid(thumbnail)
    tiles = torch.arange(6.0)[:, None]
    assert torch.equal(drop_thumbnail(with_thumbnail(tiles, grid, -1), grid), tiles)


@pytest.mark.parametrize("thumbnail", THUMBNAILS)
def test_coverage_is_the_share_of_each_cell_inside_the_mask(thumbnail: Thumbnail) -> None:
    grid = make_grid(thumbnail)
    canvas = torch.zeros(1, 32, 48, dtype=torch.bool)
    canvas[0, 4:16, 8:22] = True  # rows: half of cell 0, all of 1; columns: all of 1, 6 of 8 pixels of cell 2
    coverage = mask_coverage(with_thumbnail(split_canvas(canvas, grid), grid, True, dim=1), grid)
    wanted = torch.zeros(4, 6)
    wanted[0, 1], wanted[0, 2], wanted[1, 1], wanted[1, 2] = 0.5, 0.375, 1.0, 0.75
    assert torch.equal(coverage, wanted[None])


def test_coverage_of_no_masks_has_the_shape_of_the_map() -> None:
    grid = make_grid()
    assert mask_coverage(torch.zeros(0, 7, 16, 16, dtype=torch.bool), grid).shape == (0, 4, 6)


@pytest.mark.parametrize("thumbnail", THUMBNAILS)
def test_patch_boxes_tile_the_image_and_the_thumbnails_cover_it_whole(thumbnail: Thumbnail) -> None:
    grid = make_grid(thumbnail)
    boxes = patch_boxes_norm(grid)
    assert boxes.shape == (grid.num_tiles, 16, 4)
    tiles = drop_thumbnail(boxes, grid)
    # Tile 4 is row 1, column 1; its patch 6 is row 1, column 2 of 4x4: patch (5, 6) of 8 x 12.
    torch.testing.assert_close(tiles[4, 6], torch.tensor([6 / 12, 5 / 8, 7 / 12, 6 / 8]))
    area = (tiles[..., 2:] - tiles[..., :2]).prod(-1)
    assert float(area.sum()) == pytest.approx(1.0)
    if thumbnail != "none":
        thumb = boxes[0 if thumbnail == "first" else -1]
        torch.testing.assert_close(thumb[6], torch.tensor([2 / 4, 1 / 4, 3 / 4, 2 / 4]))
        assert float((thumb[:, 2:] - thumb[:, :2]).prod(-1).sum()) == pytest.approx(1.0)


def test_patch_boxes_agree_with_pixels_on_the_canvas() -> None:
    grid = make_grid("none")
    centres = patch_boxes_norm(grid)[..., :2] * torch.tensor([48.0, 32.0])
    x = torch.arange(48.0).expand(32, 48)
    y = torch.arange(32.0)[:, None].expand(32, 48)
    corners = torch.stack([split_canvas(plane, grid)[:, ::4, ::4].flatten(1) for plane in (x, y)], -1)
    torch.testing.assert_close(centres, corners)


def one_tile(rows: int, cols: int) -> TileGrid:
    """A grid of one tile of rows x cols patches."""
    return TileGrid((rows, cols), 1, 1, (rows, cols), patch_px=1, pool=2, thumbnail="none")


def test_merge_block_order_puts_each_two_by_two_group_together() -> None:
    order = raster_to_merge_block(torch.arange(16.0)[:, None], [one_tile(4, 4)])[:, 0].int().tolist()
    assert order == [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]


def test_merge_block_order_holds_for_wide_images() -> None:
    order = raster_to_merge_block(torch.arange(12.0)[:, None], [one_tile(2, 6)])[:, 0].int().tolist()
    assert order == [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]


def test_merge_block_order_of_a_ragged_batch_is_undone() -> None:
    grids = [one_tile(2, 4), one_tile(4, 2), one_tile(4, 2), make_grid()]
    patches = torch.randn(sum(grid.num_patches for grid in grids), 3)
    blocks = raster_to_merge_block(patches, grids)
    assert torch.equal(merge_block_to_raster(blocks, grids), patches)
    own = patches.split([grid.num_patches for grid in grids])
    alone = [raster_to_merge_block(one, [grid]) for one, grid in zip(own, grids, strict=True)]
    assert torch.equal(blocks, torch.cat(alone))


def test_patches_by_cell_hold_whole_cells_or_are_a_config_error() -> None:
    cells = patches_by_cell(torch.arange(8.0)[:, None], [one_tile(2, 4)], 2)
    assert cells[..., 0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7]]
    with pytest.raises(ConfigError, match="2x4 patches has no whole cells of 3x3"):
        patches_by_cell(torch.zeros(8, 1), [one_tile(2, 4)], 3)


def test_boxes_and_points_of_an_image_move_onto_a_crop_of_it() -> None:
    crop = torch.tensor([0.25, 0.5, 0.75, 1.0])
    boxes = torch.tensor([[0.25, 0.5, 0.75, 1.0], [0.5, 0.75, 0.625, 0.875], [0.0, 0.0, 1.0, 1.0]])
    wanted = [[0.0, 0.0, 1.0, 1.0], [0.5, 0.5, 0.75, 0.75], [-0.5, -1.0, 1.5, 1.0]]
    assert norm_to_crop(boxes, crop).tolist() == wanted
    points = torch.tensor([[0.5, 0.75, 1.0], [0.25, 1.0, 0.0]])
    assert norm_to_crop(points, crop).tolist() == [[0.5, 0.5, 1.0], [0.0, 1.0, 0.0]]
