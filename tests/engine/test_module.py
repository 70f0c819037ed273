from __future__ import annotations

import pytest
import torch
from torch import nn

from gartk.engine.module import TrainModule, move_to_device
from gartk.errors import ConfigError
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


class TwoLosses(nn.Module):
    def __init__(self, entries: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.entries = entries

    def loss(self, batch: object) -> dict[str, torch.Tensor]:
        return self.entries


def test_other_losses_are_logged_and_not_added() -> None:
    module = TrainModule(TwoLosses({"loss": torch.tensor(2.0), "loss_aux": torch.tensor([1.0, 3.0])}))
    minimised, logged = module.parse_losses(module(None))
    assert minimised.item() == 2.0
    assert {k: v.item() for k, v in logged.items()} == {"loss": 2.0, "loss_aux": 2.0}


def test_a_model_without_a_scalar_loss_is_refused() -> None:
    module = TrainModule(TwoLosses({"ce": torch.tensor(2.0)}))
    with pytest.raises(ConfigError, match=r"named 'loss', got \['ce'\]"):
        module.parse_losses(module(None))
    with pytest.raises(ConfigError, match="no method loss"):
        TrainModule(nn.Linear(1, 1))


def test_the_runner_never_initialises_loaded_weights_again() -> None:
    class Loaded(TwoLosses):
        def init_weights(self) -> None:
            raise AssertionError("weights thrown away")

    TrainModule(Loaded({})).init_weights()
