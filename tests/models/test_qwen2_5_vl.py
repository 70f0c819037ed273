"""Qwen2.5-VL's tower and merger: transformers' features in raster order, prompts where they belong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import Qwen2VLImageProcessor

from gartk.data.tiling import AnyResTiler
from gartk.errors import CheckpointError, ConfigError
from gartk.geometry import patch_planes
from gartk.models.connectors import Qwen2_5_VLConnector
from gartk.models.prompts import MaskPrompt
from gartk.models.vision import Qwen2_5_VLVision
from gartk.structures import RegionBatch, TileGrid
from tests.support.toy_bases import save_toy_perception_lm
from tests.support.toy_qwen import save_toy_qwen2_5_vl, toy_qwen_vision

BOUNDS = {key: toy_qwen_vision()[key] for key in ("min_pixels", "max_pixels")}
SIZES_HW = ((50, 160), (56, 56), (140, 90), (30, 31))


def noise(hw: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*hw, 3), dtype=np.uint8)


def make_vision(**changes: Any) -> Qwen2_5_VLVision:
    torch.manual_seed(0)
    arguments = {key: value for key, value in toy_qwen_vision(**changes).items() if key != "type"}
    return Qwen2_5_VLVision(**arguments).eval()


@pytest.fixture(scope="module")
def vision() -> Qwen2_5_VLVision:
    return make_vision()


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@torch.no_grad()
def test_tower_and_merger_give_transformers_image_features_for_a_ragged_batch(
    tmp_path: Path, attention: str
) -> None:
    theirs = save_toy_qwen2_5_vl(tmp_path)
    vision = make_vision(config=None, pretrained=str(tmp_path), attention=attention)
    connector = Qwen2_5_VLConnector(in_dim=64, out_dim=48, pretrained=str(tmp_path))
    images = [noise(hw, seed) for seed, hw in enumerate(SIZES_HW)]
    inputs = Qwen2VLImageProcessor(**BOUNDS)(images, return_tensors="pt")
    wanted = theirs.model.get_image_features(**inputs, return_dict=True).pooler_output
    pixels, grids = zip(*map(vision.tiler.tile_image, images), strict=True)
    found = vision.assemble(connector(vision.encode(pixels, grids), grids), grids)
    assert len({len(one) for one in wanted}) == 4, "the images must differ in size for this to mean anything"
    for features, own, grid in zip(found, wanted, grids, strict=True):
        assert float((features.tokens - own).abs().max()) < 1e-6
        assert torch.equal(features.map.data, features.tokens.T.reshape(48, *grid.map_hw))


def test_the_merger_is_the_connector_s_alone(vision: Qwen2_5_VLVision) -> None:
    assert [name for name in vision.state_dict() if "merger" in name] == []
    assert sorted(Qwen2_5_VLConnector(in_dim=4, out_dim=3).state_dict()) == [
        "merger.ln_q.weight",
        "merger.mlp.0.bias",
        "merger.mlp.0.weight",
        "merger.mlp.2.bias",
        "merger.mlp.2.weight",
    ]


def test_the_tiler_follows_the_tower(vision: Qwen2_5_VLVision) -> None:
    grid = vision.tiler.grid((1000, 1000))
    assert (grid.tile_hw, grid.patch_px, grid.pool, grid.thumbnail) == ((140, 140), 14, 2, "none")
    assert make_vision(min_pixels=36 * 784, max_pixels=36 * 784).tiler.grid((30, 30)).num_tokens == 36
    assert (vision.embed_dim, vision.out_dim, len(vision.blocks())) == (64, 64, 3)


def region_of(mask: Tensor) -> RegionBatch:
    """One region of one image from its mask on the tile (h, w)."""
    zero = torch.zeros(1, dtype=torch.int64)
    return RegionBatch(
        torch.tensor([[0.0, 0.0, 1.0, 1.0]]), zero, zero, [mask[None, None]], [torch.ones(1, 3)]
    )


@torch.no_grad()
def test_a_bright_cell_and_a_masked_cell_are_the_argmax_of_the_map_s_change(vision: Qwen2_5_VLVision) -> None:
    torch.manual_seed(0)
    connector = Qwen2_5_VLConnector(in_dim=64, out_dim=48).eval()
    encoder = MaskPrompt(embed_dim=64, patch_px=14)
    torch.nn.init.normal_(encoder.conv.weight, std=0.2)
    rng = np.random.default_rng(0)

    def map_of(image: np.ndarray, mask: Tensor) -> tuple[Tensor, TileGrid]:
        tiles, grid = vision.tiler.tile_image(image)
        patches = vision.encode([tiles], [grid], encoder(region_of(mask), [grid]))
        return vision.assemble(connector(patches, [grid]), [grid])[0].map.data, grid

    found, wanted = [], []
    for trial in range(12):
        hw = ((112, 140), (56, 168), (168, 84))[trial % 3]
        image, mask = noise(hw, seed=trial), torch.zeros(hw, dtype=torch.bool)
        before, grid = map_of(image, mask)
        assert grid.tile_hw == hw, "the tile has the image's size, so cells are 28 pixels"
        row, col = int(rng.integers(grid.map_hw[0])), int(rng.integers(grid.map_hw[1]))
        cell = (slice(28 * row, 28 * row + 28), slice(28 * col, 28 * col + 28))
        mask[cell] = True
        lit = image.copy()
        lit[cell] = 255
        for change in (map_of(lit, mask & False)[0], map_of(image, mask)[0]):
            found.append(divmod(int((change - before).norm(dim=0).argmax()), grid.map_hw[1]))
            wanted.append((row, col))
    assert found == wanted


@torch.no_grad()
def test_tiles_of_another_tiler_are_read_each_on_its_own(vision: Qwen2_5_VLVision) -> None:
    tiles, grid = AnyResTiler(56, max_num_tiles=4).tile_image(noise((56, 112)))
    assert grid.num_tiles == 3
    together = vision.encode([tiles], [grid])
    alone = TileGrid(grid.image_hw, 1, 1, grid.tile_hw, 14, 2, "none")
    for plane, tile in zip(patch_planes(together, [grid])[0], tiles, strict=True):
        torch.testing.assert_close(
            plane.flatten(0, 1), vision.encode([tile[None]], [alone]), rtol=0, atol=1e-5
        )


def test_gradient_checkpointing_gives_the_same_prompt_gradient() -> None:
    gradients = []
    for checkpointing in (False, True):
        vision = make_vision(gradient_checkpointing=checkpointing).train()
        assert vision.tower.gradient_checkpointing is checkpointing
        tiles, grid = vision.tiler.tile_image(noise((50, 80)))
        prompt = torch.zeros(grid.num_patches, 64, requires_grad=True)
        vision.encode([tiles], [grid], prompt).square().mean().backward()
        gradients.append(prompt.grad)
    torch.testing.assert_close(gradients[0], gradients[1])


def test_adapters_alone_learn_with_lora() -> None:
    vision = make_vision(lora={"r": 2, "target_modules": ["qkv"]})
    learning = [name for name, parameter in vision.named_parameters() if parameter.requires_grad]
    assert len(learning) == 3 * 2
    assert all("lora_" in name for name in learning)


def test_the_saved_config_rebuilds_the_tower(vision: Qwen2_5_VLVision) -> None:
    saved = json.loads(json.dumps(vision.saved_cfg()))
    twin = make_vision(**saved)
    twin.load_state_dict(vision.state_dict())
    tiles, grid = vision.tiler.tile_image(noise((50, 80)))
    with torch.no_grad():
        assert torch.equal(twin.encode([tiles], [grid]), vision.encode([tiles], [grid]))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"config": None}, "either 'pretrained' or 'config'"),
        ({"pretrained": "some/where"}, "either 'pretrained' or 'config'"),
        ({"config": {"spatial_merge_size": 4}}, "spatial_merge_size is 4"),
        ({"attention": "fast"}, r"model\.vision\.attention 'fast' is unknown"),
    ],
)
def test_arguments_that_cannot_be_used_are_config_errors(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        make_vision(**changes)


def test_a_checkpoint_of_another_model_is_a_checkpoint_error(tmp_path: Path) -> None:
    save_toy_perception_lm(tmp_path)
    with pytest.raises(CheckpointError, match="is no Qwen2.5-VL: model_type is 'perception_lm'"):
        make_vision(config=None, pretrained=str(tmp_path))
