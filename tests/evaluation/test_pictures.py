"""Judges see the crops that the published scripts cut, and masks that fit them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gartk.errors import DataError
from gartk.evaluation.item import Item
from gartk.evaluation.pictures import Pictures, focal_box, in_folder, item_regions, pictures_of
from tests.evaluation.judges.cases import CAP_SIMPLE, MASK, write_images


@pytest.mark.parametrize(
    ("box", "focal"),
    [
        # 100 x 80 in the middle: a box more on each side.
        ((400, 300, 500, 380), (300, 220, 600, 460)),
        # Narrower than 56: raised around its centre first.
        ((400, 300, 410, 380), (321, 220, 489, 460)),
        # At the border: cut off, not shifted.
        ((0, 0, 100, 80), (0, 0, 200, 160)),
        ((900, 700, 1000, 800), (800, 600, 1000, 800)),
        ((0, 0, 1000, 800), (0, 0, 1000, 800)),
    ],
)
def test_the_focal_box_is_three_boxes_wide_within_the_image(
    box: tuple[int, int, int, int], focal: tuple[int, int, int, int]
) -> None:
    assert focal_box(box, (800, 1000)) == focal


def test_the_crop_of_an_image_and_of_its_mask_show_the_same_place(tmp_path: Path) -> None:
    pixels = np.zeros((200, 300, 3), np.uint8)
    pixels[90:150, 100:180] = 200
    Image.fromarray(pixels).save(tmp_path / "a.png")
    mask = {"bbox": [100, 90, 80, 60]}
    ((crop, inside),) = Pictures(tmp_path / "a.png", (mask,)).crops()
    assert crop.shape == (170, 240, 3)
    assert inside.shape == (170, 240)
    assert ((crop[..., 0] == 200) == inside).all()


def test_regions_are_drawn_as_numbered_green_boxes_on_a_darker_image(tmp_path: Path) -> None:
    Image.fromarray(np.full((200, 300, 3), 100, np.uint8)).save(tmp_path / "a.png")
    pictures = Pictures(tmp_path / "a.png", ({"bbox": [100, 90, 80, 60]},))
    marked = pictures.marked()
    assert tuple(marked[0, 0]) == (80, 80, 80)
    for row, column in ((90, 140), (149, 140), (120, 100), (120, 179)):
        assert tuple(marked[row, column]) == (0, 255, 0)
    assert pictures.boxes_text() == ["(0.333, 0.450, 0.267, 0.300)"]


def test_every_published_form_of_mask_becomes_a_region() -> None:
    forms = [
        MASK,
        {"segmentation": MASK},
        {"segmentation": [[10, 0, 30, 0, 30, 40, 10, 40]]},
        {"bbox": [10, 0, 20, 40]},
    ]
    for region in item_regions(forms, (40, 60)):
        assert region.box_px == (10, 0, 30, 40)


@pytest.mark.parametrize(
    "mask",
    [
        {"size": [4, 6], "counts": [24]},
        {"size": [40, 60], "counts": "~~"},
        {"segmentation": None},
        {"2": {"segmentation": MASK}},
        {"bbox": [1e9, 0, 1, 1]},
    ],
)
def test_a_mask_that_is_no_region_of_the_image_is_named(mask: dict[str, object]) -> None:
    with pytest.raises(DataError, match="gar-cap item 7: mask 1 cannot be used"):
        item_regions([MASK, mask], (40, 60), where="gar-cap item 7")


def test_images_are_found_by_path_and_by_name(tmp_path: Path) -> None:
    find = write_images(tmp_path)
    assert find(CAP_SIMPLE) == tmp_path / "images" / "a.png"
    assert find(Item("gar-cap", "1", image="somewhere/else/b.png")) == tmp_path / "images" / "b.png"
    assert find(Item("gar-cap", "1", image="c.png")) is None
    assert find(Item("gar-cap", "1")) is None
    assert pictures_of(Item("gar-cap", "1", image="images/a.png"), find) is None
    assert pictures_of(CAP_SIMPLE, in_folder(tmp_path / "nowhere")) is None
    (tmp_path / "images" / "a.png").write_bytes(b"no image")
    broken = pictures_of(CAP_SIMPLE, find)
    assert broken is not None
    with pytest.raises(DataError, match="cannot be read as an image"):
        broken.whole()
