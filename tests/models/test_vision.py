"""PerceptionLM's tower with prompts: where what is shown ends up, tile by tile and on the map."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gartk.errors import ConfigError
from gartk.models.connectors import PerceptionLMConnector
from gartk.models.prompts import MaskPrompt
from gartk.models.vision import PerceptionLMVision
from gartk.models.vision.positions import sincos_positions, start_positions
from gartk.structures import RegionBatch, TileGrid
from gartk.testing.toy import toy_vision


def make_vision(**changes: Any) -> PerceptionLMVision:
    arguments = {key: value for key, value in toy_vision(**changes).items() if key != "type"}
    return PerceptionLMVision(**arguments).eval()


def noise(hw: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*hw, 3), dtype=np.uint8)


def region_of(masks: Tensor) -> RegionBatch:
    """One region of one image from its mask on the tiles (T, h, w)."""
    return RegionBatch(
        boxes_norm=torch.tensor([[0.0, 0.0, 1.0, 1.0]]),
        image_index=torch.tensor([0]),
        prompt_index=torch.tensor([0]),
        masks=[masks[None]],
        points=[torch.tensor([[0.5, 0.5, 1.0]])],
    )


@pytest.fixture(scope="module")
def vision() -> PerceptionLMVision:
    torch.manual_seed(0)
    return make_vision()


def test_the_tiler_follows_the_tower(vision: PerceptionLMVision) -> None:
    grid = vision.tiler.grid((100, 100))
    assert (grid.tile_hw, grid.patch_px, grid.cell_hw) == ((56, 56), 14, (2, 2))
    assert make_vision(max_num_tiles=9).tiler.grid((100, 100)).num_tiles == 10
    assert (vision.embed_dim, vision.out_dim, len(vision.blocks())) == (64, 64, 2)


@torch.no_grad()
def test_the_class_token_is_dropped(vision: PerceptionLMVision) -> None:
    tiles, grid = vision.tiler.tile_image(noise((50, 110)))
    out = vision.encode([tiles], [grid])
    hidden = vision.tower(pixel_values=tiles, do_pooling=False).last_hidden_state
    assert hidden.shape[1] == 17
    assert torch.equal(out, hidden[:, 1:].flatten(0, 1))


def test_a_mask_inside_one_tile_changes_only_that_tiles_tokens(vision: PerceptionLMVision) -> None:
    tiles, grid = vision.tiler.tile_image(noise((100, 100)))
    assert grid.num_tiles == 5
    encoder = MaskPrompt(embed_dim=64, patch_px=14)
    torch.nn.init.normal_(encoder.conv.weight)
    masks = torch.zeros(5, 56, 56, dtype=torch.bool)
    masks[3, 20:40, 10:50] = True
    with torch.no_grad():
        before = vision.encode([tiles], [grid], encoder(region_of(torch.zeros_like(masks)), [grid]))
        after = vision.encode([tiles], [grid], encoder(region_of(masks), [grid]))
    same = [torch.equal(a, b) for a, b in zip(before.split(16), after.split(16), strict=True)]
    assert same == [True, True, True, False, True]


def test_the_gradient_reaches_the_zero_initialised_convolution(vision: PerceptionLMVision) -> None:
    tiles, grid = vision.tiler.tile_image(noise((50, 50)))
    encoder = MaskPrompt(embed_dim=64, patch_px=14)
    prompt = encoder(region_of(torch.ones(grid.num_tiles, 56, 56, dtype=torch.bool)), [grid])
    vision.encode([tiles], [grid], prompt).square().mean().backward()
    assert encoder.conv.weight.grad is not None
    assert bool((encoder.conv.weight.grad.abs().amax((1, 2, 3)) > 0).all()), "every channel learns"
    vision.zero_grad()


@torch.no_grad()
def test_a_bright_cell_on_a_textured_image_is_the_argmax_of_the_maps_change(
    vision: PerceptionLMVision,
) -> None:
    torch.manual_seed(0)
    connector = PerceptionLMConnector(in_dim=64, out_dim=48).eval()
    rng = np.random.default_rng(0)

    def map_of(image: np.ndarray) -> tuple[Tensor, TileGrid]:
        tiles, grid = vision.tiler.tile_image(image)
        features = vision.assemble(connector(vision.encode([tiles], [grid]), [grid]), [grid])[0]
        return features.map.data, grid

    found, wanted = [], []
    for trial in range(24):
        image = noise(((112, 112), (56, 168), (168, 56))[trial % 3], seed=trial)
        before, grid = map_of(image)
        assert grid.canvas_hw == image.shape[:2], "the canvas has the image's size, so cells are 28 pixels"
        row, col = int(rng.integers(grid.map_hw[0])), int(rng.integers(grid.map_hw[1]))
        image[28 * row : 28 * row + 28, 28 * col : 28 * col + 28] = 255
        change = (map_of(image)[0] - before).norm(dim=0)
        found.append(divmod(int(change.argmax()), grid.map_hw[1]))
        wanted.append((row, col))
    assert found == wanted


@torch.no_grad()
def test_tokens_are_the_thumbnail_then_the_tiles_of_each_image(vision: PerceptionLMVision) -> None:
    (a, grid_a), (b, grid_b) = (vision.tiler.tile_image(noise(hw)) for hw in ((56, 112), (56, 56)))
    cells = torch.arange((len(a) + len(b)) * 4.0)[:, None]
    first, second = vision.assemble(cells, [grid_a, grid_b])
    assert first.tokens.flatten().tolist() == list(range(len(a) * 4))
    assert second.tokens.flatten().tolist() == list(range(len(a) * 4, (len(a) + len(b)) * 4))
    assert first.map.data.flatten().tolist() == [4, 5, 8, 9, 6, 7, 10, 11], (
        "1x2 tiles of 2x2 cells side by side"
    )


@torch.no_grad()
def test_ragged_images_in_a_batch_give_what_they_give_alone(vision: PerceptionLMVision) -> None:
    inputs = [vision.tiler.tile_image(noise(hw)) for hw in ((50, 160), (56, 56))]
    both = vision.encode([tiles for tiles, _ in inputs], [grid for _, grid in inputs])
    alone = torch.cat([vision.encode([tiles], [grid]) for tiles, grid in inputs])
    torch.testing.assert_close(both, alone, rtol=1e-4, atol=1e-5)


def test_gradient_checkpointing_gives_the_same_prompt_gradient() -> None:
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        vision = make_vision(gradient_checkpointing=checkpointing).train()
        runs = []
        for block in vision.blocks():
            block.attn.register_forward_hook(lambda *_, runs=runs: runs.append(1))
        tiles, grid = vision.tiler.tile_image(noise((50, 50)))
        prompt = torch.zeros(grid.num_patches, 64, requires_grad=True)
        vision.encode([tiles], [grid], prompt).square().mean().backward()
        gradients.append(prompt.grad)
        assert len(runs) == len(vision.blocks()) * (2 if checkpointing else 1)
    assert torch.equal(gradients[0], gradients[1])


def test_the_saved_config_rebuilds_the_tower(vision: PerceptionLMVision) -> None:
    twin = make_vision(**vision.saved_cfg())
    twin.load_state_dict(vision.state_dict())
    tiles, grid = vision.tiler.tile_image(noise((50, 50)))
    with torch.no_grad():
        assert torch.equal(twin.encode([tiles], [grid]), vision.encode([tiles], [grid]))


@pytest.mark.parametrize("changes", [{"architecture": None}, {"pretrained": "some/where"}])
def test_neither_or_both_sources_of_a_tower_is_a_config_error(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="either 'pretrained' or 'architecture'"):
        make_vision(**changes)


def test_sine_cosine_positions_tell_every_patch_apart_and_near_from_far() -> None:
    places = sincos_positions(4, 6, 10)
    assert places.shape == (24, 10)
    assert not places[:, 8:].any(), "ten channels hold two whole quarters"
    distance = torch.cdist(places, places)
    assert float(distance[~torch.eye(24, dtype=torch.bool)].min()) > 0.02
    smooth = sincos_positions(16, 16, 96)
    step, far = (smooth[8 * 16 + 8] - smooth[8 * 16 + 8 + n] for n in (1, 7))
    assert float(step.norm()) < float(far.norm())


def test_a_fresh_tower_starts_with_the_positions_it_is_told() -> None:
    told = make_vision(positions="sincos").tower.timm_model
    assert torch.equal(told.pos_embed[0, 1:], sincos_positions(4, 4, 64))
    plain = make_vision().tower.timm_model
    assert float(plain.pos_embed[0, 1:].std()) < 0.05
    with pytest.raises(ConfigError, match="must be 'random' or 'sincos'; got 'learned'"):
        make_vision(positions="learned")
    with pytest.raises(ConfigError, match="no learned positions"):
        start_positions(nn.Module(), "sincos")
