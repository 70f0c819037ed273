"""What a results page shows of an image: a small JPEG, and the outlines of its regions as vector paths."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from gartk.errors import DataError, GartkError
from gartk.evaluation.pictures import Picture
from gartk.inference.overlay import place_labels, region_colour
from gartk.regions.images import open_image
from gartk.regions.masks import interior_point

if TYPE_CHECKING:
    from gartk.regions import Region

# Longest side and JPEG quality, from the best to the smallest; the first one that fits the limit is taken.
SIZES: tuple[tuple[int, int], ...] = ((720, 82), (560, 76), (420, 70), (320, 62), (224, 55), (160, 45))
# About how large a picture is shown, and how high the tag with a number is on it, in pixels of the page.
SHOWN_SIZE = (420, 340)
TAG_HEIGHT = 18
# Outlines are simplified by this share of the longer side, which is under a pixel of the small picture.
_SIMPLIFY = 1 / 1200


@dataclass(frozen=True)
class Outline:
    """A region's outline as an SVG path, its colour, and where its number stands.

    ``label`` is the middle of the number's tag, ``anchor`` a point inside the region, None where the tag
    lies on it and needs no line to it.
    Units: pixels of the original image.
    """

    number: int
    path: str
    colour: str
    ink: str
    label: tuple[float, float]
    anchor: tuple[int, int] | None


class Album:
    """The small pictures of a page, each once however often it is shown."""

    def __init__(self) -> None:
        self._jpegs: dict[str, bytes] = {}
        self._known: dict[str, tuple[str, tuple[int, int]]] = {}
        self.dropped = 0

    def add(self, image: Picture) -> tuple[str, tuple[int, int]]:
        """Take an image in; return its key and its (width, height) in pixels.

        Raises: DataError if it cannot be read.
        """
        known = None if isinstance(image, np.ndarray) else self._known.get(str(image))
        if known is not None:
            return known
        try:
            picture = Image.fromarray(image if isinstance(image, np.ndarray) else open_image(image))
        except GartkError as error:
            raise DataError(str(error)) from error
        jpeg = _jpeg(picture, *SIZES[0])
        key = hashlib.sha256(jpeg).hexdigest()[:16]
        self._jpegs[key] = jpeg
        if not isinstance(image, np.ndarray):
            self._known[str(image)] = (key, picture.size)
        return key, picture.size

    def shrink(self, max_bytes: int) -> None:
        """Make the pictures so small that all together fit; drop the last ones if nothing else helps."""
        for side, quality in SIZES[1:]:
            if self.size <= max_bytes:
                return
            for key, jpeg in self._jpegs.items():
                self._jpegs[key] = _jpeg(Image.open(io.BytesIO(jpeg)), side, quality)
        while self._jpegs and self.size > max_bytes:
            self._jpegs.popitem()
            self.dropped += 1

    @property
    def size(self) -> int:
        """How many bytes the pictures have."""
        return sum(len(jpeg) for jpeg in self._jpegs.values())

    def urls(self) -> dict[str, str]:
        """Return the pictures as data URLs by key."""
        return {
            key: f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
            for key, jpeg in self._jpegs.items()
        }


def _jpeg(picture: Image.Image, side: int, quality: int) -> bytes:
    longest = max(picture.size)
    if longest > side:
        width, height = (max(1, round(v * side / longest)) for v in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, format="JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def outlines(regions: Sequence[Region]) -> list[Outline]:
    """Return the outlines of regions of one image, in the colours that they have in all our pictures."""
    if not regions:
        return []
    height, width = regions[0].image_hw
    unit = tag_unit((width, height))
    sizes = [(round(tag_width(number) * unit), round(TAG_HEIGHT * unit)) for number in range(len(regions))]
    anchors = [interior_point(region.mask) for region in regions]
    rects = place_labels(sizes, anchors, [region.box_px for region in regions], (width, height))
    found = []
    for number, (region, anchor, rect) in enumerate(zip(regions, anchors, rects, strict=True)):
        colour, ink = colours(number)
        label = (rect[0] + rect[2]) / 2, (rect[1] + rect[3]) / 2
        covered = rect[0] <= anchor[0] < rect[2] and rect[1] <= anchor[1] < rect[3]
        found.append(Outline(number, _path(region), colour, ink, label, None if covered else anchor))
    return found


def colours(number: int) -> tuple[str, str]:
    """Return the colour of region ``number``, and that of writing on it."""
    red, green, blue = region_colour(number)
    light = 0.299 * red + 0.587 * green + 0.114 * blue > 130
    return f"#{red:02x}{green:02x}{blue:02x}", "#000" if light else "#fff"


def tag_unit(size: tuple[int, int]) -> float:
    """How many pixels of the image a pixel of the page is, about."""
    return max(size[0] / SHOWN_SIZE[0], size[1] / SHOWN_SIZE[1])


def tag_width(number: int) -> int:
    """How wide the tag with a number is, in pixels of the page."""
    return TAG_HEIGHT if number < 10 else TAG_HEIGHT + 8


def _path(region: Region) -> str:
    import cv2

    contours, _ = cv2.findContours(region.mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    slack = max(region.image_hw) * _SIMPLIFY
    return "".join(_ring(cv2.approxPolyDP(c, slack, closed=True)[:, 0].tolist()) for c in contours)


def _ring(points: Iterable[Sequence[int]]) -> str:
    corners = [f"{x} {y}" for x, y in points]
    # A single pixel is drawn as a point: a line of no length with round ends.
    return f"M{'L'.join(corners * 2 if len(corners) == 1 else corners)}Z"
