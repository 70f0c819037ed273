"""Marks stand where the regions are, in their colours, and their labels can be read."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from gartk.errors import ConfigError
from gartk.evaluation.models.marks import (
    PALETTE,
    MarkStyle,
    centre_of,
    contrast,
    draw_marks,
    ink_on,
    label_rects,
)
from gartk.regions import Region

pytest.importorskip("supervision", reason="needs the extra 'eval'")
HW = (240, 320)
GREY = 128
PLAIN: dict[str, Any] = {"label": "none", "rim_px": 0, "line_px": 3}


def image() -> Any:
    return np.full((*HW, 3), GREY, np.uint8)


def box(x0: int, y0: int, x1: int, y1: int) -> Region:
    return Region.from_box((x0, y0, x1, y1), image_hw=HW)


def places(picture: Any, colour: tuple[int, int, int]) -> Any:
    """Where a picture has exactly a colour: (N, 2) of y, x."""
    return np.argwhere((picture == np.array(colour, np.uint8)).all(axis=-1))


def ring() -> Region:
    """A C-shape whose centre of gravity lies outside of it."""
    mask = np.zeros(HW, bool)
    mask[60:180, 80:240] = True
    mask[90:150, 110:240] = False
    return Region.from_mask(mask)


# ------------------------------------------------------------------ marks


def test_the_image_itself_stays_and_regions_alone_change_it() -> None:
    before = image()
    drawn = draw_marks(before, [box(100, 80, 140, 120)], MarkStyle())
    assert (before == GREY).all()
    assert drawn.shape == before.shape and drawn.dtype == np.uint8
    assert (drawn != GREY).any()
    assert (draw_marks(before, [], MarkStyle()) == GREY).all()


def test_a_box_goes_from_the_first_to_the_last_pixel_of_the_mask() -> None:
    drawn = draw_marks(image(), [box(100, 80, 140, 120)], MarkStyle("box", **{**PLAIN, "line_px": 1}))
    red = places(drawn, PALETTE[0][1])
    assert (red.min(axis=0).tolist(), red.max(axis=0).tolist()) == ([80, 100], [119, 139])
    assert len(red) == 2 * 40 + 2 * 38


def test_an_outline_follows_the_mask_and_not_its_box() -> None:
    mask = np.zeros(HW, bool)
    rows, columns = np.mgrid[: HW[0], : HW[1]]
    mask[(rows - 120) ** 2 + (columns - 160) ** 2 <= 50**2] = True
    drawn = draw_marks(image(), [Region.from_mask(mask)], MarkStyle("outline", **PLAIN))
    red = places(drawn, PALETTE[0][1])
    away = np.hypot(red[:, 0] - 120, red[:, 1] - 160)
    assert len(red) > 250
    assert away.min() > 46 and away.max() < 54


def test_every_part_of_a_region_is_outlined_and_holes_are_not() -> None:
    mask = np.zeros(HW, bool)
    mask[20:60, 20:60] = True
    mask[150:200, 200:280] = True
    mask[165:185, 220:260] = False
    drawn = draw_marks(image(), [Region.from_mask(mask)], MarkStyle("outline", **PLAIN))
    assert (drawn[20, 40] == PALETTE[0][1]).all()
    assert (drawn[150, 240] == PALETTE[0][1]).all()
    assert (drawn[165, 240] == GREY).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_a_mask_too_thin_for_a_contour_is_still_marked(shape: tuple[int, int]) -> None:
    mask = np.zeros(HW, bool)
    mask[100 : 100 + shape[0], 150 : 150 + shape[1]] = True
    drawn = draw_marks(image(), [Region.from_mask(mask)], MarkStyle("outline", **PLAIN))
    assert len(places(drawn, PALETTE[0][1])) >= mask.sum()


def test_a_cross_stands_at_the_centre_with_arms_of_one_length() -> None:
    style = MarkStyle("cross", **{**PLAIN, "line_px": 1}, cross_px=10)
    red = places(draw_marks(image(), [box(100, 80, 141, 121)], style), PALETTE[0][1])
    assert sorted(map(tuple, red.tolist())) == sorted(
        {(100, x) for x in range(110, 131)} | {(y, 120) for y in range(90, 111)}
    )


def test_the_centre_is_inside_the_mask_or_the_middle_of_its_box() -> None:
    mask = ring().mask
    x, y = centre_of(mask, "inside")
    assert mask[y, x]
    assert centre_of(mask, "box") == (159, 119)
    assert not mask[119, 159]
    assert (
        centre_of(box(10, 20, 15, 25).mask, "inside")
        == centre_of(box(10, 20, 15, 25).mask, "box")
        == (12, 22)
    )


def test_regions_get_their_own_colours_in_their_order() -> None:
    regions = [box(20 + 30 * k, 40, 40 + 30 * k, 70) for k in range(9)]
    drawn = draw_marks(image(), regions, MarkStyle("box", **PLAIN))
    for number, (_, colour) in enumerate(PALETTE):
        red = places(drawn, colour)
        assert red[:, 1].min() >= 18 + 30 * number and red[:, 1].max() <= 42 + 30 * number, colour


def test_more_regions_than_colours_get_further_ones_that_differ() -> None:
    style = MarkStyle()
    named = [style.colour(number) for number in range(30)]
    assert len({colour for _, colour in named}) == 30
    assert named[9][0].startswith("#") and len(named[9][0]) == 7


def test_a_small_region_inside_a_large_one_stays_visible() -> None:
    drawn = draw_marks(image(), [box(100, 80, 140, 120), box(101, 81, 160, 200)], MarkStyle("box", **PLAIN))
    assert (drawn[80, 120] == PALETTE[0][1]).all()


def test_a_rim_keeps_a_line_visible_on_its_own_colour() -> None:
    same = np.full((*HW, 3), PALETTE[0][1], np.uint8)
    style = MarkStyle("box", label="none", line_px=3, rim_px=2)
    drawn = draw_marks(same, [box(100, 80, 140, 120)], style)
    assert len(places(drawn, (0, 0, 0))) > 300


def test_width_and_colours_are_as_told() -> None:
    style = MarkStyle("box", palette=(("teal", (0, 128, 128)),), label="none", rim_px=0, line_px=7)
    drawn = draw_marks(image(), [box(100, 80, 200, 160)], style)
    column = (drawn[120] == (0, 128, 128)).all(axis=-1)
    assert column.sum() == 14


# ------------------------------------------------------------------ labels


@pytest.mark.parametrize("mark", ["outline", "box", "cross"])
@pytest.mark.parametrize("label", ["number", "prompt"])
def test_labels_have_contrast_and_lie_inside_the_image_and_off_each_other(mark: Any, label: Any) -> None:
    corners = [box(0, 0, 12, 12), box(308, 0, 320, 12), box(0, 228, 12, 240), box(308, 228, 320, 240)]
    style = MarkStyle(mark, label=label)
    sizes = [(40, 22)] * 4
    rects = label_rects(sizes, corners, style, (HW[1], HW[0]), 10)
    for number, (x0, y0, x1, y1) in enumerate(rects):
        assert 0 <= x0 < x1 <= HW[1] and 0 <= y0 < y1 <= HW[0]
        for a0, b0, a1, b1 in rects[:number]:
            assert min(x1, a1) <= max(x0, a0) or min(y1, b1) <= max(y0, b0)
    drawn = draw_marks(image(), corners, style)
    for number in range(4):
        colour = style.colour(number)[1]
        assert contrast(ink_on(colour), colour) >= 4.5
        assert len(places(drawn, ink_on(colour))) > 20


def test_every_usual_and_computed_colour_carries_readable_ink() -> None:
    style = MarkStyle()
    for number in range(40):
        colour = style.colour(number)[1]
        assert contrast(ink_on(colour), colour) >= 4.5, colour


def test_contrast_is_that_of_the_literature() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)
    assert contrast((9, 9, 9), (9, 9, 9)) == 1


def test_the_text_of_a_label_is_drawn_within_its_rectangle() -> None:
    import cv2

    style = MarkStyle("cross", label="prompt", rim_px=0, line_px=1, cross_px=1, label_px=16)
    drawn = draw_marks(image(), [box(150, 110, 170, 130)], style)
    changed = np.argwhere((drawn != GREY).any(axis=-1))
    (width, height), below = cv2.getTextSize("<Prompt0>", cv2.FONT_HERSHEY_SIMPLEX, 1.0, 1)
    assert width > height > below
    spans = changed.max(axis=0) - changed.min(axis=0)
    ink = places(drawn, ink_on(PALETTE[0][1]))
    inside = ink[(ink[:, 0] > changed[:, 0].min()) & (ink[:, 1] > changed[:, 1].min())]
    assert spans[1] > 60
    assert inside[:, 1].max() <= changed[:, 1].max()


def test_a_label_does_not_cover_its_cross() -> None:
    for x, y in ((160, 120), (2, 2), (317, 237)):
        style = MarkStyle("cross", cross_px=12, label_px=10)
        (rect,) = label_rects([(20, 18)], [box(x, y, x + 1, y + 1)], style, (HW[1], HW[0]), 12)
        inside = rect[0] <= x < rect[2] and rect[1] <= y < rect[3]
        assert not inside, (x, y, rect)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    absent: Any = None
    monkeypatch.setitem(sys.modules, "supervision", absent)
    with pytest.raises(ConfigError, match="pip install 'gartk"):
        draw_marks(image(), [box(1, 1, 9, 9)], MarkStyle())


def test_label_none_draws_none() -> None:
    with_label = draw_marks(image(), [box(100, 80, 140, 120)], MarkStyle("box", rim_px=0))
    without = draw_marks(image(), [box(100, 80, 140, 120)], MarkStyle("box", rim_px=0, label="none"))
    assert (with_label != GREY).any(axis=-1).sum() > (without != GREY).any(axis=-1).sum()
    assert [MarkStyle(label=kind).label_text(3) for kind in ("number", "prompt", "none")] == [
        "3",
        "<Prompt3>",
        "",
    ]


@pytest.mark.parametrize(
    ("options", "says"),
    [({"mark": "dot"}, "mark must be one of outline, box, cross; got 'dot'"),
     ({"label": "x"}, "label must be"),
     ({"centre": "x"}, "centre must be"), ({"line_px": 0}, "line_px must be at least 1"),
     ({"cross_px": -1}, "cross_px"), ({"rim_px": -1}, "rim_px must be 0 or above")],
)  # fmt: skip
def test_a_style_that_cannot_be_drawn_is_named(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        MarkStyle(**options)
