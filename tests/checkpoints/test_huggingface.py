"""Exported folders load through transformers' Auto classes, with every weight as it was written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText, AutoTokenizer

import gartk
from gartk.checkpoints import Checkpoint
from gartk.data.collate import collate
from gartk.errors import CheckpointError, ConfigError
from gartk.hf import GartkConfig, GartkForConditionalGeneration
from gartk.models.region_vlm import RegionVLM
from gartk.registry import MODELS
from gartk.structures import Batch
from gartk.testing.toy import toy_model, toy_sample
from tests.support.release import save_toy_release


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A toy release whose mask embedding is still zero, and its export."""
    place = tmp_path_factory.mktemp("hf")
    save_toy_release(place / "release", zero_mask=True, tied=False)
    Checkpoint.open(place / "release").convert("hf", place / "hf")
    return place / "release", place / "hf"


def batch_for(model: RegionVLM, *, training: bool = False) -> Batch:
    encode = model.make_processor(training=training)
    samples = [toy_sample((56, 112), n, seed=n, answered=training) for n in (1, 2)]
    side = "right" if training else "left"
    return collate([encode(s) for s in samples], pad_id=encode.pad_id, pad_side=side)  # type: ignore[arg-type]


@pytest.mark.parametrize("auto", [AutoModel, AutoModelForImageTextToText])
def test_the_auto_classes_give_the_model_that_was_exported(folders: tuple[Path, Path], auto: type) -> None:
    release, export = folders
    model = auto.from_pretrained(export)  # type: ignore[attr-defined]
    assert isinstance(model, GartkForConditionalGeneration)
    assert not model.training and not model.region_vlm.training
    origin = gartk.load(release, device="cpu").model
    batch = batch_for(origin)
    with torch.no_grad():
        assert torch.equal(model(batch).logits, origin(batch))
    assert model.generate(batch, max_new_tokens=3) == origin.generate(batch, max_new_tokens=3)


def test_a_fresh_process_needs_only_the_import_and_runs_nothing_from_the_folder(
    folders: tuple[Path, Path],
) -> None:
    _, export = folders
    assert not list(export.glob("*.py"))
    assert "auto_map" not in json.loads((export / "config.json").read_text())
    code = (
        "import sys, gartk.hf\n"
        "from transformers import AutoModelForImageTextToText as Auto\n"
        "model = Auto.from_pretrained(sys.argv[1], trust_remote_code=False)\n"
        "print(type(model).__name__, model.assistant().max_regions)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(export)], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["GartkForConditionalGeneration", "5"]


def test_weights_have_the_same_names_in_file_module_and_region_vlm(folders: tuple[Path, Path]) -> None:
    _, export = folders
    model = AutoModel.from_pretrained(export)
    assert set(load_file(export / "model.safetensors")) == set(model.state_dict())
    assert set(model.state_dict()) == set(model.region_vlm.state_dict())
    shared = dict(model.region_vlm.named_parameters())
    assert all(parameter is shared[name] for name, parameter in model.named_parameters())


def test_zero_prompt_weights_are_still_zero(folders: tuple[Path, Path]) -> None:
    model = AutoModel.from_pretrained(folders[1])
    assert model.prompt_encoder.conv.weight.shape == (64, 3, 14, 14)
    assert not model.prompt_encoder.conv.weight.any()


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"dtype": "bfloat16"}, torch.bfloat16),
        ({"dtype": torch.float16}, torch.float16),
        ({"torch_dtype": torch.bfloat16}, torch.bfloat16),
        ({"dtype": "auto"}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_dtype_is_honoured(folders: tuple[Path, Path], given: dict, wanted: torch.dtype) -> None:
    model = AutoModel.from_pretrained(folders[1], **given)
    assert {parameter.dtype for parameter in model.parameters()} == {wanted}
    assert model.dtype == model.config.dtype == wanted


def test_without_a_dtype_the_files_own_is_kept(tmp_path: Path) -> None:
    save_toy_release(tmp_path / "release", dtype=torch.bfloat16)
    Checkpoint.open(tmp_path / "release").convert("hf", tmp_path / "hf")
    assert AutoModel.from_pretrained(tmp_path / "hf").dtype == torch.bfloat16
    assert AutoConfig.from_pretrained(tmp_path / "hf").dtype == torch.bfloat16


@pytest.mark.parametrize("tied", [True, False])
def test_the_head_is_tied_as_it_was(tmp_path: Path, tied: bool) -> None:
    save_toy_release(tmp_path / "release", tied=tied)
    Checkpoint.open(tmp_path / "release").convert("hf", tmp_path / "hf")
    model = AutoModel.from_pretrained(tmp_path / "hf")
    assert (model.get_input_embeddings().weight is model.get_output_embeddings().weight) is tied
    assert model.config.tie_word_embeddings is tied
    assert ("llm.lm.lm_head.weight" in load_file(tmp_path / "hf" / "model.safetensors")) is not tied


@pytest.mark.parametrize(
    ("name", "text"),
    [("prompt_encoder.conv.weight", r"missing: prompt_encoder\.conv"), ("vision.new", "unexpected")],
)
def test_a_weight_too_few_or_too_many_is_an_error_and_never_drawn_at_random(
    folders: tuple[Path, Path], tmp_path: Path, name: str, text: str
) -> None:
    state = load_file(folders[1] / "model.safetensors")
    if name in state:
        del state[name]
    else:
        state[name] = torch.zeros(1)
    for file in folders[1].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=text):
        AutoModel.from_pretrained(tmp_path)


def test_config_and_tokenizer_load_on_their_own(folders: tuple[Path, Path]) -> None:
    config = AutoConfig.from_pretrained(folders[1])
    assert isinstance(config, GartkConfig)
    assert config.architectures == ["GartkForConditionalGeneration"]
    assert config.model is not None and config.model["region_extractor"]["type"] == "RoIAlignReplay"
    assert len(AutoTokenizer.from_pretrained(folders[1])) == 322


def test_a_changed_config_is_what_is_built(folders: tuple[Path, Path]) -> None:
    config = AutoConfig.from_pretrained(folders[1])
    config.model["release_compat"] = {"last_mask_box": True}
    model = AutoModel.from_pretrained(folders[1], config=config)
    assert model.region_vlm.release_compat.on() == {"last_mask_box": True}


def test_a_model_is_saved_and_loaded_again_bit_by_bit(tmp_path: Path) -> None:
    vlm: RegionVLM = MODELS.build(toy_model())
    model = GartkForConditionalGeneration(GartkConfig(model=vlm.saved_cfg()), vlm)
    with torch.no_grad():
        model.prompt_encoder.conv.weight.normal_()
    model.save_pretrained(tmp_path)
    twin = AutoModel.from_pretrained(tmp_path)
    mine, theirs = model.state_dict(), twin.state_dict()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert (tmp_path / "README.md").is_file()


def test_any_gartk_checkpoint_can_be_exported(tmp_path: Path) -> None:
    vlm: RegionVLM = MODELS.build(
        toy_model(prompt_encoder={"type": "BoxPrompt"}, connector={"type": "MLPConnector"}, max_length=900)
    )
    Checkpoint.save(vlm, tmp_path / "gartk")
    Checkpoint.open(tmp_path / "gartk").convert("hf", tmp_path / "hf")
    twin = AutoModel.from_pretrained(tmp_path / "hf").region_vlm
    batch = batch_for(vlm.eval())
    with torch.no_grad():
        assert torch.equal(twin(batch), vlm(batch))
    assert twin.max_length == 900


def test_it_trains_and_gives_the_loss_of_labelled_batches(folders: tuple[Path, Path]) -> None:
    model = AutoModel.from_pretrained(folders[1])
    assert model.train().region_vlm.training
    batch = batch_for(model.region_vlm, training=True)
    out = model(batch)
    out.loss.backward()
    assert model.prompt_encoder.conv.weight.grad.any()
    assert model(batch_for(model.region_vlm)).loss is None


def test_the_card_says_how_to_load_the_model_what_it_is_made_of_and_whose_licences_hold(
    folders: tuple[Path, Path],
) -> None:
    card = (folders[1] / "README.md").read_text(encoding="utf-8")
    origin = gartk.load(folders[0], device="cpu").model
    for text in (
        "import gartk.hf",
        "AutoModelForImageTextToText.from_pretrained",
        f"| all | {sum(p.numel() for p in origin.parameters()):,} parameters, float32 |",
        "`double_scaled_roi`",
        '"type": "RoIAlignReplay"',
        "## Licence",
        "license: other",
    ):
        assert text in card, text


def test_what_from_pretrained_does_not_do_is_an_error(folders: tuple[Path, Path]) -> None:
    with pytest.raises(ConfigError, match="does not take 'revision'"):
        AutoModel.from_pretrained(folders[1], revision="v2")
    with pytest.raises(ConfigError, match="does not take 'dtyp'(.|\n)*Did you mean 'dtype'"):
        GartkForConditionalGeneration.from_pretrained(folders[1], dtyp="float16")
    with pytest.raises(ConfigError, match=r"from_pretrained\(folder\)"):
        GartkForConditionalGeneration(GartkConfig())
