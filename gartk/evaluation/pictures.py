"""The pictures that judges see: the whole image, crops around regions, and regions drawn as boxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gartk.errors import DataError, RegionError
from gartk.evaluation.item import mask_problem
from gartk.regions import Region
from gartk.regions.images import open_image
from gartk.regions.masks import tight_box

if TYPE_CHECKING:
    from gartk.evaluation.item import Item

# An item's image: where it lies, or its pixels (H, W, 3); None if it is not there.
Picture = str | Path | NDArray[np.uint8]
ImageFinder = Callable[["Item"], Picture | None]

SMALLEST_SIDE_PX = 56
BOX_GREEN = (0, 255, 0)
DARKENED = 0.8


@dataclass
class Pictures:
    """The image of an item with its regions, read when first needed.

    Shapes: pictures (H, W, 3) uint8; the two crops of a region have one size, its mask (H, W) bool.
    Raises: DataError where the image or a mask cannot be read, or they do not fit each other.
    """

    picture: Picture
    masks: Sequence[Mapping[str, Any]]
    where: str = ""

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """The image: (H, W, 3)."""
        return self.picture if isinstance(self.picture, np.ndarray) else open_image(self.picture)

    @cached_property
    def regions(self) -> list[Region]:
        """The regions, in the item's order."""
        height, width = self.pixels.shape[:2]
        return item_regions(self.masks, (height, width), where=self.where)

    def whole(self) -> NDArray[np.uint8]:
        """The whole image."""
        return self.pixels

    def crops(self) -> list[tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
        """For each region the image around it, and the mask there."""
        return [focal_crop(self.pixels, region) for region in self.regions]

    def marked(self) -> NDArray[np.uint8]:
        """The image darkened, each region a green box with its number from 1."""
        picture = Image.fromarray((self.pixels * DARKENED).astype(np.uint8))
        draw = ImageDraw.Draw(picture)
        line_px = max(2, round(max(picture.size) / 400))
        font = ImageFont.load_default(max(14, round(max(picture.size) / 50)))
        for number, region in enumerate(self.regions, start=1):
            x0, y0, x1, y1 = tight_box(region.mask)
            draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline=BOX_GREEN, width=line_px)
            corner = (x0 + line_px, y0 + line_px)
            left, top, right, bottom = draw.textbbox(corner, str(number), font=font)
            draw.rectangle((left - 2, top - 2, right + 2, bottom + 2), fill=(0, 0, 0))
            draw.text(corner, str(number), fill=BOX_GREEN, font=font)
        return np.asarray(picture)

    def boxes_text(self) -> list[str]:
        """Each region's box as "(x, y, width, height)" in shares of the image."""
        texts = []
        for region in self.regions:
            height, width = region.image_hw
            x0, y0, x1, y1 = tight_box(region.mask)
            shares = (x0 / width, y0 / height, (x1 - x0) / width, (y1 - y0) / height)
            texts.append("(" + ", ".join(f"{share:.3f}" for share in shares) + ")")
        return texts


def focal_box(box_px: tuple[int, int, int, int], image_hw: tuple[int, int]) -> tuple[int, int, int, int]:
    """Widen a box to three times its size around its place, cut off at the image.

    Each side counts as at least 56 pixels, around the box's centre.

    Units: pixels, maximum exclusive.
    Source: the judge scripts of Grasp Any Region.
    """
    x0, y0, x1, y1 = box_px
    height, width = image_hw
    wide, high = max(x1 - x0, SMALLEST_SIDE_PX), max(y1 - y0, SMALLEST_SIDE_PX)
    left, top = int((x0 + x1 - wide) / 2), int((y0 + y1 - high) / 2)
    return (
        max(left - wide, 0),
        max(top - high, 0),
        min(left + 2 * wide, width),
        min(top + 2 * high, height),
    )


def focal_crop(pixels: NDArray[np.uint8], region: Region) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Cut the image and the mask to three times the region's box; see ``focal_box``.

    Shapes: pixels (H, W, 3); returns (h, w, 3) and (h, w).
    """
    x0, y0, x1, y1 = focal_box(tight_box(region.mask), region.image_hw)
    return np.ascontiguousarray(pixels[y0:y1, x0:x1]), np.ascontiguousarray(region.mask[y0:y1, x0:x1])


def item_regions(
    masks: Sequence[Mapping[str, Any]], image_hw: tuple[int, int], *, where: str = ""
) -> list[Region]:
    """Turn masks as published (RLE, ``segmentation``, ``bbox`` as x, y, width, height) into regions.

    Raises: DataError naming the mask that cannot be used, or does not fit the image.
    """
    regions = []
    for number, mask in enumerate(masks):
        problem = mask_problem(mask)
        if problem:
            raise DataError(f"{where or 'The item'}: mask {number} cannot be used: {problem}.")
        try:
            regions.append(Region.parse(_region_form(mask), image_hw=image_hw))
        except RegionError as error:
            raise DataError(f"{where or 'The item'}: mask {number} cannot be used: {error}") from error
    return regions


def _region_form(mask: Mapping[str, Any]) -> Any:
    if "counts" in mask:
        return {"size": mask.get("size"), "counts": mask["counts"]}
    if mask.get("segmentation"):
        return {"segmentation": mask["segmentation"]}
    if mask.get("bbox"):
        x, y, width, height = mask["bbox"]
        return [x, y, x + width, y + height]
    raise RegionError("it is a mask of several frames or of none, which is no region of one image.")


def pictures_of(item: Item, find: ImageFinder | None) -> Pictures | None:
    """Return the pictures of an item; None where its image is not to be found or it has no mask.

    A benchmark's image that is there but cannot be read is an error when it is first looked at.
    """
    picture = find(item) if find is not None and item.masks else None
    return None if picture is None else Pictures(picture, item.masks, f"{item.benchmark} item {item.id}")


def open_picture(picture: Picture | None, item: Item) -> NDArray[np.uint8]:
    """Return the pixels of an item's image.

    Shapes: (H, W, 3).
    Raises: DataError if it is not there or cannot be read.
    """
    if picture is None:
        raise DataError(f"{item.benchmark} item {item.id}: the image {item.image or ''} is not there.")
    return picture if isinstance(picture, np.ndarray) else open_image(picture)


def in_folder(folder: str | Path) -> ImageFinder:
    """Look for images below a folder: at the item's own path, and under ``images/`` by its name."""

    def find(item: Item) -> Path | None:
        if not item.image:
            return None
        name = Path(item.image)
        tried = (Path(folder) / name, Path(folder) / "images" / name.name)
        return next((path for path in tried if path.is_file()), None)

    return find
