"""Crops of regions, encoded on their own: on every base, alone and beside the whole image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gartk.checkpoints import Checkpoint
from gartk.errors import ConfigError, DataError
from gartk.inference.api import RegionAssistant
from gartk.models.extractors import Crop
from gartk.models.llms.mrope_positions import mrope_positions
from gartk.models.region_vlm import RegionVLM
from gartk.regions import Region
from gartk.structures import Batch, CropRule, Sample
from gartk.testing.contracts import check_extractor
from gartk.testing.toy import toy_sample
from tests.models.crop_bases import (
    BASES,
    Config,
    Seen,
    assert_same_gradients,
    batch_of,
    build,
    checkpointed,
    grad_of,
    mean_of_single_runs,
    ragged,
    stirred,
)

CROP: Config = {"type": "Crop"}
PLAIN: Config = {"type": "Crop", "with_mask": False}


@pytest.fixture(scope="module", params=BASES, ids=lambda base: base.__name__)
def config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Config:
    made: Config = request.param(tmp_path_factory.mktemp(request.param.__name__))
    return made


@torch.no_grad()
def local_tokens(model: RegionVLM, batch: Batch) -> Tensor:
    """The local tokens of all regions, region by region, from the embedded text."""
    embeddings = model.inputs(batch).embeddings
    ids = torch.tensor(model.llm.region_ids)
    places = zip(batch.regions.image_index.tolist(), batch.regions.prompt_index.tolist(), strict=True)
    return torch.stack([embeddings[row, batch.input_ids[row] == ids[number]] for row, number in places])


@pytest.mark.parametrize("scale", [1.0, 3.0, "dam"])
@pytest.mark.parametrize("with_mask", [True, False])
def test_crop_keeps_the_contract(scale: Any, with_mask: bool) -> None:
    check_extractor({"type": "Crop", "context_scale": scale, "with_mask": with_mask})


@torch.no_grad()
def test_local_tokens_are_those_of_the_cut_out_picture_with_the_cut_out_mask(config: Config) -> None:
    model = stirred(
        build(config, region_extractor={"type": "Crop", "context_scale": "dam"}, use_global=False)
    )
    for sample in ragged()[:3]:
        batch = batch_of(model, [sample])
        found = local_tokens(model, batch)
        for number, region in enumerate(sample.regions):
            whole = picture_of(sample, region, model.region_extractor.crop_rule)
            alone = batch_of(model, [whole])
            # The picture on one tile, as the tiler for crops cuts it.
            single = model.vision.tiler.for_crops()
            pixels, grid = single.tile_image(whole.image)
            masks = single.tile_masks(whole.regions[0].mask[None], grid)
            shown = replace(alone.regions, masks=[masks])
            patches = model.vision.encode([pixels], [grid], model.prompt_encoder(shown, [grid]))
            torch.testing.assert_close(found[number], model.connector(patches, [grid]), rtol=1e-4, atol=1e-5)


def picture_of(sample: Sample, region: Region, rule: CropRule) -> Sample:
    """A sample whose image is what a rule cuts out, by slicing."""
    x0, y0, x1, y1 = region.box_px
    height, width = region.image_hw
    half_w = max(x1 - x0, rule.min_side_px) * rule.context_scale / 2
    half_h = max(y1 - y0, rule.min_side_px) * rule.context_scale / 2
    left, top = int(max(0, np.floor((x0 + x1) / 2 - half_w))), int(max(0, np.floor((y0 + y1) / 2 - half_h)))
    right = int(min(width, np.ceil((x0 + x1) / 2 + half_w)))
    bottom = int(min(height, np.ceil((y0 + y1) / 2 + half_h)))
    cut = Region.from_mask(region.mask[top:bottom, left:right])
    image = np.ascontiguousarray(np.asarray(sample.image)[top:bottom, left:right])
    return replace(sample, images=[image], regions=[cut], turns=toy_sample().turns)


# ------------------------------------------- rows of the paper


def test_row_1_runs_the_tower_on_the_crops_and_never_on_the_whole_image(config: Config) -> None:
    model = build(config, region_extractor=CROP, use_global=False)
    batch = batch_of(model, ragged())
    assert [len(tiles) for tiles in batch.pixels] == [0, 0, 0, 0]
    seen = Seen(model)
    model.loss(batch)
    (run,) = seen.runs
    assert len(run) == len(batch.regions) == 13
    assert {shape[0] for shape in run} == {1}
    assert model.llm.image_id not in batch.input_ids


def test_row_3_runs_it_once_on_the_images_and_once_on_the_crops(config: Config) -> None:
    model = build(config, region_extractor=CROP)
    batch = batch_of(model, ragged())
    seen = Seen(model)
    model.loss(batch)
    assert [len(run) for run in seen.runs] == [4, 13]
    assert [shape[0] for shape in seen.runs[0]] == [grid.num_tiles for grid in batch.grids]


@torch.no_grad()
def test_row_7_sees_no_mask_anywhere(config: Config) -> None:
    model = build(config, region_extractor=PLAIN, prompt_encoder={"type": "NullPrompt"}, use_global=False)
    sample = ragged()[0]
    (x0, y0, x1, y1), mask = map(int, sample.regions[0].box_px), sample.regions[0].mask.copy()
    mask[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1] = False  # a frame has the same box
    framed = replace(sample, regions=[Region.from_mask(mask)])
    assert torch.equal(model(batch_of(model, [sample])), model(batch_of(model, [framed])))
    seeing = stirred(build(config, region_extractor=CROP, use_global=False))
    before, after = (seeing(batch_of(seeing, [one])) for one in (sample, framed))
    assert not torch.allclose(before, after, atol=1e-5)


@pytest.mark.parametrize("with_mask", [True, False])
def test_without_the_whole_image_the_prompt_learns_from_the_crops_masks_alone(
    config: Config, with_mask: bool
) -> None:
    extractor = {**CROP, "with_mask": with_mask, "context_scale": "dam"}
    model = build(config, region_extractor=extractor, use_global=False)
    _, grads = grad_of(model, batch_of(model, ragged()))
    assert ("prompt_encoder.conv.weight" in grads) == with_mask
    if with_mask:
        channels = grads["prompt_encoder.conv.weight"].abs().amax((1, 2, 3))
        assert bool((channels > 0).all())


@torch.no_grad()
def test_a_region_s_tokens_do_not_see_the_other_regions_or_what_lies_outside_its_crop(config: Config) -> None:
    model = stirred(build(config, region_extractor=CROP, use_global=False))
    sample = ragged()[2]
    before = local_tokens(model, batch_of(model, [sample]))
    image = np.asarray(sample.image).copy()
    image[~sample.regions[0].mask] = 0
    other = replace(sample, images=[image], regions=[sample.regions[0], *sample.regions[:0:-1]])
    after = local_tokens(model, batch_of(model, [other]))
    torch.testing.assert_close(after[0], before[0], rtol=1e-4, atol=1e-5)
    assert float((after[1:] - before[1:]).abs().max()) > 1e-3


# ------------------------------------------- batches, generation, files


@pytest.mark.parametrize("use_global", [True, False])
def test_loss_and_gradients_of_a_ragged_batch_are_the_mean_of_its_samples_runs(
    config: Config, use_global: bool
) -> None:
    model = stirred(build(config, region_extractor=CROP, use_global=use_global))
    samples = ragged()
    loss, grads = grad_of(model, batch_of(model, samples))
    wanted, mean = mean_of_single_runs(model, samples)
    assert loss == pytest.approx(wanted, abs=1e-5)
    assert_same_gradients(mean, grads)


@torch.no_grad()
def test_generation_of_a_left_padded_batch_is_that_of_each_row(config: Config) -> None:
    model = stirred(build(config, region_extractor=CROP, use_global=False))
    for parameter in model.llm.parameters():
        parameter.mul_(3.0)
    samples = ragged(answered=False)
    together = model.generate(batch_of(model, samples, training=False), max_new_tokens=5)
    alone = [model.generate(batch_of(model, [s], training=False), max_new_tokens=5)[0] for s in samples]
    assert together == alone
    assert len({reply.text for reply in alone}) > 1, "the rows must differ for this to mean anything"


@torch.no_grad()
def test_a_saved_model_gives_the_same_logits_after_loading(config: Config, tmp_path: Path) -> None:
    extractor = {"type": "Crop", "context_scale": "dam", "with_mask": False}
    model = stirred(build(config, region_extractor=extractor))
    Checkpoint.save(model, tmp_path)
    twin = Checkpoint.open(tmp_path).build(device="cpu")
    assert twin.region_extractor.crop_rule == CropRule(3.0, 48.0)
    batch = batch_of(twin, ragged())
    assert torch.equal(twin(batch), model(batch))


def test_recomputed_activations_give_the_same_gradients(config: Config) -> None:
    plain = stirred(build(config, region_extractor=CROP)).train()
    saving = stirred(build(checkpointed(config), region_extractor=CROP)).train()
    saving.load_state_dict(plain.state_dict())
    batch = batch_of(plain, ragged())
    (loss, grads), (again, other) = grad_of(plain, batch), grad_of(saving, batch)
    assert loss == pytest.approx(again, abs=1e-6)
    assert_same_gradients(grads, other)


def test_samples_without_regions_train_beside_others_and_alone(config: Config) -> None:
    model = build(config, region_extractor=CROP, use_global=False)
    bare = toy_sample((56, 112), 0, turns=[("What?", "a room")])
    for samples in ([bare], [bare, ragged()[0]]):
        loss, _ = grad_of(model, batch_of(model, samples))
        assert np.isfinite(loss)


# ------------------------------------------- around it


def test_describing_and_asking_work_without_the_whole_image(config: Config) -> None:
    assistant = RegionAssistant(build(config, region_extractor=CROP, use_global=False))
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    boxes = [(5, 5, 30, 30), (40, 10, 80, 50)]
    described = assistant.describe(image, boxes, max_new_tokens=3)
    assert len(described) == 2
    asked = assistant.ask([image] * 3, [boxes] * 3, ["Is <Prompt0> left of <Prompt1>?"] * 3, max_new_tokens=3)
    assert len({answer.text for answer in asked}) == 1, "the same question has the same answer"


@pytest.mark.parametrize("kind", ["Crop", "GatedCrossAttentionCrop"])
def test_describing_works_in_bf16(config: Config, kind: str) -> None:
    model = build(config, region_extractor={"type": kind}).to(torch.bfloat16)
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    (answer,) = RegionAssistant(model).describe(image, [(5, 5, 30, 30)], max_new_tokens=2)
    assert answer.num_new_tokens > 0


@torch.no_grad()
def test_prompts_that_tell_regions_apart_show_a_crop_s_own_number(config: Config) -> None:
    encoder = {"type": "MaskPrompt", "mode": "identity", "num_identities": 8}
    model = stirred(build(config, region_extractor=CROP, use_global=False, prompt_encoder=encoder))
    sample = ragged()[2]
    twice = replace(sample, regions=[sample.regions[0]] * 3)
    tokens = local_tokens(model, batch_of(model, [twice]))
    assert float((tokens[1:] - tokens[0]).abs().amax((1, 2)).min()) > 1e-3
    alone = local_tokens(model, batch_of(model, [replace(sample, regions=sample.regions[:1])]))
    torch.testing.assert_close(alone[0], tokens[0], rtol=1e-4, atol=1e-5)


def test_positions_from_the_source_are_those_of_the_crop() -> None:
    from tests.support.toy_qwen import toy_qwen_model

    model = build(toy_qwen_model(region_extractor={"type": "Crop", "context_scale": "dam"}))
    sample = toy_sample((100, 200), 2)
    batch = batch_of(model, [sample])
    settings: Config = {
        "image_id": model.llm.image_id,
        "region_ids": model.llm.region_ids,
        "token_hw": model.region_extractor.token_hw,
        "policy": "source",
    }
    crop = mrope_positions(batch, **settings)
    assert batch.crops is not None
    as_boxes = replace(batch.regions, boxes_norm=batch.crops.in_image_norm)
    assert torch.equal(crop, mrope_positions(replace(batch, regions=as_boxes, crops=None), **settings))
    assert not torch.equal(crop, mrope_positions(replace(batch, crops=None), **settings))


def test_a_batch_without_crops_is_a_data_error() -> None:
    from gartk.testing.toy import toy_model

    model = build(toy_model(region_extractor=CROP))
    batch = batch_of(model, ragged()[:1])
    with pytest.raises(DataError, match=r"needs crops, which this batch lacks.*make_processor"):
        model.loss(replace(batch, crops=None))


@pytest.mark.parametrize("scale", [0, 0.5, -1, "focal", True, None])
def test_a_bad_scale_is_a_config_error(scale: Any) -> None:
    with pytest.raises(ConfigError, match="context_scale is 'dam' or a number of at least 1"):
        Crop(crop_hw=(4, 4), context_scale=scale)


def test_a_tower_that_cannot_cut_crops_and_a_call_without_crops_are_config_errors() -> None:
    with pytest.raises(ConfigError, match=r"Crop needs a tower whose tiler cuts crops.*for_crops"):
        Crop()
    batch = batch_of(build(BASES[0](Path())), ragged()[:1])
    with pytest.raises(ConfigError, match="Crop needs crops: call it with views"):
        Crop(crop_hw=(4, 4))([], batch.regions)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["Crop", "GatedCrossAttentionCrop"])
def test_on_a_gpu_the_loss_is_that_of_the_cpu(config: Config, kind: str) -> None:
    from gartk.models.placement import move_to_device

    model = stirred(build(config, region_extractor={"type": kind}), gates=0.5)
    batch = batch_of(model, ragged())
    wanted = model.loss(batch)["loss"].item()
    device = torch.device("cuda")
    moved = model.to(device).loss(move_to_device(batch, device))["loss"].item()
    assert moved == pytest.approx(wanted, abs=1e-3)
