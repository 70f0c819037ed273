"""Every config loads; the tiny ones train; the paper's own says what it lacks, and trains once it has it."""

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
from PIL import Image

from gartk.config import TrainSettings, load_config
from gartk.data.collate import collate
from gartk.engine.runner import build_runner
from gartk.errors import CheckpointError, ConfigError, DataError
from gartk.regions.masks import encode_rle
from gartk.registry import DATASETS, MODELS
from tests.support.toy_bases import save_toy_perception_lm

ROOT = Path(__file__).resolve().parents[1] / "configs"
EVERY = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))
LEAVES = [name for name in EVERY if not name.startswith(("_base_/", "sweeps/"))]
PAPER = "ablation_roi_replay.py"
# The other ablations are trained in tests/test_ablations.py.
TINY = [
    name
    for name in LEAVES
    if name.startswith("tiny/")
    and (not name.startswith("tiny/ablation_") or name.endswith(("_roi_replay.py", "_no_local.py")))
]

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
}


def losses(work_dir: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (work_dir / "losses.jsonl").read_text().splitlines()]


def test_the_lists_of_configs_are_not_empty() -> None:
    assert {"tiny/ablation_roi_replay.py", "tiny/ablation_no_local.py"} <= set(TINY)
    assert PAPER in LEAVES


@pytest.mark.parametrize("name", EVERY)
def test_every_config_loads(name: str) -> None:
    assert len(load_config(ROOT / name)) > 0


@pytest.mark.parametrize("name", LEAVES)
def test_every_leaf_is_a_whole_and_valid_training_config(name: str) -> None:
    settings = TrainSettings.from_cfg(load_config(ROOT / name))
    assert settings.schedule.max_iters > 1
    assert {"vision", "connector", "llm", "prompt_encoder", "region_extractor"} <= set(settings.model)


@pytest.mark.parametrize("name", TINY)
def test_every_tiny_leaf_builds_trains_two_updates_and_gives_a_validation_loss(
    name: str, tmp_path: Path
) -> None:
    runner = build_runner(load_config(ROOT / name, {**SMALL, **QUICK}), tmp_path / "run")
    model = runner.model.model
    before = {key: value.clone() for key, value in model.state_dict().items()}
    runner.train()
    seen = losses(tmp_path / "run")
    assert len(seen) == 2
    assert all(math.isfinite(loss) and 0 < loss < 2 * math.log(len(model.llm.tokenizer)) for loss in seen)
    moved = [key for key, value in model.state_dict().items() if not torch.equal(value, before[key])]
    for part in ("vision.", "connector.", "llm.", "prompt_encoder."):
        assert any(key.startswith(part) for key in moved), f"{part} did not learn"
    dataset = DATASETS.build({"type": "RegionWorldDataset", "split": "val", "length": 2})
    processor = model.make_processor(training=True)
    batch = collate([processor(dataset[i]) for i in range(2)], pad_id=processor.pad_id)
    with torch.no_grad():
        assert math.isfinite(float(model.eval().loss(batch)["loss"]))


@pytest.mark.parametrize("name", [n for n in EVERY if n.startswith("_base_/models/tiny")])
def test_a_tiny_base_alone_asks_for_the_parts_that_it_leaves_open(name: str) -> None:
    with pytest.raises(ConfigError, match=r"model\.prompt_encoder is not set"):
        MODELS.build(load_config(ROOT / name).model)


def test_the_two_tiny_ablations_differ_in_the_extractor_alone() -> None:
    replay, none = (load_config(ROOT / f"tiny/ablation_{x}.py").to_dict() for x in ("roi_replay", "no_local"))
    assert replay["model"].pop("region_extractor")["type"] == "RoIAlignReplay"
    assert none["model"].pop("region_extractor") == {"type": "NoLocal"}
    assert replay == none


def test_the_papers_config_states_the_papers_setting() -> None:
    cfg = load_config(ROOT / PAPER)
    assert (cfg.optim.type, cfg.optim.lr) == ("AdamW", 1e-5)
    assert cfg.train_data.batch_size * cfg.accumulate * 8 == 64, "global batch on 8 ranks"
    assert cfg.model.vision.max_num_tiles == 16
    assert cfg.model.region_extractor == {"type": "RoIAlignReplay", "output_size": 16}
    assert cfg.model.prompt_encoder == {"type": "MaskPrompt"}


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty caches and no network; gives gartk's cache folder."""
    monkeypatch.setenv("GARTK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GARTK_DATA", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path / "cache"


def test_the_papers_config_says_offline_which_weights_to_get_and_where_to_put_them(offline: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        MODELS.build(load_config(ROOT / PAPER).model)
    text = str(caught.value)
    assert "Download facebook/Perception-LM-1B" in text
    assert str(offline / "models" / "facebook" / "Perception-LM-1B") in text
    assert "--cfg-options" in text


def test_the_papers_config_says_which_data_to_get(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GARTK_DATA", str(offline))
    cfg = load_config(ROOT / PAPER)
    with pytest.raises(DataError, match=r"Seed-Dataset does not exist\. Put the dataset there"):
        DATASETS.build(cfg.train_data.dataset)


def _records(folder: Path) -> Path:
    """Two records in the release's layout: a caption of one mask, and a question that names two."""
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(buffer, "PNG")
    masks = np.zeros((2, 40, 60), dtype=bool)
    masks[0, 5:20, 5:30], masks[1, 22:35, 31:58] = True, True
    rles = [encode_rle(mask) for mask in masks]
    common: dict[str, Any] = {"image": "data:base64," + base64.b64encode(buffer.getvalue()).decode()}
    caption = [{"from": "gpt", "value": "A red cup."}]
    question = [
        {"from": "human", "value": "How does <Prompt0> relate to <Prompt1>?"},
        {"from": "gpt", "value": "<Prompt0> is above <Prompt1>."},
    ]
    records = [
        {**common, "mask_rle": rles[0], "conversations": caption},
        {**common, "mask_rle": rles, "conversations": question},
    ]
    path = folder / "records.json"
    path.write_text(json.dumps(records))
    return path


def test_the_papers_config_trains_once_options_point_to_weights_and_data(
    offline: Path, tmp_path: Path
) -> None:
    save_toy_perception_lm(tmp_path / "plm")
    parts = [f"model.{part}.pretrained" for part in ("vision", "connector", "llm")]
    options = {
        **QUICK,
        **dict.fromkeys(parts, str(tmp_path / "plm")),
        "train_data.dataset.paths": [str(_records(tmp_path))],
        "train_data.batch_size": 1,
        "accumulate": 2,
    }
    cfg = load_config(ROOT / PAPER, options)
    assert cfg.precision == "bf16"
    runner = build_runner(cfg, tmp_path / "run")
    model = runner.model.model
    assert model.region_extractor.num_tokens == 256
    assert model.llm.tokens.regions[0] == "<|reserved_special_token_2|>"
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    runner.train()
    assert all(math.isfinite(loss) for loss in losses(tmp_path / "run"))
    assert len(losses(tmp_path / "run")) == 2


def test_the_papers_config_finds_its_weights_in_gartks_cache(offline: Path) -> None:
    save_toy_perception_lm(offline / "models" / "facebook" / "Perception-LM-1B")
    model = MODELS.build(load_config(ROOT / PAPER).model)
    assert model.vision.tiler.grid((1000, 1000)).num_tiles == 17


def test_the_curriculum_of_the_tiny_base_gives_the_samples_that_trained_the_shipped_model() -> None:
    dataset = DATASETS.build(load_config(ROOT / "tiny" / "ablation_roi_replay.py").train_data.dataset)
    assert len(dataset) == 1_650_400
    assert [dataset[i].id for i in (0, 7_999, 8_000, 36_000, 40_100, 43_997, 47_199, 50_400, 1_650_399)] == [
        f"train-0-{at}"
        for at in (0, 4499, 110000000, 370000000, 300000256, 380000999, 490001799, 720000000, 720599999)
    ]
