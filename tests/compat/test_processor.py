"""Samples are encoded as the authors' release encodes them, as far as the switches say."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch

from gartk.checkpoints.release_reader import CHAT
from gartk.compat import AS_RELEASED, ReleaseCompat
from gartk.compat.geometry import bicubic_masks
from gartk.compat.processor import SEVERAL
from gartk.data.prompting import PromptTemplate
from gartk.data.tiling import AnyResTiler
from gartk.errors import RegionError
from gartk.regions import Region
from gartk.registry import MODELS
from gartk.structures import Sample
from gartk.testing.toy import toy_llm, toy_model, toy_sample
from tests.compat.samples import ONE, TOKENIZER, TWO, only, processor, sample


def text_of(compat: ReleaseCompat, one: Sample, **changes: Any) -> str:
    ids = processor(compat, **changes)(one).input_ids.tolist()
    return str(TOKENIZER.decode(ids, skip_special_tokens=False))


def block(number: int) -> str:
    return f"<Prompt{number}>: " + f"<|reserved_special_token_{number + 2}|>" * 3


def user(body: str) -> str:
    images = AnyResTiler(56, max_num_tiles=4).grid((40, 60)).num_tokens
    system = f"{CHAT['before']['system']}{CHAT['system']}<|eot_id|>"
    return f"{system}{CHAT['before']['user']}{'<|image|>' * images}{body}<|eot_id|>"


OPENING = CHAT["before"]["assistant"]
BOS = "<|begin_of_text|>"


def _ends_before(ids: list[int], text: list[int]) -> list[int]:
    starts = [i for i in range(len(ids)) if ids[i : i + len(text)] == text]
    return ids[: starts[-1]]


def test_a_processor_with_switches_can_be_sent_to_data_workers() -> None:
    twin = pickle.loads(pickle.dumps(processor(AS_RELEASED)))
    assert torch.equal(twin(sample(ONE)).input_ids, processor(AS_RELEASED)(sample(ONE)).input_ids)


def test_boxes_reach_the_model_as_the_switches_say() -> None:
    encoded = processor(only("last_mask_box", "inclusive_box"))(sample(ONE, TWO))
    wanted = torch.tensor([[20 / 60, 10 / 40, 54 / 60, 34 / 40]]).expand(2, -1)
    torch.testing.assert_close(encoded.boxes_norm, wanted)


def test_masks_reach_the_model_through_the_picture_only_with_the_switch() -> None:
    masks = [ONE.mask, TWO.mask]
    plain, bicubic = (processor(compat)(sample(ONE, TWO)) for compat in (None, only("id_map_bicubic")))
    tiler, grid = AnyResTiler(56, max_num_tiles=4), plain.grids[0]
    assert torch.equal(plain.region_masks[0], tiler.tile_masks(np.stack(masks), grid))
    assert torch.equal(bicubic.region_masks[0], bicubic_masks(masks, [0, 1], 5, grid))


def test_a_single_region_is_painted_with_the_number_of_the_prompt_it_is_called_by() -> None:
    region = Region.from_mask(np.random.default_rng(0).random((40, 60)) < 0.4)
    encoded = processor(only("id_map_bicubic", "release_wording"))(sample(region))
    assert torch.equal(encoded.region_masks[0], bicubic_masks([region.mask], [1], 5, encoded.grids[0]))
    assert not torch.equal(encoded.region_masks[0], bicubic_masks([region.mask], [0], 5, encoded.grids[0]))


def test_two_begin_tokens_start_a_question_but_never_training() -> None:
    answered = sample(ONE, answer="A cup.")
    begin = TOKENIZER.bos_token_id
    asked = processor(only("double_bos"))(sample(ONE)).input_ids
    trained = processor(only("double_bos"), training=True)(answered).input_ids
    assert (asked[:3] == begin).tolist() == [True, True, False]
    assert (trained[:2] == begin).tolist() == [True, False]
    assert (processor()(sample(ONE)).input_ids[:2] == begin).tolist() == [True, False]


def test_a_single_region_is_called_prompt_1_in_the_wording_of_the_evaluation() -> None:
    question = "Describe this masked region in detail."
    intro = "There are some objects I am curious about: <Prompt1>;\n"
    wanted = BOS + user(intro + block(1) + question) + OPENING
    assert text_of(only("release_wording"), sample(ONE, question=question)) == wanted


def test_training_wording_of_a_single_region_has_a_blank_more() -> None:
    text = text_of(only("release_wording"), sample(ONE, answer="A cup."), training=True)
    assert "curious about: <Prompt1>; \n<Prompt1>: " in text


def test_several_regions_are_worded_as_by_default() -> None:
    asked = sample(ONE, TWO, question="Is <Prompt0> left of <Prompt1>?")
    intro = "There are some objects I am curious about: <Prompt0>; <Prompt1>; \n"
    body = intro + block(0) + "\n" + block(1) + "\n\nIs <Prompt0> left of <Prompt1>?"
    assert text_of(only("release_wording"), asked) == BOS + user(body) + OPENING
    assert text_of(ReleaseCompat(), asked) == BOS + user(body) + OPENING


@pytest.mark.parametrize("regions", [[ONE], [ONE, TWO], [ONE, TWO, ONE]])
def test_the_release_wording_gives_the_ids_of_the_whole_text_tokenized_at_once(regions: list[Region]) -> None:
    asked = sample(*regions, question="Why?")
    ids = processor(only("release_wording", "double_bos"))(asked).input_ids.tolist()
    whole = TOKENIZER.decode(ids, skip_special_tokens=False)
    assert ids == TOKENIZER.encode(whole, add_special_tokens=False)


def test_line_breaks_before_the_question_are_one_token_as_the_release_reads_them() -> None:
    asked = sample(ONE, TWO, question="Why?")
    pair = TOKENIZER.encode("\n\n", add_special_tokens=False)
    line = TOKENIZER.encode("\n", add_special_tokens=False)
    assert len(pair) == 1
    released, plain = (processor(c)(asked).input_ids.tolist() for c in (only("release_wording"), None))
    why = TOKENIZER.encode("Why?", add_special_tokens=False)
    assert _ends_before(released, why)[-1:] == pair
    assert _ends_before(plain, why)[-2:] == line * 2


def test_the_templates_of_the_release_read_as_the_default_one() -> None:
    default = PromptTemplate()
    assert SEVERAL.block_tail + SEVERAL.before_question == default.block_tail + default.before_question
    assert (SEVERAL.intro, SEVERAL.mention, SEVERAL.block_head) == (
        default.intro,
        default.mention,
        default.block_head,
    )


@pytest.mark.parametrize("training", [True, False])
def test_a_question_that_names_its_single_region_is_worded_as_those_about_several(training: bool) -> None:
    asked = sample(ONE, question="Is <Prompt0> red, or <Prompt1>?", answer="Red." if training else None)
    body = "There are some objects I am curious about: <Prompt0>; \n" + block(0) + "\n\nIs <Prompt0> red,"
    text = text_of(only("release_wording"), asked, training=training)
    assert text.startswith(BOS + user(body).removesuffix("<|eot_id|>"))
    ids = processor(only("release_wording"), training=training)(asked).input_ids
    names = [TOKENIZER.get_vocab()[f"<Prompt{number}>"] for number in (0, 1)]
    assert [int((ids == name).sum()) for name in names] == [3, 0], "a prompt of no region is plain text"


def test_an_answer_to_learn_from_names_its_single_region_by_the_prompt_it_is_called_by() -> None:
    trained = sample(ONE, answer="<Prompt0> is red, not <Prompt1>.")
    ids = processor(only("release_wording"), training=True)(trained).input_ids
    names = [TOKENIZER.get_vocab()[f"<Prompt{number}>"] for number in (0, 1)]
    assert [int((ids == name).sum()) for name in names] == [0, 3], "a prompt of no region is plain text"


def test_a_single_region_needs_the_prompt_it_is_called_by() -> None:
    model = MODELS.build(toy_model(llm=toy_llm(num_prompts=1), release_compat={"release_wording": True}))
    unnamed = toy_sample((56, 56), 1, turns=[("What is it?", "a cup")])
    with pytest.raises(RegionError, match=r"calls a single region <Prompt1>.*has <Prompt0> to <Prompt0>"):
        model.make_processor()(unnamed)
