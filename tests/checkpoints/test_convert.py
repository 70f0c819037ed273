"""Checkpoints go from one format to another and back without a bit changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import PerceptionLMConfig, PerceptionLMForConditionalGeneration

import gartk
from gartk.checkpoints import Checkpoint
from gartk.checkpoints.release_reader import CHAT, MASK_WEIGHT, read_release
from gartk.cli.main import main
from gartk.compat import AS_RELEASED, ReleaseCompat, extend_prompts
from gartk.config import load_config
from gartk.errors import CheckpointError
from gartk.models.llms.extension import RESERVED
from gartk.models.region_vlm import RegionVLM
from gartk.registry import MODELS
from gartk.testing.toy import toy_llm, toy_model, toy_sample
from tests.support.release import TOY_FIRST_SPECIAL, TOY_NUM_SPECIAL, save_toy_release, stand_in_tokenizer
from tests.support.toy_bases import save_toy_perception_lm

ROOT = Path(__file__).resolve().parents[2]


def weights(folder: Path) -> dict[str, Tensor]:
    return {k: v for file in sorted(folder.glob("*.safetensors")) for k, v in load_file(file).items()}


def assert_same_bits(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert value.dtype == second[name].dtype, name
        assert torch.equal(value, second[name]), name


def same_small_files(one: Path, other: Path) -> bool:
    names = {f.name for f in one.iterdir() if f.suffix == ".json" and "index" not in f.name}
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


def answers(folder: Path) -> list[str]:
    one = toy_sample((56, 112), 2)
    said = gartk.load(folder, device="cpu").describe(one.image, one.regions, max_new_tokens=5)
    return [answer.text for answer in said]


def save_own(folder: Path, *, prompts_known: bool = True, **changes: Any) -> RegionVLM:
    """A gartk folder as training from PerceptionLM writes it: one mask plane, no deviation."""
    words = stand_in_tokenizer(
        first_special=TOY_FIRST_SPECIAL, num_special=TOY_NUM_SPECIAL, num_prompts=5 if prompts_known else 0
    )
    words.save_pretrained(folder.with_name("words"))
    llm = toy_llm(
        tokenizer=str(folder.with_name("words")), chat=CHAT, region=RESERVED, region_offset=2, num_prompts=5
    )
    settings = {"llm": llm, "region_extractor": {"type": "RoIAlignReplay", "output_size": 16}, **changes}
    torch.manual_seed(0)
    model: RegionVLM = MODELS.build(toy_model(**settings))
    with torch.no_grad():
        for parameter in model.prompt_encoder.parameters():
            parameter.normal_(std=0.1)
    Checkpoint.save(model, folder)
    return model.eval()


# ------------------------------------------------------------------ there and back


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_release_comes_back_bit_by_bit_with_its_own_files(
    tmp_path: Path, tied: bool, dtype: torch.dtype
) -> None:
    save_toy_release(tmp_path / "release", tied=tied, dtype=dtype)
    assert Checkpoint.open(tmp_path / "release").convert("gartk", tmp_path / "gartk") == []
    assert Checkpoint.open(tmp_path / "gartk").convert("release", tmp_path / "back") == []
    assert_same_bits(tmp_path / "release", tmp_path / "back")
    assert same_small_files(tmp_path / "release", tmp_path / "back")


def test_a_release_goes_through_the_hugging_face_format_and_back_bit_by_bit(tmp_path: Path) -> None:
    save_toy_release(tmp_path / "release", dtype=torch.float16)
    for source, folder, to in [
        ("release", "hf", "hf"),
        ("hf", "gartk", "gartk"),
        ("gartk", "back", "release"),
    ]:
        Checkpoint.open(tmp_path / source).convert(to, tmp_path / folder)
    assert_same_bits(tmp_path / "hf", tmp_path / "gartk")
    assert_same_bits(tmp_path / "release", tmp_path / "back")


def test_a_gartk_model_goes_to_the_release_and_back_bit_by_bit_and_keeps_what_it_is(tmp_path: Path) -> None:
    save_own(tmp_path / "own", release_compat={"inclusive_box": True})
    notes = Checkpoint.open(tmp_path / "own").convert("release", tmp_path / "release")
    assert "double_scaled_roi, id_map_bicubic" in notes[0]
    Checkpoint.open(tmp_path / "release").convert("gartk", tmp_path / "back")
    assert_same_bits(tmp_path / "own", tmp_path / "back")
    configs = [json.loads((tmp_path / name / "config.json").read_text())["model"] for name in ("own", "back")]
    assert configs[1]["llm"].pop("image") == "<|image|>"
    assert configs[0] == {**configs[1], "prompt_encoder": configs[0]["prompt_encoder"]}
    assert configs[1]["prompt_encoder"] == {"type": "MaskPrompt", "in_planes": 1, "pretrained": None}
    Checkpoint.open(tmp_path / "back").convert("release", tmp_path / "again")
    assert_same_bits(tmp_path / "release", tmp_path / "again")


def test_all_formats_answer_alike(tmp_path: Path) -> None:
    save_toy_release(tmp_path / "release")
    said = answers(tmp_path / "release")
    for to in ("gartk", "hf"):
        Checkpoint.open(tmp_path / "release").convert(to, tmp_path / to)
        assert answers(tmp_path / to) == said


def test_one_mask_plane_becomes_the_first_of_three_and_the_others_zero(tmp_path: Path) -> None:
    model = save_own(tmp_path / "own")
    Checkpoint.open(tmp_path / "own").convert("release", tmp_path / "release")
    kernel = weights(tmp_path / "release")[MASK_WEIGHT]
    assert torch.equal(kernel[:, :1], model.prompt_encoder.conv.weight)
    assert not kernel[:, 1:].any()


def test_a_released_kernel_that_is_all_zero_keeps_its_three_planes(tmp_path: Path) -> None:
    save_toy_release(tmp_path / "release", zero_mask=True)
    assert read_release(tmp_path / "release").cfg["prompt_encoder"]["in_planes"] == 3


def test_a_model_trained_from_the_base_gets_the_token_of_the_background(tmp_path: Path) -> None:
    own = save_own(tmp_path / "own", prompts_known=False)
    assert "<NO_Prompt>" not in own.llm.tokenizer.get_vocab()
    Checkpoint.open(tmp_path / "own").convert("release", tmp_path / "release")
    twin = gartk.load(tmp_path / "release", device="cpu").model
    vocab = twin.llm.tokenizer.get_vocab()
    assert vocab["<NO_Prompt>"] == vocab["<Prompt4>"] + 1 == own.llm.embed_rows
    assert torch.equal(twin.llm.lm.model.embed_tokens.weight[:-1], own.llm.lm.model.embed_tokens.weight)
    assert ReleaseCompat.of(twin) == ReleaseCompat()


@pytest.mark.parametrize("name", ["gar_1b", "gar_8b"])
def test_what_the_gar_configs_build_can_be_handed_to_the_authors_code(tmp_path: Path, name: str) -> None:
    base = tmp_path / "plm"
    words = stand_in_tokenizer(first_special=TOY_FIRST_SPECIAL, num_special=TOY_NUM_SPECIAL, num_prompts=0)
    save_toy_perception_lm(base, vocab_size=len(words))
    words.save_pretrained(base)
    parts = dict.fromkeys([f"model.{part}.pretrained" for part in ("vision", "connector", "llm")], str(base))
    options = {**parts, "model.release_compat.double_scaled_roi": True}
    model = MODELS.build(load_config(ROOT / "configs" / f"{name}.py", options).model)
    assert model.release_compat == ReleaseCompat(double_scaled_roi=True)
    assert not model.prompt_encoder.conv.weight.any()
    Checkpoint.save(model, tmp_path / "gartk")
    notes = Checkpoint.open(tmp_path / "gartk").convert("release", tmp_path / "release")
    assert "inclusive_box" in notes[0]
    config = json.loads((tmp_path / "release" / "config.json").read_text())
    vocab = words.get_vocab()
    assert config["crop_tokens_ids"] == [vocab[RESERVED.format(i + 2)] for i in range(5)]
    assert config["prompt_numbers"] == 5
    assert weights(tmp_path / "release")[MASK_WEIGHT].shape == (64, 3, 14, 14)


def test_the_release_config_that_gartk_writes_is_one_of_perception_lm(tmp_path: Path) -> None:
    """The weights load strictly into transformers' own class, built from mllm_config."""
    own = save_own(tmp_path / "own")
    Checkpoint.open(tmp_path / "own").convert("release", tmp_path / "release")
    config = json.loads((tmp_path / "release" / "config.json").read_text())
    assert config["crop_tokens_ids"] == own.llm.region_ids
    assert (config["prompt_numbers"], config["kernel_size"]) == (5, [14, 14])
    assert "rope_parameters" not in config["mllm_config"]["text_config"]
    base = PerceptionLMForConditionalGeneration(PerceptionLMConfig(**config["mllm_config"]))
    state = {k.removeprefix("mllm."): v for k, v in weights(tmp_path / "release").items() if k != MASK_WEIGHT}
    missing, unexpected = base.load_state_dict(state, strict=False)
    assert (missing, unexpected) == (["lm_head.weight"], [])
    assert torch.equal(base.lm_head.weight, own.llm.lm.lm_head.weight), "tied"


def test_large_weights_are_written_in_shards_and_read_again(tmp_path: Path) -> None:
    save_toy_release(tmp_path / "release")
    Checkpoint.open(tmp_path / "release").convert("hf", tmp_path / "hf", max_shard_size="200KB")
    assert len(list((tmp_path / "hf").glob("*.safetensors"))) > 1
    Checkpoint.open(tmp_path / "hf").convert("release", tmp_path / "back", max_shard_size="200KB")
    assert_same_bits(tmp_path / "release", tmp_path / "back")


def test_switched_deviations_survive_every_format(tmp_path: Path) -> None:
    save_toy_release(tmp_path / "release")
    Checkpoint.open(tmp_path / "release").convert("gartk", tmp_path / "gartk")
    config = json.loads((tmp_path / "gartk" / "config.json").read_text())
    assert config["model"]["release_compat"] == AS_RELEASED.on()
    config["model"]["release_compat"] = {"double_scaled_roi": True}
    (tmp_path / "gartk" / "config.json").write_text(json.dumps(config))
    Checkpoint.open(tmp_path / "gartk").convert("hf", tmp_path / "hf")
    loaded = gartk.load(tmp_path / "hf", device="cpu").model
    assert loaded.release_compat == ReleaseCompat(double_scaled_roi=True)


def test_fine_tuned_weights_do_not_get_files_that_are_no_longer_true(tmp_path: Path) -> None:
    save_toy_release(tmp_path / "release")
    Checkpoint.open(tmp_path / "release").convert("gartk", tmp_path / "gartk")
    kept = tmp_path / "gartk" / "release" / "config.json"
    config = json.loads(kept.read_text())
    config["mllm_config"]["text_config"]["rms_norm_eps"] = 0.5
    kept.write_text(json.dumps(config))
    Checkpoint.open(tmp_path / "gartk").convert("release", tmp_path / "back")
    written = json.loads((tmp_path / "back" / "config.json").read_text())
    assert written["mllm_config"]["text_config"]["rms_norm_eps"] != 0.5
    assert_same_bits(tmp_path / "release", tmp_path / "back")


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"region_extractor": {"type": "NoLocal"}},
            "region_extractor is NoLocal, and it needs RoIAlignReplay",
        ),
        (
            {"region_extractor": {"type": "RoIAlignReplay", "output_size": 4}},
            "needs region_extractor.output_size 16",
        ),
        ({"prompt_encoder": {"type": "BoxPrompt"}}, "prompt_encoder is BoxPrompt"),
        ({"prompt_encoder": {"type": "MaskPrompt", "mode": "identity"}}, "needs prompt_encoder.mode 'union'"),
        ({"prompt_encoder": {"type": "MaskPrompt", "in_planes": 2}}, "in_planes 1 or 3"),
        ({"connector": {"type": "MLPConnector"}}, "connector is MLPConnector"),
        ({"use_global": False}, "needs use_global True"),
    ],
)
def test_a_model_that_the_release_cannot_run_is_refused_by_part(
    tmp_path: Path, changes: dict[str, Any], text: str
) -> None:
    save_own(tmp_path / "own", **changes)
    with pytest.raises(CheckpointError, match=text):
        Checkpoint.open(tmp_path / "own").convert("release", tmp_path / "release")
    assert not (tmp_path / "release").exists()


def test_an_extended_vocabulary_is_refused_by_the_release_and_kept_by_the_others(tmp_path: Path) -> None:
    save_toy_release(tmp_path / "release")
    model = gartk.load(tmp_path / "release", device="cpu").model
    extend_prompts(model, 2)
    Checkpoint.save(model, tmp_path / "gartk")
    with pytest.raises(CheckpointError, match="needs <Prompt0> to <Prompt6> and <NO_Prompt> as consecutive"):
        Checkpoint.open(tmp_path / "gartk").convert("release", tmp_path / "back")
    Checkpoint.open(tmp_path / "gartk").convert("hf", tmp_path / "hf")
    assert gartk.load(tmp_path / "hf", device="cpu").max_regions == 7


def test_a_target_with_files_in_it_is_left_alone(tmp_path: Path) -> None:
    save_toy_release(tmp_path / "release")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(CheckpointError, match="full exists and is not an empty folder"):
        Checkpoint.open(tmp_path / "release").convert("gartk", tmp_path / "full")
    with pytest.raises(CheckpointError, match=r"no format 'onnx'\. Known: gartk, release, hf"):
        Checkpoint.open(tmp_path / "release").convert("onnx", tmp_path / "new")


@pytest.mark.parametrize("to", ["gartk", "release", "hf"])
def test_weights_that_do_not_fit_are_refused_before_anything_is_written(tmp_path: Path, to: str) -> None:
    save_own(tmp_path / "own")
    config = json.loads((tmp_path / "own" / "config.json").read_text())
    config["model"]["llm"]["config"]["hidden_size"] = 96
    (tmp_path / "own" / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="of another shape"):
        Checkpoint.open(tmp_path / "own").convert(to, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_perception_lm_alone_is_no_checkpoint_of_a_region_model(tmp_path: Path) -> None:
    save_toy_perception_lm(tmp_path / "plm")
    with pytest.raises(CheckpointError, match=r"not of a checkpoint that gartk reads.*'perception_lm'"):
        Checkpoint.open(tmp_path / "plm").convert("gartk", tmp_path / "new")


# ------------------------------------------------------------------ the command


def test_the_command_converts_and_says_what_it_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_own(tmp_path / "own")
    assert main(["convert", str(tmp_path / "own"), str(tmp_path / "release"), "--to", "release"]) == 0
    said = capsys.readouterr().out
    assert "MB in the format 'release'" in said
    assert "note: The authors' code does what this model does without" in said
    assert main(["convert", str(tmp_path / "release"), str(tmp_path / "back")]) == 0
    assert Checkpoint.open(tmp_path / "back").cfg["region_extractor"]["type"] == "RoIAlignReplay"


def test_the_command_stores_weights_smaller_and_keeps_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = save_own(tmp_path / "own")
    options = ["--dtype", "float16", "--note", "made by a test"]
    assert main(["convert", str(tmp_path / "own"), str(tmp_path / "small"), *options]) == 0
    assert "MB in the format 'gartk', from" in capsys.readouterr().out
    small = Checkpoint.open(tmp_path / "small")
    assert small.info == {"note": "made by a test"}
    loaded = small.build(device="cpu").state_dict()
    for key, value in model.state_dict().items():
        torch.testing.assert_close(loaded[key], value.half().float(), rtol=0, atol=0)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("small", "own")]
    assert sizes[0] < 0.6 * sizes[1]
    assert main(["convert", str(tmp_path / "own"), str(tmp_path / "x"), "--dtype", "int8"]) == 2
    assert "dtype must be one of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda folder: None, "There is no checkpoint"),
        (lambda folder: folder.mkdir(), "neither a checkpoint"),
    ],
)
def test_the_command_ends_with_2_and_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], None], text: str
) -> None:
    make(tmp_path / "source")
    assert main(["convert", str(tmp_path / "source"), str(tmp_path / "out"), "--to", "hf"]) == 2
    assert text in capsys.readouterr().err
