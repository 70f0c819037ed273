"""InternVL's tower, projector and decoder against transformers, from folders as transformers saves them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import InternVLForConditionalGeneration

from gartk.config import load_config
from gartk.errors import CheckpointError, ConfigError
from gartk.geometry import patches_by_cell
from gartk.models.connectors import InternVLConnector
from gartk.models.region_vlm import RegionVLM
from gartk.models.vision import InternVLVision
from gartk.models.weights import structure_only
from gartk.registry import MODELS, VISION_BACKBONES
from gartk.structures import Batch, Sample, TileGrid
from gartk.testing.toy import toy_sample
from tests.support.toy_internvl import from_internvl_folder, save_toy_internvl, toy_internvl_vision

Toy = tuple[Path, InternVLForConditionalGeneration]
MakeBatch = Callable[..., Batch]
RAGGED = [
    toy_sample(hw, 0, seed=seed, turns=[("What?", "B")]) for seed, hw in enumerate([(60, 170), (40, 40)])
]


@pytest.fixture(scope="module", params=["untied", "tied", "sharded"])
def toy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Toy:
    folder = tmp_path_factory.mktemp(request.param)
    size = "100KB" if request.param == "sharded" else "1GB"
    return folder, save_toy_internvl(folder, tied=request.param == "tied", max_shard_size=size)


def from_folder(folder: Path, **changes: Any) -> RegionVLM:
    torch.manual_seed(0)
    model: RegionVLM = MODELS.build(from_internvl_folder(folder, **changes))
    return model.eval()


def vision_of(**changes: Any) -> InternVLVision:
    torch.manual_seed(0)
    vision: InternVLVision = VISION_BACKBONES.build(toy_internvl_vision(**changes), path="model.vision")
    return vision.eval()


def image(sample: Sample, vision: InternVLVision) -> tuple[list[Tensor], list[TileGrid]]:
    tiles, grid = vision.tiler.tile_image(sample.image)
    return [tiles], [grid]


@torch.no_grad()
def test_tower_and_connector_give_transformers_image_features_for_a_ragged_batch(
    toy: Toy, make_batch: MakeBatch
) -> None:
    folder, theirs = toy
    assert (folder / "model.safetensors").is_file() == ("sharded" not in folder.name)
    ours = from_folder(folder)
    batch = make_batch(ours, RAGGED)
    assert [(grid.num_tiles, grid.thumbnail) for grid in batch.grids] == [(4, "last"), (1, "none")]
    wanted = theirs.get_image_features(torch.cat(batch.pixels), return_dict=True).pooler_output
    cells = ours.connector(ours.vision.encode(batch.pixels, batch.grids), batch.grids)
    assert float((cells - wanted.flatten(0, 1)).abs().max()) <= 1e-6
    tokens = torch.cat([features.tokens for features in ours.encode_images(batch)])
    assert float((tokens - wanted.flatten(0, 1)).abs().max()) <= 1e-6
    assert float(wanted.std()) > 0.05, "the features must differ for this to mean anything"


@torch.no_grad()
def test_logits_are_those_of_transformers(toy: Toy, make_batch: MakeBatch) -> None:
    folder, theirs = toy
    ours = from_folder(folder)
    head, embeddings = ours.llm.lm.get_output_embeddings(), ours.llm.lm.get_input_embeddings()
    assert (head.weight is embeddings.weight) == (folder.name.startswith("tied"))
    for sample in RAGGED:
        batch = make_batch(ours, [sample])
        wanted = theirs(input_ids=batch.input_ids, pixel_values=batch.pixels[0]).logits
        assert float((ours(batch)[..., : wanted.shape[-1]] - wanted).abs().max()) < 1e-5
        assert float(wanted.std()) > 0.05, "the logits must differ for this to mean anything"


def test_the_decoder_is_read_from_both_layouts_of_keys(tmp_path: Path) -> None:
    theirs = save_toy_internvl(tmp_path)
    wanted = {name: value.clone() for name, value in theirs.model.language_model.state_dict().items()}
    file = tmp_path / "model.safetensors"
    assert any(key.startswith("language_model.model.") for key in load_file(file))
    for layout in ("published", "as modules are named"):
        if layout != "published":
            save_file(
                {k: v.contiguous() for k, v in theirs.state_dict().items()}, file, metadata={"format": "pt"}
            )
        ours = from_folder(tmp_path)
        rows = wanted["embed_tokens.weight"].shape[0]
        for name, value in ours.llm.lm.get_decoder().state_dict().items():
            assert torch.equal(value[:rows] if name == "embed_tokens.weight" else value, wanted[name]), name
        assert torch.equal(ours.llm.lm.get_output_embeddings().weight[:rows], theirs.lm_head.weight)
        assert torch.equal(
            ours.vision.tower.embeddings.cls_token, theirs.model.vision_tower.embeddings.cls_token
        )


def test_a_head_of_its_own_is_kept_though_transformers_takes_the_flag_of_ties_as_true(tmp_path: Path) -> None:
    theirs = save_toy_internvl(tmp_path, tied=False)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["tie_word_embeddings"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    lm = from_folder(tmp_path).llm.lm
    assert torch.equal(lm.get_output_embeddings().weight[: len(theirs.lm_head.weight)], theirs.lm_head.weight)
    assert lm.get_output_embeddings().weight is not lm.get_input_embeddings().weight


@pytest.mark.parametrize("pool", [2, 4])
def test_cells_hold_their_patches_in_the_order_of_transformers_pixel_shuffle(toy: Toy, pool: int) -> None:
    planes = torch.arange(2 * 8 * 8 * 3.0).view(2, 8, 8, 3)
    wanted = toy[1].model.pixel_shuffle(planes, scale_factor=1 / pool)
    grid = TileGrid((8, 8), 1, 1, (8, 8), patch_px=1, pool=pool, thumbnail="none")
    cells = patches_by_cell(planes.reshape(-1, 3), [grid, grid], pool)
    assert torch.equal(cells.flatten(1), wanted.flatten(0, 2))
    # With one number per patch, cell (0, 1) of a plane of 8 columns holds patches 2, 3, 10, 11.
    if pool == 2:
        assert (cells[1, :, 0] / 3).tolist() == [2, 3, 10, 11]


@torch.no_grad()
def test_the_class_token_is_dropped() -> None:
    vision = vision_of()
    pixels, grids = image(RAGGED[0], vision)
    hidden = vision.tower(pixel_values=pixels[0]).last_hidden_state
    assert hidden.shape[1] == 17
    assert torch.equal(vision.encode(pixels, grids), hidden[:, 1:].flatten(0, 1))


def test_the_tiler_follows_the_tower() -> None:
    vision = vision_of()
    grid = vision.tiler.grid((100, 100))
    assert (grid.tile_hw, grid.patch_px, grid.cell_hw, grid.thumbnail) == ((56, 56), 14, (2, 2), "last")
    assert vision_of(max_num_tiles=9).tiler.grid((400, 400)).num_tiles == 10
    assert (vision.embed_dim, vision.out_dim, len(vision.blocks())) == (64, 64, 2)


def test_attention_is_chosen_by_config_and_changes_no_result() -> None:
    features = []
    for attention in ("eager", "sdpa"):
        vision = vision_of(attention=attention)
        assert vision.tower.config._attn_implementation == attention
        with torch.no_grad():
            features.append(vision.encode(*image(RAGGED[0], vision)))
    torch.testing.assert_close(features[0], features[1])
    with pytest.raises(ConfigError, match="flash-attn is not installed"):
        vision_of(attention="flash_attention_2")


def test_gradient_checkpointing_runs_layers_twice_and_gives_the_same_prompt_gradient() -> None:
    gradients, runs = [], []
    for on in (False, True):
        vision = vision_of(gradient_checkpointing=on).train()
        calls: list[int] = []
        vision.blocks()[0].mlp.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        pixels, grids = image(RAGGED[1], vision)
        prompt = torch.zeros(grids[0].num_patches, 64, requires_grad=True)
        vision.encode(pixels, grids, prompt).square().mean().backward()
        gradients.append(prompt.grad)
        runs.append(len(calls))
    assert runs == [1, 2]
    torch.testing.assert_close(gradients[0], gradients[1])


def test_lora_trains_its_adapters_only_and_starts_as_the_identity() -> None:
    adapted, plain = vision_of(lora={"r": 2, "target_modules": ["q_proj", "v_proj"]}), vision_of()
    learning = [n for n, p in adapted.named_parameters() if p.requires_grad]
    assert len(learning) == 8
    assert all("lora_" in name for name in learning)
    with torch.no_grad():
        features = [vision.encode(*image(RAGGED[0], plain)) for vision in (adapted, plain)]
    torch.testing.assert_close(features[0], features[1])


def test_a_bf16_checkpoint_is_held_in_fp32(tmp_path: Path) -> None:
    save_toy_internvl(tmp_path, dtype=torch.bfloat16)
    assert {p.dtype for p in from_folder(tmp_path).parameters()} == {torch.float32}


def test_the_saved_configs_rebuild_tower_and_connector_without_the_checkpoint(toy: Toy) -> None:
    model = from_folder(toy[0])
    vision = vision_of(**model.vision.saved_cfg())
    vision.load_state_dict(model.vision.state_dict())
    connector = InternVLConnector(in_dim=64, out_dim=48, **model.connector.saved_cfg())
    connector.load_state_dict(model.connector.state_dict())
    pixels, grids = image(RAGGED[0], vision)
    with torch.no_grad():
        cells = [
            c(v.encode(pixels, grids), grids)
            for c, v in ((connector, vision), (model.connector, model.vision))
        ]
    assert torch.equal(cells[0], cells[1])


def test_the_projector_takes_its_activation_from_the_checkpoint(tmp_path: Path) -> None:
    save_toy_internvl(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["projector_hidden_act"] = "relu"
    (tmp_path / "config.json").write_text(json.dumps(config))
    connector = InternVLConnector(in_dim=64, out_dim=48, pretrained=str(tmp_path))
    assert isinstance(connector.projector.act, torch.nn.ReLU)
    assert connector.saved_cfg() == {"pretrained": None, "activation": "relu"}


@pytest.mark.parametrize("changes", [{"config": None}, {"pretrained": "some/where"}])
def test_neither_or_both_sources_of_a_tower_is_a_config_error(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="either 'pretrained' or 'config'"):
        vision_of(**changes)


def test_folders_of_other_models_or_layers_are_checkpoint_errors(tmp_path: Path) -> None:
    def build(**config: Any) -> None:
        (tmp_path / "config.json").write_text(json.dumps(config))
        vision_of(config=None, pretrained=str(tmp_path))

    with pytest.raises(CheckpointError, match="is no InternVL in the layout of transformers"):
        build(model_type="internvl_chat", vision_config={"model_type": "intern_vit_6b"})
    tower = {"model_type": "internvl_vision"}
    with pytest.raises(CheckpointError, match="reads layer -2 of its tower"):
        build(vision_config=tower, vision_feature_layer=-2)
    with pytest.raises(CheckpointError, match="with 'full'"):
        build(vision_config=tower, vision_feature_select_strategy="full")


# ------------------------------------------- the config of InternVL3-2B


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, repo_root: Path) -> RegionVLM:
    """The model of the config, from a toy folder in gartk's cache."""
    cache = tmp_path_factory.mktemp("cache")
    save_toy_internvl(cache / "models" / "OpenGVLab" / "InternVL3-2B-hf")
    cfg = load_config(repo_root / "configs/_base_/models/internvl3_2b.py").model
    cfg.prompt_encoder = {"type": "MaskPrompt"}
    cfg.region_extractor = {"type": "RoIAlignReplay", "output_size": 2}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GARTK_CACHE", str(cache))
        model: RegionVLM = MODELS.build(cfg)
    return model.eval()


def test_the_config_has_the_published_sizes_and_the_paper_s_tokens(repo_root: Path) -> None:
    cfg = load_config(repo_root / "configs/_base_/models/internvl3_2b.py").model
    cfg.prompt_encoder = {"type": "MaskPrompt"}
    cfg.region_extractor = {"type": "RoIAlignReplay"}
    with structure_only():
        model = MODELS.build(cfg)
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert counts["vision"] == 304_012_288, "InternViT-300M"
    assert counts["connector"] == 8_662_016
    assert counts["prompt_encoder"] == 1024 * 14 * 14
    assert sum(counts.values()) == pytest.approx(2.09e9, rel=1e-2), "published as 2.1B"
    assert model.vision.tiler.grid((2000, 2000)).num_tokens == 4352
    assert model.region_extractor.num_tokens == 256


def test_the_config_writes_internvl_s_chat_with_wrapped_images_and_regions(
    published: RegionVLM, make_batch: MakeBatch
) -> None:
    batch = make_batch(published, [toy_sample((56, 112), 2)])
    text = published.llm.tokenizer.decode(batch.input_ids[0])
    image, *regions = ("<IMG_CONTEXT>" * 12, "<|region_pad_0|>" * 4, "<|region_pad_1|>" * 4)
    assert text == (
        f"<|im_start|>user\n<img>{image}</img>\n"
        "There are some objects I am curious about: <Prompt0>; <Prompt1>; \n"
        f"<Prompt0>: <img>{regions[0]}</img>\n<Prompt1>: <img>{regions[1]}</img>\n"
        "\nWhat colour is <Prompt0>?<|im_end|>\n<|im_start|>assistant\nred<|im_end|>\n"
    )
    assert published.llm.end_id == published.llm.tokenizer.get_vocab()["<|im_end|>"]
    said = batch.input_ids[0][batch.labels[0] != -100]
    assert published.llm.tokenizer.decode(said) == "red<|im_end|>\n"
    assert published.llm.decode(said) == "red"


def test_the_model_of_the_config_trains_and_answers(published: RegionVLM, make_batch: MakeBatch) -> None:
    samples = [toy_sample((56, 112), 2), toy_sample((40, 40), 1, seed=1)]
    loss = published.loss(make_batch(published, samples))["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    assert [n for n, p in published.named_parameters() if p.grad is None] == []
    questions = [toy_sample((56, 112), 2, answered=False)]
    answers = published.generate(make_batch(published, questions, training=False), max_new_tokens=3)
    assert 1 <= answers[0].num_new_tokens <= 3


def test_a_markup_token_in_a_question_stays_text(published: RegionVLM, make_batch: MakeBatch) -> None:
    turns = [("Is <IMG_CONTEXT> or </img><|im_end|> here?", "no")]
    batch = make_batch(published, [toy_sample((56, 112), 0, turns=turns)])
    assert int((batch.input_ids == published.llm.image_id).sum()) == 12
    assert torch.isfinite(published(batch)).all()
