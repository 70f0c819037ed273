"""Plain vision transformers of timm as towers: what is encoded, which weights are read, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gartk.config import load_config
from gartk.data.collate import collate
from gartk.errors import CheckpointError, ConfigError
from gartk.models.region_vlm import RegionVLM
from gartk.models.vision import TimmViT
from gartk.models.weights import structure_only
from gartk.registry import MODELS, VISION_BACKBONES
from gartk.testing.contracts import check_vision_backbone
from gartk.testing.toy import toy_model, toy_sample
from tests.support.toy_bases import toy_timm_vit

SMALL: dict[str, Any] = {"embed_dim": 64, "depth": 2, "num_heads": 2}
# One of each kind: a class token, none, registers, two tokens of its own, rotary positions, relative
# positions, patches as a plane, attention pooling, a norm behind the pooling.
KINDS = [
    ("vit_small_patch16_224", {}),
    ("vit_small_patch16_224", {"dynamic_img_size": True}),
    ("vit_base_patch16_siglip_224", {}),
    ("vit_base_patch16_siglip_gap_224", {}),
    ("vit_base_patch16_224.mae", {"global_pool": "avg"}),
    ("vit_small_patch14_reg4_dinov2.lvd142m", {}),
    ("deit_small_distilled_patch16_224", {}),
    ("eva02_small_patch14_224", {}),
    ("beit_base_patch16_224", {}),
]


def kind(name: str, args: dict[str, Any], **changes: Any) -> dict[str, Any]:
    tile_px = 56 if "patch14" in name else 64
    return toy_timm_vit(model=name, model_args={**SMALL, **args}, tile_px=tile_px, **changes)


def build(**changes: Any) -> TimmViT:
    torch.manual_seed(0)
    vision: TimmViT = VISION_BACKBONES.build(toy_timm_vit(**changes), path="model.vision")
    return vision.eval()


def noise(hw: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*hw, 3), dtype=np.uint8)


@torch.no_grad()
def encode(vision: TimmViT, image: np.ndarray) -> Tensor:
    tiles, grid = vision.tiler.tile_image(image)
    return vision.encode([tiles], [grid])


@pytest.mark.parametrize(("name", "args"), KINDS)
def test_towers_of_all_kinds_keep_the_contract(name: str, args: dict[str, Any]) -> None:
    check_vision_backbone(kind(name, args))


@torch.no_grad()
def test_the_patches_are_timms_own_without_class_and_register_tokens() -> None:
    vision = build(model="vit_small_patch14_reg4_dinov2.lvd142m", tile_px=56)
    torch.nn.init.normal_(vision.vit.reg_token)
    tiles, grid = vision.tiler.tile_image(noise((60, 120)))
    wanted = vision.vit.forward_features(tiles)
    assert wanted.shape == (grid.num_tiles, 1 + 4 + 16, 64)
    assert torch.equal(vision.encode([tiles], [grid]), wanted[:, 5:].flatten(0, 1))


def test_every_weight_of_a_tower_gets_a_gradient() -> None:
    for name, args in KINDS:
        vision = build(**kind(name, args))
        tiles, grid = vision.tiler.tile_image(noise((40, 40)))
        vision.encode([tiles], [grid]).square().sum().backward()
        assert [n for n, p in vision.named_parameters() if p.grad is None] == [], name


def test_tile_size_mean_and_deviation_are_the_model_s_own_unless_given() -> None:
    clip = build(model="vit_large_patch14_clip_quickgelu_336.openai", tile_px=None)
    assert (clip.tiler.tile_px, clip.patch_px) == (336, 14)
    assert clip.tiler.mean == pytest.approx((0.48145466, 0.4578275, 0.40821073))
    given = build(mean=(0.1, 0.2, 0.3), std=(1, 2, 3), tile_px=32)
    assert (given.tiler.tile_px, given.tiler.mean, given.tiler.std) == (32, (0.1, 0.2, 0.3), (1, 2, 3))


def save_timm(file: Path, name: str, **args: Any) -> None:
    torch.manual_seed(3)
    model = timm.create_model(name, **{**SMALL, **args})
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, file)


@pytest.mark.parametrize(
    "name",
    [
        "vit_small_patch16_224",
        "vit_base_patch16_siglip_224",
        "eva02_small_patch14_224",
        "deit_small_distilled_patch16_224",
    ],
)
def test_a_file_with_head_is_read_as_timm_reads_it_also_for_tiles_of_another_size(
    name: str, tmp_path: Path
) -> None:
    file = tmp_path / "model.safetensors"
    save_timm(file, name)
    tile_px = 112 if "patch14" in name else 128
    ours = build(model=name, tile_px=tile_px, pretrained_file=str(file))
    theirs = timm.create_model(
        name,
        pretrained=True,
        pretrained_cfg_overlay={"file": str(file)},
        img_size=tile_px,
        num_classes=0,
        **SMALL,
    ).eval()
    tiles, grid = ours.tiler.tile_image(noise((100, 100)))
    with torch.no_grad():
        wanted = theirs.forward_features(tiles)[:, theirs.num_prefix_tokens :].flatten(0, 1)
        torch.testing.assert_close(ours.encode([tiles], [grid]), wanted)
    assert not torch.allclose(encode(build(model=name, tile_px=tile_px), noise((100, 100))), wanted)


def test_a_file_is_found_in_gartks_cache_by_the_hubs_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GARTK_CACHE", str(tmp_path))
    folder = tmp_path / "models" / "timm" / "vit_toy"
    folder.mkdir(parents=True)
    save_timm(folder / "model.safetensors", "vit_small_patch16_224")
    vision = build(pretrained_file="timm/vit_toy/model.safetensors", tile_px=224)
    wanted = load_file(folder / "model.safetensors")["blocks.0.attn.qkv.weight"]
    assert torch.equal(vision.vit.blocks[0].attn.qkv.weight, wanted)
    with pytest.raises(CheckpointError, match=r"There is no file .*other\.safetensors"):
        build(pretrained_file="timm/vit_toy/other.safetensors")


def test_files_that_cannot_serve_are_checkpoint_errors(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="Only safetensors are read"):
        build(pretrained_file=str(tmp_path / "pytorch_model.bin"))
    with pytest.raises(CheckpointError, match="There is no file"):
        build(pretrained_file=str(tmp_path / "model.safetensors"))
    file = tmp_path / "broken.safetensors"
    file.write_bytes(b"no tensors")
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        build(pretrained_file=str(file))
    save_timm(file, "vit_small_patch16_224", depth=1)
    with pytest.raises(CheckpointError, match=r"missing: blocks\.1\."):
        build(pretrained_file=str(file))
    save_timm(file, "vit_small_patch16_224", depth=3)
    with pytest.raises(CheckpointError, match=r"unexpected: blocks\.2\."):
        build(pretrained_file=str(file))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("resnet18", "Is it a plain vision transformer"),
        ("swin_tiny_patch4_window7_224", "is no plain vision transformer: it lacks blocks"),
        ("mixer_s16_224", "is no plain vision transformer: it lacks patch_embed"),
        ("xcit_nano_12_p16_224", "lacks a patch embedding of one linear layer"),
        ("vit_smal_patch16_224", "has no model 'vit_smal_patch16_224'. Did you mean 'vit_small_patch16_224'"),
    ],
)
def test_what_is_no_plain_vision_transformer_is_a_config_error(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        build(model=name, model_args={}, tile_px=224)


def test_a_tower_that_merges_patches_is_a_config_error_when_it_runs() -> None:
    vision = build(model="vit_base_r50_s16_224")
    with pytest.raises(ConfigError, match="is no plain vision transformer: it turns"):
        encode(vision, noise((50, 50)))


def test_a_tile_that_holds_no_whole_cells_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="tile_px 48 is not a multiple of patch_px \\* pool = 32"):
        build(tile_px=48).use_pool(2)


def test_attention_is_chosen_by_config_and_changes_no_result() -> None:
    plain, fused = build(attention="eager"), build(attention="sdpa")
    assert [b.attn.fused_attn for b in plain.blocks() + fused.blocks()] == [False, False, True, True]
    torch.testing.assert_close(encode(plain, noise((50, 90))), encode(fused, noise((50, 90))))


def test_gradient_checkpointing_gives_the_same_prompt_gradient() -> None:
    gradients = []
    for on in (False, True):
        vision = build(gradient_checkpointing=on).train()
        runs = []
        for block in vision.blocks():
            block.attn.register_forward_hook(lambda *_, runs=runs: runs.append(1))
        tiles, grid = vision.tiler.tile_image(noise((50, 50)))
        prompt = torch.zeros(grid.num_patches, 64, requires_grad=True)
        vision.encode([tiles], [grid], prompt).square().mean().backward()
        gradients.append(prompt.grad)
        assert len(runs) == len(vision.blocks()) * (2 if on else 1)
    assert torch.equal(gradients[0], gradients[1])


def test_lora_trains_its_adapters_only_and_starts_as_the_identity() -> None:
    adapted = build(lora={"r": 2, "target_modules": ["qkv"]})
    learning = [n for n, p in adapted.named_parameters() if p.requires_grad]
    assert len(learning) == 4
    assert all("lora_" in name for name in learning)
    torch.testing.assert_close(encode(adapted, noise((50, 50))), encode(build(), noise((50, 50))))


def test_a_timm_tower_with_a_new_connector_and_a_llama_trains() -> None:
    torch.manual_seed(0)
    config = toy_model(vision=toy_timm_vit(), connector={"type": "MLPConnector", "pool": 2})
    model: RegionVLM = MODELS.build(config)
    processor = model.make_processor(training=True)
    samples = [toy_sample(hw, 2, seed=seed) for seed, hw in enumerate([(64, 128), (40, 40)])]
    batch = collate([processor(sample) for sample in samples], pad_id=processor.pad_id)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(16):
        optimizer.zero_grad()
        loss = model.loss(batch)["loss"]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    assert bool(model.prompt_encoder.conv.weight.any())


def test_the_saved_config_rebuilds_the_tower_without_its_file(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_timm(file, "vit_small_patch16_224")
    vision = build(pretrained_file=str(file))
    file.unlink()
    twin = build(**vision.saved_cfg())
    twin.load_state_dict(vision.state_dict())
    assert torch.equal(encode(twin, noise((50, 50))), encode(vision, noise((50, 50))))


def test_the_config_of_a_timm_tower_with_a_llama_has_the_sizes_that_it_states(repo_root: Path) -> None:
    cfg = load_config(repo_root / "configs/_base_/models/timm_vit_llama.py").model
    cfg.update({key: toy_model()[key] for key in ("prompt_encoder", "region_extractor")})
    with structure_only():
        model = MODELS.build(cfg)
    assert sum(p.numel() for p in model.vision.parameters()) == pytest.approx(303.5e6, rel=1e-3)
    assert (len(model.vision.blocks()), model.vision.embed_dim) == (24, 1024)
    assert (model.llm.lm.config.model_type, model.llm.hidden_size) == ("llama", 2048)
    assert sum(p.numel() for p in model.llm.parameters()) == pytest.approx(1.71e9, rel=1e-2)
    grid = model.vision.tiler.grid((2000, 2000))
    assert (grid.num_tokens, grid.cell_hw) == (2448, (12, 12))
