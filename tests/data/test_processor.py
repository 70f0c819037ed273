from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from gartk.data.processor import RegionProcessor
from gartk.data.prompting import IGNORE
from gartk.data.tiling import AnyResTiler
from gartk.errors import DataError, RegionError
from gartk.models.llms.causal_lm import add_prompt_tokens, load_tokenizer
from gartk.regions import Region
from gartk.structures import ChatFormat, PromptTokens, Sample, Turn
from gartk.testing.toy import toy_chat, toy_sample

TOKENS = PromptTokens(
    "<|image|>", [f"<Prompt{i}>" for i in range(4)], [f"<|region_pad_{i}|>" for i in range(4)]
)
TOKENIZER = load_tokenizer("tiny")
add_prompt_tokens(TOKENIZER, TOKENS)
VOCAB = TOKENIZER.get_vocab()


def processor(**changes: Any) -> RegionProcessor:
    tiler = AnyResTiler(56, max_num_tiles=4)
    settings = {"tokens_per_region": 4, **changes}
    return RegionProcessor(tiler, TOKENIZER, TOKENS, ChatFormat(**toy_chat()), **settings)


def test_placeholders_count_the_image_tokens_and_the_local_tokens_of_every_region() -> None:
    encoded = processor()(toy_sample((50, 130), 3))
    assert (encoded.grids[0].rows, encoded.grids[0].cols) == (1, 3)
    assert encoded.grids[0].num_tokens == 16
    ids = encoded.input_ids
    assert int((ids == VOCAB["<|image|>"]).sum()) == 16
    counts = [int((ids == VOCAB[f"<|region_pad_{i}|>"]).sum()) for i in range(4)]
    assert counts == [4, 4, 4, 0]


def test_without_global_tokens_no_image_placeholder_is_written_but_tiles_are_cut() -> None:
    encoded = processor(use_global=False)(toy_sample((50, 130), 1))
    assert VOCAB["<|image|>"] not in encoded.input_ids
    assert encoded.pixels[0].shape == (4, 3, 56, 56)


def test_shapes_are_those_that_encoded_sample_promises() -> None:
    encoded = processor()(toy_sample((50, 130), 3))
    tiles = encoded.grids[0].num_tiles
    assert encoded.pixels[0].shape == (tiles, 3, 56, 56)
    assert encoded.region_masks[0].shape == (3, tiles, 56, 56)
    assert encoded.region_masks[0].dtype == torch.bool
    assert encoded.boxes_norm.shape == (3, 4)
    assert [points.shape for points in encoded.points] == [(1, 3)] * 3
    assert encoded.input_ids.shape == encoded.labels.shape


def test_a_sample_without_regions_has_empty_masks_and_boxes() -> None:
    encoded = processor()(toy_sample((50, 50), 0, turns=[("What?", "x")]))
    assert encoded.region_masks[0].shape == (0, encoded.grids[0].num_tiles, 56, 56)
    assert encoded.boxes_norm.shape == (0, 4)
    assert encoded.points == []


def test_boxes_and_points_are_normalised_by_width_in_x_and_height_in_y() -> None:
    mask = np.zeros((40, 80), dtype=bool)
    mask[10:15, 60:65] = True
    sample = replace(toy_sample((40, 80), 0), regions=[Region.from_mask(mask)])
    encoded = processor()(sample)
    torch.testing.assert_close(encoded.boxes_norm, torch.tensor([[60 / 80, 10 / 40, 65 / 80, 15 / 40]]))
    torch.testing.assert_close(encoded.points[0], torch.tensor([[62.5 / 80, 12.5 / 40, 1.0]]))


def test_a_box_keeps_its_fractions_of_a_pixel() -> None:
    box = (10.25, 5.5, 30.75, 20.125)
    sample = replace(toy_sample((40, 80), 0), regions=[Region.from_box(box, image_hw=(40, 80))])
    wanted = torch.tensor([[10.25 / 80, 5.5 / 40, 30.75 / 80, 20.125 / 40]])
    torch.testing.assert_close(processor()(sample).boxes_norm, wanted, rtol=0, atol=1e-7)


def test_given_points_are_kept_with_their_labels() -> None:
    sample = toy_sample((40, 80), 1)
    mask = sample.regions[0].mask
    clicked = Region(mask, "point", sample.regions[0].box_px, points=((8.0, 4.0, 1), (79.0, 39.0, 0)))
    encoded = processor()(replace(sample, regions=[clicked]))
    wanted = torch.tensor([[8.5 / 80, 4.5 / 40, 1.0], [79.5 / 80, 39.5 / 40, 0.0]])
    torch.testing.assert_close(encoded.points[0], wanted)


def test_id_and_meta_are_carried_along() -> None:
    sample = replace(toy_sample(), id="car-7", meta={"task": "color"})
    encoded = processor()(sample)
    assert (encoded.id, encoded.meta) == ("car-7", {"task": "color"})


def test_training_needs_an_answer_and_generation_does_not() -> None:
    question = toy_sample(answered=False)
    assert (processor()(question).labels == IGNORE).all()
    with pytest.raises(DataError, match="Sample 'toy-0': .*no assistant turn"):
        processor(training=True)(question)


def test_a_sample_over_max_length_is_refused_not_cut() -> None:
    length = len(processor()(toy_sample()).input_ids)
    assert len(processor(max_length=length)(toy_sample()).input_ids) == length
    with pytest.raises(
        DataError, match=f"Sample 'toy-0': {length} tokens are more than max_length={length - 1}"
    ):
        processor(max_length=length - 1)(toy_sample())


def test_a_region_of_another_image_size_is_an_error_that_names_sample_and_region() -> None:
    sample = toy_sample((40, 80), 2)
    sample.regions[1] = toy_sample((80, 40), 1).regions[0]
    with pytest.raises(RegionError, match=r"Sample 'toy-0': region 1 is for an image of \(80, 40\)"):
        processor()(sample)


def test_errors_from_text_and_image_name_the_sample() -> None:
    with pytest.raises(RegionError, match="Sample 'toy-0': 5 regions"):
        processor()(toy_sample(num_regions=5))
    with pytest.raises(DataError, match="Sample 'toy-0': Turns must alternate"):
        processor()(replace(toy_sample(), turns=[Turn("assistant", "x")]))
    with pytest.raises(DataError, match="Sample 'x': An image must be uint8"):
        processor()(Sample(np.zeros((4, 4)), [], [Turn("user", "x")], id="x"))


def test_a_pickled_processor_encodes_the_same() -> None:
    first = processor()
    twin = pickle.loads(pickle.dumps(first))
    sample = toy_sample((50, 130), 2)
    left, right = first(sample), twin(sample)
    assert torch.equal(left.input_ids, right.input_ids)
    assert torch.equal(left.pixels[0], right.pixels[0])
    assert torch.equal(left.region_masks[0], right.region_masks[0])
