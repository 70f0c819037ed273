from __future__ import annotations

import torch

from gartk.models.placement import move_to_device
from gartk.structures import Batch, RegionBatch, TileGrid

GRID = TileGrid(image_hw=(4, 4), rows=1, cols=1, tile_hw=(4, 4), patch_px=2, thumbnail="none")


def make_batch() -> Batch:
    regions = RegionBatch(
        boxes_norm=torch.zeros(2, 4),
        image_index=torch.zeros(2, dtype=torch.long),
        prompt_index=torch.arange(2),
        masks=[torch.zeros(2, 1, 4, 4, dtype=torch.bool)],
        points=[torch.zeros(1, 3), torch.zeros(0, 3)],
    )
    ids = torch.ones(1, 3, dtype=torch.long)
    return Batch(
        torch.zeros(1, 3, 4, 4), [GRID], regions, ids, ids, ids, ids=["a"], metas=[{"t": torch.ones(1)}]
    )


def test_every_tensor_of_a_batch_moves_and_nothing_else_changes() -> None:
    batch = make_batch()
    moved = move_to_device(batch, torch.device("meta"))
    tensors = [moved.pixels, moved.input_ids, moved.labels, moved.attention_mask, moved.regions.boxes_norm]
    tensors += [moved.regions.image_index, *moved.regions.masks, *moved.regions.points, moved.metas[0]["t"]]
    assert all(t.device.type == "meta" for t in tensors)
    assert moved.grids[0] is GRID
    assert moved.ids == ["a"]
    assert batch.pixels.device.type == "cpu"
