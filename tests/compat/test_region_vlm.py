"""A whole model with the switches: what its extractor sees, what it says, how it names regions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from gartk.compat import AS_RELEASED, ReleaseCompat
from gartk.inference.api import RegionAssistant
from gartk.models.extractors.base import RegionExtractor
from gartk.models.region_vlm import RegionVLM
from gartk.registry import MODELS, REGION_EXTRACTORS
from gartk.structures import RegionBatch
from gartk.testing.toy import toy_model, toy_sample
from tests.compat.samples import SWITCHES, one_batch, only


class Recorder(RegionExtractor):
    """Remembers what it is given, and gives zeros."""

    num_tokens = 2

    def forward(self, maps: Any, regions: RegionBatch) -> Tensor:
        self.seen = regions
        return maps[0].data.new_zeros((len(regions), 2, maps[0].data.shape[0]))


@pytest.fixture
def recorder() -> Iterator[str]:
    name = "test_region_vlm.Recorder"
    REGION_EXTRACTORS.register(Recorder, name=name)
    yield name
    REGION_EXTRACTORS.unregister(name)


def test_double_scaling_divides_the_boxes_that_any_extractor_sees_by_the_pixels_of_a_cell(
    recorder: str,
) -> None:
    model: RegionVLM = MODELS.build(
        toy_model(region_extractor={"type": recorder}, release_compat={"double_scaled_roi": True})
    )
    batch = one_batch(model, toy_sample((56, 112), 2), toy_sample((56, 56), 1, seed=1))
    before = batch.regions.boxes_norm.clone()
    model.inputs(batch)
    torch.testing.assert_close(model.region_extractor.seen.boxes_norm, before / 28)
    assert torch.equal(batch.regions.boxes_norm, before), "the batch itself stays as it is"


def test_without_the_switch_extractors_see_the_boxes_themselves(recorder: str) -> None:
    model: RegionVLM = MODELS.build(toy_model(region_extractor={"type": recorder}))
    batch = one_batch(model, toy_sample((56, 112), 2))
    model.inputs(batch)
    assert torch.equal(model.region_extractor.seen.boxes_norm, batch.regions.boxes_norm)


def test_a_released_model_describes_asks_and_streams(released: RegionAssistant) -> None:
    one = toy_sample((56, 112), 2)
    described = released.describe(one.image, one.regions, max_new_tokens=4)
    assert [answer.question for answer in described] == ["Describe this masked region in detail."] * 2
    asked = released.ask(one.image, one.regions, "Is <Prompt0> left of <Prompt1>?", max_new_tokens=4)
    pieces = released.stream(one.image, one.regions, "Is <Prompt0> left of <Prompt1>?", max_new_tokens=4)
    assert "".join(pieces) == asked.text
    assert asked.num_new_tokens > 0


def test_answers_and_streams_name_a_single_region_prompt_0(released: RegionAssistant) -> None:
    """The model is made to say <Prompt1>, which in the release's tokenizer is a special token."""
    one = toy_sample((56, 56), 1, turns=[("What?", "a cup")])
    llm = released.model.llm
    said = llm.tokenizer.get_vocab()["<Prompt1>"]

    def head(hidden: Tensor) -> Tensor:
        logits = torch.zeros(*hidden.shape[:-1], llm.embed_rows)
        logits[..., said] = 1.0
        return logits

    original = llm.lm.lm_head.forward
    llm.lm.lm_head.forward = head
    try:
        answer = released.ask(one.image, one.regions, "What?", max_new_tokens=2)
        pieces = list(released.stream(one.image, one.regions, "What?", max_new_tokens=2))
        batch = one_batch(released.model, replace(one, turns=one.turns[:1]))
        generated = released.model.generate(batch, max_new_tokens=2)[0].text
    finally:
        llm.lm.lm_head.forward = original
    assert answer.text == "".join(pieces) == generated == "<Prompt0><Prompt0>"
    assert answer.warnings == ()


def test_every_switch_changes_what_the_model_says_or_reads(released: RegionAssistant) -> None:
    model = released.model
    one, two = (toy_sample((70, 112), n, answered=False) for n in (1, 2))
    said = {}
    try:
        for name in (None, *SWITCHES):
            model.release_compat = only(name) if name else ReleaseCompat()
            with torch.no_grad():
                said[name] = [model(one_batch(model, s)) for s in (one, two)]
    finally:
        model.release_compat = AS_RELEASED
    plain = said.pop(None)
    for name, logits in said.items():
        assert any(a.shape != b.shape or not torch.equal(a, b) for a, b in zip(plain, logits, strict=True)), (
            name
        )


def test_single_and_several_regions_can_share_a_batch(released: RegionAssistant) -> None:
    model = released.model
    turns = [("What is it?", "a cup")]
    samples = [toy_sample((56, 112), n, seed=n, turns=turns, answered=False) for n in (1, 3)]
    batch = one_batch(model, *samples)
    placeholders = [[number for number, token in enumerate(model.llm.region_ids) if token in row]
                    for row in batch.input_ids.tolist()]  # fmt: skip
    assert placeholders == [[1], [0, 1, 2]]
    assert batch.regions.prompt_index.tolist() == [0, 0, 1, 2]
    with torch.no_grad():
        together = model(batch)[:, -1]
        alone = [model(one_batch(model, s))[0, -1] for s in samples]
    torch.testing.assert_close(together, torch.stack(alone), atol=1e-4, rtol=1e-4)
