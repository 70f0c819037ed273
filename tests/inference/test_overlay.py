"""Pictures of regions show every outline and number, inside the image and off each other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gartk.errors import DataError, RegionError
from gartk.inference.overlay import draw_regions, place_labels, region_colour
from gartk.regions import Region

GREY = np.full((200, 300, 3), 128, np.uint8)


def _box(*box: float, hw: tuple[int, int] = (200, 300)) -> Region:
    return Region.from_box(box, image_hw=hw)


def _has(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.asarray((picture == np.array(colour)).all(axis=2))


def test_each_region_is_outlined_in_its_own_colour_and_the_image_is_left_alone():
    image = GREY.copy()
    regions = [_box(20, 20, 120, 100), _box(150, 90, 290, 190)]
    picture = draw_regions(image, regions)
    assert np.array_equal(image, GREY)
    assert picture.shape == GREY.shape and picture.dtype == np.uint8
    for i, region in enumerate(regions):
        x0, y0, x1, y1 = (int(v) for v in region.box_px)
        drawn = _has(picture, region_colour(i))
        assert drawn[y0, x0 + 5 : x1 - 5].all() and drawn[y0 + 5 : y1 - 5, x1 - 1].all()
    assert (picture[130:, :140] == 128).all()


def test_holes_are_outlined_too():
    mask = np.zeros((200, 300), bool)
    mask[20:180, 20:280] = True
    mask[60:140, 80:220] = False
    drawn = _has(draw_regions(GREY, [Region.from_mask(mask)]), region_colour(0))
    assert drawn[59:61, 100:200].any(axis=0).all()


def test_a_small_region_inside_a_large_one_stays_visible_in_any_order():
    small, large = _box(100, 80, 130, 110), _box(98, 78, 290, 190)
    for regions in ([small, large], [large, small]):
        i = regions.index(small)
        assert _has(draw_regions(GREY, regions), region_colour(i))[80, 104:126].all()


def test_outside_a_label_the_number_changes_nothing():
    regions = [_box(20, 20, 280, 180)]
    one, two = (draw_regions(GREY, regions, labels=[text]) for text in ("1", "2"))
    changed = np.argwhere((one != two).any(axis=2))
    assert 0 < len(changed) < 400
    low, high = changed.min(axis=0), changed.max(axis=0)
    assert (high - low < 30).all()


def test_captions_add_a_strip_and_longer_ones_a_higher_strip():
    regions = [_box(20, 20, 120, 100), _box(150, 90, 290, 190)]
    plain = draw_regions(GREY, regions)
    short = draw_regions(GREY, regions, captions=["red", "blue"])
    long = draw_regions(GREY, regions, captions=["red " * 60, "W" * 200])
    assert np.array_equal(short[:200], plain)
    assert 200 < len(short) < len(long)
    for picture in (short, long):
        strip = picture[200:]
        assert (strip[:, -2:] == 255).all() and (strip[-2:] == 255).all()
        assert all(_has(strip, region_colour(i)).any() for i in range(2))
    assert len(draw_regions(GREY, regions, captions="one text\nof two lines")) > 200


def test_lines_and_text_grow_with_the_image():
    def width_of_line(side: int) -> int:
        image = np.full((side, side, 3), 128, np.uint8)
        picture = draw_regions(image, [_box(side // 4, side // 4, side // 2, side // 2, hw=(side, side))])
        return int(_has(picture, region_colour(0))[side // 4 + side // 20, side // 5 : side // 3].sum())

    assert width_of_line(2800) > 2 * width_of_line(300) > 0


def test_points_of_a_clicked_region_are_marked():
    mask = np.zeros((200, 300), bool)
    mask[50:150, 50:250] = True
    region = Region(mask, "point", (50.0, 50.0, 250.0, 150.0), ((70.0, 130.0, 1),))
    assert _has(draw_regions(GREY, [region]), region_colour(0))[130, 70]


@pytest.mark.parametrize("hw", [(1, 1), (3, 400), (9, 9), (400, 12)])
def test_images_of_extreme_shape_are_drawn(hw):
    image = np.full((*hw, 3), 128, np.uint8)
    region = Region.from_mask(np.ones(hw, bool))
    assert draw_regions(image, [region]).shape == image.shape
    assert draw_regions(image, [region], captions=["some words"]).shape[1] == hw[1]
    assert np.array_equal(draw_regions(image, []), image)


def test_wrong_counts_and_sizes_are_refused():
    regions = [_box(20, 20, 120, 100)]
    with pytest.raises(DataError, match="2 labels for 1 regions"):
        draw_regions(GREY, regions, labels=["a", "b"])
    with pytest.raises(DataError, match="2 captions for 1 regions"):
        draw_regions(GREY, regions, captions=["a", "b"])
    with pytest.raises(
        RegionError, match="Region 0 was made for an image of 300x200, but this one is 200x300"
    ):
        draw_regions(np.zeros((300, 200, 3), np.uint8), regions)


def test_the_first_forty_colours_differ():
    colours = np.array([region_colour(i) for i in range(40)], int)
    apart = np.abs(colours[:, None] - colours[None]).sum(axis=2)
    assert apart[~np.eye(40, dtype=bool)].min() >= 25
    assert region_colour(0) == region_colour(0)


def test_labels_of_regions_at_one_place_are_moved_apart():
    rects = place_labels([(20, 16)] * 9, [(150, 100)] * 9, [(140, 90, 160, 110)] * 9, (300, 200))
    for one, other in itertools.combinations(rects, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 59)), min_size=1, max_size=8))
def test_labels_stay_inside_the_image(anchors):
    boxes = [(x, y, x + 1, y + 1) for x, y in anchors]
    for x0, y0, x1, y1 in place_labels([(20, 16)] * len(anchors), anchors, boxes, (100, 60)):
        assert min(x0, y0) >= 0 and x1 <= 100 and y1 <= 60
        assert (x1 - x0, y1 - y0) == (20, 16)
