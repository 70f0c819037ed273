from __future__ import annotations

import pytest
import torch

from gartk.data.collate import collate
from gartk.data.prompting import IGNORE
from gartk.errors import DataError
from gartk.structures import EncodedSample, TileGrid


def encoded(length: int, tiles: tuple[int, int], num_regions: int, mark: int) -> EncodedSample:
    grid = TileGrid((8, 8), rows=tiles[0], cols=tiles[1], tile_hw=(4, 4), patch_px=2)
    return EncodedSample(
        pixels=[torch.full((grid.num_tiles, 3, 4, 4), float(mark))],
        grids=[grid],
        input_ids=torch.arange(1, length + 1) + 100 * mark,
        labels=torch.arange(1, length + 1),
        region_masks=[torch.zeros(num_regions, grid.num_tiles, 4, 4, dtype=torch.bool)],
        boxes_norm=torch.full((num_regions, 4), mark / 10),
        points=[torch.full((i + 1, 3), float(mark)) for i in range(num_regions)],
        image_index=torch.zeros(num_regions, dtype=torch.long),
        prompt_index=torch.arange(num_regions),
        id=f"s{mark}",
        meta={"mark": mark},
    )


SAMPLES = [encoded(3, (1, 2), 2, 1), encoded(5, (1, 1), 0, 2), encoded(2, (2, 2), 3, 3)]


def test_right_padding_puts_text_first() -> None:
    batch = collate(SAMPLES, pad_id=9)
    assert batch.input_ids.tolist() == [[101, 102, 103, 9, 9], [201, 202, 203, 204, 205], [301, 302, 9, 9, 9]]
    assert batch.attention_mask.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]
    assert batch.labels[0].tolist() == [1, 2, 3, IGNORE, IGNORE]


def test_left_padding_puts_text_last() -> None:
    batch = collate(SAMPLES, pad_id=9, pad_side="left")
    assert batch.input_ids.tolist() == [[9, 9, 101, 102, 103], [201, 202, 203, 204, 205], [9, 9, 9, 301, 302]]
    assert batch.attention_mask.tolist() == [[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 1, 1]]
    assert batch.labels[2].tolist() == [IGNORE, IGNORE, IGNORE, 1, 2]


def test_tiles_stay_apart_by_image_without_padding() -> None:
    batch = collate(SAMPLES, pad_id=0)
    assert [tiles[:, 0, 0, 0].tolist() for tiles in batch.pixels] == [[1] * 3, [2] * 2, [3] * 5]
    assert [grid.num_tiles for grid in batch.grids] == [3, 2, 5]


def test_regions_are_flat_and_know_their_image_and_number() -> None:
    regions = collate(SAMPLES, pad_id=0).regions
    assert len(regions) == 5
    assert regions.image_index.tolist() == [0, 0, 2, 2, 2]
    assert regions.prompt_index.tolist() == [0, 1, 0, 1, 2]
    assert regions.boxes_norm[:, 0].tolist() == pytest.approx([0.1, 0.1, 0.3, 0.3, 0.3])
    assert [len(masks) for masks in regions.masks] == [2, 0, 3]
    assert [tuple(points.shape) for points in regions.points] == [(1, 3), (2, 3), (1, 3), (2, 3), (3, 3)]


def test_a_batch_without_any_region_has_empty_integer_indices() -> None:
    regions = collate([SAMPLES[1], SAMPLES[1]], pad_id=0).regions
    assert len(regions) == 0
    assert regions.boxes_norm.shape == (0, 4)
    assert regions.prompt_index.dtype == regions.image_index.dtype == torch.int64


def test_ids_and_metas_are_carried_along() -> None:
    batch = collate(SAMPLES, pad_id=0)
    assert batch.ids == ["s1", "s2", "s3"]
    assert [meta["mark"] for meta in batch.metas] == [1, 2, 3]
    assert len(batch) == 3


def test_no_samples_is_a_data_error() -> None:
    with pytest.raises(DataError, match="empty list"):
        collate([], pad_id=0)
