"""Regions mean the same whichever way they are given, and refusals name the region and say why."""

from __future__ import annotations

import io
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gartk.errors import ConfigError, RegionError
from gartk.regions import Region, RegionWarning, parse_regions
from gartk.regions.masks import encode_rle
from gartk.regions.segmenters.base import Segmenter

HW = (12, 20)
MASK = np.zeros(HW, bool)
MASK[2:7, 4:15] = True
IMAGE = np.full((*HW, 3), 90, np.uint8)
IMAGE[2:7, 4:15] = (250, 30, 30)


def _png(mask: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(out, format="PNG")
    return out.getvalue()


class WholeRow(Segmenter):
    """A segmenter that answers with the rows of the inside points and remembers what it was asked."""

    rough = False

    def __init__(self) -> None:
        self.asked: list[tuple] = []

    def segment(self, image, *, points, labels, box=None):
        self.asked.append((list(points), list(labels), box))
        mask = np.zeros(image.shape[:2], bool)
        for (_, y), label in zip(points, labels, strict=True):
            mask[int(y)] |= label == 1
        return mask


@pytest.mark.parametrize(
    "given",
    [
        MASK,
        MASK.astype(np.uint8),
        MASK.astype(np.uint8) * np.uint8(255),
        MASK.astype(np.int64) * 7,
        MASK.astype(np.float32),
        encode_rle(MASK),
        {"rle": encode_rle(MASK)},
        {"segmentation": encode_rle(MASK)},
        {"mask": MASK},
        {"png": _png(MASK)},
        _png(MASK),
        Image.fromarray(MASK),
        Region.from_mask(MASK),
    ],
)
def test_every_form_of_a_mask_gives_the_same_region(given):
    region = Region.parse(given, image=IMAGE)
    assert region == Region.from_mask(MASK)
    assert region.box_px == (4.0, 2.0, 15.0, 7.0)
    assert region.box_norm == (4 / 20, 2 / 12, 15 / 20, 7 / 12)
    assert (region.area_px, region.image_hw, region.kind) == (55, HW, "mask")


def test_a_tensor_and_a_png_path_are_masks_too(tmp_path):
    import torch

    (tmp_path / "m.png").write_bytes(_png(MASK))
    for form in (torch.from_numpy(MASK), tmp_path / "m.png", str(tmp_path / "m.png")):
        assert Region.parse(form, image_hw=HW) == Region.from_mask(MASK)


@pytest.mark.parametrize(
    "given", [[4, 2, 15, 7], (4.0, 2.0, 15.0, 7.0), np.array([4, 2, 15, 7]), {"box": [4, 2, 15, 7]}]
)
def test_every_form_of_a_box_fills_the_same_pixels(given):
    region = Region.parse(given, image_hw=HW)
    assert (region.kind, region.box_px) == ("box", (4.0, 2.0, 15.0, 7.0))
    assert np.array_equal(region.mask, MASK)


@pytest.mark.parametrize(
    "given",
    [
        [[4, 2], [15, 2], [15, 7], [4, 7]],
        [[4, 2, 15, 2, 15, 7, 4, 7]],
        {"polygon": [4, 2, 15, 2, 15, 7, 4, 7]},
        {"segmentation": [[4, 2, 15, 2, 15, 7, 4, 7]]},
    ],
)
def test_every_form_of_a_polygon_fills_the_same_pixels(given):
    region = Region.parse(given, image_hw=HW)
    assert region.kind == "polygon"
    assert np.array_equal(region.mask, MASK)


def test_a_box_keeps_its_fractions_and_never_covers_nothing():
    region = Region.from_box((3.2, 4.1, 3.4, 4.3), image_hw=HW)
    assert region.box_px == (3.2, 4.1, 3.4, 4.3)
    assert np.argwhere(region.mask).tolist() == [[4, 3]]


def test_a_one_pixel_mask_has_a_one_by_one_box():
    mask = np.zeros(HW, bool)
    mask[11, 19] = True
    assert Region.from_mask(mask).box_px == (19.0, 11.0, 20.0, 12.0)


def test_points_reach_the_segmenter_and_stay_with_the_region():
    asked = WholeRow()
    region = Region.from_points([(4, 2), (0, 11)], labels=[1, 0], image=IMAGE, segmenter=asked, name="dog")
    assert asked.asked == [([(4.0, 2.0), (0.0, 11.0)], [1, 0], None)]
    assert (region.kind, region.points, region.rough) == ("point", ((4.0, 2.0, 1), (0.0, 11.0, 0)), False)
    assert np.flatnonzero(region.mask.all(axis=1)).tolist() == [2]


def test_one_bare_point_is_enough_and_the_default_segmenter_marks_the_region_rough():
    region = Region.from_points((9, 4), image=IMAGE)
    assert region.rough
    assert region.points == ((9.0, 4.0, 1),)
    assert region.mask[4, 9]


def test_a_scribble_always_holds_its_own_stroke():
    asked = WholeRow()
    region = Region.from_scribble([(3, 3), (3, 9), (16, 9)], image=IMAGE, segmenter=asked, width_px=1)
    assert region.kind == "scribble"
    assert region.mask[3:10, 3].all() and region.mask[9].all()
    seeds, labels, _ = asked.asked[0]
    assert len(seeds) <= 32 and set(labels) == {1}
    assert seeds[0] == (3.0, 3.0) and seeds[-1] == (16.0, 9.0)


def test_several_strokes_make_one_scribble():
    strokes = [[(2, 2), (5, 2)], [(2, 10), (5, 10)]]
    region = Region.parse({"scribble": strokes, "segmenter": WholeRow(), "name": "two"}, image=IMAGE)
    assert region.name == "two"
    assert region.mask[2].all() and region.mask[10].all()


def test_a_box_partly_outside_is_clipped_with_a_warning_that_names_it():
    with pytest.warns(RegionWarning, match=r"'sky'.*\(-3, -2, 5, 4\).*20x12.*clipped"):
        region = Region.from_box((-3, -2, 5, 4), image_hw=HW, name="sky")
    assert region.box_px == (0.0, 0.0, 5.0, 4.0)


def test_a_polygon_partly_outside_is_clipped_with_a_warning():
    with pytest.warns(RegionWarning, match="polygon.*clipped"):
        region = Region.from_polygon([[-9, 3], [4, 3], [4, 99], [-9, 99]], image_hw=HW)
    expected = np.zeros(HW, bool)
    expected[3:, :4] = True
    assert np.array_equal(region.mask, expected)


def test_regions_inside_the_image_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Region.from_box((0, 0, 20, 12), image_hw=HW)
        Region.from_polygon([[0, 0], [20, 0], [20, 12], [0, 12]], image_hw=HW)
        Region.from_png(_png(MASK))


def test_a_mask_picture_with_many_values_warns():
    grey = Image.fromarray(np.arange(240, dtype=np.uint8).reshape(HW))
    with pytest.warns(RegionWarning, match="240 different values"):
        assert Region.from_png(grey).area_px == 239


NAN = float("nan")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (np.zeros(HW, bool), "empty"),
        (np.zeros((0, 4), bool), "shape"),
        (MASK.T, r"12x20.*20x12.*swapped"),
        (MASK[:5], r"20x5.*20x12.*image's own size"),
        (np.ones((3, 12, 20)), r"\(H, W\)"),
        (np.arange(240).reshape(HW), "choose one id: mask == 1"),
        (MASK * 0.5, r"Threshold it first"),
        (np.where(MASK, NAN, 0.0), "NaN"),
        (MASK.astype("U1"), "dtype"),
        ([0, 0, 0, 5], "no area"),
        ([5, 5, 2, 7], "no area.*x0 < x1"),
        ([NAN, 0, 4, 5], "NaN or infinity"),
        ([0, 0, float("inf"), 5], "NaN or infinity"),
        ([30, 0, 40, 5], "wholly outside the image of 20x12"),
        ([-4, 0, 0, 5], "wholly outside"),
        ({"box": [1, 2, 3]}, "3 of them"),
        ({"box": "1,2,3,4"}, "four numbers"),
        ([[30, 1], [40, 1], [40, 9]], "polygon.*wholly outside"),
        ([[3, 3], [3.01, 3], [3, 3.01]], "covers no pixel"),
        ([[3, 3], [5, 5]], "at least 3"),
        ({"size": [12, 20], "counts": [239]}, "sum to 239.*needs 240"),
        ({"size": [12, 20], "counts": [240]}, "empty"),
        ({"size": [20, 12], "counts": [3, 237]}, "swapped"),
        ({"points": [[25, 3]]}, r"\(25, 3\), outside the image"),
        ({"points": [[NAN, 3]]}, "NaN"),
        ({"points": [[2, 3]], "labels": [0]}, "label 1"),
        ({"points": [[2, 3]], "labels": [1, 1]}, "one for each of the 1 points"),
        ({"points": [[2, 3]], "labels": [2]}, "0 or 1"),
        ({"points": []}, "non-empty"),
        ({"scribble": [[2, 3], [4, 50]]}, "outside the image"),
        ({"scribble": [[2, 3]], "width_px": 0}, "width_px"),
        ({"scribble": []}, "non-empty"),
        ({"circle": [3, 3, 2]}, "none of.*Accepted"),
        ({"bbox": [3, 3, 2, 2]}, r"x \+ width"),
        ({"box": [1, 1, 3, 3], "mask": MASK}, "several of"),
        ({"box": [1, 1, 3, 3], "lables": [1]}, "takes no 'lables'"),
        (7, "unknown format: got int 7. Accepted"),
        ([], "unknown format"),
        ("nowhere.png", "no file"),
        (b"junk", "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_number_and_reason(given, says):
    with pytest.raises(RegionError, match=says) as caught:
        parse_regions([MASK, given], image=IMAGE)
    assert str(caught.value).startswith("Region 1: ")
    assert str(caught.value).count("Region 1") == 1


def test_an_error_names_the_region_once():
    with pytest.raises(RegionError) as caught:
        Region.parse({"box": [30, 0, 40, 5], "name": "cat"}, image_hw=HW, index=2)
    assert str(caught.value).startswith("Region 2 'cat': the box")
    with pytest.raises(RegionError, match="^Region 'cat': "):
        Region.from_mask(np.zeros(HW, bool), name="cat")


@pytest.mark.parametrize("given", [[1, 1, 3, 3], [[1, 1], [5, 1], [5, 5]], {"points": [[1, 1]]}])
def test_forms_that_need_the_image_ask_for_it(given):
    with pytest.raises(RegionError, match="image=..."):
        Region.parse(given)


def test_image_and_image_hw_must_agree():
    with pytest.raises(RegionError, match="Leave one out"):
        Region.parse(MASK, image=IMAGE, image_hw=(20, 12))


def test_a_size_over_the_pixel_limit_is_refused(monkeypatch):
    with pytest.raises(RegionError, match="limit"):
        Region.from_box((0, 0, 5, 5), image_hw=(10**6, 10**6))
    monkeypatch.setenv("GARTK_MAX_PIXELS", "100")
    with pytest.raises(RegionError, match="limit is 100"):
        Region.from_mask(MASK)


def test_a_segmenter_that_finds_nothing_or_answers_badly_is_told_apart():
    class Nothing(WholeRow):
        def segment(self, image, *, points, labels, box=None):
            return np.zeros(image.shape[:2], bool)

    class Numbers(WholeRow):
        def segment(self, image, *, points, labels, box=None):
            return np.ones(image.shape[:2])

    with pytest.raises(RegionError, match="Nothing found nothing at"):
        Region.from_points((3, 3), image=IMAGE, segmenter=Nothing())
    with pytest.raises(RegionError, match="must return bool"):
        Region.from_points((3, 3), image=IMAGE, segmenter=Numbers())
    with pytest.raises(ConfigError, match="Did you mean 'GrabCutSegmenter'"):
        Region.from_points((3, 3), image=IMAGE, segmenter="GrabCutSegmentor")


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31))
def test_a_pickled_region_comes_back_equal_and_frozen(height, width, seed):
    mask = np.random.default_rng(seed).random((height, width)) > 0.5
    mask[0, 0] = True
    region = Region.from_mask(mask, name="dog")
    again = pickle.loads(pickle.dumps(region))
    assert again == region and hash(again) == hash(region)
    assert not again.mask.flags.writeable


def test_a_region_cannot_be_changed_from_within_or_through_the_callers_array():
    mask = MASK.copy()
    region = Region.from_mask(mask)
    mask[:] = False
    assert region.area_px == 55
    with pytest.raises(ValueError, match="read-only"):
        region.mask[0, 0] = True
    with pytest.raises(AttributeError):
        region.name = "other"
    assert mask.flags.writeable


def test_regions_are_equal_by_content():
    assert Region.from_mask(MASK) != Region.from_mask(MASK, name="dog")
    assert Region.from_mask(MASK) != Region.from_box((4, 2, 15, 7), image_hw=HW)
    assert len({Region.from_mask(MASK), Region.from_mask(MASK.copy())}) == 1


def test_a_region_built_directly_is_checked_and_copied():
    mask = MASK.copy()
    region = Region(mask, "mask", (4.0, 2.0, 15.0, 7.0))
    assert mask.flags.writeable and not region.mask.flags.writeable
    with pytest.raises(RegionError, match="unknown kind 'masc'"):
        Region(MASK, "masc", (4.0, 2.0, 15.0, 7.0))
    with pytest.raises(RegionError, match="boolean"):
        Region(MASK.astype(int), "mask", (4.0, 2.0, 15.0, 7.0))
    with pytest.raises(RegionError, match="finite"):
        Region(MASK, "mask", (4.0, NAN, 15.0, 7.0))
