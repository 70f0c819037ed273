"""The wired model: what batch, prompts and extractor change, and what they must not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gartk.checkpoints import Checkpoint
from gartk.data.collate import collate
from gartk.errors import ConfigError, DataError
from gartk.models.region_vlm import RegionVLM
from gartk.registry import MODELS
from gartk.structures import Batch, Sample
from gartk.testing.toy import toy_model, toy_sample

Build = Callable[..., RegionVLM]
MakeBatch = Callable[..., Batch]

ONE = [("What is <Prompt0>?", "a red cup")]
TWO = [*ONE, ("And its shape?", "round")]
RAGGED = (
    ((56, 112), 1, ONE),
    ((112, 112), 7, [("Is <Prompt6> left of <Prompt0>?", "yes"), ("Why?", "I see <Prompt6> first")]),
    ((56, 168), 3, TWO),
    ((30, 30), 2, [("Which?", "B")]),
)


def ragged(*, answered: bool = True) -> list[Sample]:
    """Four samples of different tile counts, 1 to 7 regions, different lengths and numbers of turns."""
    return [
        toy_sample(hw, count, seed=seed, turns=turns, answered=answered)
        for seed, (hw, count, turns) in enumerate(RAGGED)
    ]


def swapped(sample: Sample) -> Sample:
    return replace(sample, regions=sample.regions[::-1])


def logits_of(model: RegionVLM, batch: Batch) -> Tensor:
    with torch.no_grad():
        return model(batch)


def test_the_ragged_batch_is_ragged(build: Build, make_batch: MakeBatch) -> None:
    batch = make_batch(build(), ragged())
    assert [(grid.rows, grid.cols) for grid in batch.grids] == [(1, 2), (2, 2), (1, 3), (2, 2)]
    assert torch.bincount(batch.regions.image_index).tolist() == [1, 7, 3, 2]
    assert len(set(batch.attention_mask.sum(1).tolist())) == 4


@pytest.mark.parametrize("training", [True, False])
def test_zero_initialised_mask_prompts_change_no_bit(
    build: Build, make_batch: MakeBatch, training: bool
) -> None:
    model = build()
    plain = build(prompt_encoder={"type": "NullPrompt"})
    plain.load_state_dict(
        {k: v for k, v in model.state_dict().items() if not k.startswith("prompt_encoder.")}
    )
    batch = make_batch(model, ragged(answered=training), training=training)
    assert torch.equal(logits_of(model, batch), logits_of(plain, batch))


def test_loss_and_gradients_of_a_batch_are_the_mean_of_its_samples_runs(
    stirred: Build, make_batch: MakeBatch
) -> None:
    model = stirred()
    samples = ragged()
    whole = model.loss(make_batch(model, samples))["loss"]
    whole.backward()
    together = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    losses = []
    for sample in samples:
        loss = model.loss(make_batch(model, [sample]))["loss"]
        (loss / len(samples)).backward()
        losses.append(loss.item())
    assert whole.item() == pytest.approx(sum(losses) / 4, abs=1e-5)
    assert max(losses) - min(losses) > 1e-3, "the samples must differ for this to mean anything"
    assert set(together) == {name for name, p in model.named_parameters() if p.requires_grad}
    for name, parameter in model.named_parameters():
        # fp32 sums in another order: 1e-4 of the largest gradient of the same weight.
        bound = 1e-4 * float(together[name].abs().max()) + 1e-8
        assert float((parameter.grad - together[name]).abs().max()) <= bound, name


def test_logits_of_a_row_do_not_depend_on_padding_or_on_other_rows(
    stirred: Build, make_batch: MakeBatch
) -> None:
    model = stirred()
    samples = ragged(answered=False)
    batch = make_batch(model, samples, training=False)
    together = logits_of(model, batch)
    for row, sample in enumerate(samples):
        alone = logits_of(model, make_batch(model, [sample], training=False))[0]
        own = together[row][batch.attention_mask[row].bool()]
        torch.testing.assert_close(own, alone, rtol=1e-4, atol=1e-5)


def test_the_loss_is_the_plain_formula_on_the_logits_of_forward(
    stirred: Build, make_batch: MakeBatch
) -> None:
    model = stirred()
    batch = make_batch(model, ragged())
    out = model.loss(batch)
    logits = logits_of(model, batch)
    per_sample, right, count = [], 0, 0
    for row in range(4):
        losses = []
        for place in range(1, batch.labels.shape[1]):
            label = int(batch.labels[row, place])
            if label != -100:
                losses.append(F.cross_entropy(logits[row, place - 1], torch.tensor(label)))
                right += int(logits[row, place - 1].argmax()) == label
                count += 1
        per_sample.append(torch.stack(losses).mean())
    assert out["loss"].item() == pytest.approx(float(torch.stack(per_sample).mean()), abs=1e-5)
    assert out["accuracy"].item() == pytest.approx(right / count)


def test_a_sample_without_labels_is_a_data_error_that_names_it(build: Build, make_batch: MakeBatch) -> None:
    model = build()
    batch = make_batch(model, ragged()[:2])
    batch.labels[1] = -100
    with pytest.raises(DataError, match="Sample 'toy-1' has no token to predict"):
        model.loss(batch)


def test_generation_starts_with_the_argmax_of_forward_and_matches_rows_alone(
    stirred: Build, make_batch: MakeBatch
) -> None:
    model = stirred()
    with torch.no_grad():
        for parameter in model.llm.parameters():
            parameter.mul_(3.0)
    samples = ragged(answered=False)
    batch = make_batch(model, samples, training=False)
    first = [model.llm.decode(ids[None]) for ids in logits_of(model, batch)[:, -1].argmax(-1)]
    assert [answer.text for answer in model.generate(batch, max_new_tokens=1)] == first
    together = model.generate(batch, max_new_tokens=5)
    alone = [model.generate(make_batch(model, [s], training=False), max_new_tokens=5)[0] for s in samples]
    assert together == alone
    assert len({answer.text for answer in alone}) > 1, "the rows must differ for this to mean anything"


def test_generate_counts_new_tokens_and_tells_whether_the_answer_ended(
    build: Build, make_batch: MakeBatch
) -> None:
    model = build()
    batch = make_batch(model, ragged(answered=False)[:1], training=False)
    assert model.generate(batch, max_new_tokens=3)[0][1:] == (3, False)
    model.llm.end_id = int(logits_of(model, batch)[0, -1].argmax())
    assert model.generate(batch, max_new_tokens=3)[0] == ("", 1, True)


def test_generating_from_right_padded_rows_is_a_data_error(build: Build) -> None:
    model = build()
    processor = model.make_processor()
    batch = collate([processor(s) for s in ragged(answered=False)], pad_id=processor.pad_id, pad_side="right")
    with pytest.raises(DataError, match="pad_side='left'"):
        model.generate(batch, max_new_tokens=1)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"prompt_encoder": {"type": "MaskPrompt", "mode": "identity", "num_identities": 8}},
        {"prompt_encoder": {"type": "BoxPrompt"}, "region_extractor": {"type": "NoLocal"}, "max_length": 500},
        {"use_global": False, "template": {"intro": "Objects: "}},
    ],
)
def test_a_saved_model_gives_the_same_logits_after_loading(
    stirred: Build, make_batch: MakeBatch, tmp_path: Path, changes: dict[str, Any]
) -> None:
    model = stirred(**changes)
    Checkpoint.save(model, tmp_path)
    twin = Checkpoint.open(tmp_path).build(device="cpu")
    batch = make_batch(twin, ragged())
    assert torch.equal(batch.input_ids, make_batch(model, ragged()).input_ids)
    assert torch.equal(logits_of(twin, batch), logits_of(model, batch))
    assert twin.max_length == model.max_length
    Checkpoint.save(twin, tmp_path / "again")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / name).read_bytes()


@pytest.mark.parametrize("part", ["prompt_encoder", "region_extractor"])
def test_a_part_that_is_left_open_is_a_config_error_that_names_it(part: str) -> None:
    config = toy_model()
    del config[part]
    with pytest.raises(ConfigError, match=rf"model\.{part} is not set.*{part}=dict\(type="):
        MODELS.build(config)


@pytest.mark.parametrize(
    ("part", "given", "wanted"),
    [
        ("region_extractor", "RoIReplay", "RoIAlignReplay"),
        ("prompt_encoder", "MaskPromt", "MaskPrompt"),
        ("vision", "PerceptionLMVison", "PerceptionLMVision"),
        ("connector", "PerceptionLMConector", "PerceptionLMConnector"),
        ("llm", "CausalLm", "CausalLM"),
    ],
)
def test_a_misspelt_type_is_a_config_error_with_the_near_match(part: str, given: str, wanted: str) -> None:
    text = rf"model\.{part}\.type '{given}' is not registered(.|\n)*Did you mean '{wanted}'"
    with pytest.raises(ConfigError, match=text):
        MODELS.build(toy_model(**{part: {"type": given}}))


def test_a_misspelt_argument_of_the_model_or_a_part_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="use_globl"):
        MODELS.build(toy_model(use_globl=False))
    with pytest.raises(ConfigError, match=r"model\.region_extractor .*'outputsize'"):
        MODELS.build(toy_model(region_extractor={"type": "RoIAlignReplay", "outputsize": 4}))


def test_nothing_visual_to_read_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="leave nothing visual to read"):
        MODELS.build(toy_model(use_global=False, region_extractor={"type": "NoLocal"}))


def test_without_global_tokens_the_model_still_sees_its_regions(
    stirred: Build, make_batch: MakeBatch
) -> None:
    model = stirred(use_global=False)
    sample = ragged()[2]
    batch = make_batch(model, [sample])
    assert model.llm.image_id not in batch.input_ids
    other = make_batch(model, [replace(sample, images=toy_sample((56, 168), 0, seed=9).images)])
    assert not torch.allclose(logits_of(model, batch), logits_of(model, other))


def test_swapped_regions_change_the_output_of_replay(stirred: Build, make_batch: MakeBatch) -> None:
    model = stirred()
    sample = ragged()[3]
    before, after = (make_batch(model, [s]) for s in (sample, swapped(sample)))
    assert torch.equal(before.input_ids, after.input_ids), "only the features may tell them apart"
    assert not torch.allclose(logits_of(model, before), logits_of(model, after), atol=1e-4)


def test_swapped_regions_are_one_to_union_masks_without_local_tokens(
    stirred: Build, make_batch: MakeBatch
) -> None:
    model = stirred(region_extractor={"type": "NoLocal"})
    sample = ragged()[3]
    before, after = (make_batch(model, [s]) for s in (sample, swapped(sample)))
    assert torch.equal(logits_of(model, before), logits_of(model, after))
    elsewhere = make_batch(model, [replace(sample, regions=sample.regions[:1] * 2)])
    assert not torch.allclose(logits_of(model, before), logits_of(model, elsewhere), atol=1e-5)


def test_swapped_regions_change_the_output_of_identity_masks_without_local_tokens(
    stirred: Build, make_batch: MakeBatch
) -> None:
    encoder = {"type": "MaskPrompt", "mode": "identity"}
    model = stirred(region_extractor={"type": "NoLocal"}, prompt_encoder=encoder)
    sample = ragged()[3]
    before, after = (make_batch(model, [s]) for s in (sample, swapped(sample)))
    assert not torch.allclose(logits_of(model, before), logits_of(model, after), atol=1e-5)


def test_encoded_images_can_serve_several_questions(stirred: Build, make_batch: MakeBatch) -> None:
    model = stirred()
    batch = make_batch(model, ragged())
    with torch.no_grad():
        shared = model.inputs(batch, model.encode_images(batch))
        assert torch.equal(shared.embeddings, model.inputs(batch).embeddings)


def test_placeholders_of_another_model_are_a_data_error(build: Build, make_batch: MakeBatch) -> None:
    model = build()
    other = build(region_extractor={"type": "RoIAlignReplay", "output_size": 3})
    with pytest.raises(DataError, match=r"Row 0 .*9 placeholders for <Prompt0>.*gives 4 tokens"):
        model.loss(make_batch(other, ragged()))


def test_a_batch_without_any_region_trains(build: Build, make_batch: MakeBatch) -> None:
    model = build()
    samples = [toy_sample((56, 112), 0, turns=[("What?", "a room")]), toy_sample((30, 30), 0, turns=TWO[1:])]
    loss = model.loss(make_batch(model, samples))["loss"]
    loss.backward()
    assert torch.isfinite(loss)


def test_every_parameter_gets_a_gradient(stirred: Build, make_batch: MakeBatch) -> None:
    model = stirred()
    model.loss(make_batch(model, ragged()))["loss"].backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_a_subclass_is_saved_under_its_own_name() -> None:
    name = "test_region_vlm.Louder"
    louder = type("Louder", (RegionVLM,), {})
    MODELS.register(louder, name=name)
    try:
        assert MODELS.build(toy_model(type=name)).saved_cfg()["type"] == name
    finally:
        MODELS.unregister(name)
