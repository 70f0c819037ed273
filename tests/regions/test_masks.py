"""RLE, polygons and boxes decode to the pixels they mean, and malformed ones are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from gartk.errors import RegionError
from gartk.regions.masks import (
    decode_polygons,
    decode_rle,
    encode_rle,
    fill_box,
    interior_point,
    polygon_rings,
    tight_box,
)

MASKS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=24))


def _counts(mask: np.ndarray) -> list[int]:
    flat = np.concatenate(([False], mask.T.reshape(-1)))
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff(np.concatenate(([0], changes, [mask.size]))).tolist()


@settings(max_examples=60, deadline=None)
@given(MASKS)
def test_every_mask_survives_all_spellings_of_its_rle(mask):
    rle = encode_rle(mask)
    assert np.array_equal(decode_rle(json.loads(json.dumps(rle))), mask)
    assert np.array_equal(decode_rle({**rle, "counts": rle["counts"].encode()}), mask)
    assert np.array_equal(decode_rle({"size": rle["size"], "counts": _counts(mask)}), mask)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([(1, 4000), (300, 200), (57, 1)]))
def test_decoding_agrees_with_pycocotools(seed, shape):
    noise = np.random.default_rng(seed).random(shape)
    mask = noise < 0.01 if seed % 2 else noise > 0.3
    rle = encode_rle(mask)
    assert np.array_equal(decode_rle(rle), coco.decode(rle).astype(bool))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=12), st.integers(1, 9), st.integers(1, 9))
def test_any_bytes_either_decode_to_the_stated_size_or_are_refused(counts, height, width):
    try:
        mask = decode_rle({"size": [height, width], "counts": counts})
    except RegionError:
        return
    assert mask.shape == (height, width)
    assert np.array_equal(decode_rle(encode_rle(mask)), mask)


@pytest.mark.parametrize(
    ("rle", "says"),
    [
        ({"size": [2, 3], "counts": [5]}, "sum to 5.*needs 6"),
        ({"size": [2, 3], "counts": [7]}, "sum to 7.*needs 6"),
        ({"size": [2, 3], "counts": [8, -2]}, "negative"),
        ({"size": [2, 3], "counts": [2**62, 2**62, 2**62, 2**62, 6]}, "sum to"),
        ({"size": [2, 3], "counts": []}, "non-empty list"),
        ({"size": [2, 3], "counts": [1.5, 4.5]}, "whole numbers"),
        ({"size": [2, 3], "counts": ""}, "empty"),
        ({"size": [2, 3], "counts": "o"}, "breaks off"),
        ({"size": [2, 3], "counts": "6 "}, "no RLE character"),
        ({"size": [2, 3], "counts": "6é"}, "ASCII"),
        ({"size": [2, 3], "counts": "oooooooooo0"}, "too large"),
        ({"size": [2], "counts": [2]}, "height, width"),
        ({"size": [2.5, 2], "counts": [5]}, "height, width"),
        ({"size": [0, 3], "counts": [0]}, "positive"),
        ({"size": [10**6, 10**6], "counts": [10**12]}, "the limit is 100,000,000"),
        ({"counts": [6]}, "'size'"),
        ([6], "'size'"),
    ],
)
def test_a_malformed_rle_is_refused_with_its_reason(rle, says):
    with pytest.raises(RegionError, match=says):
        decode_rle(rle)


def test_truncating_a_compressed_rle_is_noticed():
    rle = encode_rle(np.random.default_rng(0).random((40, 30)) > 0.5)
    for cut in range(1, 5):
        with pytest.raises(RegionError):
            decode_rle({**rle, "counts": rle["counts"][:-cut]})


def test_encode_refuses_what_is_not_boolean():
    with pytest.raises(RegionError, match="boolean array"):
        encode_rle(np.ones((2, 2), np.uint8))


SQUARE = [2, 1, 6, 1, 6, 4, 2, 4]


@pytest.mark.parametrize(
    "polygon",
    [
        SQUARE,
        [SQUARE],
        [[2, 1], [6, 1], [6, 4], [2, 4]],
        [[[2, 1], [6, 1], [6, 4], [2, 4]]],
        np.array(SQUARE, float).reshape(-1, 2),
    ],
)
def test_all_spellings_of_a_polygon_fill_the_same_pixels(polygon):
    expected = np.zeros((8, 9), bool)
    expected[1:4, 2:6] = True
    assert np.array_equal(decode_polygons(polygon, (8, 9)), expected)


def test_several_rings_are_united_and_an_inner_ring_makes_no_hole():
    outer, inner, apart = [1, 1, 9, 1, 9, 9, 1, 9], [3, 3, 6, 3, 6, 6, 3, 6], [11, 1, 14, 1, 14, 4, 11, 4]
    mask = decode_polygons([outer, inner, apart], (10, 16))
    assert mask[1:9, 1:9].all()
    assert mask[1:4, 11:14].all()
    assert mask.sum() == 64 + 9


def test_a_polygon_reaching_far_outside_is_cut_at_the_border():
    far = 1e12
    mask = decode_polygons([[5, -far], [far, -far], [far, far], [5, far]], (6, 8))
    expected = np.zeros((6, 8), bool)
    expected[:, 5:] = True
    assert np.array_equal(mask, expected)


def test_cutting_a_concave_polygon_agrees_with_drawing_it_on_a_larger_canvas():
    ring = np.array([[-5, 2], [12, 2], [12, 18], [-5, 18], [-5, 14], [8, 14], [8, 6], [-5, 6]], float)
    large = decode_polygons(ring + 10, (40, 40))[10:30, 10:30]
    assert np.array_equal(decode_polygons(ring, (20, 20)), large)


@pytest.mark.parametrize(
    ("polygon", "says"),
    [
        ([1, 1, 5, 5], "at least 3"),
        ([1, 1, 5, 5, 7], "x, y, x, y"),
        ([[1, 1], [5, 5], [float("nan"), 2]], "NaN"),
        ([[1, 1, 5, 1, 5, 5], [1, 2, float("inf"), 2, 3, 3]], "Ring 1.*infinity"),
        ([["a", "b"], [1, 2], [3, 4]], "not a list of numbers"),
        ([], "non-empty"),
    ],
)
def test_a_malformed_polygon_is_refused_with_its_reason(polygon, says):
    with pytest.raises(RegionError, match=says):
        decode_polygons(polygon, (10, 10))


def test_a_box_fills_the_pixels_whose_centre_it_holds():
    expected = np.zeros((6, 8), bool)
    expected[1:3, 2:5] = True
    assert np.array_equal(fill_box((2, 1, 5, 3), (6, 8)), expected)
    assert np.array_equal(fill_box((1.6, 0.6, 5.4, 3.5), (6, 8)), expected)


def test_a_box_between_centres_fills_the_pixel_under_its_middle():
    mask = fill_box((2.6, 1.6, 2.9, 1.9), (6, 8))
    assert np.argwhere(mask).tolist() == [[1, 2]]


def test_a_one_pixel_mask_has_a_one_by_one_box_around_its_only_interior_point():
    mask = np.zeros((5, 7), bool)
    mask[3, 6] = True
    assert tight_box(mask) == (6, 3, 7, 4)
    assert interior_point(mask) == (6, 3)


@settings(max_examples=60, deadline=None)
@given(MASKS.filter(lambda mask: mask.any()))
def test_the_tight_box_touches_all_sides_and_the_interior_point_is_inside(mask):
    x0, y0, x1, y1 = tight_box(mask)
    rows, columns = np.nonzero(mask)
    assert (x0, y0, x1, y1) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    x, y = interior_point(mask)
    assert mask[y, x]
    assert interior_point(mask.copy()) == (x, y)


def test_the_interior_point_of_a_rectangle_is_its_middle_and_of_a_ring_lies_on_the_ring():
    mask = np.zeros((20, 20), bool)
    mask[5:10, 3:16] = True
    x, y = interior_point(mask)
    assert y == 7 and 5 <= x <= 13
    ring = np.ones((9, 9), bool)
    ring[3:6, 3:6] = False
    x, y = interior_point(ring)
    assert ring[y, x]


def test_measuring_an_empty_mask_is_refused():
    for measure in (tight_box, interior_point):
        with pytest.raises(RegionError, match="empty"):
            measure(np.zeros((4, 4), bool))


@pytest.mark.parametrize(
    "polygon", [[None], [{}], [[10**400, 0, 1, 0, 1, 1]], [[None, 1, 2, 3, 4, 5]], ["abcdef"]]
)
def test_what_is_no_polygon_at_all_is_refused(polygon: object) -> None:
    with pytest.raises(RegionError):
        polygon_rings(polygon)
