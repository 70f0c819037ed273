"""The pool is said once, by the connector, and the tower's tiler is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from gartk.checkpoints import Checkpoint
from gartk.config import load_config
from gartk.data.collate import collate
from gartk.errors import ConfigError
from gartk.models.region_vlm import MODELS, RegionVLM
from gartk.testing.toy import toy_model, toy_sample, toy_vision
from tests.support.toy_qwen import toy_qwen_model

TINY = Path(__file__).resolve().parents[2] / "configs" / "tiny" / "ablation_roi_replay.py"


def loss_of(model: RegionVLM) -> float:
    processor = model.make_processor(training=True)
    batch = collate([processor(toy_sample())], pad_side="right", pad_id=processor.pad_id)
    with torch.no_grad():
        return float(model.loss(batch)["loss"])


@pytest.mark.parametrize(("pool", "cells"), [(1, (16, 16)), (2, (8, 8)), (4, (4, 4)), (8, (2, 2))])
def test_one_option_changes_the_pool_of_connector_and_tiler(pool: int, cells: tuple[int, int]) -> None:
    model = MODELS.build(load_config(TINY, {"model.connector.pool": pool}).model)
    assert (model.vision.tiler.grid((224, 224)).cell_hw, model.connector.pool) == (cells, pool)
    assert loss_of(model) > 0


def test_a_pool_that_the_tower_has_no_cells_for_is_refused_at_build() -> None:
    with pytest.raises(
        ConfigError, match=r"model.connector.pool is 3, which does not fit the tower: .*224.* = 42"
    ):
        MODELS.build(load_config(TINY, {"model.connector.pool": 3}).model)
    with pytest.raises(
        ConfigError, match=r"model.connector.pool is 4, which does not fit .*the pool is 2, not 4"
    ):
        MODELS.build(toy_qwen_model(connector={"type": "Qwen2_5_VLConnector", "pool": 4}))


def test_an_older_config_that_states_it_twice_is_taken_where_both_agree() -> None:
    model = MODELS.build(toy_model(vision=toy_vision(pool=2)))
    assert "pool" not in model.saved_cfg()["vision"]
    with pytest.raises(ConfigError, match=r"model.vision.pool is 4 and model.connector.pool is 2"):
        MODELS.build(toy_model(vision=toy_vision(pool=4)))


def test_a_checkpoint_that_states_it_twice_is_loaded(tmp_path: Path) -> None:
    model = MODELS.build(toy_model())
    Checkpoint.save(model, tmp_path)
    file = tmp_path / "config.json"
    config = json.loads(file.read_text())
    config["model"]["vision"]["pool"] = 2
    file.write_text(json.dumps(config))
    assert loss_of(Checkpoint.open(tmp_path).build()) == loss_of(model)
