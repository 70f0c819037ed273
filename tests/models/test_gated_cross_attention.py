"""Crops that look at the whole image through gates: on every base."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gartk.checkpoints import Checkpoint
from gartk.errors import ConfigError
from gartk.models.extractors import GatedCrossAttentionCrop
from gartk.models.extractors.cross_attention import GatedCrossAttention, group_contexts, look_back
from gartk.models.region_vlm import RegionVLM
from gartk.structures import CropRule
from gartk.testing.contracts import check_extractor
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

GATED: Config = {"type": "GatedCrossAttentionCrop"}
FOCAL: Config = {"type": "Crop", "context_scale": "dam"}
TIGHT_GATED: Config = {**GATED, "context_scale": 1.0}
OPEN = 0.5


@pytest.fixture(scope="module", params=BASES, ids=lambda base: base.__name__)
def config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Config:
    made: Config = request.param(tmp_path_factory.mktemp(request.param.__name__))
    return made


@pytest.fixture(scope="module")
def _opened(config: Config) -> RegionVLM:
    return stirred(build(config, region_extractor=TIGHT_GATED, use_global=False), gates=OPEN)


@pytest.fixture
def opened(_opened: RegionVLM) -> RegionVLM:
    """Row 2 with tight crops and gates at one half, so that contexts count."""
    return copy.deepcopy(_opened)


def open_gates(
    *,
    crop_hw: tuple[int, int],
    tower_dim: int,
    tower_out_dim: int,
    tower_layers: int,
    tower_heads: int,
    with_mask: bool,
) -> GatedCrossAttentionCrop:
    """Build one whose gates do not start at zero, so that the contract sees what comes through them."""
    extractor = GatedCrossAttentionCrop(
        crop_hw=crop_hw,
        tower_dim=tower_dim,
        tower_out_dim=tower_out_dim,
        tower_layers=tower_layers,
        tower_heads=tower_heads,
        with_mask=with_mask,
    )
    with torch.no_grad():
        for name, parameter in extractor.named_parameters():
            if "gate" in name:
                parameter.fill_(OPEN)
    return extractor


@pytest.mark.parametrize("with_mask", [True, False])
def test_it_keeps_the_contract_with_open_gates(with_mask: bool) -> None:
    check_extractor({"type": open_gates, "with_mask": with_mask})


# ------------------------------------------- at the start of training


@pytest.mark.parametrize("training", [True, False])
@torch.no_grad()
def test_with_gates_at_zero_it_is_the_focal_crop_bit_by_bit(config: Config, training: bool) -> None:
    for use_global in (True, False):
        gated = stirred(build(config, region_extractor=GATED, use_global=use_global))
        plain = stirred(build(config, region_extractor=FOCAL, use_global=use_global))
        batch = batch_of(plain, ragged(answered=training), training=training)
        # In a batch without context the tiles are missing, so each has its own.
        own = batch_of(gated, ragged(answered=training), training=training)
        assert torch.equal(own.input_ids, batch.input_ids)
        assert torch.equal(gated(own), plain(batch))


@torch.no_grad()
def test_that_holds_under_autocast_too(config: Config) -> None:
    gated = stirred(build(config, region_extractor=GATED))
    plain = stirred(build(config, region_extractor=FOCAL))
    batch = batch_of(gated, ragged()[:2])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(gated(batch), plain(batch))


def test_at_first_the_gates_alone_learn_and_then_everything(config: Config) -> None:
    model = build(config, region_extractor=GATED, use_global=False)
    batch = batch_of(model, ragged())
    _, grads = grad_of(model, batch)
    own = {name: bool(grad.any()) for name, grad in grads.items() if name.startswith("region_extractor.")}
    assert own == {name: "gate" in name for name in own}
    assert len(own) == len(list(model.region_extractor.parameters()))
    _, grads = grad_of(stirred(model, gates=OPEN), batch)
    still = [name for name in own if not grads[name].any() and not name.endswith("key.bias")]
    assert still == [], "a key's bias moves all weights of a query alike, so it alone never learns"


# ------------------------------------------- what the crops look at


def test_the_tower_runs_on_every_region_s_image_and_on_its_crop(opened: RegionVLM) -> None:
    batch = batch_of(opened, ragged())
    seen = Seen(opened)
    opened.loss(batch)
    owners = batch.regions.image_index.tolist()
    assert [len(run) for run in seen.runs] == [13, 13]
    assert [shape[0] for shape in seen.runs[0]] == [batch.grids[image].num_tiles for image in owners]
    assert {shape[0] for shape in seen.runs[1]} == {1}


@pytest.mark.parametrize("changes", [{"with_mask": False}, {"prompt_encoder": {"type": "NullPrompt"}}])
def test_without_masks_every_image_is_encoded_once(config: Config, changes: Config) -> None:
    extractor = {**TIGHT_GATED, "with_mask": changes.get("with_mask", True)}
    parts = {key: value for key, value in changes.items() if key == "prompt_encoder"}
    model = build(config, region_extractor=extractor, use_global=False, **parts)
    seen = Seen(model)
    model.loss(batch_of(model, ragged()))
    assert [len(run) for run in seen.runs] == [4, 13]


@torch.no_grad()
def test_a_context_encoded_once_gives_what_it_gives_region_by_region(config: Config) -> None:
    extractor = {**TIGHT_GATED, "with_mask": False}
    model = stirred(build(config, region_extractor=extractor, use_global=False), gates=OPEN)
    masked = stirred(build(config, region_extractor=TIGHT_GATED, use_global=False), gates=OPEN)
    for parameter in masked.prompt_encoder.parameters():
        parameter.zero_()
    batch = batch_of(model, ragged())
    torch.testing.assert_close(model(batch), masked(batch), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_what_lies_outside_the_crop_reaches_its_tokens(opened: RegionVLM, config: Config) -> None:
    sample = ragged()[2]
    image = np.asarray(sample.image).copy()
    image[~np.any([region.mask for region in sample.regions], axis=0)] = 0
    other = replace(sample, images=[image])
    plain = stirred(build(config, region_extractor={"type": "Crop"}, use_global=False))
    changes = [
        float((model(batch_of(model, [sample])) - model(batch_of(model, [other]))).abs().max())
        for model in (opened, plain)
    ]
    assert changes[0] > 1e-4
    assert changes[1] < 1e-5


@torch.no_grad()
def test_a_region_s_context_shows_its_own_mask_and_no_other(opened: RegionVLM) -> None:
    sample = ragged()[2]
    before = local_tokens(opened, sample)
    swapped = replace(sample, regions=[sample.regions[0], *sample.regions[:0:-1]])
    after = local_tokens(opened, swapped)
    torch.testing.assert_close(after[0], before[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(after[[2, 1]], before[1:], rtol=1e-4, atol=1e-5)


def local_tokens(model: RegionVLM, sample: Any) -> Tensor:
    """The local tokens of the regions of one sample: (R, T, D)."""
    batch = batch_of(model, [sample])
    row, embeddings = batch.input_ids[0], model.inputs(batch).embeddings[0]
    return torch.stack([embeddings[row == model.llm.region_ids[i]] for i in range(len(sample.regions))])


# ------------------------------------------- batches, checkpointing, files


def test_loss_and_gradients_of_a_ragged_batch_are_the_mean_of_its_samples_runs(opened: RegionVLM) -> None:
    samples = ragged()
    batch = batch_of(opened, samples)
    assert len({grid.num_patches for grid in batch.grids}) > 1, "contexts must differ in length"
    loss, grads = grad_of(opened, batch)
    wanted, mean = mean_of_single_runs(opened, samples)
    assert loss == pytest.approx(wanted, abs=1e-5)
    biases = [name for name in grads if name.endswith("key.bias")]  # rounding alone, see above
    for name in biases:
        del grads[name], mean[name]
    assert_same_gradients(mean, grads)


def test_recomputed_activations_give_the_same_gradients_after_the_forward_pass_is_closed(
    config: Config,
) -> None:
    settings = {"region_extractor": TIGHT_GATED, "use_global": True}
    plain = stirred(build(config, **settings), gates=OPEN).train()
    saving = stirred(build(checkpointed(config), **settings), gates=OPEN).train()
    saving.load_state_dict(plain.state_dict())
    batch = batch_of(plain, ragged())
    calls = {model: count_calls(next(model.vision.blocks()[0].children())) for model in (plain, saving)}
    (loss, grads), (again, other) = grad_of(plain, batch), grad_of(saving, batch)
    assert [len(calls[model]) for model in (plain, saving)] == [3, 6], "image, contexts, crops: twice each"
    assert loss == pytest.approx(again, abs=1e-6)
    for name in [name for name in grads if name.endswith("key.bias")]:
        del grads[name], other[name]
    assert_same_gradients(grads, other)


def count_calls(module: nn.Module) -> list[int]:
    """A list that grows with every call of a module."""
    calls: list[int] = []
    module.register_forward_hook(lambda *_: calls.append(1))
    return calls


@torch.no_grad()
def test_generation_of_a_left_padded_batch_is_that_of_each_row(opened: RegionVLM) -> None:
    for parameter in opened.llm.parameters():
        parameter.mul_(3.0)
    samples = ragged(answered=False)
    together = opened.generate(batch_of(opened, samples, training=False), max_new_tokens=5)
    alone = [opened.generate(batch_of(opened, [s], training=False), max_new_tokens=5)[0] for s in samples]
    assert together == alone
    assert len({reply.text for reply in alone}) > 1, "the rows must differ for this to mean anything"


@torch.no_grad()
def test_a_saved_model_gives_the_same_logits_after_loading(opened: RegionVLM, tmp_path: Path) -> None:
    Checkpoint.save(opened, tmp_path)
    twin = Checkpoint.open(tmp_path).build(device="cpu")
    assert twin.region_extractor.crop_rule == CropRule(1.0, 0.0)
    batch = batch_of(twin, ragged())
    assert torch.equal(twin(batch), opened(batch))


def test_the_tower_is_left_as_it_was_and_has_no_new_weights(opened: RegionVLM) -> None:
    before = [id(module) for module in opened.vision.modules()]
    names = list(opened.vision.state_dict())
    opened.loss(batch_of(opened, ragged()[:1]))
    assert [id(module) for module in opened.vision.modules()] == before
    assert list(opened.vision.state_dict()) == names


# ------------------------------------------- the block itself


def test_the_block_is_the_written_formula() -> None:
    block = GatedCrossAttention(8, 6, 2)
    with torch.no_grad():
        block.gate_attention.fill_(0.7)
        block.gate_mlp.fill_(-0.3)
    x, contexts = torch.randn(2, 5, 8), [torch.randn(3, 6), torch.randn(4, 6)]
    found = block(x, group_contexts(contexts, [0, 1]))
    for number, context in enumerate(contexts):
        own = x[number]
        query = block.query(block.norm_attention(own)).view(5, 2, 4)
        key, value = block.key(context).view(-1, 2, 4), block.value(context).view(-1, 2, 4)
        weights = (torch.einsum("qhd,khd->hqk", query, key) / 2.0).softmax(-1)
        looked = torch.einsum("hqk,khd->qhd", weights, value).reshape(5, 8)
        own = own + 0.7 * block.out(looked)
        first, gelu, second = block.mlp
        assert gelu.approximate == "tanh"
        wanted = own - 0.3 * second(gelu(first(block.norm_mlp(own))))
        torch.testing.assert_close(found[number], wanted, rtol=1e-5, atol=1e-6)


def test_contexts_of_any_length_and_owner_go_to_their_crops() -> None:
    block = GatedCrossAttention(8, 6, 2)
    with torch.no_grad():
        block.gate_attention.fill_(1.0)
    contexts = [torch.randn(n, 6) for n in (3, 7, 3)]
    owner = [1, 0, 2, 0, 1]
    x = torch.randn(5, 4, 8)
    together = block(x, group_contexts(contexts, owner))
    for crop, own in enumerate(owner):
        alone = block(x[crop : crop + 1], group_contexts([contexts[own]], [0]))
        torch.testing.assert_close(together[crop : crop + 1], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("num_crops", [3, 100])
def test_a_layer_without_one_feature_per_patch_is_a_config_error(num_crops: int) -> None:
    groups = group_contexts([torch.randn(4, 8)], [0])
    block = GatedCrossAttention(8, 8, 2)
    with pytest.raises(
        ConfigError, match=r"A layer of the tower gives \(2, 16, 8\) for .* one feature per patch"
    ):
        look_back(block, torch.randn(2, 16, 8), groups, num_crops=num_crops, patches=16)


def test_heads_that_do_not_fit_or_are_unknown_are_config_errors() -> None:
    tower: Config = {"crop_hw": (4, 4), "tower_dim": 64, "tower_out_dim": 64, "tower_layers": 2}
    with pytest.raises(ConfigError, match="width of 64 cannot be split into 7"):
        GatedCrossAttentionCrop(**tower, num_heads=7)
    with pytest.raises(ConfigError, match=r"does not tell its attention heads.*num_heads"):
        GatedCrossAttentionCrop(**tower)
    assert len(GatedCrossAttentionCrop(**tower, num_heads=4).blocks) == 2
