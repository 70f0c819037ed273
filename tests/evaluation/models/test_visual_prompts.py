"""The four input types: which pictures and sentences a model without mask input gets."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gartk.errors import ConfigError, DataError
from gartk.evaluation.item import Item
from gartk.evaluation.models.item_view import ItemView, ViewReader
from gartk.evaluation.models.marks import PALETTE, MarkStyle
from gartk.evaluation.models.visual_prompts import VisualPrompt
from gartk.evaluation.pictures import focal_crop
from gartk.regions import Region
from gartk.testing.benchmark_files import draw_image, rle
from tests.evaluation.benches import with_prompt

HW = (200, 300)


def view(question: str, *boxes: tuple[int, int, int, int], frames: int = 0) -> ItemView:
    pixels = np.random.default_rng(0).integers(0, 255, (*HW, 3), dtype=np.uint8)
    regions = [Region.from_box(box, image_hw=HW) for box in boxes]
    return ItemView("1", question, pixels, regions, [pixels] * frames)


RELATION = "Where is <Prompt0> from <Prompt1>?"
TWO = ((20, 20, 60, 60), (200, 100, 220, 130))


def test_type_1_gives_the_image_and_two_numbered_crops_of_each_region() -> None:
    parts: list[Any] = VisualPrompt(1).parts(view(RELATION, *TWO))
    texts = [part for part in parts if isinstance(part, str)]
    assert texts == [
        "1. The whole image:",
        "2. The part of the image around <Prompt0>:",
        "3. The mask of <Prompt0> in that part; the region is white:",
        "4. The part of the image around <Prompt1>:",
        "5. The mask of <Prompt1> in that part; the region is white:",
        "Where is <Prompt0> from <Prompt1>?",
    ]
    assert (parts[1] == view("").pixels).all()
    crop, mask = parts[3], parts[5]
    assert crop.shape[:2] == mask.shape
    assert mask.dtype == np.bool_ and mask.sum() == 40 * 40


def test_the_crop_is_three_boxes_wide_and_ends_at_the_image() -> None:
    whole = view("", (120, 60, 180, 120), (0, 0, 10, 10))
    crop, mask = focal_crop(whole.pixels, whole.regions[0])
    assert crop.shape == (180, 180, 3)
    assert (crop == whole.pixels[0:180, 60:240]).all() and (
        mask == whole.regions[0].mask[0:180, 60:240]
    ).all()
    # A side below 56 pixels counts as 56 around the box's centre.
    small, _ = focal_crop(whole.pixels, whole.regions[1])
    assert small.shape[:2] == (89, 89)


@pytest.mark.parametrize(
    ("input_type", "sentence"),
    [(2, "<Prompt0> is the region outlined in red and labelled 0."),
     (3, "<Prompt0> is the region in the red box and labelled 0."),
     (4, "<Prompt0> is the region with the red cross at its centre and labelled 0.")],
)  # fmt: skip
def test_types_2_to_4_give_one_marked_image_and_say_which_mark_is_which(
    input_type: int, sentence: str
) -> None:
    pytest.importorskip("supervision", reason="needs the extra 'eval'")
    picture, text = VisualPrompt(input_type).parts(view(RELATION, *TWO))
    lines = str(text).split("\n")
    assert lines[0] == sentence
    assert lines[1] == sentence.replace("<Prompt0>", "<Prompt1>").replace("red", "green").replace("0.", "1.")
    assert lines[2] == "Where is <Prompt0> from <Prompt1>?"
    for _, colour in PALETTE[:2]:
        assert (np.asarray(picture) == colour).all(axis=-1).any()


def test_a_question_that_names_no_prompt_is_told_where_the_masked_region_is() -> None:
    pytest.importorskip("supervision", reason="needs the extra 'eval'")
    style = MarkStyle(label="none", palette=(("teal", (0, 128, 128)),))
    _, text = VisualPrompt(2, style).parts(view("Describe this masked region in detail.", TWO[0]))
    assert text == "The masked region is the region outlined in teal.\nDescribe this masked region in detail."


def test_without_regions_there_are_image_and_question_alone() -> None:
    for input_type in (1, 2, 3, 4):
        parts: list[Any] = VisualPrompt(input_type).parts(view("Why?"))
        assert len(parts) == 2 and parts[1] == "Why?"


def test_a_video_gives_its_frames_and_then_the_marked_one() -> None:
    parts: list[Any] = VisualPrompt(1).parts(view("Describe <Prompt0>.", TWO[0], frames=3))
    assert parts[0] == "3 frames of a video, in order:"
    assert [type(part) for part in parts[1:4]] == [np.ndarray] * 3
    assert parts[4:6] == ["The frame in which the regions are marked:", "1. The whole image:"]


def test_what_is_shown_is_told_for_the_journal() -> None:
    assert VisualPrompt(1).about() == {"input_type": 1}
    about = VisualPrompt(4, MarkStyle(line_px=5)).about()
    assert (about["mark"], about["line_px"], about["centre"]) == ("cross", 5, "inside")
    with pytest.raises(ConfigError, match="input type must be 1, 2, 3 or 4; got 5"):
        VisualPrompt(5)


# ------------------------------------------------------------------ opening what items are about


def read(reader: ViewReader, item: Item) -> ItemView:
    return reader.read(with_prompt(item))


def test_an_image_is_reader_once_for_questions_that_follow(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        draw_image(tmp_path / name, [])
    reader = ViewReader(lambda one: tmp_path / (one.image or ""))
    first = read(reader, Item("dlc", "1", image="a.png", masks=(rle((1, 2, 9, 8)),)))
    assert first.pixels is read(reader, Item("dlc", "2", image="a.png")).pixels
    assert first.regions[0].area_px == 48
    assert read(reader, Item("dlc", "3", image="b.png")).pixels is not first.pixels


def test_what_cannot_be_seen_is_an_error_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    draw_image(tmp_path / "a.png", [])
    reader = ViewReader(lambda one: tmp_path / one.image if one.image else None)
    wrong_size = {"size": [3, 3], "counts": [0, 9]}
    cases = [
        (Item("dlc", "1"), "the image .* is not there"),
        (Item("dlc", "1", image="bad.png"), "bad.png"),
        (Item("dlc", "7", image="a.png", masks=(wrong_size,)), "dlc item 7: mask 0 cannot be used"),
        (Item("dlc", "7", image="a.png", masks=({"size": [60, 80], "counts": [4800]},)), "mask 0.*empty"),
    ]
    for one, says in cases:
        with pytest.raises(DataError, match=says):
            read(reader, one)


def test_a_video_is_seen_at_its_marked_frame(tmp_path: Path) -> None:
    for number in range(20):
        shade = np.full((60, 80, 3), 10 * number, np.uint8)
        (tmp_path / "clip").mkdir(exist_ok=True)
        Image.fromarray(shade).save(tmp_path / "clip" / f"{number:05d}.png")
    masks = ({"7": {"segmentation": rle((0, 0, 5, 5))}, "9": {"segmentation": rle((0, 0, 9, 9))}},)
    reader = ViewReader(lambda one: tmp_path / "clip")
    seen = read(reader, Item("videorefer-d", "1", image="clip", masks=masks, extra={"frame_idx": "7"}))
    assert (seen.pixels == 70).all()
    assert [region.area_px for region in seen.regions] == [25]
    assert len(seen.frames) == 16
    for frame, says in (
        ("8", "no mask in frame 8"),
        ("x", "must be the number of a frame"),
        ("44", "no frame 44"),
    ):
        with pytest.raises(DataError, match=says), warnings.catch_warnings():
            read(reader, Item("videorefer-d", "1", image="clip", masks=masks, extra={"frame_idx": frame}))
