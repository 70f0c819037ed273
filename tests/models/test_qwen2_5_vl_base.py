"""Qwen2.5-VL as a base: against transformers, its files, its parts beside others, its config."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2VLImageProcessor
from transformers.modeling_outputs import BaseModelOutputWithPooling

from gartk.checkpoints import Checkpoint
from gartk.config import load_config
from gartk.models.region_vlm import RegionVLM
from gartk.models.weights import structure_only
from gartk.registry import MODELS
from gartk.structures import Batch, Sample
from gartk.testing.toy import toy_llm, toy_sample, toy_vision
from tests.support.toy_qwen import (
    from_qwen_folder,
    save_toy_qwen2_5_vl,
    toy_qwen_llm,
    toy_qwen_model,
    toy_qwen_vision,
)

Toy = tuple[Path, Qwen2_5_VLForConditionalGeneration]
MakeBatch = Callable[..., Batch]
CONFIG = Path(__file__).resolve().parents[2] / "configs/_base_/models/qwen2_5_vl_3b.py"
BOUNDS = {key: toy_qwen_vision()[key] for key in ("min_pixels", "max_pixels")}
TURNS = [("Is <Prompt0> red?", "yes"), ("And its shape?", "round")]


def build(config: dict[str, Any]) -> RegionVLM:
    torch.manual_seed(0)
    model: RegionVLM = MODELS.build(config)
    return model.eval()


def stirred(model: RegionVLM) -> RegionVLM:
    with torch.no_grad():
        for parameter in model.prompt_encoder.parameters():
            parameter.normal_(std=0.2, generator=torch.Generator().manual_seed(1))
    return model


def ragged(*, answered: bool = True) -> list[Sample]:
    """Three samples of different image sizes, 3, 0 and 2 regions, different lengths."""
    kinds = [((50, 160), 3, TURNS), ((56, 56), 0, TURNS[1:]), ((140, 90), 2, TURNS[:1])]
    return [
        toy_sample(hw, count, seed=seed, turns=turns, answered=answered)
        for seed, (hw, count, turns) in enumerate(kinds)
    ]


def native_layout(folder: Path) -> None:
    """Rename weights from the published layout to that of transformers' own modules."""
    file = folder / "model.safetensors"
    names = {"visual.": "model.visual.", "model.": "model.language_model."}
    renamed = {}
    for key, value in load_file(file).items():
        prefix = next((prefix for prefix in names if key.startswith(prefix)), "")
        renamed[names.get(prefix, "") + key[len(prefix) :]] = value
    save_file(renamed, file, metadata={"format": "pt"})


@pytest.fixture(scope="module", params=["tied", "untied", "sharded", "native", "flat"])
def toy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Toy:
    folder = tmp_path_factory.mktemp(request.param)
    size = "100KB" if request.param == "sharded" else "1GB"
    theirs = save_toy_qwen2_5_vl(
        folder,
        tied=request.param != "untied",
        max_shard_size=size,
        flat_config=request.param == "flat",
    )
    if request.param == "native":
        native_layout(folder)
    return folder, theirs


def their_logits(
    theirs: Qwen2_5_VLForConditionalGeneration, ours: RegionVLM, samples: list[Sample], batch: Batch
) -> Tensor:
    """Logits of transformers' own model, told that each region is one more image of 2x3 cells."""
    inputs = Qwen2VLImageProcessor(**BOUNDS)([sample.image for sample in samples], return_tensors="pt")
    images = theirs.model.get_image_features(**inputs, return_dict=True).pooler_output
    maps = [feature.map for feature in ours.encode_images(batch)]
    local = ours.region_extractor(maps, batch.regions)
    visual, sizes = [], []
    for number, image in enumerate(images):
        own = local[batch.regions.image_index == number]
        visual += [image, *own]
        sizes += [inputs["image_grid_thw"][number].tolist(), *[[1, 4, 6]] * len(own)]
    is_image = torch.isin(batch.input_ids, torch.tensor([ours.llm.image_id, *ours.llm.region_ids]))
    output = theirs(
        input_ids=torch.where(is_image, theirs.config.image_token_id, batch.input_ids),
        attention_mask=batch.attention_mask,
        image_grid_thw=torch.tensor(sizes),
        mm_token_type_ids=is_image.int(),
        mm_encoder_outputs={"image": BaseModelOutputWithPooling(pooler_output=tuple(visual))},
    )
    return output.logits


@pytest.mark.parametrize("training", [True, False])
@torch.no_grad()
def test_logits_are_those_of_transformers_given_the_same_ids_and_grids(
    toy: Toy, make_batch: MakeBatch, training: bool
) -> None:
    folder, theirs = toy
    assert (folder / "model.safetensors").is_file() == ("sharded" not in folder.name)
    ours = build(from_qwen_folder(folder))
    samples = ragged(answered=training)
    batch = make_batch(ours, samples, training=training)
    wanted = their_logits(theirs, ours, samples, batch)
    real = batch.attention_mask.bool()
    assert float((ours(batch) - wanted)[real].abs().max()) < 1e-5
    assert float(wanted.std()) > 0.05, "the logits must differ for this to mean anything"


def test_a_model_from_a_base_is_saved_without_pointing_at_it(
    toy: Toy, make_batch: MakeBatch, tmp_path: Path
) -> None:
    model = stirred(build(from_qwen_folder(toy[0])))
    Checkpoint.save(model, tmp_path)
    assert str(toy[0]) not in (tmp_path / "config.json").read_text()
    twin = Checkpoint.open(tmp_path).build(device="cpu")
    batch, again = (make_batch(one, ragged()) for one in (model, twin))
    assert torch.equal(again.input_ids, batch.input_ids)
    with torch.no_grad():
        assert torch.equal(twin(again), model(batch))
    Checkpoint.save(twin, tmp_path / "again")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / name).read_bytes()


def test_prompts_are_still_zero_after_loading_a_base(tmp_path: Path) -> None:
    save_toy_qwen2_5_vl(tmp_path)
    assert not build(from_qwen_folder(tmp_path)).prompt_encoder.conv.weight.any()


@pytest.mark.parametrize("policy", ["virtual_image", "sequential", "source"])
@torch.no_grad()
def test_left_padded_answers_are_greedy_decoding_of_each_row_without_cache(
    make_batch: MakeBatch, policy: str
) -> None:
    model = stirred(build(toy_qwen_model(llm=toy_qwen_llm(position_policy=policy))))
    for parameter in model.llm.parameters():
        parameter.mul_(3.0)
    samples = ragged(answered=False)
    batch = make_batch(model, samples, training=False)
    before = model(batch)
    answers = model.generate(batch, max_new_tokens=5)
    assert torch.equal(model(batch), before), "generation leaves nothing behind"
    wanted = []
    for sample in samples:
        batch = make_batch(model, [sample], training=False)
        embeddings, mask, positions = model.inputs(batch)
        new: list[int] = []
        while len(new) < 5 and model.llm.end_id not in new:
            new.append(int(model.llm.head(model.llm.hidden(embeddings, mask, positions))[0, -1].argmax()))
            embeddings = torch.cat([embeddings, model.llm.embed(torch.tensor([new[-1:]]))], 1)
            mask = torch.ones(embeddings.shape[:2], dtype=torch.int64)
            positions = torch.cat([positions, positions[..., -1:] + 1], -1)
        wanted.append(model.read_reply(torch.tensor(new), batch.input_ids[0]))
    assert answers == wanted
    assert len({answer.text for answer in answers}) > 1, "the rows must differ for this to mean anything"


def test_loss_and_gradients_of_a_batch_are_the_mean_of_its_samples_runs(make_batch: MakeBatch) -> None:
    model = stirred(build(toy_qwen_model()))
    samples = ragged()
    whole = model.loss(make_batch(model, samples))["loss"]
    whole.backward()
    together = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    assert set(together) == {name for name, _ in model.named_parameters()}
    model.zero_grad()
    losses = []
    for sample in samples:
        loss = model.loss(make_batch(model, [sample]))["loss"]
        (loss / 3).backward()
        losses.append(loss.item())
    assert whole.item() == pytest.approx(sum(losses) / 3, abs=1e-5)
    for name, parameter in model.named_parameters():
        bound = 1e-4 * float(together[name].abs().max()) + 1e-8
        assert float((parameter.grad - together[name]).abs().max()) <= bound, name


# ------------------------------------------------------------------ its parts beside those of other bases


SWAPS = {
    "qwen tower, fresh connector, llama": {
        "connector": {"type": "MLPConnector", "pool": 2},
        "llm": toy_llm(),
    },
    "perception lm tower, fresh connector, qwen decoder": {
        "vision": toy_vision(),
        "connector": {"type": "MLPConnector", "pool": 2},
    },
}


@pytest.mark.parametrize("name", SWAPS)
def test_parts_of_different_bases_train_together(name: str, make_batch: MakeBatch, tmp_path: Path) -> None:
    model = build(toy_qwen_model(**SWAPS[name])).train()
    batch = make_batch(model, ragged())
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(3):
        losses.append(model.loss(batch)["loss"])
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[0] > losses[1] > losses[2]
    moved = [key for key, value in model.state_dict().items() if not torch.equal(value, before[key])]
    assert {key.split(".")[0] for key in moved} == {"vision", "connector", "llm", "prompt_encoder"}
    Checkpoint.save(model.eval(), tmp_path)
    with torch.no_grad():
        assert torch.equal(Checkpoint.open(tmp_path).build(device="cpu")(batch), model(batch))


# ------------------------------------------------------------------ the config


def options(**changes: Any) -> dict[str, Any]:
    return {
        "model.prompt_encoder": {"type": "MaskPrompt"},
        "model.region_extractor": {"type": "RoIAlignReplay", "output_size": 16},
        **changes,
    }


def test_the_config_builds_from_a_checkpoint_and_writes_qwen_s_markup(tmp_path: Path) -> None:
    save_toy_qwen2_5_vl(tmp_path, vocab_size=400)
    parts = [f"model.{part}.pretrained" for part in ("vision", "connector", "llm")]
    model = build(load_config(CONFIG, options(**dict.fromkeys(parts, str(tmp_path)))).model)
    assert len(model.llm.tokens.prompts) == len(model.llm.region_ids) == 16
    assert model.llm.tokenizer.convert_ids_to_tokens(model.llm.end_id) == "<|im_end|>"
    encoded = model.make_processor()(toy_sample((56, 56), 1, turns=[("Why?", "")], answered=False))
    assert encoded.grids[0].num_tokens == 1024
    text = model.llm.tokenizer.decode(encoded.input_ids)
    text = text.replace("<|image_pad|>" * 1024, "IMAGE").replace("<|region_pad_0|>" * 256, "REGION")
    assert text == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\n<|vision_start|>IMAGE<|vision_end|>"
        "There are some objects I am curious about: <Prompt0>; \n"
        "<Prompt0>: <|vision_start|>REGION<|vision_end|>\n\nWhy?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_the_config_has_the_published_number_of_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Published: 3,754,622,976, the tied head once; the vocabulary has room for 16 prompts."""
    monkeypatch.setenv("GARTK_CACHE", str(tmp_path))
    with structure_only():
        model = MODELS.build(load_config(CONFIG, options()).model)
    parts = [model.vision, model.connector, model.llm]
    assert sum(parameter.numel() for part in parts for parameter in part.parameters()) == 3_754_622_976
    assert model.llm.embed_rows == 151_936
    assert (
        model.vision.tiler.grid((480, 640)).num_tokens,
        model.vision.tiler.grid((4000, 4000)).num_tokens,
    ) == (
        1036,
        4096,
    )
