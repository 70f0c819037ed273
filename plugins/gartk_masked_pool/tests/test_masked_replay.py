"""MaskedReplay keeps gartk's contract and weights features by the mask."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from gartk_masked_pool import register
from gartk_masked_pool.extractor import MaskedReplay

from gartk.errors import ConfigError
from gartk.ops.roi import roi_align
from gartk.registry import REGION_EXTRACTORS
from gartk.structures import FeatureMap, RegionBatch
from gartk.testing.contracts import check_extractor
from gartk.testing.parts import make_grid, make_maps, make_regions


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("floor", [0.0, 0.25])
def test_masked_replay_keeps_the_contract(normalise: bool, floor: float) -> None:
    check_extractor({"type": MaskedReplay, "output_size": 3, "normalise": normalise, "floor": floor})


def test_register_may_be_called_twice() -> None:
    register()
    register()
    assert REGION_EXTRACTORS.get("masked_pool.MaskedReplay") is MaskedReplay


def _split_scene() -> tuple[list[FeatureMap], RegionBatch]:
    """A map that is 1 where the mask lies (left half of the box) and 100 beside it."""
    grid = make_grid(2, 2)
    regions = make_regions([grid], [1])
    masks = torch.zeros_like(regions.masks[0])
    masks[:, [1, 3]] = True  # the left tiles, the thumbnail being tile 0
    data = torch.full((1, *grid.map_hw), 100.0)
    data[:, :, : grid.map_hw[1] // 2] = 1.0
    return [FeatureMap(data, grid)], replace(regions, masks=[masks])


def test_cells_without_mask_are_gone_and_full_cells_keep_their_value() -> None:
    maps, regions = _split_scene()
    tokens = MaskedReplay(8, normalise=False)(maps, regions).view(8, 8)
    assert torch.allclose(tokens[:, :3], torch.ones(8, 3), atol=1e-5)
    assert torch.equal(tokens[:, 5:], torch.zeros(8, 3))


def test_normalising_makes_half_a_box_as_strong_as_a_whole_one() -> None:
    grid = make_grid(2, 2)
    maps, (_, regions) = [FeatureMap(torch.ones(1, *grid.map_hw), grid)], _split_scene()
    tokens = MaskedReplay(4, normalise=True)(maps, regions).view(4, 4)
    assert tokens.mean().item() == pytest.approx(1.0, abs=1e-5)
    assert tokens[:, 0].min() > 1.5
    assert tokens[:, 3].max() == 0.0


def test_floor_of_one_is_plain_replay() -> None:
    grid = make_grid(1, 2)
    maps, regions = make_maps([grid], 5), make_regions([grid], [3])
    boxes = torch.cat([torch.zeros(3, 1), regions.boxes_norm * torch.tensor([8.0, 4.0, 8.0, 4.0])], 1)
    plain = roi_align(maps[0].data[None], boxes, 4).flatten(2).transpose(1, 2)
    tokens = MaskedReplay(4, floor=1.0)(maps, regions)
    assert torch.allclose(tokens, plain, atol=1e-5)


def test_a_cell_is_scaled_by_its_share_of_the_mask() -> None:
    grid = make_grid(1, 1)
    regions = make_regions([grid], [1])
    masks = torch.zeros_like(regions.masks[0])
    masks[..., ::2] = True  # every other pixel column: half of every cell
    maps = [FeatureMap(torch.ones(2, *grid.map_hw), grid)]
    tokens = MaskedReplay(2, normalise=False)(maps, replace(regions, masks=[masks]))
    assert torch.allclose(tokens, torch.full((1, 4, 2), 0.5), atol=1e-6)


@pytest.mark.parametrize("options", [{"output_size": 0}, {"floor": 1.5}])
def test_an_option_out_of_range_is_named(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        REGION_EXTRACTORS.build({"type": MaskedReplay, **options})
