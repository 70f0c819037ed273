from __future__ import annotations

import pytest
import torch
from torch import nn

from gartk.engine.module import TrainModule
from gartk.errors import ConfigError
from gartk.models.region_vlm import MODELS


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
    with pytest.raises(ConfigError, match="Linear is no RegionVLM"):
        MODELS.build({"type": nn.Linear, "in_features": 1, "out_features": 1})


def test_the_runner_never_initialises_loaded_weights_again() -> None:
    class Loaded(TwoLosses):
        def init_weights(self) -> None:
            raise AssertionError("weights thrown away")

    TrainModule(Loaded({})).init_weights()
