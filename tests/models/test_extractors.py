from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gartk.errors import ConfigError
from gartk.models.extractors import NoLocal, RoIAlignReplay, roi_align_replay
from gartk.structures import FeatureMap, RegionBatch, TileGrid
from gartk.testing.parts import make_grid, make_maps, make_regions, ragged_grids


def regions_of(boxes: list[list[float]], images: list[int]) -> RegionBatch:
    index = torch.tensor(images, dtype=torch.int64)
    prompt = torch.tensor([images[:i].count(image) for i, image in enumerate(images)], dtype=torch.int64)
    return RegionBatch(torch.tensor(boxes).reshape(-1, 4), index, prompt, masks=[], points=[])


def ramp(grid: TileGrid) -> FeatureMap:
    """Channel 0 holds the x of a cell's centre, channel 1 its y, in cells."""
    height, width = grid.map_hw
    x = (torch.arange(width) + 0.5).expand(height, width)
    y = (torch.arange(height) + 0.5)[:, None].expand(height, width)
    return FeatureMap(torch.stack([x, y]), grid)


def centres(box: list[float], map_hw: tuple[int, int], out_hw: tuple[int, int]) -> Tensor:
    """The middle of every bin of a box, (h * w, 2) of x and y in cells."""
    height, width = map_hw
    x0, y0, x1, y1 = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    x = x0 + (torch.arange(out_hw[1]) + 0.5) / out_hw[1] * (x1 - x0)
    y = y0 + (torch.arange(out_hw[0]) + 0.5) / out_hw[0] * (y1 - y0)
    return torch.stack([x.expand(*out_hw), y[:, None].expand(*out_hw)], -1).reshape(-1, 2)


# Bilinear samples equal a ramp between the outermost centres: boxes keep half a cell from the border.
BOXES = [[0.2, 0.1, 0.9, 0.5], [0.3, 0.4, 0.4, 0.9], [0.15, 0.15, 0.85, 0.85], [0.5, 0.2, 0.6, 0.3]]


@pytest.mark.parametrize("out_hw", [(4, 4), (3, 5), (16, 16), (1, 1)])
@pytest.mark.parametrize("backend", ["torchvision", "torch"])
def test_a_replayed_ramp_gives_the_centres_of_the_boxs_bins(out_hw: tuple[int, int], backend: str) -> None:
    maps = [ramp(make_grid(rows, cols)) for rows, cols in ((2, 5), (4, 2), (3, 3))]
    images = [0, 0, 1, 2]
    tokens = RoIAlignReplay(out_hw, backend=backend)(maps, regions_of(BOXES, images))
    assert tokens.shape == (4, out_hw[0] * out_hw[1], 2)
    for token, box, image in zip(tokens, BOXES, images, strict=True):
        torch.testing.assert_close(token, centres(box, maps[image].grid.map_hw, out_hw), rtol=1e-5, atol=1e-4)


def test_a_bright_cell_is_replayed_at_its_place_in_its_region() -> None:
    grid = make_grid(2, 3)  # a map of 8 x 12 cells
    for row, col in ((0, 0), (3, 7), (7, 11), (5, 2)):
        data = torch.randn(1, 8, 12, generator=torch.Generator().manual_seed(row)) * 0.1
        data[0, row, col] = 5.0
        top, left = min(row, 4), min(col, 8)
        box = [left / 12, top / 8, (left + 4) / 12, (top + 4) / 8]
        tokens = RoIAlignReplay(4)([FeatureMap(data, grid)], regions_of([box], [0]))
        assert divmod(int(tokens[0, :, 0].argmax()), 4) == (row - top, col - left)


def test_cells_that_coincide_with_bins_keep_nine_sixteenths_of_themselves() -> None:
    grid = make_grid(1, 1)
    data = torch.zeros(1, 4, 4)
    data[0, 1, 2] = 1.0
    tokens = RoIAlignReplay(4)([FeatureMap(data, grid)], regions_of([[0.0, 0.0, 1.0, 1.0]], [0]))
    assert tokens[0, :, 0].reshape(4, 4)[1, 1:4].tolist() == [0.09375, 0.5625, 0.09375]


def test_regions_keep_their_order_over_images() -> None:
    maps = [
        FeatureMap(torch.full((1, *grid.map_hw), float(i)), grid) for i, grid in enumerate(ragged_grids())
    ]
    regions = regions_of([[0.1, 0.1, 0.9, 0.9]] * 5, [0, 2, 2, 1, 0])
    tokens = RoIAlignReplay(2)(maps, regions)
    assert tokens.mean((1, 2)).tolist() == [0, 2, 2, 1, 0]


def test_bf16_maps_are_computed_in_fp32_and_cast_back() -> None:
    grids = ragged_grids()
    regions = make_regions(grids, (2, 1, 3))
    maps = make_maps(grids, dtype=torch.bfloat16)
    tokens = RoIAlignReplay(4)(maps, regions)
    exact = RoIAlignReplay(4)([FeatureMap(m.data.float(), m.grid) for m in maps], regions)
    assert tokens.dtype == torch.bfloat16
    assert torch.equal(tokens, exact.bfloat16())


def test_all_regions_of_a_batch_are_one_call_of_the_op(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = roi_align_replay.roi_align

    def spy(features: list[Tensor], boxes: Tensor, *args: object, **kwargs: object) -> Tensor:
        calls.append(len(boxes))
        return real(features, boxes, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(roi_align_replay, "roi_align", spy)
    grids = ragged_grids()
    RoIAlignReplay(4)(make_maps(grids), make_regions(grids, (3, 1, 4)))
    assert calls == [8]


def test_the_compiled_op_is_called_once_for_maps_of_different_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision.ops

    calls = []
    real = torchvision.ops.roi_align

    def spy(*args: object, **kwargs: object) -> Tensor:
        calls.append(1)
        return real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(torchvision.ops, "roi_align", spy)
    grids = ragged_grids()
    RoIAlignReplay(4, backend="torchvision")(make_maps(grids), make_regions(grids, (3, 1, 4)))
    assert calls == [1]


def test_no_regions_give_no_tokens() -> None:
    grids = ragged_grids()
    tokens = RoIAlignReplay(4)(make_maps(grids), make_regions(grids, (0, 0, 0)))
    assert tokens.shape == (0, 16, 8)


def test_no_local_gives_zero_tokens_for_every_region() -> None:
    grids = ragged_grids()
    extractor = NoLocal()
    assert extractor.num_tokens == 0
    assert extractor(make_maps(grids), make_regions(grids, (1, 2, 0))).shape == (3, 0, 8)


@pytest.mark.parametrize("size", [0, -1, (4, 0), (1, 2, 3), ()])
def test_a_bad_output_size_is_a_config_error(size: object) -> None:
    with pytest.raises(ConfigError, match="output_size must be one or two positive numbers"):
        RoIAlignReplay(size)  # type: ignore[arg-type]
