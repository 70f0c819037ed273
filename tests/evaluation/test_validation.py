"""Validating while training changes nothing of the training, and goes on with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from gartk.config import load_config
from gartk.engine.runner import build_runner
from gartk.errors import ConfigError
from gartk.evaluation.validation import VALIDATION_FILE, ValidationHook
from gartk.models.region_vlm import RegionVLM

TOY = Path(__file__).parents[1] / "sweep" / "toy_config.py"
TEST_DATA = {
    "dataset": {"type": "RegionWorldDataset", "split": "val", "size": (96, 96)},
    "items_per_task": 2,
    "tasks": ["color", "caption_simple"],
    "max_new_tokens": {"choice": 2, "caption": 2},
}
HOOK = {"type": "ValidationHook", "interval": 2, "test_data": TEST_DATA}


def train(folder: Path, *, resume: bool = False, **options: Any) -> str:
    build_runner(load_config(TOY, options), folder, resume=resume).train()
    return (folder / "losses.jsonl").read_text()


def validation(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / VALIDATION_FILE).read_text().splitlines()]


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training draws random numbers, as dropout does, and answering does too; the losses file shows them."""
    loss, encode = RegionVLM.loss, RegionVLM.encode_images

    def noisy_loss(self: RegionVLM, batch: Any) -> dict[str, torch.Tensor]:
        return {**loss(self, batch), "noise": torch.rand(())}

    def noisy_answer(self: RegionVLM, *args: Any, **kwargs: Any) -> Any:
        if not self.training:
            torch.rand(3)
        return encode(self, *args, **kwargs)

    monkeypatch.setattr(RegionVLM, "loss", noisy_loss)
    monkeypatch.setattr(RegionVLM, "encode_images", noisy_answer)


def test_training_is_the_same_with_and_without_validation(tmp_path: Path, drawing: None) -> None:
    bare = train(tmp_path / "bare")
    assert "noise" in bare
    assert train(tmp_path / "seen", custom_hooks=[HOOK]) == bare
    seen = validation(tmp_path / "seen")
    assert [line["iter"] for line in seen] == [2, 4, 6]
    assert all(0 <= line["accuracy"] <= 1 for line in seen)
    assert set(seen[0]["tasks"]) == {"color", "caption_simple"}


def test_a_resumed_run_writes_each_line_once(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    train(whole, custom_hooks=[HOOK])
    before = validation(whole)
    (whole / "latest").write_text("iter_000004\n")
    train(whole, resume=True, custom_hooks=[HOOK])
    assert validation(whole) == before


def test_the_last_update_always_counts(tmp_path: Path) -> None:
    train(tmp_path / "run", custom_hooks=[{**HOOK, "interval": 4}])
    assert [line["iter"] for line in validation(tmp_path / "run")] == [4, 6]


def test_a_wrong_interval_or_benchmark_is_named() -> None:
    with pytest.raises(ConfigError, match="interval must be at least 1, got 0"):
        ValidationHook(interval=0, test_data=TEST_DATA)
    with pytest.raises(ConfigError, match="test_data.type 'RegionWord' is not registered"):
        ValidationHook(interval=1, test_data={"type": "RegionWord"})
