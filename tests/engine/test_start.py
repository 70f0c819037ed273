"""load_from: a training starts from the weights of a trained model."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gartk.checkpoints import Checkpoint
from gartk.checkpoints.sources import SHIPPED
from gartk.config import TrainSettings, load_config
from gartk.engine.log_hook import read_losses
from gartk.engine.runner import TrainRunner, build_runner
from gartk.errors import CheckpointError, ConfigError

TINY = Path(__file__).parents[2] / "configs" / "tiny"
SMALL = {
    "schedule.max_iters": 2,
    "schedule.warmup_iters": 0,
    "train_data.batch_size": 1,
    "checkpoint.interval": 1,
    "tensorboard": False,
}
Start = Callable[..., TrainRunner]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    def start_(config: str, load_from: Any, name: str = "run", resume: bool = False, **options: Any) -> Any:
        cfg = load_config(TINY / f"{config}.py", {**SMALL, **options, "load_from": load_from})
        return build_runner(cfg, tmp_path / name, resume=resume)

    return start_


def weights(runner: TrainRunner) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in runner.model.model.state_dict().items()}


def test_all_weights_are_the_checkpoints(start, capsys) -> None:
    own = weights(start("ablation_roi_replay", "tiny"))
    shipped = Checkpoint.open(SHIPPED["tiny"]).state
    assert len(shipped) > 50
    for name, value in shipped.items():
        assert torch.equal(own[name], value.float()), name
    assert f"starts from the weights of {SHIPPED['tiny']}" in "".join(capsys.readouterr())


def test_a_work_dir_of_a_training_will_do(start, tmp_path) -> None:
    first = start("ablation_roi_replay", None, name="first")
    first.train()
    trained = weights(first)
    second = weights(start("ablation_roi_replay", {"path": str(tmp_path / "first")}, name="second"))
    assert all(torch.equal(second[name], value) for name, value in trained.items())


def test_a_part_of_another_kind_is_an_error_until_it_is_skipped(start) -> None:
    with pytest.raises(CheckpointError, match=r"missing: region_extractor\."):
        start("ablation_gated_crop", "tiny", name="strict")
    fresh = weights(start("ablation_gated_crop", None, name="fresh"))
    mixed = weights(start("ablation_gated_crop", {"path": "tiny", "skip": ["region_extractor"]}))
    shipped = Checkpoint.open(SHIPPED["tiny"]).state
    own = [name for name in mixed if name.startswith("region_extractor.")]
    assert own and all(torch.equal(mixed[name], fresh[name]) for name in own)
    assert all(torch.equal(mixed[name], value.float()) for name, value in shipped.items())


def test_what_only_the_checkpoint_has_may_be_skipped_too(start) -> None:
    with pytest.raises(CheckpointError, match=r"unexpected: prompt_encoder\."):
        start("ablation_roi_replay_no_mask", "tiny", name="strict")
    mixed = weights(start("ablation_roi_replay_no_mask", {"path": "tiny", "skip": ["prompt_encoder"]}))
    shipped = Checkpoint.open(SHIPPED["tiny"]).state
    assert mixed.keys() & shipped.keys() == {n for n in shipped if not n.startswith("prompt_encoder.")}
    assert all(torch.equal(mixed[name], shipped[name].float()) for name in mixed.keys() & shipped.keys())


def test_another_tokenizer_is_an_error(start) -> None:
    with pytest.raises(CheckpointError, match="tokenizer of .* is another than the model's"):
        start("ablation_roi_replay", "tiny", **{"model.llm.num_prompts": 15})


def test_a_module_that_is_not_there_is_named(start) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'region_extractor'"):
        start("ablation_gated_crop", {"path": "tiny", "skip": ["region_extractors"]})


def test_a_checkpoint_that_is_not_there_is_named(start) -> None:
    with pytest.raises(CheckpointError, match="There is no checkpoint 'nowhere'"):
        start("ablation_roi_replay", "nowhere")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"skip": ["llm"]}, "lacks load_from.path"),
        ({"path": "tiny", "skip": "llm"}, "give a list of modules"),
        ({"path": "tiny", "strict": False}, "load_from.strict is not a known key"),
        (3, "load_from must be a dict"),
    ],
)
def test_a_wrong_setting_is_named(value: Any, message: str) -> None:
    cfg = load_config(TINY / "ablation_roi_replay.py", {"load_from": value})
    with pytest.raises(ConfigError, match=message):
        TrainSettings.from_cfg(cfg)


def test_a_resumed_run_goes_on_from_its_own_weights_and_needs_no_others(start, tmp_path) -> None:
    source = shutil.copytree(SHIPPED["tiny"], tmp_path / "source")
    start("ablation_roi_replay", str(source), name="whole").train()
    start("ablation_roi_replay", str(source), name="halves", **{"schedule.max_iters": 1}).train()
    shutil.rmtree(source)
    start("ablation_roi_replay", str(source), name="halves", resume=True).train()
    losses = [
        [record["loss"] for record in read_losses(tmp_path / name / "losses.jsonl")]
        for name in ("whole", "halves")
    ]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 2
    assert losses[0][0] < 3, "a trained model, not a random one"
