"""The forms in which a region may be described, for command lines, JSON records and notebooks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from gartk.errors import RegionError, did_you_mean
from gartk.images import open_image
from gartk.regions import Region

if TYPE_CHECKING:
    from numpy.typing import NDArray

ACCEPTED_FORMATS = (
    "a Region; a mask array (H, W); a mask picture (path, bytes or Pillow image); a box [x0, y0, x1, y1];"
    " a polygon [[x, y], ...] or [[x0, y0, x1, y1, ...], ...]; or a dict: COCO RLE {'size', 'counts'},"
    " {'mask'}, {'rle'}, {'polygon'}, {'segmentation'}, {'png'}, {'box'}, {'points', 'labels'?, 'segmenter'?}"
    " or {'scribble', 'width_px'?, 'segmenter'?}, each with an optional 'name'"
)
# The key that tells a dict's form, and what else it may carry.
_FORMS: dict[str, frozenset[str]] = {
    "counts": frozenset({"size"}),
    "mask": frozenset(),
    "rle": frozenset(),
    "polygon": frozenset(),
    "segmentation": frozenset(),
    "png": frozenset(),
    "box": frozenset(),
    "points": frozenset({"labels", "segmenter"}),
    "scribble": frozenset({"width_px", "segmenter"}),
}


def parse_regions(
    given: Iterable[Any], *, image: Any = None, image_hw: tuple[int, int] | None = None
) -> list[Region]:
    """Parse several regions of one image, in order; errors name the number of the region.

    Raises: RegionError as ``Region.parse``.
    """
    if image is not None:
        image = open_image(image)
    return [Region.parse(item, image=image, image_hw=image_hw, index=i) for i, item in enumerate(given)]


def parse_region(given: Any, *, image: Any, image_hw: tuple[int, int] | None, name: str | None) -> Region:
    """Make a region from any accepted form; ``Region.parse`` is the public door.

    Raises: RegionError, naming the accepted forms if this is none of them.
    """
    pixels = None if image is None else open_image(image)
    size = _size(pixels, image_hw)
    if isinstance(given, Region):
        return _checked(given, size)
    if isinstance(given, Mapping):
        return _from_dict(given, pixels, size, name)
    if isinstance(given, (str, os.PathLike, bytes, bytearray, Image.Image)):
        return Region.from_png(given, image_hw=size, name=name)
    if isinstance(given, np.ndarray) and given.shape == (4,):
        given = given.tolist()
    if isinstance(given, np.ndarray) or hasattr(given, "detach"):
        return Region.from_mask(given, image_hw=size, name=name)
    if isinstance(given, Sequence) and len(given) == 4 and all(np.ndim(v) == 0 for v in given):
        return Region.from_box(given, image_hw=_need(size, "a box"), name=name)
    if (
        isinstance(given, Sequence)
        and len(given) > 0
        and all(isinstance(v, (Sequence, np.ndarray)) for v in given)
    ):
        return Region.from_polygon(given, image_hw=_need(size, "a polygon"), name=name)
    raise RegionError(f"unknown format: got {_shorten(given)}. Accepted: {ACCEPTED_FORMATS}.")


def _from_dict(
    given: Mapping[str, Any], pixels: NDArray[np.uint8] | None, size: tuple[int, int] | None, name: str | None
) -> Region:
    forms = [key for key in _FORMS if key in given]
    if len(forms) != 1:
        found = "several of" if forms else "none of"
        raise RegionError(
            f"unknown format: a dict with the keys {sorted(map(str, given))}, which hold {found} the"
            f" forms {sorted(_FORMS)}. Accepted: {ACCEPTED_FORMATS}."
            + (_bbox_hint(given) if not forms else "")
        )
    form = forms[0]
    unknown = sorted(str(key) for key in given if key not in {form, "name", *_FORMS[form]})
    if unknown:
        known = {form, "name", *_FORMS[form]}
        raise RegionError(
            f"a region given by {form!r} takes no {unknown[0]!r}. {did_you_mean(unknown[0], known)}"
        )
    value = given[form]
    options = {key: given[key] for key in _FORMS[form] if key in given and key != "size"}
    if form == "segmentation":
        form = "rle" if isinstance(value, Mapping) else "polygon"
    if form == "counts":
        return Region.from_rle(given, image_hw=size, name=name)
    if form == "rle":
        return Region.from_rle(value, image_hw=size, name=name)
    if form == "mask":
        return Region.from_mask(value, image_hw=size, name=name)
    if form == "png":
        return Region.from_png(value, image_hw=size, name=name)
    if form == "polygon":
        return Region.from_polygon(value, image_hw=_need(size, "a polygon"), name=name)
    if form == "box":
        return Region.from_box(value, image_hw=_need(size, "a box"), name=name)
    if pixels is None:
        raise RegionError(f"{form} become a mask through a segmenter, which needs the image. Pass image=...")
    if form == "points":
        return Region.from_points(value, image=pixels, name=name, **options)
    return Region.from_scribble(value, image=pixels, name=name, **options)


def _bbox_hint(given: Mapping[str, Any]) -> str:
    if "bbox" not in given:
        return ""
    return " 'bbox' is (x, y, width, height) in COCO; pass {'box': [x, y, x + width, y + height]}."


def _size(pixels: NDArray[np.uint8] | None, image_hw: tuple[int, int] | None) -> tuple[int, int] | None:
    if pixels is None:
        return image_hw
    size = (pixels.shape[0], pixels.shape[1])
    if image_hw is not None and tuple(image_hw) != size:
        raise RegionError(
            f"image_hw is {tuple(image_hw)}, but the image has (height, width) {size}. Leave one out."
        )
    return size


def _need(size: tuple[int, int] | None, what: str) -> tuple[int, int]:
    if size is None:
        raise RegionError(
            f"{what} needs to know the image's size. Pass image=... or image_hw=(height, width)."
        )
    return size


def _checked(region: Region, size: tuple[int, int] | None) -> Region:
    if size is not None and region.image_hw != tuple(size):
        (have_h, have_w), (height, width) = region.image_hw, size
        raise RegionError(
            f"the region was made for an image of {have_w}x{have_h}, but this one is {width}x{height}."
        )
    return region


def _shorten(given: Any) -> str:
    shown = repr(given)
    return f"{type(given).__name__} {shown if len(shown) <= 80 else shown[:77] + '...'}"
