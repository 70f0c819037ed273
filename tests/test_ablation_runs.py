"""Every ablation's config at toy size: two updates, four test items, saved and loaded."""

from __future__ import annotations

import base64
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from gartk.checkpoints import Checkpoint
from gartk.config import load_config
from gartk.engine.runner import build_runner
from gartk.evaluation.test_data import build_test, run_test
from gartk.regions.masks import encode_rle
from tests.support.toy_bases import save_toy_perception_lm
from tests.support.toy_internvl import save_toy_internvl
from tests.support.toy_qwen import save_toy_qwen2_5_vl

ROOT = Path(__file__).resolve().parents[1] / "configs"
TINY = sorted(f"tiny/{path.name}" for path in (ROOT / "tiny").glob("ablation_*.py"))
EVERY = [*sorted(path.name for path in ROOT.glob("ablation_*.py")), *TINY]
BASES = ("qwen2_5_vl_3b", "internvl3_2b")

QUICK = {
    "train_data.batch_size": 2,
    "train_data.num_workers": 0,
    "schedule.max_iters": 2,
    "schedule.warmup_iters": 0,
    "accumulate": 1,
    "checkpoint.interval": 2,
    "tensorboard": False,
    "progress": False,
    "device": "cpu",
    "precision": "fp32",
}
SMALL = {
    "model.vision.model_args.embed_dim": 32,
    "model.vision.model_args.depth": 1,
    "model.vision.model_args.num_heads": 2,
    "model.llm.config.hidden_size": 32,
    "model.llm.config.intermediate_size": 64,
    "model.llm.config.num_hidden_layers": 1,
    "model.llm.config.num_attention_heads": 2,
    "model.llm.config.num_key_value_heads": 2,
}
TOY_QWEN = {
    "model.vision.min_pixels": 4 * 784,
    "model.vision.max_pixels": 25 * 784,
    "model.vision.crop_px": 112,
}
TEST = {
    "dataset": {"type": "RegionWorldDataset", "split": "test", "size": ((64, 64), (64, 64))},
    "items_per_task": 1,
    "tasks": ["color", "position", "relation", "caption"],
    "max_new_tokens": {"choice": 2, "open": 2, "caption": 2},
}


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Options that put a toy checkpoint and two records in the places of the paper's."""
    folder = tmp_path_factory.mktemp("toys")
    records = {"train_data.dataset.paths": [str(_records(folder))]}
    options = {}
    for name, save in (
        ("", save_toy_perception_lm),
        ("qwen2_5_vl_3b", save_toy_qwen2_5_vl),
        ("internvl3_2b", save_toy_internvl),
    ):
        save(folder / f"base_{name}")  # type: ignore[operator]
        parts = {
            f"model.{part}.pretrained": str(folder / f"base_{name}")
            for part in ("vision", "connector", "llm")
        }
        options[name] = {**QUICK, **records, **parts, **(TOY_QWEN if "qwen" in name else {})}
    return options


def _records(folder: Path) -> Path:
    """Two records in the paper's layout: a caption of one mask, and a question that names two."""
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(buffer, "PNG")
    masks = np.zeros((2, 40, 60), dtype=bool)
    masks[0, 5:20, 5:30], masks[1, 22:35, 31:58] = True, True
    rles = [encode_rle(mask) for mask in masks]
    common: dict[str, Any] = {"image": "data:base64," + base64.b64encode(buffer.getvalue()).decode()}
    question = [
        {"from": "human", "value": "How does <Prompt0> relate to <Prompt1>?"},
        {"from": "gpt", "value": "<Prompt0> is above <Prompt1>."},
    ]
    records = [
        {**common, "mask_rle": rles[0], "conversations": [{"from": "gpt", "value": "A red cup."}]},
        {**common, "mask_rle": rles, "conversations": question},
    ]
    path = folder / "records.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    return path


def options_of(name: str, toys: dict[str, dict[str, Any]]) -> dict[str, Any]:
    if name in TINY:
        return {**SMALL, **QUICK}
    return toys[next((base for base in BASES if base in name), "")]


@pytest.fixture
def plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write configs without formatting them, which takes longer than all else here."""
    lines = property(lambda self: "".join(f"{k} = {v!r}\n" for k, v in self.to_dict().items()))
    monkeypatch.setattr(Config, "pretty_text", lines)


@pytest.mark.usefixtures("plain_text")
@pytest.mark.parametrize("name", EVERY)
def test_it_trains_two_updates_is_tested_on_four_items_saved_and_loaded(
    name: str, toys: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    runner = build_runner(load_config(ROOT / name, options_of(name, toys)), tmp_path / "run")
    model = runner.model.model
    before = {key: value.clone() for key, value in model.named_parameters()}
    runner.train()
    losses = [json.loads(line)["loss"] for line in (tmp_path / "run/losses.jsonl").read_text().splitlines()]
    assert len(losses) == 2
    assert all(math.isfinite(loss) and loss > 0 for loss in losses)
    moved = {
        key.partition(".")[0]
        for key, value in model.named_parameters()
        if not torch.equal(value, before[key])
    }
    assert moved == {key.partition(".")[0] for key in before}, "every part with weights learns"
    twin = Checkpoint.open(tmp_path / "run").build(device="cpu")
    state, other = model.state_dict(), twin.state_dict()
    assert list(state) == list(other)
    assert all(torch.equal(state[key], other[key]) for key in state)
    results = run_test(twin, build_test({"test_data": TEST}))
    assert [record.task for record in results.records] == TEST["tasks"]
    assert [record.prediction is not None for record in results.records] == [True] * 4
