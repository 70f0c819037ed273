"""gartk's own folders: what they hold, what they load, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from gartk.checkpoints import Checkpoint
from gartk.checkpoints.native import load_weights
from gartk.errors import CheckpointError
from gartk.models.region_vlm import RegionVLM
from gartk.registry import MODELS
from gartk.testing.toy import toy_model

Build = Callable[..., RegionVLM]


@pytest.fixture
def build() -> Build:
    """Build a toy model."""

    def build_(**changes: Any) -> RegionVLM:
        torch.manual_seed(0)
        model: RegionVLM = MODELS.build(toy_model(**changes))
        return model

    return build_


def test_a_folder_holds_config_weights_and_tokenizer_and_nothing_pickled(
    build: Build, tmp_path: Path
) -> None:
    Checkpoint.save(build(), tmp_path, info={"steps": 7})
    names = {file.name for file in tmp_path.rglob("*") if file.is_file()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pth", ".pkl", ".py"))]
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["format"], config["info"]) == ("gartk-1", {"steps": 7})


def test_a_tied_embedding_is_stored_once(build: Build, tmp_path: Path) -> None:
    model = build()
    Checkpoint.save(model, tmp_path)
    keys = load_file(tmp_path / "model.safetensors").keys()
    assert len(set(model.state_dict()) - set(keys)) == 1
    head, embedding = (
        Checkpoint.open(tmp_path).build(device="cpu").llm.lm.lm_head.weight,
        Checkpoint.open(tmp_path).build(device="cpu").llm.lm.model.embed_tokens.weight,
    )
    assert torch.equal(head, embedding)


def test_half_precision_files_load_into_fp32_weights(build: Build, tmp_path: Path) -> None:
    model = build()
    Checkpoint.save(model, tmp_path, dtype="float16")
    assert {v.dtype for v in load_file(tmp_path / "model.safetensors").values()} == {torch.float16}
    loaded = Checkpoint.open(tmp_path).build(device="cpu")
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    for name, parameter in loaded.named_parameters():
        assert torch.equal(parameter, model.get_parameter(name).half().float()), name


def test_a_folder_that_was_moved_still_loads(build: Build, tmp_path: Path) -> None:
    Checkpoint.save(build(), tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    Checkpoint.open(tmp_path / "b").build(device="cpu")


def test_folders_that_are_no_gartk_checkpoint_are_checkpoint_errors(build: Build, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"neither a checkpoint \(it has no config\.json\)"):
        Checkpoint.open(tmp_path).build(device="cpu")
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(CheckpointError, match="not of a checkpoint that gartk reads: format is None"):
        Checkpoint.open(tmp_path).build(device="cpu")
    (tmp_path / "config.json").write_text('{"format": "gartk-1"}')
    with pytest.raises(CheckpointError, match="lacks the config to build the model"):
        Checkpoint.open(tmp_path).build(device="cpu")
    Checkpoint.save(build(), tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors does not exist"):
        Checkpoint.open(tmp_path).build(device="cpu")


def test_weights_of_another_model_are_a_checkpoint_error(build: Build, tmp_path: Path) -> None:
    Checkpoint.save(build(), tmp_path)
    other = build(prompt_encoder={"type": "BoxPrompt"})
    text = r"missing: prompt_encoder\.linear\.weight \(1\); unexpected: prompt_encoder\.conv\.weight"
    with pytest.raises(CheckpointError, match=text):
        load_weights(other, tmp_path)
