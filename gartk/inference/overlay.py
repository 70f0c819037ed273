"""Pictures of regions: outlines, numbered labels and a strip of text below.

Outlines come from OpenCV's contours and text from Pillow's built-in scalable font; both are
dependencies already.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gartk.errors import DataError, RegionError
from gartk.regions.images import open_image
from gartk.regions.masks import interior_point

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gartk.regions import Region

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

Colour = tuple[int, int, int]
Rect = tuple[int, int, int, int]

# Strong colours that stay apart from each other on photos; further ones are computed.
_PALETTE: tuple[Colour, ...] = (
    (230, 25, 75),
    (60, 180, 75),
    (0, 130, 255),
    (255, 165, 0),
    (240, 50, 230),
    (0, 220, 220),
    (255, 235, 0),
    (145, 70, 255),
    (170, 255, 60),
)
_OUTLINE_SHARE = 1 / 350
_TEXT_SHARE = 1 / 40
_MIN_TEXT_PX = 12


def region_colour(index: int) -> Colour:
    """Return the colour of region ``index``: the same in every picture, different from the others.

    Units: RGB, 0..255.
    """
    if index < len(_PALETTE):
        return _PALETTE[index]
    turn = index - len(_PALETTE)
    red, green, blue = colorsys.hsv_to_rgb((0.07 + turn * 0.618034) % 1.0, 0.55 + 0.4 * (turn % 2), 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw_regions(
    image: Any,
    regions: Sequence[Region],
    *,
    labels: Sequence[str] | None = None,
    captions: str | Sequence[str] | None = None,
    line_px: int | None = None,
    text_px: int | None = None,
) -> NDArray[np.uint8]:
    """Draw regions on a copy of an image, each outlined and labelled with its number.

    Number i is ``<Prompt i>``, unless ``labels`` say otherwise. Labels stay inside the image and
    off each other where there is room; one that had to move away points at its region with a
    line. ``captions`` adds a strip of wrapped text below: one text, or one for each region.

    Shapes: image as ``open_image`` takes it; returns (H, W, 3) uint8, higher with captions.
    Units: ``line_px`` and ``text_px`` pixels; by default they grow with the image.
    Raises: RegionError if a region is of another image size; DataError if the counts differ.
    """
    canvas = open_image(image).copy()
    height, width = canvas.shape[:2]
    names = [str(i) for i in range(len(regions))] if labels is None else [str(label) for label in labels]
    if len(names) != len(regions):
        raise DataError(f"draw_regions got {len(names)} labels for {len(regions)} regions.")
    for i, region in enumerate(regions):
        if region.image_hw != (height, width):
            have = f"{region.image_hw[1]}x{region.image_hw[0]}"
            raise RegionError(
                f"Region {i} was made for an image of {have}, but this one is {width}x{height}."
            )
    line_px = max(2, round(max(height, width) * _OUTLINE_SHARE)) if line_px is None else line_px
    text_px = _text_size(height, width) if text_px is None else text_px
    # Large regions first, so that the outline of a small one inside stays visible.
    for i in sorted(range(len(regions)), key=lambda i: (-regions[i].area_px, i)):
        _outline(canvas, regions[i], region_colour(i), line_px)
    picture = Image.fromarray(canvas)
    _draw_labels(picture, regions, names, text_px, line_px)
    if captions is not None:
        picture = _with_strip(picture, captions, names, text_px)
    return np.asarray(picture).copy()


def _text_size(height: int, width: int) -> int:
    wanted = max(_MIN_TEXT_PX, round(max(height, width) * _TEXT_SHARE))
    return max(6, min(wanted, min(height, width) // 2))


def _outline(canvas: NDArray[np.uint8], region: Region, colour: Colour, line_px: int) -> None:
    """Draw a region's outline (holes included) over a dark edge, and the points it was given by."""
    import cv2

    contours, _ = cv2.findContours(region.mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, contours, -1, (0, 0, 0), line_px + max(2, line_px // 2 * 2), cv2.LINE_AA)
    cv2.drawContours(canvas, contours, -1, colour, line_px, cv2.LINE_AA)
    if region.kind != "point":
        return
    for x, y, label in region.points:
        ink = colour if label == 1 else (0, 0, 0)
        cv2.circle(canvas, (int(x), int(y)), 2 * line_px + 1, (255, 255, 255), -1, cv2.LINE_AA)
        cv2.circle(canvas, (int(x), int(y)), 2 * line_px, ink, -1, cv2.LINE_AA)


# ---------------------------------------------------------------- labels


def _draw_labels(
    picture: Image.Image, regions: Sequence[Region], names: Sequence[str], text_px: int, line_px: int
) -> None:
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(text_px)
    sizes = [_chip_size(draw, name, font, text_px) for name in names]
    anchors = [interior_point(region.mask) for region in regions]
    rects = place_labels(sizes, anchors, [region.box_px for region in regions], picture.size)
    for i, (rect, anchor) in enumerate(zip(rects, anchors, strict=True)):
        if not _contains(rect, anchor):
            edge = (min(max(anchor[0], rect[0]), rect[2] - 1), min(max(anchor[1], rect[1]), rect[3] - 1))
            draw.line([edge, anchor], fill=region_colour(i), width=max(1, line_px // 2))
    for i, (rect, name) in enumerate(zip(rects, names, strict=True)):
        _draw_chip(draw, rect, name, font, region_colour(i))


def _chip_size(draw: ImageDraw.ImageDraw, name: str, font: Font, text_px: int) -> tuple[int, int]:
    left, _, right, _ = draw.textbbox((0, 0), name, font=font)
    pad = max(2, text_px // 4)
    chip_height = text_px + pad
    return max(int(right - left) + 2 * pad, chip_height), chip_height


def _draw_chip(draw: ImageDraw.ImageDraw, rect: Rect, name: str, font: Font, colour: Colour) -> None:
    x0, y0, x1, y1 = rect
    draw.rectangle((x0, y0, x1 - 1, y1 - 1), fill=colour, outline=(0, 0, 0))
    luminance = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    ink = (0, 0, 0) if luminance > 130 else (255, 255, 255)
    draw.text(((x0 + x1) / 2, (y0 + y1) / 2), name, fill=ink, font=font, anchor="mm")


def place_labels(
    sizes: Sequence[tuple[int, int]],
    anchors: Sequence[tuple[int, int]],
    boxes: Sequence[Sequence[float]],
    image_wh: tuple[int, int],
    *,
    keep_clear: Sequence[Rect] = (),
) -> list[Rect]:
    """Choose where labels go: near their region, inside the image, off each other where possible.

    They also stay off the rectangles to ``keep_clear``.

    Shapes: K label sizes (width, height), K anchor pixels (x, y), K boxes; returns K rectangles
    (x0, y0, x1, y1), maximum exclusive.
    """
    placed: list[Rect] = list(keep_clear)
    for size, anchor, box in zip(sizes, anchors, boxes, strict=True):
        best: tuple[int, int] | None = None
        chosen: Rect = (0, 0, *size)
        for order, corner in enumerate(_corners(size, anchor, box)):
            rect = _inside(corner, size, image_wh)
            covered = sum(_overlap(rect, other) for other in placed)
            hidden = sum(_contains(rect, other) for other in anchors if other != anchor)
            cost = (covered, hidden * 1000 + order)
            if best is None or cost < best:
                best, chosen = cost, rect
            if cost[0] == 0 and hidden == 0:
                break
        placed.append(chosen)
    return placed[len(keep_clear) :]


def _corners(
    size: tuple[int, int], anchor: tuple[int, int], box: Sequence[float]
) -> Iterable[tuple[int, int]]:
    """List corners (x, y) to try, best first: on a large region, else beside a small one, then around."""
    (width, height), (x, y) = size, anchor
    x0, y0, x1, y1 = (round(v) for v in box)
    middle = (x - width // 2, y - height // 2)
    if x1 - x0 >= 3 * width and y1 - y0 >= 3 * height:
        yield middle
    yield from (
        (middle[0], y0 - height - 2),
        (middle[0], y1 + 2),
        (x1 + 2, middle[1]),
        (x0 - width - 2, middle[1]),
    )
    for ring in range(1, 13):
        for turn in range(8 * ring):
            angle = 2 * np.pi * turn / (8 * ring)
            yield (
                middle[0] + round(ring * 0.75 * width * float(np.cos(angle))),
                middle[1] + round(ring * 0.75 * height * float(np.sin(angle))),
            )


def _inside(corner: tuple[int, int], size: tuple[int, int], image_wh: tuple[int, int]) -> Rect:
    x = max(0, min(corner[0], image_wh[0] - size[0]))
    y = max(0, min(corner[1], image_wh[1] - size[1]))
    return x, y, x + size[0], y + size[1]


def _overlap(one: Rect, other: Rect) -> int:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0) * max(height, 0)


def _contains(rect: Rect, point: tuple[int, int]) -> bool:
    return rect[0] <= point[0] < rect[2] and rect[1] <= point[1] < rect[3]


# ---------------------------------------------------------------- the strip below


def _with_strip(
    picture: Image.Image, captions: str | Sequence[str], names: Sequence[str], text_px: int
) -> Image.Image:
    """Put a white strip with the captions below; one for each region carries its number."""
    numbered = not isinstance(captions, str)
    texts = [captions] if isinstance(captions, str) else [str(caption) for caption in captions]
    if numbered and len(texts) != len(names):
        raise DataError(f"draw_regions got {len(texts)} captions for {len(names)} regions.")
    font = ImageFont.load_default(text_px)
    measure = ImageDraw.Draw(picture)
    gap, row = max(4, text_px // 2), round(text_px * 1.35)
    chips = [_chip_size(measure, name, font, text_px) for name in names] if numbered else []
    indent = gap + (max((size[0] for size in chips), default=0) + gap if numbered else 0)
    wrapped = [_wrap(measure, text, font, max(picture.width - indent - gap, text_px)) for text in texts]
    total = gap + sum(max(len(lines), 1) * row + gap for lines in wrapped)
    strip = Image.new("RGB", (picture.width, picture.height + total), (255, 255, 255))
    strip.paste(picture, (0, 0))
    draw, y = ImageDraw.Draw(strip), picture.height + gap
    for i, lines in enumerate(wrapped):
        if numbered:
            _draw_chip(draw, (gap, y, gap + chips[i][0], y + chips[i][1]), names[i], font, region_colour(i))
        for line in lines or [""]:
            draw.text((indent, y), line, fill=(0, 0, 0), font=font)
            y += row
        y += gap
    return strip


def _wrap(draw: ImageDraw.ImageDraw, text: str, font: Font, width: int) -> list[str]:
    """Break a text into lines of at most ``width`` pixels, within a word only if it alone is wider."""
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}" if line else word
            if draw.textlength(longer, font=font) <= width:
                line = longer
                continue
            if line:
                lines.append(line)
            while len(word) > 1 and draw.textlength(word, font=font) > width:
                fits = len(word) - 1
                while fits > 1 and draw.textlength(word[:fits], font=font) > width:
                    fits -= 1
                lines.append(word[:fits])
                word = word[fits:]
            line = word
        lines.append(line)
    return lines
