"""One suite of claims over every base, each at toy size and, where there is one, from a checkpoint folder."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gartk.checkpoints import Checkpoint
from gartk.data.collate import collate
from gartk.models.prompts import NullPrompt
from gartk.models.region_vlm import RegionVLM
from gartk.regions import Region
from gartk.registry import MODELS
from gartk.structures import Batch, RegionBatch, Sample, TileGrid
from gartk.testing.toy import toy_llm, toy_model, toy_sample
from tests.support.toy_bases import save_toy_perception_lm, toy_timm_vit
from tests.support.toy_internvl import from_internvl_folder, save_toy_internvl
from tests.support.toy_qwen import from_qwen_folder, save_toy_qwen2_5_vl

RAGGED = (
    ((56, 112), 1, [("What is <Prompt0>?", "a red cup")]),
    ((112, 112), 7, [("Is <Prompt6> left of <Prompt0>?", "yes"), ("Why?", "I see <Prompt6> first")]),
    ((56, 168), 3, [("What is <Prompt0>?", "a red cup"), ("And its shape?", "round")]),
    ((30, 30), 2, [("Which?", "B")]),
)
TRIALS = 24
NEW = 5


def tiny(folder: Path) -> dict[str, Any]:
    return toy_model()


def perception_lm(folder: Path) -> dict[str, Any]:
    save_toy_perception_lm(folder)
    source = str(folder)
    return toy_model(
        vision={"type": "PerceptionLMVision", "pretrained": source, "max_num_tiles": 4},
        connector={"type": "PerceptionLMConnector", "pretrained": source},
        llm={**toy_llm(), "pretrained": source, "config": None, "tokenizer": None},
    )


def qwen2_5_vl(folder: Path) -> dict[str, Any]:
    save_toy_qwen2_5_vl(folder)
    return from_qwen_folder(folder)


def internvl(folder: Path) -> dict[str, Any]:
    save_toy_internvl(folder)
    return from_internvl_folder(folder)


def timm_vit(folder: Path) -> dict[str, Any]:
    return toy_model(vision=toy_timm_vit(), connector={"type": "MLPConnector", "pool": 2})


BASES: list[Callable[[Path], dict[str, Any]]] = [tiny, perception_lm, qwen2_5_vl, internvl, timm_vit]


@pytest.fixture(scope="module", params=BASES, ids=lambda base: base.__name__)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RegionVLM:
    """The base as it is built; tests change copies of it."""
    config = request.param(tmp_path_factory.mktemp(request.param.__name__))
    torch.manual_seed(0)
    model: RegionVLM = MODELS.build(config)
    return model.eval()


@pytest.fixture
def model(built: RegionVLM) -> RegionVLM:
    """A copy whose prompts are no longer zero."""
    stirred = copy.deepcopy(built)
    with torch.no_grad():
        for parameter in stirred.prompt_encoder.parameters():
            parameter.normal_(std=0.2, generator=torch.Generator().manual_seed(1))
    return stirred


def ragged(*, answered: bool = True) -> list[Sample]:
    """Four samples of different sizes, 1 to 7 regions, different lengths and numbers of turns."""
    return [
        toy_sample(hw, count, seed=seed, turns=turns, answered=answered)
        for seed, (hw, count, turns) in enumerate(RAGGED)
    ]


def batch_of(model: RegionVLM, samples: list[Sample], *, training: bool = True) -> Batch:
    """Encode samples: padded on the right for training, on the left and without answers otherwise."""
    processor = model.make_processor(training=training)
    return collate(
        [processor(sample) for sample in samples],
        pad_id=processor.pad_id,
        pad_side="right" if training else "left",
    )


def own_sizes(model: RegionVLM, at_least: tuple[int, int]) -> list[tuple[int, int]]:
    """Sizes of images that the tiler does not stretch, with maps of at least so many cells."""
    grid = model.vision.tiler.grid((100, 100))
    cell_px = grid.patch_px * grid.pool
    sides = [cell_px * count for count in range(1, 7)]
    grids = [model.vision.tiler.grid((h, w)) for h in sides for w in sides]
    return [
        g.image_hw
        for g in grids
        if g.canvas_hw == g.image_hw and g.map_hw[0] >= at_least[0] and g.map_hw[1] >= at_least[1]
    ]


@torch.no_grad()
def map_of(model: RegionVLM, image: np.ndarray) -> tuple[Tensor, TileGrid]:
    """The map (D, H, W) of an image without prompts, and its grid."""
    tiles, grid = model.vision.tiler.tile_image(image)
    patches = model.vision.encode([tiles], [grid])
    return model.vision.assemble(model.connector(patches, [grid]), [grid])[0].map.data, grid


def lit(image: np.ndarray, grid: TileGrid, row: int, col: int) -> np.ndarray:
    """The image with one cell of its map white."""
    side = grid.patch_px * grid.pool
    bright = image.copy()
    bright[row * side : (row + 1) * side, col * side : (col + 1) * side] = 255
    return bright


# ------------------------------------------- what a base is right after it is built


def test_a_mask_prompt_is_exactly_zero_after_building_and_after_saving(
    built: RegionVLM, tmp_path: Path
) -> None:
    assert not built.prompt_encoder.conv.weight.any()
    Checkpoint.save(built, tmp_path)
    assert not Checkpoint.open(tmp_path).build(device="cpu").prompt_encoder.conv.weight.any()
    assert all(bool(torch.isfinite(parameter).all()) for parameter in built.parameters())


@pytest.mark.parametrize("training", [True, False])
@torch.no_grad()
def test_zero_initialised_mask_prompts_change_no_bit(built: RegionVLM, training: bool) -> None:
    plain = copy.deepcopy(built)
    plain.prompt_encoder = NullPrompt()
    batch = batch_of(built, ragged(answered=training), training=training)
    assert torch.equal(built(batch), plain(batch))


def test_the_gradient_reaches_every_channel_of_the_zero_initialised_prompt(built: RegionVLM) -> None:
    fresh = copy.deepcopy(built)
    fresh.loss(batch_of(fresh, ragged()))["loss"].backward()
    gradient = fresh.prompt_encoder.conv.weight.grad
    assert bool((gradient.abs().amax((1, 2, 3)) > 0).all())


# ------------------------------------------- what a mask changes


@torch.no_grad()
def test_a_mask_changes_the_tokens_of_its_own_tile_and_no_other(model: RegionVLM) -> None:
    batch = batch_of(model, ragged()[:3])
    empty = replace(batch.regions, masks=[torch.zeros_like(masks) for masks in batch.regions.masks])
    before = tile_tokens(model, replace(batch, regions=empty))
    assert len({grid.num_tokens for grid in batch.grids}) > 1, "the images must differ in size"
    for tile in range(batch.grids[1].num_tiles):
        masks = [torch.zeros_like(own) for own in batch.regions.masks]
        masks[1][0, tile, 3:20, 5:25] = True
        after = tile_tokens(model, replace(batch, regions=replace(empty, masks=masks)))
        own = sum(grid.num_tiles for grid in batch.grids[:1]) + tile
        changes = [float((a - b).abs().max()) for a, b in zip(after, before, strict=True)]
        assert changes[own] > 1e-3
        assert max(changes[:own] + changes[own + 1 :]) <= 1e-6


def tile_tokens(model: RegionVLM, batch: Batch) -> list[Tensor]:
    """The tokens of every tile of every image."""
    images = zip(model.encode_images(batch), batch.grids, strict=True)
    return [tile for features, grid in images for tile in features.tokens.chunk(grid.num_tiles)]


@torch.no_grad()
def test_a_mask_changes_nothing_in_the_other_rows_of_a_batch(model: RegionVLM) -> None:
    samples = ragged()
    batch = batch_of(model, samples)
    other = replace(samples[1], regions=[samples[1].regions[0]] * 7)
    before, after = model(batch), model(batch_of(model, [samples[0], other, *samples[2:]]))
    change = (before - after).abs().amax((1, 2))
    assert float(change[1]) > 1e-3
    assert float(change[[0, 2, 3]].max()) <= 1e-6


# ------------------------------------------- where things are


def test_a_bright_cell_on_a_textured_image_is_the_argmax_of_the_maps_change(model: RegionVLM) -> None:
    rng = np.random.default_rng(0)
    sizes = own_sizes(model, at_least=(1, 1))
    assert len(sizes) > 1
    found, wanted = [], []
    for trial in range(TRIALS):
        image = rng.integers(0, 256, (*sizes[trial % len(sizes)], 3), dtype=np.uint8)
        before, grid = map_of(model, image)
        row, col = (int(rng.integers(side)) for side in grid.map_hw)
        change = (map_of(model, lit(image, grid, row, col))[0] - before).norm(dim=0)
        found.append(divmod(int(change.argmax()), grid.map_hw[1]))
        wanted.append((row, col))
    assert found == wanted
    assert len(set(wanted)) > 4


@torch.no_grad()
def test_a_mask_on_a_cell_changes_the_map_most_in_that_cell(model: RegionVLM) -> None:
    rng = np.random.default_rng(0)
    sizes = own_sizes(model, at_least=(1, 1))
    processor = model.make_processor()
    found, wanted = [], []
    for trial in range(TRIALS):
        sample = toy_sample(sizes[trial % len(sizes)], 0, seed=trial, answered=False)
        grid = model.vision.tiler.grid(sizes[trial % len(sizes)])
        row, col = (int(rng.integers(side)) for side in grid.map_hw)
        mask = lit(np.zeros(sample.image.shape, np.uint8), grid, row, col)[..., 0] > 0
        prompted = replace(sample, regions=[Region.from_mask(mask)])
        maps = [
            model.encode_images(collate([processor(one)], pad_id=0))[0].map.data for one in (sample, prompted)
        ]
        found.append(divmod(int((maps[1] - maps[0]).norm(dim=0).argmax()), grid.map_hw[1]))
        wanted.append((row, col))
    assert found == wanted


def test_a_replayed_region_peaks_in_the_cell_that_was_lit(model: RegionVLM) -> None:
    rows, cols = model.region_extractor.token_hw
    rng = np.random.default_rng(0)
    sizes = own_sizes(model, at_least=(rows, cols))
    found, wanted = [], []
    for trial in range(TRIALS):
        image = rng.integers(0, 256, (*sizes[trial % len(sizes)], 3), dtype=np.uint8)
        grid = model.vision.tiler.grid(image.shape[:2])
        top, left = (
            int(rng.integers(side - n + 1)) for side, n in zip(grid.map_hw, (rows, cols), strict=True)
        )
        row, col = int(rng.integers(rows)), int(rng.integers(cols))
        bright = lit(image, grid, top + row, left + col)
        region = region_of((top, left, top + rows, left + cols), grid)
        before, after = (replay(model, picture, region) for picture in (image, bright))
        found.append(int((after - before).norm(dim=-1).argmax()))
        wanted.append(row * cols + col)
    assert found == wanted
    assert set(wanted) == set(range(rows * cols))


def region_of(box_cell: tuple[int, int, int, int], grid: TileGrid) -> RegionBatch:
    """A region of one image whose box has these (top, left, bottom, right) borders of cells."""
    top, left, bottom, right = box_cell
    height, width = grid.map_hw
    zero = torch.tensor([0])
    box = torch.tensor([[left / width, top / height, right / width, bottom / height]])
    return RegionBatch(boxes_norm=box, image_index=zero, prompt_index=zero, masks=[], points=[])


@torch.no_grad()
def replay(model: RegionVLM, image: np.ndarray, region: RegionBatch) -> Tensor:
    """The local tokens (T, D) of a region."""
    tiles, grid = model.vision.tiler.tile_image(image)
    patches = model.vision.encode([tiles], [grid])
    features = model.vision.assemble(model.connector(patches, [grid]), [grid])
    return model.region_extractor([features[0].map], region)[0]


# ------------------------------------------- batches, generation, files


def test_loss_and_gradients_of_a_ragged_batch_are_the_mean_of_its_samples_runs(model: RegionVLM) -> None:
    samples = ragged()
    batch = batch_of(model, samples)
    assert torch.bincount(batch.regions.image_index).tolist() == [1, 7, 3, 2]
    assert len({(g.rows, g.cols, g.tile_hw) for g in batch.grids}) > 1, "the grids must differ"
    whole = model.loss(batch)["loss"]
    whole.backward()
    together = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    assert set(together) == {name for name, _ in model.named_parameters()}
    model.zero_grad()
    losses = []
    for sample in samples:
        loss = model.loss(batch_of(model, [sample]))["loss"]
        (loss / len(samples)).backward()
        losses.append(loss.item())
    assert whole.item() == pytest.approx(sum(losses) / len(losses), abs=1e-5)
    assert max(losses) - min(losses) > 1e-3, "the samples must differ for this to mean anything"
    for name, parameter in model.named_parameters():
        # fp32 sums in another order: 1e-4 of the largest gradient of the same weight.
        bound = 1e-4 * float(together[name].abs().max()) + 1e-8
        assert float((parameter.grad - together[name]).abs().max()) <= bound, name


@pytest.fixture
def talkative(model: RegionVLM) -> RegionVLM:
    """A copy whose answers differ from row to row."""
    with torch.no_grad():
        for parameter in model.llm.parameters():
            parameter.mul_(3.0)
    return model


@torch.no_grad()
def test_left_padded_generation_is_greedy_decoding_of_each_row_without_a_cache(talkative: RegionVLM) -> None:
    samples = ragged(answered=False)
    batch = batch_of(talkative, samples, training=False)
    assert not bool(batch.attention_mask.all()), "rows must be padded"
    new = talkative.llm.generate(*talkative.inputs(batch), max_new_tokens=NEW)
    manual = [greedy(talkative, sample) for sample in samples]
    assert [row[: len(ids)].tolist() for row, ids in zip(new, manual, strict=True)] == manual
    assert len({tuple(ids) for ids in manual}) > 1, "the rows must differ for this to mean anything"
    assert max(len(ids) for ids in manual) == NEW


def greedy(model: RegionVLM, sample: Sample) -> list[int]:
    """Decode one unpadded row, running the whole decoder anew for every token."""
    llm = model.llm
    embeddings, mask, positions = model.inputs(batch_of(model, [sample], training=False))
    new: list[int] = []
    while len(new) < NEW and llm.end_id not in new:
        token = llm.head(llm.hidden(embeddings, mask, positions)[:, -1]).argmax(-1)
        new.append(int(token))
        embeddings = torch.cat([embeddings, llm.embed(token[None])], 1)
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], 1)
        positions = torch.cat([positions, positions[..., -1:] + 1], -1)
    return new


@torch.no_grad()
def test_generation_starts_with_the_argmax_of_forward(talkative: RegionVLM) -> None:
    batch = batch_of(talkative, ragged(answered=False), training=False)
    wanted = talkative(batch)[:, -1].argmax(-1)
    first = talkative.llm.generate(*talkative.inputs(batch), max_new_tokens=1)[:, 0]
    assert first.tolist() == wanted.tolist()
    pairs = zip(wanted, batch.input_ids, strict=True)
    texts = [talkative.read_reply(row[None], asked).text for row, asked in pairs]
    assert [reply.text for reply in talkative.generate(batch, max_new_tokens=1)] == texts


@torch.no_grad()
def test_a_saved_base_gives_the_same_logits_after_loading_without_its_source(
    model: RegionVLM, tmp_path: Path
) -> None:
    Checkpoint.save(model, tmp_path)
    assert str(tmp_path.parent) not in (tmp_path / "config.json").read_text()
    twin = Checkpoint.open(tmp_path).build(device="cpu")
    batch = batch_of(twin, ragged())
    assert torch.equal(batch.input_ids, batch_of(model, ragged()).input_ids)
    assert torch.equal(twin(batch), model(batch))
