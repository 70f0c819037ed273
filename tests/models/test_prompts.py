from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gartk.errors import ConfigError, RegionError
from gartk.geometry import patch_boxes_norm, split_canvas
from gartk.models.prompts import BoxPrompt, MaskPrompt, NullPrompt, PointPrompt, PromptEncoder
from gartk.structures import RegionBatch, TileGrid
from gartk.testing.parts import make_grid, make_regions, ragged_grids, select_regions

DIM = 6


def fill(encoder: PromptEncoder, value: float | None = None) -> PromptEncoder:
    """Return the weights a constant, or seeded noise."""
    with torch.no_grad():
        for parameter in encoder.parameters():
            if value is None:
                parameter.normal_(generator=torch.Generator().manual_seed(0))
            else:
                parameter.fill_(value)
    return encoder


def encoders(**changes: object) -> list[PromptEncoder]:
    mask = MaskPrompt(embed_dim=DIM, patch_px=4, **changes)  # type: ignore[arg-type]
    return [mask, *(kind(embed_dim=DIM, **changes) for kind in (BoxPrompt, PointPrompt))]  # type: ignore[arg-type]


def one_region(grid: TileGrid, box_norm: list[float], points: list[list[float]] | None = None) -> RegionBatch:
    """A region of one image, its mask the pixels of its box on the canvas and on the thumbnail."""
    thumb, canvas = (_rectangle(box_norm, hw) for hw in (grid.tile_hw, grid.canvas_hw))
    tiles = torch.cat([thumb[None], split_canvas(canvas, grid)])
    return RegionBatch(
        boxes_norm=torch.tensor([box_norm]),
        image_index=torch.tensor([0]),
        prompt_index=torch.tensor([0]),
        masks=[tiles[None]],
        points=[torch.tensor(points if points is not None else [[0.5, 0.5, 1.0]])],
    )


def _rectangle(box: list[float], hw: tuple[int, int]) -> Tensor:
    plane = torch.zeros(hw, dtype=torch.bool)
    x0, y0, x1, y1 = (round(v * s) for v, s in zip(box, (hw[1], hw[0], hw[1], hw[0]), strict=True))
    plane[y0:y1, x0:x1] = True
    return plane


@pytest.mark.parametrize("mode", ["union", "identity"])
def test_every_encoder_is_exactly_zero_at_initialisation_and_learns(mode: str) -> None:
    grids = ragged_grids()
    regions = make_regions(grids, (2, 0, 3))
    for encoder in encoders(mode=mode):
        out = encoder(regions, grids)
        assert out is not None
        assert out.shape == (sum(g.num_patches for g in grids), DIM)
        assert torch.equal(out, torch.zeros_like(out))
        out.sum().backward()
        assert all(p.grad is not None and p.grad.any() for p in encoder.parameters())


def test_no_prompt_is_none_and_has_no_weights() -> None:
    assert NullPrompt()(make_regions(ragged_grids(), (1, 1, 1)), ragged_grids()) is None
    assert not list(NullPrompt().parameters())


def test_a_mask_touches_only_the_patches_it_covers() -> None:
    grid = make_grid(2, 2)
    encoder = fill(MaskPrompt(embed_dim=DIM, patch_px=4))
    # On a canvas of 64 x 64: x 36..44 and y 8..12, so tile 1 (after the thumbnail), row 2, columns 1 and 2.
    regions = one_region(grid, [36 / 64, 8 / 64, 44 / 64, 12 / 64])
    out = encoder(regions, [grid])
    touched = out.detach().abs().amax(-1).view(5, 64) > 0
    assert torch.nonzero(touched[1:]).tolist() == [[1, 2 * 8 + 1], [1, 2 * 8 + 2]]
    assert torch.nonzero(touched[0]).flatten().tolist() == [8 + 4, 8 + 5], (
        "pixels 18..22 x 4..6 of the thumbnail"
    )


def test_a_full_patch_gives_the_sum_of_its_kernel() -> None:
    grid = make_grid(1, 1)
    encoder = fill(MaskPrompt(embed_dim=DIM, patch_px=4))
    out = encoder(one_region(grid, [0.0, 0.0, 1.0, 1.0]), [grid])
    wanted = encoder.conv.weight.sum((1, 2, 3)).expand_as(out)  # type: ignore[union-attr, operator]
    torch.testing.assert_close(out, wanted)


@pytest.mark.parametrize("number", range(3))
def test_union_ignores_the_order_of_regions_and_identity_tells_it(number: int) -> None:
    grids = ragged_grids()
    regions = make_regions(grids, (3, 2, 2))
    turned = select_regions(regions, [2, 0, 1, 4, 3, 6, 5])
    union, identity = (fill(encoders(mode=mode)[number]) for mode in ("union", "identity"))
    assert torch.equal(union(regions, grids), union(turned, grids))
    assert not torch.allclose(identity(regions, grids), identity(turned, grids))


def test_the_union_of_overlapping_masks_counts_each_pixel_once() -> None:
    grid = make_grid(1, 1)
    regions = make_regions([grid], (1,))
    twice = RegionBatch(
        boxes_norm=regions.boxes_norm.repeat(2, 1),
        image_index=torch.tensor([0, 0]),
        prompt_index=torch.tensor([0, 1]),
        masks=[regions.masks[0].repeat(2, 1, 1, 1)],
        points=regions.points * 2,
    )
    encoder = fill(MaskPrompt(embed_dim=DIM, patch_px=4))
    assert torch.equal(encoder(twice, [grid]), encoder(regions, [grid]))


def test_identity_gives_region_i_the_weights_of_slot_i() -> None:
    grid = make_grid(1, 2)
    regions = make_regions([grid], (2,))
    identity = fill(MaskPrompt(embed_dim=DIM, patch_px=4, mode="identity", num_identities=2))
    summed = torch.zeros(grid.num_patches, DIM)
    for slot in range(2):
        single = MaskPrompt(embed_dim=DIM, patch_px=4)
        single.conv.weight.data = identity.conv.weight.data[:, slot : slot + 1]  # type: ignore[union-attr]
        summed += single(select_regions(regions, [slot]), [grid])
    torch.testing.assert_close(identity(regions, [grid]), summed)


@pytest.mark.parametrize("number", range(3))
def test_more_regions_than_identities_is_a_region_error(number: int) -> None:
    grids = ragged_grids()
    encoder = encoders(mode="identity", num_identities=2)[number]
    encoder(make_regions(grids, (2, 2, 2)), grids)
    with pytest.raises(RegionError, match="tells 2 regions apart .* has 3"):
        encoder(make_regions(grids, (2, 3, 2)), grids)


def test_an_unknown_mode_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="MaskPrompt: mode must be 'union' or 'identity'; got 'both'"):
        MaskPrompt(embed_dim=DIM, patch_px=4, mode="both")  # type: ignore[arg-type]


def planes_of(encoder: PromptEncoder, regions: RegionBatch, grid: TileGrid) -> Tensor:
    planes: Tensor = encoder.planes(regions, torch.tensor([0]), patch_boxes_norm(grid))  # type: ignore[operator]
    return planes[0]


def test_box_coverage_is_the_share_of_each_patch_in_the_box_and_the_rest_its_place() -> None:
    grid = make_grid(1, 1, tile_px=8)
    regions = one_region(grid, [0.25, 0.0, 1.0, 0.5])
    thumbnail, tile = planes_of(BoxPrompt(embed_dim=DIM), regions, grid)
    assert torch.equal(thumbnail, tile), "one tile shows what the thumbnail shows"
    torch.testing.assert_close(tile[:, 0], torch.tensor([0.5, 1.0, 0.0, 0.0]))
    # The middle of patch 0 is (0.25, 0.25) of the image: the box's left edge, half-way down.
    torch.testing.assert_close(tile[0], torch.tensor([0.5, 0.0, 0.25]))
    torch.testing.assert_close(tile[1], torch.tensor([1.0, 2 / 3, 0.5]))
    assert not tile[2:].any()


def test_the_coverage_of_a_box_sums_to_its_area_on_every_scale() -> None:
    grid = make_grid(2, 3)
    planes = planes_of(BoxPrompt(embed_dim=DIM), one_region(grid, [0.13, 0.21, 0.58, 0.93]), grid)
    area = 0.45 * 0.72
    assert float(planes[0, :, 0].sum()) / 64 == pytest.approx(area, rel=1e-4)
    assert float(planes[1:, :, 0].sum()) / (64 * 6) == pytest.approx(area, rel=1e-4)


def test_a_point_peaks_at_its_patch_in_the_plane_of_its_label() -> None:
    grid = make_grid(1, 2)  # a map of 8 x 16 patches
    points = [[(11 + 0.5) / 16, (3 + 0.5) / 8, 1.0], [0.5 / 16, 7.5 / 8, 0.0]]
    planes = planes_of(PointPrompt(embed_dim=DIM), one_region(grid, [0.0, 0.0, 1.0, 1.0], points), grid)
    inside, outside = planes[1:, :, 0], planes[1:, :, 1]
    assert divmod(int(inside.argmax()), 64) == (1, 3 * 8 + 3)
    assert float(inside.max()) == pytest.approx(1.0)
    assert divmod(int(outside.argmax()), 64) == (0, 7 * 8)
    assert float(inside[1, 3 * 8 + 4]) == pytest.approx(float(torch.tensor(-0.5).exp())), "one patch away"
    assert int(planes[0, :, 0].argmax()) == 3 * 8 + 5, "x = .72 of the thumbnail's 8 columns"


def test_an_image_without_regions_gets_zeros_beside_one_that_has_some() -> None:
    grids = [make_grid(1, 1), make_grid(1, 2)]
    for encoder in encoders():
        out = fill(encoder)(make_regions(grids, (0, 1)), grids)
        assert not out[:128].any(), "a thumbnail and a tile of 64 patches"
        assert out[128:].any()


def test_images_with_tiles_of_other_sizes_get_in_a_batch_what_they_get_alone() -> None:
    grids = [make_grid(1, 1), make_grid(1, 2, tile_px=16), make_grid(1, 1, tile_px=16), make_grid(2, 1)]
    regions = make_regions(grids, (2, 1, 0, 3))
    for encoder in encoders():
        fill(encoder)
        alone = []
        for image, grid in enumerate(grids):
            own = torch.nonzero(regions.image_index == image).flatten().tolist()
            single = select_regions(regions, own)
            single.image_index = torch.zeros_like(single.image_index)
            single.masks = [single.masks[image]]
            alone.append(encoder(single, [grid]))
        torch.testing.assert_close(encoder(regions, grids), torch.cat(alone))


def test_the_output_has_the_dtype_of_the_weights() -> None:
    grids = ragged_grids()
    for encoder in encoders():
        assert isinstance(encoder, nn.Module)
        assert encoder.bfloat16()(make_regions(grids, (1, 1, 1)), grids).dtype == torch.bfloat16
