"""Every deviation of the authors' release is one named switch, off by default, and does what it says."""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import gartk
import gartk.compat
from gartk.compat import AS_RELEASED, ReleaseCompat, ReleaseRegionVLM, extend_prompts
from gartk.compat.geometry import bicubic_masks, boxes_px, masks_of_ids, paint_ids, tile_ids
from gartk.compat.numbering import as_regions, consecutive_placeholders
from gartk.compat.processor import SEVERAL, ReleaseProcessor
from gartk.data.collate import collate
from gartk.data.prompting import PromptTemplate
from gartk.data.tiling import AnyResTiler
from gartk.errors import ConfigError, RegionError
from gartk.inference.api import RegionAssistant
from gartk.models.checkpoints import load_model, save_model
from gartk.models.extractors.base import RegionExtractor
from gartk.models.region_vlm import RegionVLM
from gartk.models.release import CHAT, PROMPT
from gartk.regions import Region
from gartk.registry import MODELS, REGION_EXTRACTORS
from gartk.structures import Batch, ChatFormat, PromptTokens, RegionBatch, Sample, Turn
from gartk.testing.release import TOY_FIRST_SPECIAL, TOY_NUM_SPECIAL, save_toy_release, stand_in_tokenizer
from gartk.testing.toy import toy_llm, toy_model, toy_sample

SWITCHES = [field.name for field in fields(ReleaseCompat)]
TOKENIZER = stand_in_tokenizer(first_special=TOY_FIRST_SPECIAL, num_special=TOY_NUM_SPECIAL)
TOKENS = PromptTokens(
    "<|image|>",
    [PROMPT.format(i) for i in range(5)],
    [f"<|reserved_special_token_{i + 2}|>" for i in range(5)],
)


def only(*names: str) -> ReleaseCompat:
    return ReleaseCompat(**dict.fromkeys(names, True))


def processor(compat: ReleaseCompat | None = None, **changes: Any) -> ReleaseProcessor:
    tiler = AnyResTiler(56, max_num_tiles=4)
    settings = {"tokens_per_region": 3, "compat": compat or ReleaseCompat(), **changes}
    return ReleaseProcessor(tiler, TOKENIZER, TOKENS, ChatFormat(**CHAT), **settings)


def rectangle(top: int, left: int, bottom: int, right: int, hw: tuple[int, int] = (40, 60)) -> Region:
    mask = np.zeros(hw, dtype=bool)
    mask[top:bottom, left:right] = True
    return Region.from_mask(mask)


def sample(*regions: Region, question: str = "What is it?", answer: str | None = None) -> Sample:
    turns = [Turn("user", question)] + ([Turn("assistant", answer)] if answer else [])
    return Sample(np.zeros((40, 60, 3), np.uint8), list(regions), turns)


ONE = rectangle(5, 10, 20, 30)
TWO = rectangle(10, 20, 35, 55)


# ------------------------------------------------------------------ the switches themselves


def test_all_switches_are_off_by_default() -> None:
    assert ReleaseCompat().on() == {}
    model = MODELS.build(toy_model())
    assert type(model) is RegionVLM
    assert ReleaseCompat.of(model) == ReleaseCompat()


def test_a_config_with_switches_builds_the_model_that_keeps_them_and_so_does_its_checkpoint() -> None:
    model = MODELS.build(toy_model(release_compat={"double_bos": True, "inclusive_box": False}))
    assert type(model) is ReleaseRegionVLM
    saved = model.saved_cfg()
    assert (saved["type"], saved["release_compat"]) == ("ReleaseRegionVLM", {"double_bos": True})
    assert ReleaseCompat.of(model) == only("double_bos")
    assert type(model.make_processor()) is ReleaseProcessor


def test_without_any_switch_on_ids_tensors_and_logits_are_those_of_a_plain_model() -> None:
    torch.manual_seed(0)
    plain: RegionVLM = MODELS.build(toy_model())
    torch.manual_seed(0)
    off: RegionVLM = MODELS.build(toy_model(release_compat={}))
    samples = [toy_sample((70, 112), n, seed=n) for n in (1, 3)]
    one, other = (one_batch(model, *samples) for model in (plain, off))
    for name in ("input_ids", "labels", "attention_mask"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    assert torch.equal(one.regions.boxes_norm, other.regions.boxes_norm)
    assert all(torch.equal(a, b) for a, b in zip(one.regions.masks, other.regions.masks, strict=True))
    with torch.no_grad():
        assert torch.equal(plain(one), off(other))


def test_the_released_weights_have_all_switches_on_but_the_evaluations_mix_up_of_boxes() -> None:
    assert set(SWITCHES) - set(AS_RELEASED.on()) == {"last_mask_box"}


def test_every_switch_is_documented_with_what_was_measured() -> None:
    text = gartk.compat.__doc__ or ""
    assert [name for name in SWITCHES if f"``{name}``" not in text] == []


def test_an_unknown_switch_is_a_config_error_with_near_matches() -> None:
    with pytest.raises(
        ConfigError, match=r"model\.release_compat has no switch 'id_map_bicubik'(.|\n)*'id_map_bicubic'"
    ):
        MODELS.build(toy_model(release_compat={"id_map_bicubik": True}))


@pytest.mark.parametrize("value", [1, "yes", None])
def test_a_switch_that_is_no_bool_is_a_config_error(value: Any) -> None:
    with pytest.raises(ConfigError, match="double_bos must be True or False"):
        ReleaseCompat.from_cfg({"double_bos": value})


def test_switches_that_are_no_dict_are_a_config_error() -> None:
    with pytest.raises(ConfigError, match="must be a dict of switches"):
        ReleaseCompat.from_cfg(["double_bos"])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SWITCHES)
def test_every_switch_is_saved_with_a_checkpoint_and_can_be_changed_when_loading(
    tmp_path: Path, name: str
) -> None:
    model: RegionVLM = MODELS.build(toy_model(release_compat={name: True}))
    save_model(model, tmp_path)
    assert load_model(tmp_path).release_compat == only(name)
    assert gartk.load(tmp_path, device="cpu").model.release_compat == only(name)
    off = gartk.load(tmp_path, device="cpu", release_compat={name: False}).model
    assert off.release_compat == ReleaseCompat()


@pytest.mark.parametrize("switches", [None, {"double_bos": True, "last_mask_box": True}])
def test_a_checkpoint_of_a_plain_model_with_or_without_switches_is_loaded_with_others(
    tmp_path: Path, switches: dict[str, bool] | None
) -> None:
    """What older checkpoints say: the type is RegionVLM whatever is switched on."""
    save_model(MODELS.build(toy_model()), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["model"]["type"] == "RegionVLM"
    if switches is not None:
        config["model"]["release_compat"] = switches
        (tmp_path / "config.json").write_text(json.dumps(config))
    assert ReleaseCompat.of(load_model(tmp_path)) == only(*(switches or {}))
    changed = {"double_scaled_roi": True, "last_mask_box": False}
    loaded = gartk.load(tmp_path, device="cpu", release_compat=changed).model
    assert type(loaded) is ReleaseRegionVLM
    assert loaded.release_compat == only("double_scaled_roi", *(["double_bos"] if switches else []))


def test_an_unknown_switch_when_loading_is_a_config_error(tmp_path: Path) -> None:
    save_model(MODELS.build(toy_model()), tmp_path)
    with pytest.raises(ConfigError, match=r"model\.release_compat has no switch 'double_boss'"):
        gartk.load(tmp_path, device="cpu", release_compat={"double_boss": True})


def test_a_config_file_can_be_loaded_with_switches(tmp_path: Path) -> None:
    config = tmp_path / "toy.py"
    config.write_text(f"model = {toy_model(release_compat={'double_bos': True})!r}\n", encoding="utf-8")
    with pytest.warns(UserWarning, match="random"):
        loaded = gartk.load(config, device="cpu", release_compat={"inclusive_box": True})
    assert loaded.model.release_compat == only("double_bos", "inclusive_box")


def test_a_processor_with_switches_can_be_sent_to_data_workers() -> None:
    twin = pickle.loads(pickle.dumps(processor(AS_RELEASED)))
    assert torch.equal(twin(sample(ONE)).input_ids, processor(AS_RELEASED)(sample(ONE)).input_ids)


# ------------------------------------------------------------------ boxes


def test_an_inclusive_box_ends_at_the_last_pixel() -> None:
    assert boxes_px([ONE], ReleaseCompat()) == [(10, 5, 30, 20)]
    assert boxes_px([ONE], only("inclusive_box")) == [(10, 5, 29, 19)]
    assert boxes_px([rectangle(7, 9, 8, 10)], only("inclusive_box")) == [(9, 7, 9, 7)], "one pixel, no area"


def test_an_inclusive_box_is_that_of_the_mask_also_where_a_box_was_given() -> None:
    given = Region.from_box((10.4, 5.2, 29.9, 19.5), image_hw=(40, 60))
    ys, xs = np.nonzero(given.mask)
    wanted = (float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max()))
    assert boxes_px([given], only("inclusive_box")) == [wanted]


def test_the_last_masks_box_replaces_those_of_all_regions() -> None:
    assert boxes_px([ONE, TWO], only("last_mask_box")) == [(20, 10, 55, 35)] * 2
    assert boxes_px([ONE, TWO], only("last_mask_box", "inclusive_box")) == [(20, 10, 54, 34)] * 2
    assert boxes_px([], only("last_mask_box")) == []


def test_boxes_reach_the_model_as_the_switches_say() -> None:
    encoded = processor(only("last_mask_box", "inclusive_box"))(sample(ONE, TWO))
    wanted = torch.tensor([[20 / 60, 10 / 40, 54 / 60, 34 / 40]]).expand(2, -1)
    torch.testing.assert_close(encoded.boxes_norm, wanted)


class Recorder(RegionExtractor):
    """Remembers what it is given, and gives zeros."""

    num_tokens = 2

    def forward(self, maps: Any, regions: RegionBatch) -> Tensor:
        self.seen = regions
        return maps[0].data.new_zeros((len(regions), 2, maps[0].data.shape[0]))


@pytest.fixture
def recorder() -> Iterator[str]:
    name = "test_compat.Recorder"
    REGION_EXTRACTORS.register(Recorder, name=name)
    yield name
    REGION_EXTRACTORS.unregister(name)


def one_batch(model: RegionVLM, *samples: Sample, training: bool = False) -> Batch:
    encode = model.make_processor(training=training)
    return collate([encode(s) for s in samples], pad_id=encode.pad_id, pad_side="left")


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


# ------------------------------------------------------------------ the picture of ids


def test_a_pixel_of_the_picture_keeps_the_first_id_it_gets() -> None:
    ids = paint_ids([ONE.mask, TWO.mask], [0, 1], 5)
    assert (ids[ONE.mask] == 0).all()
    assert (ids[TWO.mask & ~ONE.mask] == 1).all()
    assert (ids[~(ONE.mask | TWO.mask)] == 5).all()


def test_the_picture_is_resized_like_a_photo_so_ids_between_appear_and_the_union_grows() -> None:
    tiler = AnyResTiler(56, max_num_tiles=4)
    masks = [ONE.mask, TWO.mask]
    grid = tiler.grid((40, 60))
    levels = set(tile_ids(paint_ids(masks, [0, 1], 5), grid).unique().tolist())
    assert {2, 3, 4} <= levels
    bicubic = bicubic_masks(masks, [0, 1], 5, grid)
    nearest = tiler.tile_masks(np.stack(masks), grid)
    assert bicubic.shape == nearest.shape
    assert int(bicubic.any(0).sum()) > int(nearest.any(0).sum())
    assert torch.equal(bicubic.any(0), tile_ids(paint_ids(masks, [0, 1], 5), grid) < 5)


def test_ids_beyond_the_background_are_background_and_strange_ones_go_to_the_nearest_region() -> None:
    ids = torch.tensor([[[0, 1, 2, 3, 4, 5, 6, 255]]], dtype=torch.uint8)
    assert masks_of_ids(ids, [0, 3], 5)[:, 0, 0].int().tolist() == [
        [1, 1, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 1, 0, 0, 0],
    ]


def test_no_region_and_too_many_prompts_are_served_or_refused() -> None:
    grid = AnyResTiler(56, max_num_tiles=4).grid((40, 60))
    assert bicubic_masks([], [], 5, grid).shape == (0, grid.num_tiles, 56, 56)
    with pytest.raises(RegionError, match="at most 255 prompts"):
        paint_ids([ONE.mask], [0], 256)


def test_masks_reach_the_model_through_the_picture_only_with_the_switch() -> None:
    masks = [ONE.mask, TWO.mask]
    plain, bicubic = (processor(compat)(sample(ONE, TWO)) for compat in (None, only("id_map_bicubic")))
    tiler, grid = AnyResTiler(56, max_num_tiles=4), plain.grid
    assert torch.equal(plain.region_masks, tiler.tile_masks(np.stack(masks), grid))
    assert torch.equal(bicubic.region_masks, bicubic_masks(masks, [0, 1], 5, grid))


def test_a_single_region_is_painted_with_the_number_of_the_prompt_it_is_called_by() -> None:
    region = Region.from_mask(np.random.default_rng(0).random((40, 60)) < 0.4)
    encoded = processor(only("id_map_bicubic", "release_wording"))(sample(region))
    assert torch.equal(encoded.region_masks, bicubic_masks([region.mask], [1], 5, encoded.grid))
    assert not torch.equal(encoded.region_masks, bicubic_masks([region.mask], [0], 5, encoded.grid))


# ------------------------------------------------------------------ text


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


def _ends_before(ids: list[int], text: list[int]) -> list[int]:
    starts = [i for i in range(len(ids)) if ids[i : i + len(text)] == text]
    return ids[: starts[-1]]


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


def test_prompts_in_an_answer_are_given_back_as_the_regions_they_stand_for() -> None:
    assert as_regions("<Prompt1> is left of <Prompt0>.", [1]) == "<Prompt0> is left of <Prompt0>."
    assert as_regions("<Prompt1> <Prompt0>", [0, 1]) == "<Prompt1> <Prompt0>"


def test_an_answer_to_learn_from_names_its_single_region_by_the_prompt_it_is_called_by() -> None:
    trained = sample(ONE, answer="<Prompt0> is red, not <Prompt1>.")
    ids = processor(only("release_wording"), training=True)(trained).input_ids
    names = [TOKENIZER.get_vocab()[f"<Prompt{number}>"] for number in (0, 1)]
    assert [int((ids == name).sum()) for name in names] == [0, 3], "a prompt of no region is plain text"


def test_placeholders_are_renumbered_row_by_row_in_the_order_of_their_numbers() -> None:
    ids = torch.tensor([[1, 50, 50, 9, 70, 70], [60, 60, 2, 50, 50, 0], [3, 3, 3, 3, 3, 3]])
    renumbered = consecutive_placeholders(ids, [70, 60, 50])
    assert renumbered.tolist() == [[1, 60, 60, 9, 70, 70], [70, 70, 2, 60, 60, 0], [3] * 6]
    assert torch.equal(consecutive_placeholders(renumbered, [70, 60, 50]), renumbered)


def test_a_single_region_needs_the_prompt_it_is_called_by() -> None:
    model = MODELS.build(toy_model(llm=toy_llm(num_prompts=1), release_compat={"release_wording": True}))
    unnamed = toy_sample((56, 56), 1, turns=[("What is it?", "a cup")])
    with pytest.raises(RegionError, match=r"calls a single region <Prompt1>.*has <Prompt0> to <Prompt0>"):
        model.make_processor()(unnamed)


# ------------------------------------------------------------------ a whole model


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> RegionAssistant:
    folder = tmp_path_factory.mktemp("release")
    save_toy_release(folder)
    return gartk.load(folder, device="cpu")


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


# ------------------------------------------------------------------ more prompts


def test_more_regions_than_prompts_is_an_error_that_names_the_way_out(released: RegionAssistant) -> None:
    one = toy_sample((56, 56), 7)
    with pytest.raises(RegionError, match=r"gartk\.compat\.extend_prompts\(model, 2\)"):
        released.ask(one.image, one.regions, "Which?")
    with pytest.raises(RegionError, match=r"7 regions .*for 5.*extend_prompts\(model, 2\)"):
        released.model.make_processor()(one)


@pytest.mark.parametrize("tied", [True, False])
def test_new_prompts_are_the_mean_of_the_known_ones_and_the_report_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, tied: bool
) -> None:
    save_toy_release(tmp_path, tied=tied)
    model = gartk.load(tmp_path, device="cpu").model
    matrices = [model.llm.lm.get_input_embeddings().weight, model.llm.lm.get_output_embeddings().weight]
    before = [matrix.detach().clone() for matrix in matrices]
    with caplog.at_level(logging.WARNING, logger="gartk"):
        report = extend_prompts(model, 3)
    assert report.prompts == ("<Prompt5>", "<Prompt6>", "<Prompt7>")
    assert report.regions == tuple(f"<|reserved_special_token_{i}|>" for i in (7, 8, 9))
    assert (report.num_known, report.rows_before, report.rows_after) == (5, 322, 325)
    assert "untrained" in str(report)
    assert str(report) in caplog.text
    known = model.llm.tokenizer.convert_tokens_to_ids([f"<Prompt{i}>" for i in range(5)])
    new = model.llm.tokenizer.convert_tokens_to_ids(list(report.prompts))
    now = [model.llm.lm.get_input_embeddings().weight, model.llm.lm.get_output_embeddings().weight]
    assert (now[0] is now[1]) is tied
    for old, matrix in zip(before, now, strict=True):
        assert torch.equal(matrix[: len(old)], old), "what was known stays as it was"
        torch.testing.assert_close(matrix[new], old[known].mean(0).expand(3, -1))


def test_an_extended_model_answers_about_more_regions_and_is_saved_so(tmp_path: Path) -> None:
    save_toy_release(tmp_path / "release")
    assistant = gartk.load(tmp_path / "release", device="cpu")
    extend_prompts(assistant, 4)
    one = toy_sample((56, 112), 9)
    question = "Is <Prompt8> left of <Prompt0>?"
    said = assistant.ask(one.image, one.regions, question, max_new_tokens=3)
    save_model(assistant.model, tmp_path / "gartk")
    twin = gartk.load(tmp_path / "gartk", device="cpu")
    assert twin.max_regions == 9
    assert twin.ask(one.image, one.regions, question, max_new_tokens=3) == said
    extend_prompts(twin.model, 1)
    assert twin.max_regions == 10


def test_where_no_reserved_token_is_left_placeholders_are_added() -> None:
    model: RegionVLM = MODELS.build(toy_model())
    report = extend_prompts(model, 2)
    assert report.regions == ("<|region_pad_8|>", "<|region_pad_9|>")
    assert report.rows_after == report.rows_before + 4
    with torch.no_grad():
        model(one_batch(model, toy_sample((56, 56), 10, answered=False)))


@pytest.mark.parametrize("count", [0, -1])
def test_extending_by_nothing_is_a_config_error(count: int) -> None:
    with pytest.raises(ConfigError, match=f"asked for {count} beside 8"):
        extend_prompts(MODELS.build(toy_model()), count)


def test_the_public_names_of_the_package_are_there_and_an_unknown_one_says_what_there_is() -> None:
    assert [name for name in gartk.compat.__all__ if not hasattr(gartk.compat, name)] == []
    with pytest.raises(AttributeError, match="it has AS_RELEASED"):
        _ = gartk.compat.extend_prompt
